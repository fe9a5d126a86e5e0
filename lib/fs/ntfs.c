/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NTFS: each record of the MFT tells of one file all there is, also its names and
 * the folders that hold them. Folders' indexes repeat names and sizes: they are
 * asked only for files whose records are lost.
 */
#include "fs/ntfs_mft.h"
#include "fs/ntfs_usn.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/utf16.h"
#include "io/mem.h"

#define NUMBER_OF(reference) ((reference)&UINT64_C(0xFFFFFFFFFFFF))
#define USE_OF(reference)    ((uint16_t)((reference) >> 48))

#define NAME_MOST	     255 /* units */
/* Three bytes of UTF-8 for each unit, and the NUL. */
#define NAME_ROOM (3 * NAME_MOST + 1)

/* What a reparse point is, by the tags of Microsoft's MS-FSCC. */
#define TAG_JUNCTION   0xA0000003u
#define TAG_SYMLINK    0xA000000Cu
#define TAG_LX_SYMLINK 0xA000001Du

extern const struct vr_walker vr_walker_ntfs;

static int
ntfs_open(struct vr_source *volume, struct vr_fs **ret)
{
	struct vr_ntfs *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return vr_fail_memory();
	n->fs = (struct vr_fs){
		.walker = &vr_walker_ntfs,
		.volume = volume,
		.root = VR_NTFS_ROOT,
	};
	r = vr_ntfs_mft_open(n);
	if (r < 0) {
		vr_ntfs_mft_close(n);
		free(n);
		return r;
	}
	n->fs.volume = vr_source_ref(volume);
	*ret = &n->fs;
	return 0;
}

static void
ntfs_close(struct vr_fs *fs)
{
	struct vr_ntfs *n = (struct vr_ntfs *)fs;

	vr_ntfs_mft_close(n);
	vr_source_free(n->fs.volume);
	free(n);
}

/* --- file names ----------------------------------------------------------- */

/* A $FILE_NAME, in a record or as the key of an index. */
struct file_name {
	uint64_t parent, size;
	int64_t modified;
	uint32_t flags, space;
	size_t length;
	char text[NAME_ROOM];
};

#define SPACE_DOS     2
#define INDEX_FOLDER  0x10000000u
#define FILE_NAME_MIN 66

/* 100 ns since 1601, as nanoseconds since 1970. */
static int64_t
time_of(uint64_t t)
{
	const int64_t epoch = INT64_C(116444736000000000);
	int64_t ns;

	if (t == 0 || t > INT64_MAX ||
	    __builtin_mul_overflow((int64_t)t - epoch, 100, &ns))
		return VR_NO_TIME;
	return ns;
}

static bool
decode_name(struct vr_window *w, uint64_t at, uint64_t length,
	    struct file_name *ret)
{
	unsigned units = vr_window_u8(w, at + 64);
	const uint8_t *p = vr_window_bytes(w, at, FILE_NAME_MIN + 2 * units);

	if (!p || units == 0 || length < FILE_NAME_MIN + 2 * units)
		return false;
	ret->parent = vr_load_le64(p);
	ret->modified = time_of(vr_load_le64(p + 16));
	ret->size = vr_load_le64(p + 48);
	ret->flags = vr_load_le32(p + 56);
	ret->space = p[65];
	ret->length = vr_utf8_of_utf16le(p + FILE_NAME_MIN, units, ret->text,
					 sizeof(ret->text));
	return ret->length > 0;
}

static bool
decode_part_name(struct vr_ntfs_file_parts *p, const struct vr_ntfs_part *part,
		 struct file_name *ret)
{
	return part->a.type == VR_NTFS_NAME && part->a.resident &&
	       decode_name(&vr_ntfs_part_record(p, part)->w, part->a.value_at,
			   part->a.value_bytes, ret);
}

/* --- objects -------------------------------------------------------------- */

/* $BadClus has one as long as the volume, of which nothing is stored. */
#define BAD_CLUSTERS 8u

static bool
is_named_stream(struct vr_ntfs_file_parts *p, const struct vr_ntfs_part *part)
{
	return part->a.type == VR_NTFS_DATA && part->a.name_units > 0 &&
	       (part->a.resident || part->a.first_vcn == 0) &&
	       p->held.items[0].number != BAD_CLUSTERS;
}

/* The index-th named stream, from 1; or NULL. */
static const struct vr_ntfs_part *
named_stream(struct vr_ntfs_file_parts *p, unsigned index)
{
	for (size_t i = 0; i < p->parts.count; i++)
		if (is_named_stream(p, &p->parts.items[i]) && --index == 0)
			return &p->parts.items[i];
	return NULL;
}

static unsigned
count_streams(struct vr_ntfs_file_parts *p)
{
	unsigned count = 0;

	for (size_t i = 0; i < p->parts.count; i++)
		count += is_named_stream(p, &p->parts.items[i]);
	return count;
}

static uint32_t
reparse_tag(struct vr_ntfs_file_parts *p)
{
	const struct vr_ntfs_part *part =
		vr_ntfs_part_find(p, VR_NTFS_REPARSE, NULL);

	if (!part)
		return 0;
	/* Too long for its record: never that of a link. */
	if (!part->a.resident)
		return UINT32_MAX;
	return vr_window_le32(&vr_ntfs_part_record(p, part)->w,
			      part->a.value_at);
}

static bool
is_link(uint32_t tag)
{
	return tag == TAG_JUNCTION || tag == TAG_SYMLINK ||
	       tag == TAG_LX_SYMLINK;
}

static void
tell_times(struct vr_ntfs_file_parts *p, struct vr_object *o)
{
	const struct vr_ntfs_part *part =
		vr_ntfs_part_find(p, VR_NTFS_STANDARD, NULL);
	struct vr_window *w;

	o->created = o->modified = o->changed = o->accessed = VR_NO_TIME;
	if (!part || !part->a.resident || part->a.value_bytes < 36)
		return;
	w = &vr_ntfs_part_record(p, part)->w;
	o->created = time_of(vr_window_le64(w, part->a.value_at));
	o->modified = time_of(vr_window_le64(w, part->a.value_at + 8));
	o->changed = time_of(vr_window_le64(w, part->a.value_at + 16));
	o->accessed = time_of(vr_window_le64(w, part->a.value_at + 24));
	o->attributes = vr_window_le32(w, part->a.value_at + 32);
}

/* A size that its names remember, for a file whose data is out of reach. */
static uint64_t
remembered_size(struct vr_ntfs_file_parts *p)
{
	struct file_name name;
	uint64_t size = 0;

	for (size_t i = 0; i < p->parts.count; i++)
		if (decode_part_name(p, &p->parts.items[i], &name) &&
		    name.size <= INT64_MAX)
			size = vr_max(size, name.size);
	return size;
}

static void
tell_data(struct vr_ntfs_file_parts *p, struct vr_object *o)
{
	const struct vr_ntfs_part *data =
		vr_ntfs_part_find(p, VR_NTFS_DATA, NULL);

	o->streams = count_streams(p);
	if (!data) {
		o->size = p->incomplete ? remembered_size(p) : 0;
		return;
	}
	o->size = data->a.resident ? data->a.value_bytes : data->a.size;
	/* Only Windows with the right key makes sense of these bytes. */
	if (data->a.flags & VR_NTFS_ENCRYPTED)
		o->trust = VR_TRUST_DOUBT;
}

static void
describe(const struct vr_ntfs *n, uint64_t number, struct vr_ntfs_file_parts *p,
	 struct vr_object *ret)
{
	const struct vr_ntfs_record *base = &p->held.items[0].r;
	uint32_t tag = reparse_tag(p);
	struct vr_object o = {
		.id = number,
		.generation = base->sequence,
		.kind = base->flags & VR_NTFS_DIRECTORY ? VR_FILE_FOLDER
							: VR_FILE_REGULAR,
		.how = "MFT",
		.links = base->links,
	};

	if (vr_ntfs_doubted(n, number) || p->incomplete)
		o.trust = VR_TRUST_DOUBT;
	tell_times(p, &o);
	if (is_link(tag))
		o.kind = VR_FILE_LINK;
	/* Deduplicated, packed by the system, in a cloud: data lies elsewhere. */
	else if (tag && o.kind == VR_FILE_REGULAR)
		o.trust = VR_TRUST_DOUBT;
	if (o.kind != VR_FILE_FOLDER)
		tell_data(p, &o);
	else
		o.streams = count_streams(p);
	*ret = o;
}

static int
ntfs_objects(struct vr_fs *fs, vr_object_each each, void *data)
{
	struct vr_ntfs *n = (struct vr_ntfs *)fs;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < n->records; i++) {
		struct vr_ntfs_file_parts parts;
		struct vr_object object;
		bool is_file;

		if (n->states[i] != VR_NTFS_USED)
			continue;
		r = vr_ntfs_parts_read(n, i, &parts, &is_file);
		if (r < 0 || !is_file)
			continue;
		describe(n, i, &parts, &object);
		vr_ntfs_parts_free(&parts);
		r = each(data, &object);
	}
	return r;
}

/* --- names ---------------------------------------------------------------- */

struct namer {
	struct vr_ntfs *n;
	vr_name_each each;
	void *data;
};

static int
tell_name(struct namer *t, const struct file_name *name, uint64_t child,
	  uint16_t use, enum vr_trust trust, const char *how)
{
	const struct vr_name told = {
		.parent = NUMBER_OF(name->parent),
		.child = child,
		.parent_generation = USE_OF(name->parent),
		.child_generation = use,
		.trust = trust,
		.how = how,
		.name = name->text,
		.length = name->length,
		.kind = name->flags & INDEX_FOLDER ? VR_FILE_FOLDER
						   : VR_FILE_REGULAR,
		.has_size = !(name->flags & INDEX_FOLDER),
		.size = name->size,
		.modified = name->modified,
	};

	/* The top folder's name is that of itself in itself. */
	if (child == VR_NTFS_ROOT)
		return 0;
	return t->each(t->data, &told);
}

/* A short name for DOS stands beside a long one. */
static int
tell_own_names(struct namer *t, struct vr_ntfs_file_parts *p, uint64_t number)
{
	uint16_t use = p->held.items[0].r.sequence;
	enum vr_trust trust = vr_ntfs_doubted(t->n, number) ? VR_TRUST_DOUBT
							    : VR_TRUST_SURE;
	struct file_name name;
	bool any = false;
	int r = 0;

	for (unsigned pass = 0; r == 0 && pass < 2 && !any; pass++)
		for (size_t i = 0; r == 0 && i < p->parts.count; i++) {
			if (!decode_part_name(p, &p->parts.items[i], &name) ||
			    (pass == 0 && name.space == SPACE_DOS))
				continue;
			any = true;
			r = tell_name(t, &name, number, use, trust, "record");
		}
	return r;
}

/* Of an entry only what is lost otherwise is news. */
static int
tell_entry(struct namer *t, struct vr_window *w, uint64_t at, uint64_t key,
	   uint64_t folder, enum vr_trust trust, const char *how)
{
	uint64_t reference = vr_window_le64(w, at);
	uint64_t child = NUMBER_OF(reference);
	struct file_name name;

	if (child >= t->n->records || t->n->states[child] != VR_NTFS_LOST ||
	    !decode_name(w, at + 16, key, &name) ||
	    NUMBER_OF(name.parent) != folder || name.space == SPACE_DOS)
		return 0;
	return tell_name(t, &name, child, USE_OF(reference), trust, how);
}

#define ENTRY_LAST 2

/* Entries of a node, whose header stands at head; *ret_end is where they end. */
static int
tell_node(struct namer *t, struct vr_window *w, uint64_t head, uint64_t folder,
	  uint64_t *ret_end)
{
	uint64_t at = head + vr_window_le32(w, head);
	uint64_t end = head + vr_window_le32(w, head + 4);
	int r = 0;

	while (r == 0 && at + 16 <= end) {
		unsigned length = vr_window_le16(w, at + 8);
		unsigned key = vr_window_le16(w, at + 10);

		if (vr_window_u8(w, at + 12) & ENTRY_LAST || length < 16 ||
		    length % 8 || vr_window_trouble(w))
			break;
		r = tell_entry(t, w, at, key, folder, VR_TRUST_SURE,
			       "directory index");
		at += length;
	}
	*ret_end = vr_max(end, head + 16);
	return r;
}

/* Behind the entries older ones may still be read. */
static int
tell_slack(struct namer *t, struct vr_window *w, uint64_t at, uint64_t folder)
{
	int r = 0;

	for (at = at / 8 * 8; r == 0 && at + 16 + FILE_NAME_MIN <= w->length;
	     at += 8)
		if (NUMBER_OF(vr_window_le64(w, at + 16)) == folder)
			r = tell_entry(t, w, at, vr_window_le16(w, at + 10),
				       folder, VR_TRUST_DOUBT,
				       "directory index slack");
	vr_window_trouble(w);
	return r;
}

static int
tell_block(struct namer *t, struct vr_source *index, uint64_t off,
	   uint64_t folder, bool in_use)
{
	uint32_t bytes = t->n->boot.index_bytes;
	uint64_t end = 24;
	struct vr_window w;
	int r = vr_window_read(&w, index, off, bytes);

	if (r < 0)
		return r;
	if (vr_window_holds(&w, 0, bytes) &&
	    vr_ntfs_fixup(w.bytes, bytes, "INDX")) {
		if (in_use)
			r = tell_node(t, &w, 24, folder, &end);
		if (r == 0)
			r = tell_slack(t, &w, end, folder);
	}
	vr_window_free(&w);
	return r;
}

/* A bit for each block; without the bits all count as used. */
static bool
is_used(struct vr_ntfs_file_parts *p, uint64_t block)
{
	const struct vr_ntfs_part *bits =
		vr_ntfs_part_find(p, VR_NTFS_BITMAP, "$I30");

	if (!bits || !bits->a.resident)
		return true;
	return block / 8 < bits->a.value_bytes &&
	       vr_window_u8(&vr_ntfs_part_record(p, bits)->w,
			    bits->a.value_at + block / 8) >>
			       block % 8 &
		       1;
}

static int
tell_blocks(struct namer *t, struct vr_ntfs_file_parts *p, uint64_t folder)
{
	const struct vr_ntfs_part *part =
		vr_ntfs_part_find(p, VR_NTFS_INDEX, "$I30");
	vr_cleanup(vr_source_free_p) struct vr_source *index = NULL;
	uint32_t bytes = t->n->boot.index_bytes;
	int r;

	if (!part)
		return 0;
	r = vr_ntfs_part_open(t->n, p, part, &index);
	if (r < 0)
		return r == VR_E_MEMORY ? r : 0;
	if (index->size > t->n->fs.volume->size)
		return 0;
	for (uint64_t off = 0; r == 0 && off + bytes <= index->size;
	     off += bytes)
		r = tell_block(t, index, off, folder, is_used(p, off / bytes));
	return r;
}

static int
tell_index(struct namer *t, struct vr_ntfs_file_parts *p, uint64_t folder)
{
	const struct vr_ntfs_part *root =
		vr_ntfs_part_find(p, VR_NTFS_INDEX_ROOT, "$I30");
	uint64_t end;
	int r = 0;

	if (root && root->a.resident && root->a.value_bytes >= 32)
		r = tell_node(t, &vr_ntfs_part_record(p, root)->w,
			      root->a.value_at + 16, folder, &end);
	return r == 0 ? tell_blocks(t, p, folder) : r;
}

#define EXTEND 11u /* the folder of the system's later files */

static bool
is_change_journal(struct vr_ntfs_file_parts *p)
{
	struct file_name name;

	for (size_t i = 0; i < p->parts.count; i++)
		if (decode_part_name(p, &p->parts.items[i], &name) &&
		    NUMBER_OF(name.parent) == EXTEND &&
		    strcmp(name.text, "$UsnJrnl") == 0)
			return true;
	return false;
}

static bool
any_lost(const struct vr_ntfs *n)
{
	return memchr(n->states, VR_NTFS_LOST, (size_t)n->records) != NULL;
}

static int
ntfs_names(struct vr_fs *fs, vr_name_each each, void *data)
{
	struct vr_ntfs *n = (struct vr_ntfs *)fs;
	struct namer t = {n, each, data};
	uint64_t changes = 0; /* record of the journal of changes */
	bool lost = any_lost(n);
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < n->records; i++) {
		struct vr_ntfs_file_parts p;
		bool is_file;

		if (n->states[i] != VR_NTFS_USED)
			continue;
		r = vr_ntfs_parts_read(n, i, &p, &is_file);
		if (r < 0 || !is_file)
			continue;
		r = tell_own_names(&t, &p, i);
		if (r == 0 && lost &&
		    p.held.items[0].r.flags & VR_NTFS_DIRECTORY)
			r = tell_index(&t, &p, i);
		if (lost && is_change_journal(&p))
			changes = i;
		vr_ntfs_parts_free(&p);
	}
	return r == 0 && changes ? vr_ntfs_usn_names(n, changes, each, data)
				 : r;
}

/* --- data ----------------------------------------------------------------- */

static int
read_file(struct vr_fs *fs, uint64_t id, struct vr_ntfs_file_parts *ret)
{
	bool is_file;
	int r = vr_ntfs_parts_read((struct vr_ntfs *)fs, id, ret, &is_file);

	if (r == 0 && !is_file)
		return vr_fail(VR_E_MISSING, "the file's record is lost");
	return r;
}

static int
open_stream(struct vr_fs *fs, struct vr_ntfs_file_parts *p, unsigned index,
	    struct vr_source **ret)
{
	const struct vr_ntfs_part *part =
		index ? named_stream(p, index)
		      : vr_ntfs_part_find(p, VR_NTFS_DATA, NULL);

	if (part)
		return vr_ntfs_part_open((struct vr_ntfs *)fs, p, part, ret);
	if (index || p->incomplete)
		return vr_fail(VR_E_MISSING, "the data's place is lost");
	/* Some of the system's own files have indexes and no data. */
	return vr_hole_open(0, ret);
}

static int
ntfs_stream(struct vr_fs *fs, uint64_t id, unsigned index,
	    struct vr_source **ret)
{
	struct vr_ntfs_file_parts p;
	int r = read_file(fs, id, &p);

	if (r < 0)
		return r;
	r = open_stream(fs, &p, index, ret);
	vr_ntfs_parts_free(&p);
	return r;
}

static int
units_to_text(struct vr_window *w, uint64_t at, size_t units, char **ret)
{
	const uint8_t *p = vr_window_bytes(w, at, 2 * (uint64_t)units);
	char *text = p ? malloc(3 * units + 1) : NULL;

	if (!p)
		return vr_fail(VR_E_MISSING, "a name behind its record's end");
	if (!text)
		return vr_fail_memory();
	vr_utf8_of_utf16le(p, units, text, 3 * units + 1);
	*ret = text;
	return 0;
}

static int
ntfs_stream_name(struct vr_fs *fs, uint64_t id, unsigned index, char **ret)
{
	const struct vr_ntfs_part *part;
	struct vr_ntfs_file_parts p;
	int r = read_file(fs, id, &p);

	if (r < 0)
		return r;
	part = index ? named_stream(&p, index) : NULL;
	r = part ? units_to_text(&vr_ntfs_part_record(&p, part)->w,
				 part->a.name_at, part->a.name_units, ret)
		 : vr_fail(VR_E_MISSING, "there is no stream %u", index);
	vr_ntfs_parts_free(&p);
	return r;
}

/* --- links ---------------------------------------------------------------- */

/* WSL's: four bytes, then the target in UTF-8. */
static int
lx_target(struct vr_window *w, uint64_t at, size_t length, char **ret)
{
	const uint8_t *p = length > 4 ? vr_window_bytes(w, at + 4, length - 4)
				      : NULL;

	if (!p)
		return vr_fail(VR_E_MISSING, "a link without target");
	*ret = strndup((const char *)p, length - 4);
	return *ret ? 0 : vr_fail_memory();
}

/* The name for people where there is one, else the system's. */
static int
windows_target(struct vr_window *w, uint64_t at, uint32_t tag, char **ret)
{
	uint64_t names = at + 8 + (tag == TAG_SYMLINK ? 12 : 8);
	unsigned off = vr_window_le16(w, at + 12);
	unsigned bytes = vr_window_le16(w, at + 14);
	int r;

	if (bytes < 2) {
		off = vr_window_le16(w, at + 8);
		bytes = vr_window_le16(w, at + 10);
	}
	r = units_to_text(w, names + off, bytes / 2, ret);
	for (char *p = r == 0 ? *ret : NULL; p && *p; p++)
		if (*p == '\\')
			*p = '/';
	return r;
}

static int
ntfs_link(struct vr_fs *fs, uint64_t id, char **ret)
{
	const struct vr_ntfs_part *part;
	struct vr_ntfs_file_parts p;
	uint32_t tag;
	int r = read_file(fs, id, &p);

	if (r < 0)
		return r;
	part = vr_ntfs_part_find(&p, VR_NTFS_REPARSE, NULL);
	tag = reparse_tag(&p);
	if (!part || !is_link(tag)) {
		r = vr_fail(VR_E_MISSING, "this is no link");
	} else {
		struct vr_window *w = &vr_ntfs_part_record(&p, part)->w;

		r = tag == TAG_LX_SYMLINK
			    ? lx_target(w, part->a.value_at + 8,
					vr_window_le16(w, part->a.value_at + 4),
					ret)
			    : windows_target(w, part->a.value_at, tag, ret);
	}
	vr_ntfs_parts_free(&p);
	return r;
}

static const char *const types[] = {"ntfs", NULL};

const struct vr_walker vr_walker_ntfs = {
	.name = "ntfs",
	.types = types,
	.open = ntfs_open,
	.objects = ntfs_objects,
	.names = ntfs_names,
	.stream = ntfs_stream,
	.stream_name = ntfs_stream_name,
	.link = ntfs_link,
	.close = ntfs_close,
};
