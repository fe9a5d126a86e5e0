/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * FAT12, FAT16 and FAT32. Where folders are lost the table still tells how clusters
 * hang together: a chain whose head no known entry names is a folder, if its first
 * entry says so and points to itself, or else a file of which all but the last
 * cluster's fill is known.
 */
#include "guest/fat.h"

#include <string.h>

#include "base/cancel.h"
#include "base/error.h"
#include "fs/fat_entry.h"

/* 65,536 slots, by the specification. */
#define FOLDER_MOST ((uint64_t)65536 * VR_FAT_SLOT)

extern const struct vr_walker vr_walker_fat;

struct fat {
	struct vr_fat common;
	struct vr_fat_boot boot;
	/* While lost folders are looked for: of a chain that something names. */
	uint8_t *claimed;
	bool table_whole;
};

static bool
is_32(const struct fat *f)
{
	return f->boot.bits == 32;
}

/* --- folders --------------------------------------------------------------- */

struct folder {
	struct fat *f;
	uint64_t id;
	bool doubted;
	struct vr_fat_reader reader;
};

/* A chain found by its head alone counts once. */
static bool
is_claimed_twice(struct fat *f, uint32_t first)
{
	bool claimed;

	if (!f->claimed || !vr_fat_is_cluster(&f->common, first))
		return false;
	claimed = vr_fat_bit(f->claimed, first);
	vr_fat_set_bit(f->claimed, first);
	return claimed;
}

static int
add_entry(struct folder *folder, const struct vr_fat_entry *e, bool doubted)
{
	const struct vr_fat_file file = {
		.id = e->id,
		.folder = folder->id,
		.size = e->size,
		.written = UINT64_MAX,
		.modified = e->modified,
		.accessed = e->accessed,
		.created = e->created,
		.first = e->first,
		.attributes = e->attributes,
		.how = "directory",
		.doubted = doubted || folder->doubted ||
			   is_claimed_twice(folder->f, e->first),
	};

	return vr_fat_add(&folder->f->common, &file, e->name, e->name_length);
}

/* Where folder or not is a guess, all slots must be such as folders have. */
static bool
all_can_be(struct vr_window *w, bool is_32)
{
	struct vr_fat_reader reader = {0};
	struct vr_fat_entry e;

	for (uint64_t off = 0; off < w->length; off += VR_FAT_SLOT) {
		const uint8_t *slot = vr_window_bytes(w, off, VR_FAT_SLOT);
		enum vr_fat_slot_kind kind =
			vr_fat_slot(&reader, slot, off, is_32, &e);

		if (kind == VR_FAT_SLOT_END)
			return off > 0;
		if (kind == VR_FAT_SLOT_WRONG ||
		    (slot && vr_fat_is_dot(slot, 1)))
			return false;
	}
	return true;
}

static int
read_slots(void *data, uint64_t at, struct vr_window *w,
	   enum vr_fat_footing footing)
{
	struct folder *folder = data;
	int r = 0;

	if (footing == VR_FAT_GUESS && !all_can_be(w, is_32(folder->f)))
		return VR_FAT_REFUSED;
	for (uint64_t off = 0; r == 0 && off < w->length; off += VR_FAT_SLOT) {
		struct vr_fat_entry e;
		enum vr_fat_slot_kind kind = vr_fat_slot(
			&folder->reader, vr_window_bytes(w, off, VR_FAT_SLOT),
			at + off, is_32(folder->f), &e);

		if (kind == VR_FAT_SLOT_END)
			return VR_FAT_ENDS;
		if (kind == VR_FAT_SLOT_ENTRY)
			r = add_entry(folder, &e, footing != VR_FAT_SURE);
	}
	return r;
}

static int
read_folder(struct vr_fat *common, size_t index)
{
	const struct vr_fat_file *file = &common->files.items[index];
	struct folder folder = {
		.f = (struct fat *)common,
		.id = file->id,
		.doubted = file->doubted,
	};

	return vr_fat_read_folder(common, file->first, false, FOLDER_MOST,
				  read_slots, &folder);
}

static const struct vr_fat_file top = {
	.modified = VR_NO_TIME,
	.accessed = VR_NO_TIME,
	.created = VR_NO_TIME,
	.attributes = VR_FAT_ATTRIBUTE_FOLDER,
	.how = "boot sector",
};

/* That of FAT12 and FAT16 has a place of its own and no clusters. */
static int
read_top(struct fat *f)
{
	struct folder folder = {.f = f};
	struct vr_fat_file file = top;
	int r;

	file.first = f->boot.root_cluster;
	r = vr_fat_add(&f->common, &file, "", 0);
	if (r < 0 || is_32(f))
		return r;
	r = vr_fat_read_slots(&f->common,
			      f->boot.root_sector * f->boot.sector_bytes,
			      (uint64_t)f->boot.root_entries * VR_FAT_SLOT,
			      VR_FAT_SURE, read_slots, &folder);
	return r < 0 ? r : 0;
}

/* --- chains that nothing names ---------------------------------------------- */

static int
claim_links(struct fat *f, uint8_t *used)
{
	struct vr_fat_cursor c;
	int r = 0;

	f->table_whole = true;
	vr_fat_cursor_open(&f->common.table, &c);
	for (uint32_t i = 2; r == 0 && vr_fat_is_cluster(&f->common, i); i++) {
		struct vr_fat_link link;

		if (i % 65536 == 0)
			r = vr_check_cancel();
		if (r == 0)
			r = vr_fat_cursor_look(&c, i, &link);
		if (r < 0)
			break;
		if (link.kind == VR_FAT_LOST || link.doubted)
			f->table_whole = false;
		if (link.kind == VR_FAT_NEXT)
			vr_fat_set_bit(f->claimed, link.next);
		if (link.kind != VR_FAT_FREE && link.kind != VR_FAT_WRONG)
			vr_fat_set_bit(used, i);
	}
	vr_fat_cursor_close(&c);
	return r;
}

static void
claim_files(struct fat *f)
{
	for (size_t i = 0; i < f->common.files.count; i++)
		if (vr_fat_is_cluster(&f->common,
				      f->common.files.items[i].first))
			vr_fat_set_bit(f->claimed,
				       f->common.files.items[i].first);
}

/* Its first entry is that of itself, the second one that of its parent. */
static int
is_folder_head(struct fat *f, uint32_t cluster, bool *ret)
{
	struct vr_window w;
	const uint8_t *p;
	uint32_t parent;
	int r = vr_window_read(&w, f->common.fs.volume,
			       vr_fat_place(&f->common, cluster),
			       2 * VR_FAT_SLOT);

	*ret = false;
	if (r < 0)
		return r;
	p = vr_window_bytes(&w, 0, 2 * VR_FAT_SLOT);
	if (p && vr_fat_is_dot(p, 1) && vr_fat_is_dot(p + VR_FAT_SLOT, 2)) {
		parent = vr_fat_first_cluster(p + VR_FAT_SLOT, is_32(f));
		*ret = vr_fat_first_cluster(p, is_32(f)) == cluster &&
		       (parent == 0 || vr_fat_is_cluster(&f->common, parent));
	}
	vr_window_free(&w);
	return 0;
}

/* As long as its chain: what of the last cluster is the file's nobody knows. */
static int
chain_bytes(struct fat *f, uint32_t first, uint64_t *ret)
{
	struct vr_fat_link link = {.kind = VR_FAT_NEXT, .next = first};
	struct vr_fat_cursor c;
	uint64_t clusters = 0;
	int r = 0;

	vr_fat_cursor_open(&f->common.table, &c);
	while (r == 0 && link.kind == VR_FAT_NEXT &&
	       clusters < f->common.table.clusters) {
		clusters++;
		r = vr_fat_cursor_look(&c, link.next, &link);
	}
	vr_fat_cursor_close(&c);
	*ret = vr_min(clusters * f->common.cluster_bytes, UINT32_MAX);
	return r;
}

static int
add_head(struct fat *f, uint32_t cluster, bool linked)
{
	struct vr_fat_file file = top;
	bool is_folder;
	int r = is_folder_head(f, cluster, &is_folder);

	if (r < 0 || (!is_folder && !linked))
		return r;
	file.id = vr_fat_place(&f->common, cluster) / VR_FAT_SLOT;
	file.first = cluster;
	file.written = UINT64_MAX;
	file.how = is_folder ? "directory" : "allocation table";
	file.doubted = !is_folder || !linked || !f->table_whole;
	if (!is_folder) {
		file.attributes = 0;
		r = chain_bytes(f, cluster, &file.size);
	}
	return r == 0 ? vr_fat_add(&f->common, &file, "", 0) : r;
}

static int
lost_link(struct vr_fat_cursor *c, uint32_t cluster, bool *ret)
{
	struct vr_fat_link link;
	int r = vr_fat_cursor_look(c, cluster, &link);

	*ret = r == 0 && link.kind == VR_FAT_LOST;
	return r;
}

/* Whole chains first, for what lies in lost parts of the table is a guess. */
static int
add_heads(struct fat *f, const uint8_t *used)
{
	struct vr_fat_cursor c;
	int r = 0;

	vr_fat_cursor_open(&f->common.table, &c);
	for (uint32_t i = 2; r == 0 && vr_fat_is_cluster(&f->common, i); i++) {
		bool lost;

		if (!vr_fat_bit(used, i) || vr_fat_bit(f->claimed, i) ||
		    vr_fat_bit(f->common.seen, i))
			continue;
		r = lost_link(&c, i, &lost);
		if (r == 0)
			r = add_head(f, i, !lost);
	}
	vr_fat_cursor_close(&c);
	return r;
}

static int
read_unnamed(struct fat *f)
{
	size_t known = f->common.files.count;
	uint8_t *used = vr_fat_bits(&f->common);
	int r;

	f->claimed = vr_fat_bits(&f->common);
	if (!f->claimed || !used) {
		free(used);
		return vr_fail_memory();
	}
	r = claim_links(f, used);
	claim_files(f);
	if (r == 0)
		r = add_heads(f, used);
	free(used);
	return r == 0 ? vr_fat_read_tree(&f->common, known, read_folder) : r;
}

/* What a folder that was found since names is no file without a name. */
static void
drop_named_heads(struct fat *f)
{
	struct vr_fat *c = &f->common;
	uint8_t *named = f->claimed;
	size_t kept = 0;

	memset(named, 0, ((size_t)c->table.clusters + 2) / 8 + 1);
	for (size_t i = 0; i < c->files.count; i++)
		if (c->files.items[i].name_length &&
		    vr_fat_is_cluster(c, c->files.items[i].first))
			vr_fat_set_bit(named, c->files.items[i].first);
	for (size_t i = 0; i < c->files.count; i++) {
		const struct vr_fat_file *file = &c->files.items[i];

		if (file->id && file->name_length == 0 &&
		    vr_fat_bit(named, file->first))
			continue;
		c->files.items[kept++] = *file;
	}
	c->files.count = kept;
}

static int
read_all(struct fat *f)
{
	int r = read_top(f);

	if (r == 0)
		r = vr_fat_read_tree(&f->common, 0, read_folder);
	if (r == 0 && f->common.gaps) {
		r = read_unnamed(f);
		if (r == 0)
			drop_named_heads(f);
	}
	vr_fat_sort(&f->common);
	free(f->claimed);
	f->claimed = NULL;
	return r;
}

/* --- opening --------------------------------------------------------------- */

static int
read_boot(struct vr_source *volume, uint64_t off, struct vr_fat_boot *ret,
	  bool *ret_found)
{
	struct vr_window w;
	int r = vr_window_read(&w, volume, off, 512);

	if (r < 0)
		return r;
	*ret_found = vr_fat_boot(&w, 0, ret);
	vr_window_free(&w);
	return 0;
}

/* The copy of the first sector stands where nearly all put it. */
static int
find_boot(struct vr_source *volume, struct vr_fat_boot *ret)
{
	bool found;
	int r = read_boot(volume, 0, ret, &found);

	for (uint64_t bytes = 512; r == 0 && !found && bytes <= 4096;
	     bytes *= 2) {
		r = read_boot(volume, VR_FAT_COPY_SECTOR * bytes, ret, &found);
		found = found && ret->bits == 32 && ret->sector_bytes == bytes;
	}
	if (r == 0 && !found)
		return vr_fail(VR_E_FORMAT, "the boot sector and its copy are "
					    "lost: nothing tells how long the "
					    "table is and where files begin");
	return r;
}

static int
set_up(struct fat *f, struct vr_source *volume)
{
	const struct vr_fat_boot *b = &f->boot;
	struct vr_fat_places places = {
		.first = vr_fat_table(b, b->active_fat),
		.bytes = vr_fat_table_bytes(b),
	};
	uint64_t room;

	f->common.heap = b->data_sector * b->sector_bytes;
	f->common.cluster_bytes = b->cluster_bytes;
	if (f->common.heap >= volume->size)
		return vr_fail(VR_E_FORMAT, "the volume ends before its files "
					    "begin");
	room = (volume->size - f->common.heap) / b->cluster_bytes;
	f->common.table.clusters = (uint32_t)vr_min(b->clusters, room);
	f->common.table.bits = b->bits == 32 ? 28 : b->bits;
	if (b->mirrored && b->fats == 2)
		places.second = vr_fat_table(b, 1);
	f->common.seen = vr_fat_bits(&f->common);
	if (!f->common.seen)
		return vr_fail_memory();
	return vr_fat_table_open(volume, &places, &f->common.table);
}

static int
fat_open(struct vr_source *volume, struct vr_fs **ret)
{
	struct fat *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return vr_fail_memory();
	f->common.fs = (struct vr_fs){
		.walker = &vr_walker_fat,
		.volume = vr_source_ref(volume),
	};
	r = find_boot(volume, &f->boot);
	if (r == 0)
		r = set_up(f, volume);
	if (r == 0)
		r = read_all(f);
	if (r < 0) {
		vr_fat_close(&f->common.fs);
		return r;
	}
	free(f->common.seen);
	f->common.seen = NULL;
	*ret = &f->common.fs;
	return 0;
}

static const char *const types[] = {"fat12", "fat16", "fat32", NULL};

const struct vr_walker vr_walker_fat = {
	.name = "fat",
	.types = types,
	.open = fat_open,
	.objects = vr_fat_objects,
	.names = vr_fat_names,
	.stream = vr_fat_stream,
	.close = vr_fat_close,
};
