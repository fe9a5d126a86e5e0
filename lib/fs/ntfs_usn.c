/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/ntfs_usn.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/utf16.h"
#include "base/vector.h"

#define NUMBER_OF(reference) ((reference)&UINT64_C(0xFFFFFFFFFFFF))
#define USE_OF(reference)    ((uint16_t)((reference) >> 48))

/* Of USN_RECORD_V2, as Microsoft documents it. */
#define RECORD_LEAST 60u
#define PAGE	     4096u /* no record crosses one */
#define DELETED	     0x00000200u
#define OLD_NAME     0x00001000u
#define FOLDER	     0x10u

#define CHANGES_MOST (UINT32_C(1) << 22)
#define NAME_ROOM    (3 * 255 + 1)

struct change {
	uint64_t number, parent, usn;
	size_t text;
	uint32_t length, reason;
	uint16_t use;
	bool is_folder;
};

struct journal {
	const struct vr_ntfs *n;
	struct {
		struct change *items;
		size_t count, room;
	} changes;
	struct {
		char *items;
		size_t count, room;
	} text;
};

/* --- reading --------------------------------------------------------------- */

static int
keep(struct journal *j, struct change *change, const char *name, size_t length)
{
	int r = 0;

	if (j->changes.count >= CHANGES_MOST)
		return 0;
	change->text = j->text.count;
	change->length = (uint32_t)length;
	for (size_t i = 0; r == 0 && i < length; i++)
		r = VR_PUSH(&j->text, name[i]);
	return r == 0 ? VR_PUSH(&j->changes, *change) : r;
}

static bool
is_lost(const struct vr_ntfs *n, uint64_t number)
{
	return number < n->records && n->states[number] == VR_NTFS_LOST;
}

/* A record tells where in the journal it lies. */
static int
take(struct journal *j, const uint8_t *p, uint32_t length, uint64_t usn)
{
	uint64_t child = vr_load_le64(p + 8), parent = vr_load_le64(p + 16);
	unsigned name_bytes = vr_load_le16(p + 56), at = vr_load_le16(p + 58);
	struct change change = {
		.number = NUMBER_OF(child),
		.parent = parent,
		.usn = usn,
		.reason = vr_load_le32(p + 40),
		.use = USE_OF(child),
		.is_folder = vr_load_le32(p + 52) & FOLDER,
	};
	char name[NAME_ROOM];

	if (vr_load_le16(p + 4) != 2 || vr_load_le64(p + 24) != usn ||
	    name_bytes > 510 || !vr_inside(at, name_bytes, length) ||
	    !is_lost(j->n, change.number))
		return 0;
	return keep(
		j, &change, name,
		vr_utf8_of_utf16le(p + at, name_bytes / 2, name, sizeof(name)));
}

static int
take_page(struct journal *j, struct vr_source *from, uint64_t off)
{
	struct vr_window w;
	uint64_t at = 0;
	int r = vr_window_read(&w, from, off, PAGE);

	if (r < 0)
		return r;
	while (r == 0 && at + RECORD_LEAST <= w.length) {
		uint32_t length = vr_window_le32(&w, at);
		const uint8_t *p = vr_window_bytes(&w, at, length);

		if (p && length >= RECORD_LEAST && length % 8 == 0)
			r = take(j, p, length, off + at);
		else
			length = 8;
		at += length;
	}
	vr_window_free(&w);
	return r;
}

/* Its beginning is cut off again and again, which leaves a large hole. */
static int
take_all(struct journal *j, struct vr_source *from)
{
	uint64_t off = 0;
	int r = 0;

	while (r == 0 && off < from->size) {
		struct vr_extent extent;

		r = vr_check_cancel();
		if (r == 0)
			r = vr_source_next(from, off, &extent);
		if (r < 0)
			break;
		if (extent.flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO |
				    VR_EXTENT_DAMAGED) &&
		    extent.length >= PAGE) {
			off = vr_round_down(off + extent.length, PAGE);
			continue;
		}
		r = take_page(j, from, off);
		off += PAGE;
	}
	return r;
}

/* --- telling --------------------------------------------------------------- */

static int
compare_changes(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->usn > y->usn) - (x->usn < y->usn);
}

static int
tell(const struct journal *j, const struct change *c, vr_name_each each,
     void *data)
{
	const struct vr_name name = {
		.parent = NUMBER_OF(c->parent),
		.child = c->number,
		.parent_generation = USE_OF(c->parent),
		.child_generation = c->use,
		.trust = VR_TRUST_DOUBT,
		.how = "change journal",
		.name = j->text.items + c->text,
		.length = c->length,
		.kind = c->is_folder ? VR_FILE_FOLDER : VR_FILE_REGULAR,
		.modified = VR_NO_TIME,
	};

	if (c->reason & (DELETED | OLD_NAME) || c->length == 0)
		return 0;
	return each(data, &name);
}

/* The last change of each. */
static int
tell_last(struct journal *j, vr_name_each each, void *data)
{
	int r = 0;

	if (j->changes.count)
		qsort(j->changes.items, j->changes.count,
		      sizeof(*j->changes.items), compare_changes);
	for (size_t i = 0; r == 0 && i < j->changes.count; i++)
		if (i + 1 == j->changes.count ||
		    j->changes.items[i + 1].number !=
			    j->changes.items[i].number)
			r = tell(j, &j->changes.items[i], each, data);
	return r;
}

static int
open_stream(struct vr_ntfs *n, uint64_t number, struct vr_source **ret)
{
	const struct vr_ntfs_part *part;
	struct vr_ntfs_file_parts p;
	bool is_file;
	int r = vr_ntfs_parts_read(n, number, &p, &is_file);

	if (r < 0 || !is_file)
		return r < 0 ? r : VR_E_MISSING;
	part = vr_ntfs_part_find(&p, VR_NTFS_DATA, "$J");
	r = part ? vr_ntfs_part_open(n, &p, part, ret) : VR_E_MISSING;
	vr_ntfs_parts_free(&p);
	return r;
}

int
vr_ntfs_usn_names(struct vr_ntfs *n, uint64_t number, vr_name_each each,
		  void *data)
{
	vr_cleanup(vr_source_free_p) struct vr_source *from = NULL;
	struct journal j = {.n = n};
	int r = open_stream(n, number, &from);

	/* A journal that cannot be read tells nothing. */
	if (r < 0)
		return r == VR_E_MEMORY || r == VR_E_CANCELLED ? r : 0;
	r = take_all(&j, from);
	if (r == 0)
		r = tell_last(&j, each, data);
	free(j.changes.items);
	free(j.text.items);
	return r;
}
