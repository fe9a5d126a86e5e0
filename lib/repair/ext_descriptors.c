/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Group descriptors, each from the first of their places where it checks itself.
 * What has counted on since a copy was written is taken from the bitmaps.
 */
#include "repair/ext_job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "guest/ext_logged.h"
#include "io/lost.h"

/* --- bitmaps -------------------------------------------------------------- */

struct bitmap {
	uint64_t block;
	uint32_t bits;	      /* that mean something */
	uint32_t sum_bytes;   /* that the checksum covers */
	struct vr_window w;   /* the whole block */
	const uint8_t *bytes; /* NULL: lost */
};

static int
read_bitmap(struct vr_ext_job *job, struct bitmap *map)
{
	int r = vr_window_read(&map->w, job->volume,
			       map->block * job->ext.block_bytes,
			       job->ext.block_bytes);

	if (r == 0)
		map->bytes = vr_window_bytes(&map->w, 0, job->ext.block_bytes);
	return r;
}

static bool
bit(const uint8_t *bytes, uint64_t i)
{
	return bytes[i / 8] >> i % 8 & 1;
}

static uint32_t
clear_bits(const struct bitmap *map)
{
	uint32_t set = 0;

	for (uint32_t i = 0; i < map->bits / 8; i++)
		set += (uint32_t)__builtin_popcount(map->bytes[i]);
	for (uint32_t i = map->bits & ~7u; i < map->bits; i++)
		set += bit(map->bytes, i);
	return map->bits - set;
}

static void
put_half(const struct vr_ext_job *job, uint8_t *d, unsigned low, unsigned high,
	 uint32_t value)
{
	vr_store_le16(d + low, (uint16_t)value);
	if (job->ext.descriptor_bytes >= 64)
		vr_store_le16(d + high, (uint16_t)(value >> 16));
}

static void
seal_bitmap(const struct vr_ext_job *job, uint8_t *d, unsigned low,
	    unsigned high, const struct bitmap *map)
{
	if (vr_ext_has_checksums(&job->ext))
		put_half(job, d, low, high,
			 vr_crc32c(job->ext.seed, map->bytes, map->sum_bytes));
}

static bool
is_marked(const struct vr_ext_job *job, uint64_t group,
	  const struct bitmap *map, uint64_t block)
{
	uint64_t first = vr_ext_group_block(&job->ext, group);

	if (block < first || block - first >= job->ext.blocks_per_group)
		return true;
	return bit(map->bytes, (block - first) / job->ext.cluster_blocks);
}

/* A bitmap that was ever written marks what its own group keeps. */
static bool
marks_its_own(const struct vr_ext_job *job, uint64_t group,
	      const struct vr_ext_group *g, const struct bitmap *map)
{
	if (vr_ext_group_has_copy(&job->ext, group) &&
	    !is_marked(job, group, map, vr_ext_group_block(&job->ext, group)))
		return false;
	return is_marked(job, group, map, g->block_bitmap) &&
	       is_marked(job, group, map, g->inode_bitmap) &&
	       is_marked(job, group, map, g->inode_table);
}

static void
clear_flag(const struct vr_ext_job *job, uint8_t *d, uint16_t flag)
{
	uint16_t flags = vr_load_le16(d + 0x12);

	if (vr_ext_job_has_flags(job))
		vr_store_le16(d + 0x12, (uint16_t)(flags & ~flag));
}

static int
freshen_blocks(struct vr_ext_job *job, uint64_t group,
	       const struct vr_ext_group *g, uint8_t *d)
{
	uint32_t cluster = job->ext.cluster_blocks;
	struct bitmap map = {
		.block = g->block_bitmap,
		.bits = (uint32_t)vr_div_up(vr_ext_blocks_in(&job->ext, group),
					    cluster),
		.sum_bytes = job->ext.blocks_per_group / cluster / 8,
	};
	int r = read_bitmap(job, &map);

	if (r < 0)
		return r;
	if (!map.bytes) {
		clear_flag(job, d, VR_EXT_GROUP_BLOCK_UNINIT);
	} else if (marks_its_own(job, group, g, &map)) {
		clear_flag(job, d, VR_EXT_GROUP_BLOCK_UNINIT);
		put_half(job, d, 0x0C, 0x2C, clear_bits(&map));
		seal_bitmap(job, d, 0x18, 0x38, &map);
	}
	vr_window_free(&map.w);
	return 0;
}

/* Behind the last inode's bit a bitmap that was ever written is all ones. */
static bool
is_written(const struct vr_ext_job *job, const struct bitmap *map)
{
	uint32_t all = job->ext.block_bytes * 8;

	for (uint32_t i = map->bits; i < all; i++)
		if (!bit(map->bytes, i))
			return false;
	return map->bits < all || clear_bits(map) < all;
}

static int
freshen_inodes(struct vr_ext_job *job, const struct vr_ext_group *g, uint8_t *d)
{
	struct bitmap map = {
		.block = g->inode_bitmap,
		.bits = job->ext.inodes_per_group,
		.sum_bytes = job->ext.inodes_per_group / 8,
	};
	int r = read_bitmap(job, &map);
	bool known;

	if (r < 0)
		return r;
	known = map.bytes && is_written(job, &map);
	if (known || !map.bytes) {
		clear_flag(job, d, VR_EXT_GROUP_INODE_UNINIT);
		if (vr_ext_job_has_flags(job))
			put_half(job, d, 0x1C, 0x32, 0);
	}
	if (known) {
		put_half(job, d, 0x0E, 0x2E, clear_bits(&map));
		seal_bitmap(job, d, 0x1A, 0x3A, &map);
	}
	vr_window_free(&map.w);
	return 0;
}

static int
freshen(struct vr_ext_job *job, uint64_t group, const struct vr_ext_group *g)
{
	uint8_t *d = vr_ext_job_descriptor(job, group);
	int r = freshen_blocks(job, group, g, d);

	if (r == 0)
		r = freshen_inodes(job, g, d);
	vr_ext_group_seal(&job->ext, group, d);
	return r;
}

/* --- places --------------------------------------------------------------- */

/* Takes from one copy of a block what is still missing. */
static int
take_copy(struct vr_ext_job *job, uint64_t index, unsigned n, uint64_t block,
	  bool *done, uint64_t *ret_gaps)
{
	uint32_t bytes = job->ext.descriptor_bytes;
	uint64_t per_block = job->ext.block_bytes / bytes;
	uint64_t first = index * per_block;
	uint64_t count = vr_min(per_block, job->ext.groups - first);
	struct vr_window w;
	int r = vr_window_read(&w, job->volume, block * job->ext.block_bytes,
			       job->ext.block_bytes);

	if (r < 0)
		return r;
	*ret_gaps = 0;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t group = first + i;
		const uint8_t *d = vr_window_bytes(&w, i * bytes, bytes);

		if (!done[i] && d &&
		    vr_ext_group_decode(&job->ext, group, d,
					&job->groups.items[group])) {
			memcpy(vr_ext_job_descriptor(job, group), d, bytes);
			done[i] = true;
			job->replaced[group] = n > 0;
		}
		*ret_gaps += !done[i];
	}
	vr_window_free(&w);
	return 0;
}

/* In the end, the journal. */
static int
take_image(struct vr_ext_job *job, uint64_t index, uint64_t *gaps)
{
	uint64_t per_block = job->ext.block_bytes / job->ext.descriptor_bytes;
	uint64_t before = *gaps;
	int r = 0;

	if (!job->images)
		r = vr_ext_logged_descriptors(job->volume, &job->ext,
					      &job->images);
	if (r < 0 || job->images[index] == 0)
		return r;
	r = take_copy(job, index, 1, job->images[index] / job->ext.block_bytes,
		      job->groups.good + index * per_block, gaps);
	job->used_images |= *gaps < before;
	return r;
}

static int
settle_block(struct vr_ext_job *job, uint64_t index)
{
	uint64_t per_block = job->ext.block_bytes / job->ext.descriptor_bytes;
	struct vr_ext_place place;
	uint64_t gaps = 1;
	int r = 0;

	for (unsigned n = 0;
	     r == 0 && gaps && n < VR_EXT_COPIES_MOST &&
	     vr_ext_descriptor_place(&job->ext, index, n, &place);
	     n++)
		r = take_copy(job, index, n, place.block,
			      job->groups.good + index * per_block, &gaps);
	if (r == 0 && gaps)
		r = take_image(job, index, &gaps);
	job->missing_count += gaps;
	return r;
}

int
vr_ext_settle_descriptors(struct vr_ext_job *job)
{
	uint64_t n = job->ext.groups;
	int r = 0;

	job->groups.count = n;
	job->groups.items = calloc(n, sizeof(*job->groups.items));
	job->groups.good = calloc(n, sizeof(*job->groups.good));
	job->replaced = calloc(n, sizeof(*job->replaced));
	job->descriptors = calloc(n, job->ext.descriptor_bytes);
	if (!job->groups.items || !job->groups.good || !job->replaced ||
	    !job->descriptors)
		return vr_fail_memory();
	for (uint64_t i = 0; r == 0 && i < vr_ext_descriptor_blocks(&job->ext);
	     i++)
		r = settle_block(job, i);
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		if (job->replaced[i])
			r = freshen(job, i, &job->groups.items[i]);
		job->replaced_count += job->replaced[i];
	}
	return r;
}

/* --- steps ---------------------------------------------------------------- */

static const char *
evidence_of(const struct vr_ext_job *job)
{
	if (job->used_images)
		return "copies and images in the journal whose checksums "
		       "agree; free counts and the checksums of bitmaps from "
		       "the bitmaps";
	if (vr_ext_job_has_flags(job))
		return "copies whose checksums agree; free counts and the "
		       "checksums of bitmaps from the bitmaps";
	return "copies whose places agree with the volume; free counts from "
	       "the bitmaps";
}

int
vr_ext_patch_descriptors(struct vr_ext_job *job)
{
	uint32_t bytes = job->ext.descriptor_bytes;
	uint64_t per_block = job->ext.block_bytes / bytes;
	struct vr_ext_place place;
	int r;

	if (job->replaced_count == 0)
		return 0;
	r = vr_plan_step(job->plan, &vr_repair_ext, job->node, VR_RISK_REBUILT,
			 evidence_of(job),
			 "%" PRIu64 " of %" PRIu64 " group descriptors of %s",
			 job->replaced_count, job->ext.groups, job->on->name);
	for (uint64_t i = 0; r == 0 && i < job->ext.groups; i++)
		if (job->replaced[i] &&
		    vr_ext_descriptor_place(&job->ext, i / per_block, 0,
					    &place))
			r = vr_plan_patch(job->plan,
					  place.block * job->ext.block_bytes +
						  i % per_block * bytes,
					  vr_ext_job_descriptor(job, i), bytes);
	return r;
}

/* --- blocks kept for growing ---------------------------------------------- */

#define COMPAT_RESIZE_INODE 0x0010

/*
 * The resize inode owns the blocks behind the descriptors: each lists the same
 * block of the groups with copies, so that all of it can be reckoned.
 */
static void
build_reserved(const struct vr_ext *ext, uint64_t block, uint8_t *to)
{
	uint64_t group = vr_ext_next_copy(ext, 0);

	memset(to, 0, ext->block_bytes);
	for (uint32_t i = 0; i + 4 <= ext->block_bytes && group != UINT64_MAX;
	     i += 4) {
		vr_store_le32(
			to + i,
			(uint32_t)(block + group * ext->blocks_per_group));
		group = vr_ext_next_copy(ext, group);
	}
}

static int
patch_reserved_block(struct vr_ext_job *job, uint64_t block, uint8_t *room)
{
	uint64_t off = block * job->ext.block_bytes, lost;
	int r;

	if (!vr_inside(off, job->ext.block_bytes, job->volume->size))
		return 0;
	r = vr_lost_bytes(job->volume, off, job->ext.block_bytes, &lost);
	if (r < 0 || lost == 0)
		return r;
	build_reserved(&job->ext, block, room);
	return vr_plan_patch(job->plan, off, room, job->ext.block_bytes);
}

int
vr_ext_patch_reserved(struct vr_ext_job *job)
{
	uint64_t n = job->ext.reserved_descriptor_blocks;
	struct vr_ext_place place;
	uint8_t *room;
	int r;

	if (!(job->ext.compat & COMPAT_RESIZE_INODE) ||
	    job->ext.incompat & VR_EXT_INCOMPAT_META_BG ||
	    n > job->ext.block_bytes / 4 ||
	    !vr_ext_descriptor_place(
		    &job->ext, vr_ext_descriptor_blocks(&job->ext), 0, &place))
		return 0;
	room = malloc(job->ext.block_bytes);
	if (!room)
		return vr_fail_memory();
	r = vr_plan_step(job->plan, &vr_repair_ext, job->node, VR_RISK_REBUILT,
			 "they list places that follow from the superblock",
			 "blocks that %s keeps for growing", job->on->name);
	for (uint64_t i = 0; r == 0 && i < n; i++)
		r = patch_reserved_block(job, place.block + i, room);
	free(room);
	return r;
}
