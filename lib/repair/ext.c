/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The superblock and the group descriptors of ext2, ext3 and ext4, from the
 * copies that some groups keep. Copies are as old as the volume, or as the last
 * fsck or resize: what has counted on since then (free space, uninitialised
 * groups, checksums of bitmaps) is taken from the bitmaps themselves.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "guest/ext_super.h"
#include "repair/plan.h"

extern const struct vr_repair vr_repair_ext;

#define COPIES_MOST 64

struct job {
	struct vr_plan *plan;
	size_t node;
	const struct vr_node *on;
	struct vr_source *volume;

	enum vr_ext_state primary; /* what stands there now */
	struct vr_ext ext;	   /* what the volume is to be read by */
	uint64_t copy;		   /* the group that it is from; 0: itself */
	unsigned copies, agreeing; /* that survive, and say the same as ext */
	struct vr_ext_groups groups;
	/* All descriptors as they will stand, and which of them are patches. */
	uint8_t *descriptors;
	bool *replaced;
	uint64_t replaced_count, missing_count;
};

/* --- which superblock to go by -------------------------------------------- */

/* What a volume is, apart from what changes while it is used. */
static bool
same_volume(const struct vr_ext *a, const struct vr_ext *b)
{
	return a->blocks == b->blocks && a->block_bytes == b->block_bytes &&
	       a->blocks_per_group == b->blocks_per_group &&
	       a->inodes == b->inodes && a->inode_bytes == b->inode_bytes &&
	       a->descriptor_bytes == b->descriptor_bytes &&
	       a->compat == b->compat &&
	       (a->incompat & ~(uint32_t)VR_EXT_INCOMPAT_RECOVER) ==
		       (b->incompat & ~(uint32_t)VR_EXT_INCOMPAT_RECOVER) &&
	       a->ro_compat == b->ro_compat &&
	       memcmp(a->uuid, b->uuid, sizeof(a->uuid)) == 0;
}

static bool
fits(const struct job *job, const struct vr_ext *ext)
{
	return ext->blocks <= job->volume->size / ext->block_bytes;
}

/* A grow or a tune that was cut off leaves copies of two ages: the newer one. */
static bool
is_better(const struct job *job, const struct vr_ext *a, const struct vr_ext *b)
{
	if (fits(job, a) != fits(job, b))
		return fits(job, a);
	return a->written > b->written;
}

struct copy {
	struct vr_ext ext;
	uint64_t group;
};

struct copies {
	struct copy *items;
	size_t count, room;
};

static int
read_copy(struct job *job, const struct vr_ext *by, uint64_t group,
	  struct copies *to)
{
	struct copy copy = {.group = group};
	enum vr_ext_state state;
	int r = vr_ext_read(job->volume, vr_ext_super_off(by, group), &copy.ext,
			    &state);

	if (r < 0 || state != VR_EXT_SOUND ||
	    (copy.ext.group != group && copy.ext.group != 0))
		return r;
	return VR_PUSH(to, copy);
}

static int
read_copies(struct job *job, const struct vr_ext *by, struct copies *to)
{
	uint64_t group = vr_ext_next_copy(by, 0);
	int r = 0;

	for (unsigned n = 0; r == 0 && n < COPIES_MOST && group != UINT64_MAX;
	     n++) {
		r = read_copy(job, by, group, to);
		group = vr_ext_next_copy(by, group);
	}
	return r;
}

static void
choose(struct job *job, const struct copies *copies)
{
	const struct copy *best = &copies->items[0];

	for (size_t i = 1; i < copies->count; i++)
		if (is_better(job, &copies->items[i].ext, &best->ext))
			best = &copies->items[i];
	job->ext = best->ext;
	job->copy = best->group;
	for (size_t i = 0; i < copies->count; i++)
		job->agreeing += same_volume(&copies->items[i].ext, &job->ext);
	job->copies = (unsigned)copies->count;
}

/*
 * A primary of which only the checksum is wrong is newer than all copies: where
 * one of them bears it out, it stays, with a new checksum.
 */
static void
prefer_primary(struct job *job, const struct vr_ext *primary)
{
	if (job->primary != VR_EXT_CHECKSUM || primary->group != 0 ||
	    job->copies == 0 || !same_volume(primary, &job->ext))
		return;
	job->ext = *primary;
	job->copy = 0;
}

static int
choose_copy(struct job *job, const struct vr_ext *primary, bool *ret_found)
{
	struct copies copies = {0};
	enum vr_ext_state state;
	struct vr_ext by;
	int r = vr_ext_read(job->volume, job->on->content.evidence, &by,
			    &state);

	if (r < 0 || state == VR_EXT_LOST || state == VR_EXT_WRONG)
		return r;
	r = read_copies(job, &by, &copies);
	*ret_found = r == 0 && copies.count > 0;
	if (*ret_found) {
		choose(job, &copies);
		prefer_primary(job, primary);
	}
	free(copies.items);
	return r;
}

static int
choose_super(struct job *job, bool *ret_found)
{
	struct vr_ext primary = {0};
	int r = vr_ext_read(job->volume, VR_EXT_SUPER_AT, &primary,
			    &job->primary);

	*ret_found = false;
	if (r < 0)
		return r;
	if (job->primary == VR_EXT_SOUND && primary.group == 0) {
		job->ext = primary;
		*ret_found = true;
		return 0;
	}
	if (job->primary == VR_EXT_SOUND)
		job->primary = VR_EXT_WRONG;
	return choose_copy(job, &primary, ret_found);
}

/* --- descriptors ---------------------------------------------------------- */

static uint8_t *
descriptor(const struct job *job, uint64_t group)
{
	return job->descriptors + group * job->ext.descriptor_bytes;
}

struct bitmap {
	uint64_t block;
	uint32_t bits;	      /* that mean something */
	uint32_t sum_bytes;   /* that the checksum covers */
	struct vr_window w;   /* the whole block */
	const uint8_t *bytes; /* NULL: lost */
};

static int
read_bitmap(struct job *job, struct bitmap *map)
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
put_half(const struct job *job, uint8_t *d, unsigned low, unsigned high,
	 uint32_t value)
{
	vr_store_le16(d + low, (uint16_t)value);
	if (job->ext.descriptor_bytes >= 64)
		vr_store_le16(d + high, (uint16_t)(value >> 16));
}

static void
seal_bitmap(const struct job *job, uint8_t *d, unsigned low, unsigned high,
	    const struct bitmap *map)
{
	if (vr_ext_has_checksums(&job->ext))
		put_half(job, d, low, high,
			 vr_crc32c(job->ext.seed, map->bytes, map->sum_bytes));
}

static bool
is_marked(const struct job *job, uint64_t group, const struct bitmap *map,
	  uint64_t block)
{
	uint64_t first = vr_ext_group_block(&job->ext, group);

	if (block < first || block - first >= job->ext.blocks_per_group)
		return true;
	return bit(map->bytes, (block - first) / job->ext.cluster_blocks);
}

/* A bitmap that was ever written marks what its own group keeps. */
static bool
marks_its_own(const struct job *job, uint64_t group,
	      const struct vr_ext_group *g, const struct bitmap *map)
{
	if (vr_ext_group_has_copy(&job->ext, group) &&
	    !is_marked(job, group, map, vr_ext_group_block(&job->ext, group)))
		return false;
	return is_marked(job, group, map, g->block_bitmap) &&
	       is_marked(job, group, map, g->inode_bitmap) &&
	       is_marked(job, group, map, g->inode_table);
}

static bool
has_flags(const struct job *job)
{
	return job->ext.ro_compat &
	       (VR_EXT_RO_GDT_CSUM | VR_EXT_RO_METADATA_CSUM);
}

static void
clear_flag(const struct job *job, uint8_t *d, uint16_t flag)
{
	uint16_t flags = vr_load_le16(d + 0x12);

	if (has_flags(job))
		vr_store_le16(d + 0x12, (uint16_t)(flags & ~flag));
}

static int
freshen_blocks(struct job *job, uint64_t group, const struct vr_ext_group *g,
	       uint8_t *d)
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
is_written(const struct job *job, const struct bitmap *map)
{
	uint32_t all = job->ext.block_bytes * 8;

	for (uint32_t i = map->bits; i < all; i++)
		if (!bit(map->bytes, i))
			return false;
	return map->bits < all || clear_bits(map) < all;
}

static int
freshen_inodes(struct job *job, const struct vr_ext_group *g, uint8_t *d)
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
		if (has_flags(job))
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
freshen(struct job *job, uint64_t group, const struct vr_ext_group *g)
{
	uint8_t *d = descriptor(job, group);
	int r = freshen_blocks(job, group, g, d);

	if (r == 0)
		r = freshen_inodes(job, g, d);
	vr_ext_group_seal(&job->ext, group, d);
	return r;
}

/* Takes from one copy of a block what is still missing. */
static int
take_copy(struct job *job, uint64_t index, unsigned n, uint64_t block,
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
			memcpy(descriptor(job, group), d, bytes);
			done[i] = true;
			job->replaced[group] = n > 0;
		}
		*ret_gaps += !done[i];
	}
	vr_window_free(&w);
	return 0;
}

static int
settle_block(struct job *job, uint64_t index)
{
	uint64_t per_block = job->ext.block_bytes / job->ext.descriptor_bytes;
	struct vr_ext_place place;
	uint64_t gaps = 1;
	int r = 0;

	for (unsigned n = 0;
	     r == 0 && gaps && n < COPIES_MOST &&
	     vr_ext_descriptor_place(&job->ext, index, n, &place);
	     n++)
		r = take_copy(job, index, n, place.block,
			      job->groups.good + index * per_block, &gaps);
	job->missing_count += gaps;
	return r;
}

static int
settle_descriptors(struct job *job)
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

/* --- the journal ---------------------------------------------------------- */

#define JOURNAL_MAGIC 0xC03B3998u

/*
 * The superblock keeps a copy of the journal's block pointers; with extents and
 * one level, as mke2fs makes it, the first entry tells the first block.
 */
static uint64_t
journal_block(const struct vr_ext *ext)
{
	const uint8_t *pointers = ext->raw + 268;
	uint64_t block;

	if (!(ext->compat & VR_EXT_COMPAT_JOURNAL) || ext->raw[253] != 1)
		return 0;
	if (vr_load_le16(pointers) != 0xF30A)
		return vr_load_le32(pointers);
	if (vr_load_le16(pointers + 2) == 0 || vr_load_le16(pointers + 6) != 0)
		return 0;
	block = vr_load_le32(pointers + 12 + 8) |
		(uint64_t)vr_load_le16(pointers + 12 + 6) << 32;
	return block;
}

/* Does it hold what has not reached its place? False also where it is lost. */
static int
journal_is_dirty(struct job *job, bool *ret)
{
	uint64_t block = journal_block(&job->ext);
	struct vr_window w;
	int r;

	*ret = false;
	if (block == 0 || block >= job->ext.blocks)
		return 0;
	r = vr_window_read(&w, job->volume, block * job->ext.block_bytes, 1024);
	if (r < 0)
		return r;
	*ret = vr_window_be32(&w, 0) == JOURNAL_MAGIC &&
	       vr_window_be32(&w, 28) != 0 && !vr_window_trouble(&w);
	vr_window_free(&w);
	return 0;
}

/* --- steps ---------------------------------------------------------------- */

static void
count_free(const struct job *job, uint8_t *raw)
{
	uint64_t clusters = 0, inodes = 0;
	struct vr_ext_group g;

	for (uint64_t i = 0; i < job->ext.groups; i++) {
		if (!job->groups.good[i] ||
		    !vr_ext_group_decode(&job->ext, i, descriptor(job, i), &g))
			return;
		clusters += g.free_clusters;
		inodes += g.free_inodes;
	}
	clusters *= job->ext.cluster_blocks;
	vr_store_le32(raw + 12, (uint32_t)clusters);
	if (job->ext.incompat & VR_EXT_INCOMPAT_64BIT)
		vr_store_le32(raw + 344, (uint32_t)(clusters >> 32));
	vr_store_le32(raw + 16, (uint32_t)inodes);
}

#define STATE_CLEAN 1

static int
build_super(struct job *job, uint8_t raw[VR_EXT_SUPER_BYTES])
{
	bool dirty = false;
	int r = 0;

	memcpy(raw, job->ext.raw, VR_EXT_SUPER_BYTES);
	if (job->copy > 0) {
		if (vr_load_le32(raw + 76) > 0)
			vr_store_le16(raw + 90, 0);
		vr_store_le16(raw + 58, STATE_CLEAN);
		count_free(job, raw);
		r = journal_is_dirty(job, &dirty);
	}
	/* As the primary of a volume in use had it; else its journal would be
	 * wiped, and not replayed, by whoever mounts a copy for writing. */
	if (dirty)
		vr_store_le32(raw + 96,
			      vr_load_le32(raw + 96) | VR_EXT_INCOMPAT_RECOVER);
	vr_ext_seal(raw);
	return r;
}

static char *
evidence_of_super(const struct job *job)
{
	if (job->copy == 0)
		return vr_format("all fields agree with those of the copies, "
				 "only the checksum does not");
	return vr_format("the copy in group %" PRIu64 " at byte %" PRIu64
			 " of the volume, %s; %u of %u copies that survive say "
			 "the same",
			 job->copy, vr_ext_super_off(&job->ext, job->copy),
			 vr_ext_has_checksums(&job->ext)
				 ? "whose checksum agrees"
				 : "whose fields agree",
			 job->agreeing, job->copies);
}

static int
patch_super(struct job *job)
{
	vr_cleanup(vr_free_p) char *evidence = evidence_of_super(job);
	uint8_t raw[VR_EXT_SUPER_BYTES];
	int r;

	if (!evidence)
		return vr_fail_memory();
	r = build_super(job, raw);
	if (r == 0)
		r = vr_plan_step(job->plan, &vr_repair_ext, job->node,
				 job->agreeing == job->copies ? VR_RISK_REBUILT
							      : VR_RISK_GUESSED,
				 evidence, "the superblock of %s",
				 job->on->name);
	return r == 0 ? vr_plan_patch(job->plan, VR_EXT_SUPER_AT, raw,
				      sizeof(raw))
		      : r;
}

static int
tell_disagreement(struct job *job)
{
	if (job->copies == 0 || job->agreeing == job->copies)
		return 0;
	return vr_findings_add(
		&job->plan->findings, VR_WARNING, "ext-copies-disagree",
		"The superblock copies of %s do not say the same (%u of %u "
		"agree); the newest one that fits the volume was taken. A "
		"resize or a change of features may have been cut off: check "
		"a copy of the disk with 'e2fsck -fn' before you rely on it.",
		job->on->name, job->agreeing, job->copies);
}

static int
patch_descriptors(struct job *job)
{
	uint32_t bytes = job->ext.descriptor_bytes;
	uint64_t per_block = job->ext.block_bytes / bytes;
	struct vr_ext_place place;
	int r;

	if (job->replaced_count == 0)
		return 0;
	r = vr_plan_step(
		job->plan, &vr_repair_ext, job->node, VR_RISK_REBUILT,
		has_flags(job)
			? "copies whose checksums agree; free counts and the "
			  "checksums of bitmaps from the bitmaps"
			: "copies whose places agree with the volume; free "
			  "counts from the bitmaps",
		"%" PRIu64 " of %" PRIu64 " group descriptors of %s",
		job->replaced_count, job->ext.groups, job->on->name);
	for (uint64_t i = 0; r == 0 && i < job->ext.groups; i++)
		if (job->replaced[i] &&
		    vr_ext_descriptor_place(&job->ext, i / per_block, 0,
					    &place))
			r = vr_plan_patch(job->plan,
					  place.block * job->ext.block_bytes +
						  i % per_block * bytes,
					  descriptor(job, i), bytes);
	return r;
}

/* --- blocks kept for growing ---------------------------------------------- */

static int
is_lost(struct vr_source *volume, uint64_t off, uint64_t n, uint64_t *ret)
{
	struct vr_extent extent;
	uint64_t end = off + n;

	*ret = 0;
	for (; off < end; off += extent.length) {
		int r = vr_source_next(volume, off, &extent);

		if (r < 0)
			return r;
		extent.length = vr_min(extent.length, end - off);
		if (extent.flags & VR_EXTENT_DAMAGED)
			*ret += extent.length;
	}
	return 0;
}

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
patch_reserved_block(struct job *job, uint64_t block, uint8_t *room)
{
	uint64_t off = block * job->ext.block_bytes, lost;
	int r;

	if (!vr_inside(off, job->ext.block_bytes, job->volume->size))
		return 0;
	r = is_lost(job->volume, off, job->ext.block_bytes, &lost);
	if (r < 0 || lost == 0)
		return r;
	build_reserved(&job->ext, block, room);
	return vr_plan_patch(job->plan, off, room, job->ext.block_bytes);
}

static int
patch_reserved(struct job *job)
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

/* --- what stays lost ------------------------------------------------------ */

static int
tell_missing_descriptors(struct job *job)
{
	if (job->missing_count == 0)
		return 0;
	return vr_findings_add(
		&job->plan->findings, VR_LOSS, "ext-descriptors-lost",
		"%" PRIu64 " of %" PRIu64
		" group descriptors of %s are lost in all their copies: the "
		"files whose inodes lie in these groups cannot be reached, and "
		"the kernel may refuse to mount. Run 'e2fsck -fy' on a copy of "
		"the repaired disk.",
		job->missing_count, job->ext.groups, job->on->name);
}

#define ROOT_INODE  2
#define MODE_FORMAT 0xF000
#define MODE_FOLDER 0x4000

static int
tell_root(struct job *job)
{
	struct vr_window w;
	uint16_t mode;
	int r;

	if (!job->groups.good[0])
		return 0;
	r = vr_window_read(
		&w, job->volume,
		job->groups.items[0].inode_table * job->ext.block_bytes +
			(ROOT_INODE - 1) * (uint64_t)job->ext.inode_bytes,
		128);
	if (r < 0)
		return r;
	mode = vr_window_le16(&w, 0);
	if (!vr_window_holds(&w, 0, 128) || (mode & MODE_FORMAT) != MODE_FOLDER)
		r = vr_findings_add(
			&job->plan->findings, VR_LOSS, "ext-root-lost",
			"The root directory of %s is lost: its inode lies in "
			"lost bytes, and the kernel will not mount the volume. "
			"The files themselves may be whole. Run 'e2fsck -fy' on "
			"a copy of the repaired disk: it puts what it finds "
			"into lost+found.",
			job->on->name);
	vr_window_free(&w);
	return r;
}

static int
tell_tables(struct job *job)
{
	uint64_t bytes = (uint64_t)job->ext.inodes_per_group *
			 job->ext.inode_bytes;
	uint64_t lost = 0;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < job->ext.groups; i++) {
		uint64_t off, here;

		if (!job->groups.good[i])
			continue;
		off = job->groups.items[i].inode_table * job->ext.block_bytes;
		if (!vr_inside(off, bytes, job->volume->size))
			continue;
		r = is_lost(job->volume, off, bytes, &here);
		lost += here;
	}
	if (r < 0 || lost == 0)
		return r;
	return vr_findings_add(
		&job->plan->findings, VR_WARNING, "ext-inodes-lost",
		"%" PRIu64 " of %" PRIu32 " inodes of %s lie in lost bytes, "
		"used or not: the files that had them cannot be reached by "
		"mounting, though their data may be whole.",
		vr_div_up(lost, job->ext.inode_bytes), job->ext.inodes,
		job->on->name);
}

static int
tell_journal(struct job *job)
{
	uint64_t block = journal_block(&job->ext), lost;
	int r;

	if (block == 0 || block >= job->ext.blocks ||
	    !vr_inside(block * job->ext.block_bytes, 1024, job->volume->size))
		return 0;
	r = is_lost(job->volume, block * job->ext.block_bytes, 1024, &lost);
	if (r < 0 || lost == 0)
		return r;
	return vr_findings_add(
		&job->plan->findings, VR_WARNING, "ext-journal-lost",
		"The head of the journal of %s is lost: changes of the last "
		"seconds before the attack may be missing, and the volume "
		"mounts only with the option noload.",
		job->on->name);
}

static int
tell_losses(struct job *job)
{
	int r = tell_missing_descriptors(job);

	if (r == 0)
		r = tell_root(job);
	if (r == 0)
		r = tell_tables(job);
	return r == 0 ? tell_journal(job) : r;
}

/* --- the row -------------------------------------------------------------- */

static int
repair(struct job *job)
{
	bool found;
	int r = choose_super(job, &found);

	if (r < 0 || !found || job->ext.groups > VR_EXT_GROUPS_MOST)
		return r;
	r = settle_descriptors(job);
	if (r == 0)
		r = tell_disagreement(job);
	if (r == 0 && job->primary != VR_EXT_SOUND)
		r = patch_super(job);
	if (r == 0)
		r = patch_descriptors(job);
	if (r == 0)
		r = patch_reserved(job);
	return r == 0 ? tell_losses(job) : r;
}

static int
ext_plan(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	struct job job = {
		.plan = plan,
		.node = node,
		.on = &tree->nodes.items[node],
		.volume = tree->nodes.items[node].source,
	};
	int r;

	if (job.on->content.score == VR_SCORE_NONE ||
	    strcmp(job.on->content.prober->name, "ext") != 0)
		return 0;
	r = repair(&job);
	vr_ext_groups_free(&job.groups);
	free(job.descriptors);
	free(job.replaced);
	return r;
}

const struct vr_repair vr_repair_ext = {
	.name = "ext",
	.plan = ext_plan,
};
