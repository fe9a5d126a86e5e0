/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members of Linux software RAID. A superblock of version 1 tells where it lies
 * in its member; one of 0.90 does not, but how large the member's data are.
 */
#include "guest/md.h"

#include <string.h>

#include "base/checked.h"

#define END_UNIT_090 UINT64_C(65536)

static bool
is_true_for(const struct vr_md *md, uint64_t start, uint64_t off)
{
	uint64_t before = off - start;

	if (md->major == 1)
		return md->super_off == before;
	return md->data_bytes <= before;
}

/* The same superblock ends the last partition and, it seems, the disk. */
static bool
tells_the_start(const struct vr_md *md, uint64_t start, uint64_t off)
{
	return md->major == 1 || off - start - md->data_bytes <
					 vr_max(md->chunk_bytes, END_UNIT_090);
}

static uint64_t
length_of(const struct vr_md *md, uint64_t start, uint64_t off)
{
	if (md->major == 0)
		return off - start + END_UNIT_090;
	if (md->minor == 0)
		return md->super_off + UINT64_C(16) * VR_SECTOR;
	return md->data_off + md->data_bytes;
}

static int
add_bid(const struct vr_md *md, uint64_t start, uint64_t off,
	struct vr_bids *bids)
{
	struct vr_bid bid = {
		.prober = &vr_prober_md,
		.type = "md",
		.score = md->checked ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS,
		.head = md->checked ? VR_HEAD_SOUND : VR_HEAD_WRONG,
		.start = start,
		.length = length_of(md, start, off),
		.evidence = off,
		.structure = "superblock",
	};

	if (!tells_the_start(md, start, off))
		bid.score = VR_SCORE_MAGIC;
	memcpy(bid.uuid, md->uuid, sizeof(bid.uuid));
	memcpy(bid.label, md->name, sizeof(bid.label));
	return vr_bids_add(bids, &bid);
}

static int
try_place(struct vr_source *space, uint64_t start, uint64_t off,
	  struct vr_bids *bids)
{
	struct vr_md md;
	bool found;
	int r = vr_md_read(space, off, &md, &found);

	if (r < 0 || !found || !is_true_for(&md, start, off))
		return r;
	return add_bid(&md, start, off, bids);
}

/* Both versions at the end count from where the member ends. */
static int
try_end(struct vr_source *space, uint64_t start, uint64_t limit,
	struct vr_bids *bids)
{
	uint64_t size = vr_round_down(limit - start, VR_SECTOR);
	int r = 0;

	if (size < 2 * END_UNIT_090)
		return 0;
	r = try_place(space, start,
		      start + vr_round_down(size - 16 * VR_SECTOR, 4096), bids);
	if (r == 0)
		r = try_place(space, start,
			      start + vr_round_down(size, END_UNIT_090) -
				      END_UNIT_090,
			      bids);
	return r;
}

static int
md_probe(struct vr_source *space, uint64_t start, uint64_t limit,
	 struct vr_bids *bids)
{
	size_t before = bids->count;
	int r;

	limit = vr_min(limit, space->size);
	if (start >= limit)
		return 0;
	r = try_place(space, start, start, bids);
	if (r == 0 && limit - start > 4096)
		r = try_place(space, start, start + 4096, bids);
	if (r == 0 && bids->count == before)
		r = try_end(space, start, limit, bids);
	return r;
}

static int
md_met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_md md;
	bool found;
	uint64_t before;
	int r = vr_md_read(space, off, &md, &found);

	if (r < 0 || !found)
		return r;
	before = md.major ? md.super_off : md.data_bytes;
	/* Members of a mirror are used up to the superblock; others may not. */
	if (before > off || (md.major == 0 && md.level != 1))
		return 0;
	return add_bid(&md, off - before, off, bids);
}

static int
md_metadata(struct vr_source *volume, const struct vr_bid *bid,
	    struct vr_ranges *ret)
{
	if (!vr_inside(bid->evidence, VR_MD_BYTES, volume->size))
		return 0;
	return vr_ranges_add(ret, bid->evidence, VR_MD_BYTES);
}

static const struct vr_magic magics[] = {
	{0, 8, "\xFC\x4E\x2B\xA9\x01\0\0\0"},
	{0, 12, "\xFC\x4E\x2B\xA9\0\0\0\0\x5A\0\0\0"},
	{0, 0, NULL},
};

const struct vr_prober vr_prober_md = {
	.name = "md",
	.content = VR_CONTENT_MEMBER,
	.magics = magics,
	.probe = md_probe,
	.met = md_met,
	.metadata = md_metadata,
};
