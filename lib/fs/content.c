/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/content.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/error.h"

#define VR_ROW(name) extern const struct vr_content_row vr_##name;
#include "content_rows.h"
#undef VR_ROW

static const struct vr_content_row *const rows[] = {
#define VR_ROW(name) &vr_##name,
#include "content_rows.h"
#undef VR_ROW
};

#define HEAD_BYTES 64
#define PIECE	   ((size_t)256 << 10)

static bool
has_magic(const struct vr_content_row *row, const uint8_t *head, size_t n)
{
	for (const struct vr_magic *m = row->magics; m->length; m++)
		if (m->at + m->length <= n &&
		    memcmp(head + m->at, m->bytes, m->length) == 0)
			return true;
	return false;
}

static const struct vr_content_row *
row_for(const uint8_t *head, size_t n)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (has_magic(rows[i], head, n))
			return rows[i];
	return NULL;
}

int
vr_content_check(struct vr_source *file, struct vr_content_info *ret)
{
	size_t n = (size_t)vr_min(file->size, HEAD_BYTES);
	const struct vr_content_row *row;
	uint8_t head[HEAD_BYTES];
	int r = vr_source_read_at(file, head, n, 0);

	ret->check = VR_CHECK_NONE;
	ret->kind = ret->why = NULL;
	ret->checksummed = false;
	if (r < 0)
		return r;
	row = row_for(head, n);
	if (!row)
		return 0;
	ret->kind = row->name;
	ret->checksummed = row->checksummed;
	return row->check(file, &ret->check, &ret->why);
}

int
vr_content_feed(struct vr_source *file, uint64_t off, uint64_t end,
		vr_content_each each, void *data)
{
	vr_cleanup(vr_free_p) uint8_t *piece = malloc(PIECE);
	int r = piece ? 0 : vr_fail_memory();

	while (r == 0 && off < end) {
		size_t n = (size_t)vr_min(end - off, PIECE);

		r = vr_check_cancel();
		if (r == 0)
			r = vr_source_read_at(file, piece, n, off);
		if (r == 0)
			r = each(data, piece, n);
		off += n;
	}
	return r;
}

/* Where bytes are lost the check would say what is known already. */
int
vr_walk_content(const struct vr_walk *walk, size_t index,
		struct vr_content_info *ret)
{
	vr_cleanup(vr_source_free_p) struct vr_source *file = NULL;
	struct vr_content_info info = {.size = sizeof(info)};
	struct vr_entry_info e = {.size = sizeof(e)};
	int r = 0;

	vr_walk_entry(walk, index, &e);
	info.fate = e.fate;
	if (e.kind == VR_FILE_REGULAR && e.how && e.length > 0 &&
	    (e.fate == VR_FATE_INTACT || e.fate == VR_FATE_UNVERIFIED)) {
		r = vr_walk_source(walk, index, 0, &file);
		if (r == 0)
			r = vr_content_check(file, &info);
	}
	if (r < 0)
		return r;
	if (info.check == VR_CHECK_BROKEN)
		info.fate = VR_FATE_UNVERIFIED;
	memcpy(ret, &info, vr_min(ret->size, sizeof(info)));
	return 0;
}

const char *
vr_check_name(enum vr_check check)
{
	static const char *const names[] = {
		[VR_CHECK_NONE] = "none",
		[VR_CHECK_SOUND] = "sound",
		[VR_CHECK_BROKEN] = "broken",
	};

	return names[check];
}
