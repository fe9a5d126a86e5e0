/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/fat.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/names.h"

/* Below so many clusters it is FAT12, below the second number FAT16. */
#define FAT12_CLUSTERS 4085u
#define FAT16_CLUSTERS 65525u

/* --- the boot sector ------------------------------------------------------ */

static bool
is_power(uint32_t n, uint32_t least, uint32_t most)
{
	return n >= least && n <= most && (n & (n - 1)) == 0;
}

/* A jump over the fields, and a kind of medium that there is. */
static bool
looks_like_boot(const uint8_t *p)
{
	bool jump = (p[0] == 0xEB && p[2] == 0x90) || p[0] == 0xE9;
	bool medium = p[21] == 0xF0 || p[21] >= 0xF8;

	return jump && medium && vr_load_le16(p + 510) == 0xAA55;
}

static void
decode_common(const uint8_t *p, struct vr_fat_boot *b)
{
	uint32_t small = vr_load_le16(p + 19), fat = vr_load_le16(p + 22);

	b->sector_bytes = vr_load_le16(p + 11);
	b->cluster_bytes = b->sector_bytes * p[13];
	b->reserved_sectors = vr_load_le16(p + 14);
	b->fats = p[16];
	b->root_entries = vr_load_le16(p + 17);
	b->sectors = small ? small : vr_load_le32(p + 32);
	b->fat_sectors = fat ? fat : vr_load_le32(p + 36);
	b->hidden_sectors = vr_load_le32(p + 28);
	b->media = p[21];
	b->mirrored = true;
}

static void
decode_rest(const uint8_t *p, struct vr_fat_boot *b)
{
	const uint8_t *tail = p + (b->bits == 32 ? 64 : 36);

	if (b->bits == 32) {
		uint32_t flags = vr_load_le16(p + 40);

		b->mirrored = !(flags & 0x80);
		b->active_fat = b->mirrored ? 0 : flags & 15;
		b->root_cluster = vr_load_le32(p + 44);
		b->info_sector = vr_load_le16(p + 48);
		b->copy_sector = vr_load_le16(p + 50);
	}
	if (tail[2] != 0x28 && tail[2] != 0x29)
		return;
	b->serial = vr_load_le32(tail + 3);
	if (tail[2] == 0x29 && memcmp(tail + 7, "NO NAME    ", 11) != 0)
		vr_label_bytes(tail + 7, 11, b->label);
}

static bool
fields_can_be(const struct vr_fat_boot *b, unsigned sectors_a_cluster)
{
	return is_power(b->sector_bytes, 512, 4096) &&
	       is_power(sectors_a_cluster, 1, 128) && b->reserved_sectors > 0 &&
	       (b->fats == 1 || b->fats == 2) && b->fat_sectors > 0 &&
	       b->sectors > 0;
}

/* The number of clusters alone decides which of the three it is. */
static bool
reckon(struct vr_fat_boot *b, bool is_32, unsigned sectors_a_cluster)
{
	uint64_t root =
		vr_div_up((uint64_t)b->root_entries * 32, b->sector_bytes);
	uint64_t clusters, room;

	b->root_sector = b->reserved_sectors +
			 (uint64_t)b->fats * b->fat_sectors;
	b->data_sector = b->root_sector + root;
	if (b->data_sector >= b->sectors)
		return false;
	clusters = (b->sectors - b->data_sector) / sectors_a_cluster;
	if (clusters == 0 || clusters > 0x0FFFFFF5)
		return false;
	b->clusters = (uint32_t)clusters;
	b->bits = is_32 ? 32 : clusters < FAT12_CLUSTERS ? 12 : 16;
	if (!is_32 && (clusters >= FAT16_CLUSTERS || b->root_entries == 0))
		return false;
	room = (uint64_t)b->fat_sectors * b->sector_bytes * 8 / b->bits;
	return room >= clusters + 2;
}

bool
vr_fat_boot(struct vr_window *w, uint64_t at, struct vr_fat_boot *ret)
{
	const uint8_t *p = vr_window_bytes(w, at, 512);
	struct vr_fat_boot b = {0};
	bool is_32;

	if (!p || !looks_like_boot(p))
		return false;
	is_32 = vr_load_le16(p + 22) == 0;
	decode_common(p, &b);
	if (!fields_can_be(&b, p[13]) || !reckon(&b, is_32, p[13]))
		return false;
	if (is_32 && (b.root_entries || vr_load_le16(p + 42)))
		return false;
	decode_rest(p, &b);
	if (is_32 && (b.root_cluster < 2 || b.root_cluster - 2 >= b.clusters ||
		      b.active_fat >= b.fats))
		return false;
	*ret = b;
	return true;
}

uint64_t
vr_fat_table_bytes(const struct vr_fat_boot *b)
{
	return (uint64_t)b->fat_sectors * b->sector_bytes;
}

uint64_t
vr_fat_table(const struct vr_fat_boot *b, unsigned index)
{
	return (uint64_t)b->reserved_sectors * b->sector_bytes +
	       index * vr_fat_table_bytes(b);
}

/* --- bids ----------------------------------------------------------------- */

/* A table begins with the kind of medium, then ones. */
static int
table_agrees(struct vr_source *space, uint64_t start,
	     const struct vr_fat_boot *b, bool *ret)
{
	int r = 0;

	*ret = false;
	for (unsigned i = 0; r == 0 && !*ret && i < b->fats; i++) {
		struct vr_window w;
		const uint8_t *p;

		r = vr_window_read(&w, space, start + vr_fat_table(b, i), 4);
		if (r < 0)
			return r;
		p = vr_window_bytes(&w, 0, 4);
		*ret = p && p[0] == b->media && p[1] == 0xFF && p[2] == 0xFF &&
		       (b->bits == 12 || (p[3] & 15) == 15);
		vr_window_free(&w);
	}
	return r;
}

static const char *
type_of(const struct vr_fat_boot *b)
{
	return b->bits == 12 ? "fat12" : b->bits == 16 ? "fat16" : "fat32";
}

extern const struct vr_prober vr_prober_fat;

static int
bid(struct vr_source *space, uint64_t start, uint64_t evidence,
    const struct vr_fat_boot *boot, enum vr_head head, struct vr_bids *bids)
{
	struct vr_bid b = {
		.prober = &vr_prober_fat,
		.type = type_of(boot),
		.head = head,
		.start = start,
		.length = boot->sectors * boot->sector_bytes,
		.evidence = evidence,
		.structure = evidence == start ? "boot sector"
					       : "boot sector copy",
		.block_bytes = boot->cluster_bytes,
	};
	bool agrees;
	int r = table_agrees(space, start, boot, &agrees);

	b.score = agrees ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS;
	memcpy(b.label, boot->label, sizeof(b.label));
	if (boot->serial)
		snprintf(b.uuid, sizeof(b.uuid), "%04" PRIX32 "-%04" PRIX32,
			 boot->serial >> 16, boot->serial & 0xFFFF);
	return r == 0 ? vr_bids_add(bids, &b) : r;
}

static int
read_boot(struct vr_source *space, uint64_t off, struct vr_fat_boot *ret,
	  bool *ret_boot, bool *ret_lost)
{
	struct vr_window w;
	int r = vr_window_read(&w, space, off, 512);

	if (r < 0)
		return r;
	*ret_lost = !vr_window_holds(&w, 0, 512);
	*ret_boot = vr_fat_boot(&w, 0, ret);
	vr_window_free(&w);
	return 0;
}

static int
fat_probe(struct vr_source *space, uint64_t start, uint64_t limit,
	  struct vr_bids *bids)
{
	struct vr_fat_boot boot, copy;
	bool is_boot, is_copy = false, lost, ignored;
	int r = read_boot(space, start, &boot, &is_boot, &lost);

	if (r < 0 || is_boot)
		return r < 0 ? r
			     : bid(space, start, start, &boot, VR_HEAD_SOUND,
				   bids);
	for (uint32_t bytes = 512; r == 0 && !is_copy && bytes <= 4096;
	     bytes *= 8) {
		uint64_t off = start + (uint64_t)VR_FAT_COPY_SECTOR * bytes;

		if (off >= limit)
			break;
		r = read_boot(space, off, &copy, &is_copy, &ignored);
		is_copy = is_copy && copy.bits == 32 &&
			  copy.sector_bytes == bytes &&
			  copy.copy_sector == VR_FAT_COPY_SECTOR;
		if (r == 0 && is_copy)
			r = bid(space, start, off, &copy,
				lost ? VR_HEAD_LOST : VR_HEAD_WRONG, bids);
	}
	return r;
}

/* Primary or copy: the table behind tells, then the other one of the pair. */
static int
fat_met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_fat_boot boot, other;
	uint64_t before;
	bool is_boot, is_other = false, lost, agrees;
	int r = read_boot(space, off, &boot, &is_boot, &lost);

	if (r < 0 || !is_boot)
		return r;
	before = (uint64_t)boot.copy_sector * boot.sector_bytes;
	r = table_agrees(space, off, &boot, &agrees);
	if (r < 0 || agrees || boot.bits != 32 || before == 0 || before > off)
		return r < 0 ? r
			     : bid(space, off, off, &boot, VR_HEAD_SOUND, bids);
	r = read_boot(space, off - before, &other, &is_other, &lost);
	if (r == 0)
		r = table_agrees(space, off - before, &boot, &agrees);
	if (r < 0)
		return r;
	if (is_other)
		return bid(space, off - before, off - before, &other,
			   VR_HEAD_SOUND, bids);
	if (agrees || lost)
		return bid(space, off - before, off, &boot,
			   lost ? VR_HEAD_LOST : VR_HEAD_WRONG, bids);
	return bid(space, off, off, &boot, VR_HEAD_SOUND, bids);
}

static int
fat_metadata(struct vr_source *volume, const struct vr_bid *content,
	     struct vr_ranges *ret)
{
	struct vr_fat_boot b;
	bool is_boot, lost;
	int r = read_boot(volume, content->evidence, &b, &is_boot, &lost);

	if (r < 0 || !is_boot)
		return r;
	/* Reserved sectors, tables and the fixed root folder are in a row. */
	r = vr_ranges_add(ret, 0, b.data_sector * b.sector_bytes);
	if (r == 0 && b.bits == 32)
		r = vr_ranges_add(ret,
				  b.data_sector * b.sector_bytes +
					  (uint64_t)(b.root_cluster - 2) *
						  b.cluster_bytes,
				  b.cluster_bytes);
	return r;
}

static const struct vr_magic magics[] = {
	{82, 8, "FAT32   "},
	{54, 8, "FAT16   "},
	{54, 8, "FAT12   "},
	{0, 0, NULL},
};

const struct vr_prober vr_prober_fat = {
	.name = "fat",
	.content = VR_CONTENT_FILESYSTEM,
	.magics = magics,
	.mount_type = "vfat",
	.mount_options = "",
	.probe = fat_probe,
	.met = fat_met,
	.metadata = fat_metadata,
};
