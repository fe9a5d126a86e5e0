/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exFAT. Folders have no entry that tells whose they are: where one is lost, the
 * folders below it are found among clusters that are in use and of no known file,
 * by sets of entries whose checksums hold. All that is found so is in doubt, for
 * a folder that was deleted by formatting may look the same.
 */
#include "guest/exfat.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/error.h"
#include "fs/exfat_set.h"

#define FOLDER_MOST (UINT64_C(256) << 20) /* by the specification */
#define TYPE_BITMAP 0x81

extern const struct vr_walker vr_walker_exfat;

struct exfat {
	struct vr_fat common;
	struct vr_exfat_boot boot;
	struct vr_fat_file bitmap; /* size 0: not found */
};

/* --- folders --------------------------------------------------------------- */

struct folder {
	struct exfat *f;
	uint64_t id;
	bool doubted;
	struct vr_exfat_reader reader;
};

/* Does it begin, or go on after a set's rest, with a set that is whole? */
static int
holds_sets(struct exfat *f, uint32_t cluster, bool *ret)
{
	struct vr_exfat_reader reader = {0};
	struct vr_exfat_entry e;
	struct vr_window w;
	bool again;
	int r;

	*ret = false;
	r = vr_window_read(&w, f->common.fs.volume,
			   vr_fat_place(&f->common, cluster),
			   (size_t)vr_min(f->common.cluster_bytes, 1280));
	if (r < 0)
		return r;
	for (uint64_t off = 0; !*ret && off < w.length; off += VR_FAT_SLOT) {
		const uint8_t *slot = vr_window_bytes(&w, off, VR_FAT_SLOT);

		if (vr_exfat_slot(&reader, slot, off, &e, &again) ==
		    VR_EXFAT_SLOT_ENTRY)
			*ret = e.whole;
	}
	vr_window_free(&w);
	return 0;
}

static int
add_entry(struct folder *folder, const struct vr_exfat_entry *e, bool doubted)
{
	struct exfat *f = folder->f;
	struct vr_fat_file file = {
		.id = e->id,
		.folder = folder->id,
		.size = e->size,
		.written = e->written,
		.modified = e->modified,
		.accessed = e->accessed,
		.created = e->created,
		.first = e->first,
		.attributes = e->attributes,
		.how = "directory",
		.unlinked = e->unlinked,
		.doubted = doubted || folder->doubted || !e->whole,
	};
	bool is_folder = false;
	int r = 0;

	if (e->headless && vr_fat_is_cluster(&f->common, e->first))
		r = holds_sets(f, e->first, &is_folder);
	if (is_folder)
		file.attributes = VR_FAT_ATTRIBUTE_FOLDER;
	return r == 0 ? vr_fat_add(&f->common, &file, e->name, e->name_length)
		      : r;
}

/* Only the top folder tells of it. */
static void
take_bitmap(struct exfat *f, const uint8_t *slot)
{
	struct vr_fat_file file = {
		.first = vr_load_le32(slot + 20),
		.size = vr_load_le64(slot + 24),
		.written = UINT64_MAX,
	};

	/* The second one belongs to the second table. */
	if ((slot[1] & 1) == (f->boot.flags & 1) &&
	    file.size >= ((uint64_t)f->boot.clusters + 7) / 8 &&
	    file.size <= UINT32_MAX)
		f->bitmap = file;
}

static int
take_slot(struct folder *folder, const uint8_t *slot, uint64_t at, bool doubted)
{
	struct vr_exfat_entry e;
	bool again = true;
	int r = 0;

	while (r == 0 && again) {
		enum vr_exfat_slot_kind kind =
			vr_exfat_slot(&folder->reader, slot, at, &e, &again);

		if (kind == VR_EXFAT_SLOT_ENTRY)
			r = add_entry(folder, &e, doubted);
		if (kind == VR_EXFAT_SLOT_END)
			return VR_FAT_ENDS;
	}
	if (slot && slot[0] == TYPE_BITMAP && folder->id == 0)
		take_bitmap(folder->f, slot);
	return r;
}

static int
read_slots(void *data, uint64_t at, struct vr_window *w,
	   enum vr_fat_footing footing)
{
	struct folder *folder = data;
	int r = 0;

	for (uint64_t off = 0; r == 0 && off < w->length; off += VR_FAT_SLOT)
		r = take_slot(folder, vr_window_bytes(w, off, VR_FAT_SLOT),
			      at + off, footing != VR_FAT_SURE);
	return r;
}

static int
read_folder(struct vr_fat *common, size_t index)
{
	const struct vr_fat_file *file = &common->files.items[index];
	struct folder folder = {
		.f = (struct exfat *)common,
		.id = file->id,
		.doubted = file->doubted,
	};

	return vr_fat_read_folder(common, file->first, file->unlinked,
				  vr_min(file->size, FOLDER_MOST), read_slots,
				  &folder);
}

static const struct vr_fat_file top = {
	.size = FOLDER_MOST,
	.modified = VR_NO_TIME,
	.accessed = VR_NO_TIME,
	.created = VR_NO_TIME,
	.attributes = VR_FAT_ATTRIBUTE_FOLDER,
	.how = "boot sector",
};

/* --- the bitmap ------------------------------------------------------------ */

/* Bytes that are lost speak for every cluster. */
static int
fill_bits(struct exfat *f, struct vr_source *bitmap)
{
	struct vr_fat *c = &f->common;
	struct vr_window w = {0};
	uint64_t chunk = 65536;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < c->table.clusters; i++) {
		uint64_t at = i / 8;
		uint8_t byte;

		if (i % (chunk * 8) == 0) {
			vr_window_free(&w);
			r = vr_window_read(&w, bitmap, at, (size_t)chunk);
			if (r < 0)
				return r;
		}
		byte = vr_window_u8(&w, at % chunk);
		if (vr_window_trouble(&w) || byte >> i % 8 & 1)
			vr_fat_set_bit(c->allocated, i + 2);
	}
	vr_window_free(&w);
	return r;
}

static int
read_bitmap(struct exfat *f)
{
	vr_cleanup(vr_source_free_p) struct vr_source *bitmap = NULL;
	int r;

	if (f->bitmap.size == 0)
		return 0;
	r = vr_fat_open(&f->common, &f->bitmap, &bitmap);
	if (r < 0)
		return r;
	f->common.allocated = vr_fat_bits(&f->common);
	return f->common.allocated ? fill_bits(f, bitmap) : vr_fail_memory();
}

/* --- folders that nothing names --------------------------------------------- */

static int
own_chain(struct exfat *f, const struct vr_fat_file *file, uint8_t *owned)
{
	struct vr_fat_link link = {.kind = VR_FAT_NEXT, .next = file->first};
	uint64_t left = vr_div_up(file->size, f->common.cluster_bytes);
	struct vr_fat_cursor c;
	int r = 0;

	vr_fat_cursor_open(&f->common.table, &c);
	while (r == 0 && left > 0 && link.kind == VR_FAT_NEXT &&
	       !vr_fat_bit(owned, link.next)) {
		vr_fat_set_bit(owned, link.next);
		r = vr_fat_cursor_look(&c, link.next, &link);
		left--;
	}
	vr_fat_cursor_close(&c);
	return r;
}

static int
own(struct exfat *f, const struct vr_fat_file *file, uint8_t *owned)
{
	uint64_t count = vr_div_up(file->size, f->common.cluster_bytes);

	if (!vr_fat_is_cluster(&f->common, file->first))
		return 0;
	if (!file->unlinked)
		return own_chain(f, file, owned);
	for (uint32_t i = file->first;
	     count > 0 && vr_fat_is_cluster(&f->common, i); i++, count--)
		vr_fat_set_bit(owned, i);
	return 0;
}

/* Its length is lost with its entry: a chain tells it, or it is one cluster. */
static int
add_unnamed(struct exfat *f, uint32_t cluster)
{
	struct vr_fat_file file = top;
	struct vr_fat_link link;
	struct vr_fat_cursor c;
	int r;

	vr_fat_cursor_open(&f->common.table, &c);
	r = vr_fat_cursor_look(&c, cluster, &link);
	vr_fat_cursor_close(&c);
	file.id = vr_fat_place(&f->common, cluster) / VR_FAT_SLOT;
	file.first = cluster;
	file.how = "directory";
	file.doubted = true;
	file.unlinked = link.kind != VR_FAT_NEXT && link.kind != VR_FAT_END;
	if (file.unlinked)
		file.size = f->common.cluster_bytes;
	return r == 0 ? vr_fat_add(&f->common, &file, "", 0) : r;
}

/* The first cluster, from cluster on, that does not lie whole in such bytes. */
static int
skip_empty(struct exfat *f, uint32_t *cluster)
{
	uint64_t at = vr_fat_place(&f->common, *cluster);
	struct vr_extent extent;
	int r = vr_source_next(f->common.fs.volume, at, &extent);

	if (r == 0 && extent.flags & (VR_EXTENT_DAMAGED | VR_EXTENT_ZERO))
		*cluster += (uint32_t)vr_max(
			1, extent.length / f->common.cluster_bytes);
	return r;
}

static int
add_all_unnamed(struct exfat *f, const uint8_t *owned)
{
	const struct vr_fat *c = &f->common;
	uint32_t i = 2;
	int r = 0;

	while (r == 0 && vr_fat_is_cluster(c, i)) {
		uint32_t here = i;
		bool found = false;

		r = i % 4096 == 0 ? vr_check_cancel() : 0;
		if (r == 0)
			r = skip_empty(f, &i);
		if (r < 0 || i != here)
			continue;
		i++;
		if (vr_fat_bit(owned, here) || vr_fat_bit(c->seen, here) ||
		    (c->allocated && !vr_fat_bit(c->allocated, here)))
			continue;
		r = holds_sets(f, here, &found);
		if (r == 0 && found)
			r = add_unnamed(f, here);
	}
	return r;
}

static int
read_unnamed(struct exfat *f)
{
	size_t known = f->common.files.count;
	uint8_t *owned = vr_fat_bits(&f->common);
	int r = owned ? own(f, &f->bitmap, owned) : vr_fail_memory();

	for (size_t i = 1; r == 0 && i < known; i++)
		r = own(f, &f->common.files.items[i], owned);
	if (r == 0)
		r = add_all_unnamed(f, owned);
	free(owned);
	return r == 0 ? vr_fat_read_tree(&f->common, known, read_folder) : r;
}

static int
read_all(struct exfat *f)
{
	struct vr_fat_file file = top;
	int r;

	file.first = f->boot.root_cluster;
	r = vr_fat_add(&f->common, &file, "", 0);
	if (r == 0)
		r = vr_fat_read_tree(&f->common, 0, read_folder);
	if (r == 0)
		r = read_bitmap(f);
	if (r == 0 && f->common.gaps)
		r = read_unnamed(f);
	vr_fat_sort(&f->common);
	return r;
}

/* --- opening --------------------------------------------------------------- */

static int
find_boot(struct vr_source *volume, struct vr_exfat_boot *ret)
{
	struct vr_exfat_region region = {0};
	int r = 0;

	for (uint32_t bytes = 512; r == 0 && bytes <= 4096; bytes *= 2)
		for (uint64_t copy = 0; r == 0 && copy < 2; copy++) {
			r = vr_exfat_region(
				volume, copy * VR_EXFAT_REGION_SECTORS * bytes,
				bytes, &region);
			if (r == 0 && region.whole) {
				*ret = region.boot;
				return 0;
			}
		}
	return r < 0 ? r
		     : vr_fail(VR_E_FORMAT,
			       "the boot region and its copy are lost: "
			       "nothing tells where files begin");
}

static int
set_up(struct exfat *f, struct vr_source *volume)
{
	const struct vr_exfat_boot *b = &f->boot;
	uint64_t table_bytes = (uint64_t)b->fat_sectors * b->sector_bytes;
	const struct vr_fat_places places = {
		.first = (uint64_t)b->fat_sector * b->sector_bytes +
			 (b->fats == 2 && b->flags & 1 ? table_bytes : 0),
		.bytes = table_bytes,
	};
	uint64_t room;

	f->common.heap = (uint64_t)b->heap_sector * b->sector_bytes;
	f->common.cluster_bytes = b->cluster_bytes;
	if (f->common.heap >= volume->size)
		return vr_fail(VR_E_FORMAT, "the volume ends before its files "
					    "begin");
	room = (volume->size - f->common.heap) / b->cluster_bytes;
	f->common.table.bits = 32;
	f->common.table.clusters = (uint32_t)vr_min(vr_min(b->clusters, room),
						    VR_FAT_CLUSTERS_MOST);
	f->common.seen = vr_fat_bits(&f->common);
	if (!f->common.seen)
		return vr_fail_memory();
	return vr_fat_table_open(volume, &places, &f->common.table);
}

static int
exfat_open(struct vr_source *volume, struct vr_fs **ret)
{
	struct exfat *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return vr_fail_memory();
	f->common.fs = (struct vr_fs){
		.walker = &vr_walker_exfat,
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

static const char *const types[] = {"exfat", NULL};

const struct vr_walker vr_walker_exfat = {
	.name = "exfat",
	.types = types,
	.open = exfat_open,
	.objects = vr_fat_objects,
	.names = vr_fat_names,
	.stream = vr_fat_stream,
	.close = vr_fat_close,
};
