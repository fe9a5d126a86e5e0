/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/exfat.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/names.h"

#define SIGNATURE "EXFAT   "

static bool
is_blank(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static bool
fields_can_be(const struct vr_exfat_boot *b)
{
	uint64_t per_cluster = b->cluster_bytes / b->sector_bytes, bytes, heap;

	if (!vr_mul(b->sectors, b->sector_bytes, &bytes) || bytes > INT64_MAX ||
	    b->clusters == 0 || b->fat_sector < 24 || b->fat_sectors == 0)
		return false;
	heap = (uint64_t)b->fat_sector + (uint64_t)b->fat_sectors * b->fats;
	return heap <= b->heap_sector &&
	       b->heap_sector + (uint64_t)b->clusters * per_cluster <=
		       b->sectors &&
	       (uint64_t)b->fat_sectors * b->sector_bytes / 4 >=
		       (uint64_t)b->clusters + 2 &&
	       b->root_cluster >= 2 && b->root_cluster - 2 < b->clusters;
}

bool
vr_exfat_boot(struct vr_window *w, uint64_t at, struct vr_exfat_boot *ret)
{
	const uint8_t *p = vr_window_bytes(w, at, 512);
	struct vr_exfat_boot b;

	if (!p || memcmp(p + 3, SIGNATURE, 8) != 0 || !is_blank(p + 11, 53) ||
	    vr_load_le16(p + 510) != 0xAA55)
		return false;
	if (p[108] < 9 || p[108] > 12 || p[109] > 25 - p[108] || p[110] < 1 ||
	    p[110] > 2)
		return false;
	b = (struct vr_exfat_boot){
		.sector_bytes = 1u << p[108],
		.cluster_bytes = 1u << (p[108] + p[109]),
		.fats = p[110],
		.partition_sector = vr_load_le64(p + 64),
		.sectors = vr_load_le64(p + 72),
		.fat_sector = vr_load_le32(p + 80),
		.fat_sectors = vr_load_le32(p + 84),
		.heap_sector = vr_load_le32(p + 88),
		.clusters = vr_load_le32(p + 92),
		.root_cluster = vr_load_le32(p + 96),
		.serial = vr_load_le32(p + 100),
		.flags = p[106],
	};
	if (!fields_can_be(&b))
		return false;
	*ret = b;
	return true;
}

/* --- the region ----------------------------------------------------------- */

/* All but the flags and the percentage in use, which change in use. */
static uint32_t
checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (i != 106 && i != 107 && i != 112)
			sum = (sum << 31 | sum >> 1) + p[i];
	return sum;
}

static bool
is_whole(struct vr_window *w, uint32_t sector_bytes)
{
	size_t summed = 11 * (size_t)sector_bytes;
	const uint8_t *p = vr_window_bytes(w, 0, 12 * (uint64_t)sector_bytes);
	uint32_t sum;

	if (!p)
		return false;
	sum = checksum(p, summed);
	for (size_t i = 0; i < sector_bytes; i += 4)
		if (vr_load_le32(p + summed + i) != sum)
			return false;
	return true;
}

int
vr_exfat_region(struct vr_source *space, uint64_t off, uint32_t sector_bytes,
		struct vr_exfat_region *ret)
{
	struct vr_exfat_region region = {0};
	struct vr_window w;
	int r = vr_window_read(&w, space, off, 12 * (size_t)sector_bytes);

	if (r < 0)
		return r;
	region.lost = !vr_window_holds(&w, 0, 512);
	region.found = vr_exfat_boot(&w, 0, &region.boot) &&
		       region.boot.sector_bytes == sector_bytes;
	region.whole = region.found && is_whole(&w, sector_bytes);
	vr_window_free(&w);
	*ret = region;
	return 0;
}

/* --- the label ------------------------------------------------------------ */

/* An entry of the root folder, nearly always among the first. */
static int
read_label(struct vr_source *space, uint64_t start,
	   const struct vr_exfat_boot *b, char ret[VR_LABEL_ROOM])
{
	uint64_t root = start + (uint64_t)b->heap_sector * b->sector_bytes +
			(uint64_t)(b->root_cluster - 2) * b->cluster_bytes;
	struct vr_window w;
	int r;

	ret[0] = '\0';
	if (root >= space->size)
		return 0;
	r = vr_window_read(&w, space, root, 512);
	if (r < 0)
		return r;
	for (uint64_t at = 0; at < 512; at += 32) {
		const uint8_t *p = vr_window_bytes(&w, at, 32);

		if (p && p[0] == 0x83 && p[1] <= 11)
			vr_label_utf16(p + 2, p[1], ret);
	}
	vr_window_free(&w);
	return 0;
}

/* --- the row -------------------------------------------------------------- */

extern const struct vr_prober vr_prober_exfat;

static int
bid(struct vr_source *space, uint64_t start, uint64_t evidence,
    const struct vr_exfat_region *region, enum vr_head head,
    struct vr_bids *bids)
{
	struct vr_bid b = {
		.prober = &vr_prober_exfat,
		.type = "exfat",
		.score = region->whole ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS,
		.head = head,
		.start = start,
		.length = region->boot.sectors * region->boot.sector_bytes,
		.evidence = evidence,
		.structure = evidence == start ? "boot region"
					       : "boot region copy",
		.block_bytes = region->boot.cluster_bytes,
	};
	int r = read_label(space, start, &region->boot, b.label);

	snprintf(b.uuid, sizeof(b.uuid), "%04" PRIX32 "-%04" PRIX32,
		 region->boot.serial >> 16, region->boot.serial & 0xFFFF);
	return r == 0 ? vr_bids_add(bids, &b) : r;
}

static int
probe_sector(struct vr_source *space, uint64_t start, uint64_t limit,
	     uint32_t sector_bytes, struct vr_bids *bids, bool *ret_found)
{
	uint64_t copy_at = start +
			   VR_EXFAT_REGION_SECTORS * (uint64_t)sector_bytes;
	struct vr_exfat_region first, copy;
	enum vr_head head;
	int r = vr_exfat_region(space, start, sector_bytes, &first);

	*ret_found = true;
	if (r < 0 || first.whole)
		return r < 0 ? r
			     : bid(space, start, start, &first, VR_HEAD_SOUND,
				   bids);
	if (copy_at >= limit)
		return 0;
	r = vr_exfat_region(space, copy_at, sector_bytes, &copy);
	if (r < 0)
		return r;
	head = first.lost ? VR_HEAD_LOST : VR_HEAD_WRONG;
	if (copy.whole || (copy.found && !first.found))
		return bid(space, start, copy_at, &copy, head, bids);
	*ret_found = first.found;
	/* Systems refuse a region whose checksum does not hold. */
	return first.found
		       ? bid(space, start, start, &first, VR_HEAD_WRONG, bids)
		       : 0;
}

static int
exfat_probe(struct vr_source *space, uint64_t start, uint64_t limit,
	    struct vr_bids *bids)
{
	bool found = false;
	int r = 0;

	for (uint32_t bytes = 512; r == 0 && !found && bytes <= 4096;
	     bytes *= 2)
		r = probe_sector(space, start, vr_min(limit, space->size),
				 bytes, bids, &found);
	return r;
}

static int
exfat_met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_exfat_region before = {0}, after = {0};
	struct vr_exfat_boot boot;
	struct vr_window w;
	uint64_t region;
	bool is_boot, is_copy;
	int r = vr_window_read(&w, space, off, 512);

	if (r < 0)
		return r;
	is_boot = vr_exfat_boot(&w, 0, &boot);
	vr_window_free(&w);
	if (!is_boot)
		return 0;
	region = VR_EXFAT_REGION_SECTORS * (uint64_t)boot.sector_bytes;
	if (region <= off)
		r = vr_exfat_region(space, off - region, boot.sector_bytes,
				    &before);
	if (r == 0 && region < space->size - off)
		r = vr_exfat_region(space, off + region, boot.sector_bytes,
				    &after);
	if (r < 0)
		return r;
	/* The other one of the pair tells which of them this is. */
	is_copy = before.found || (!after.found && before.lost);
	if (is_copy && region <= off)
		off -= region;
	return exfat_probe(space, off, space->size, bids);
}

static int
exfat_metadata(struct vr_source *volume, const struct vr_bid *bid,
	       struct vr_ranges *ret)
{
	struct vr_exfat_boot b;
	struct vr_window w;
	uint64_t heap;
	bool is_boot;
	int r = vr_window_read(&w, volume, bid->evidence, 512);

	if (r < 0)
		return r;
	is_boot = vr_exfat_boot(&w, 0, &b);
	vr_window_free(&w);
	if (!is_boot)
		return 0;
	heap = (uint64_t)b.heap_sector * b.sector_bytes;
	r = vr_ranges_add(ret, 0, 24 * (uint64_t)b.sector_bytes);
	if (r == 0)
		r = vr_ranges_add(ret, (uint64_t)b.fat_sector * b.sector_bytes,
				  (uint64_t)b.fat_sectors * b.sector_bytes *
					  b.fats);
	if (r == 0)
		r = vr_ranges_add(ret,
				  heap + (uint64_t)(b.root_cluster - 2) *
						  b.cluster_bytes,
				  b.cluster_bytes);
	return r;
}

static const struct vr_magic magics[] = {
	{3, 8, SIGNATURE},
	{0, 0, NULL},
};

const struct vr_prober vr_prober_exfat = {
	.name = "exfat",
	.content = VR_CONTENT_FILESYSTEM,
	.magics = magics,
	.mount_type = "exfat",
	.mount_options = "",
	.probe = exfat_probe,
	.met = exfat_met,
	.metadata = exfat_metadata,
};
