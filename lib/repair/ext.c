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
#include "base/crc32c.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "repair/ext_job.h"

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
fits(const struct vr_ext_job *job, const struct vr_ext *ext)
{
	return ext->blocks <= job->volume->size / ext->block_bytes;
}

/* A grow or a tune that was cut off leaves copies of two ages: the newer one. */
static bool
is_better(const struct vr_ext_job *job, const struct vr_ext *a,
	  const struct vr_ext *b)
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
read_copy(struct vr_ext_job *job, const struct vr_ext *by, uint64_t group,
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
read_copies(struct vr_ext_job *job, const struct vr_ext *by, struct copies *to)
{
	uint64_t group = vr_ext_next_copy(by, 0);
	int r = 0;

	for (unsigned n = 0;
	     r == 0 && n < VR_EXT_COPIES_MOST && group != UINT64_MAX; n++) {
		r = read_copy(job, by, group, to);
		group = vr_ext_next_copy(by, group);
	}
	return r;
}

static void
choose(struct vr_ext_job *job, const struct copies *copies)
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
prefer_primary(struct vr_ext_job *job, const struct vr_ext *primary)
{
	if (job->primary != VR_EXT_CHECKSUM || primary->group != 0 ||
	    job->copies == 0 || !same_volume(primary, &job->ext))
		return;
	job->ext = *primary;
	job->copy = 0;
}

/* No copy is left, but the journal has an image of the primary. */
static bool
is_logged(const struct vr_ext_job *job, const struct vr_ext *by,
	  enum vr_ext_state state)
{
	return job->primary == VR_EXT_LOST && state == VR_EXT_SOUND &&
	       by->group == 0 && job->on->content.evidence > VR_EXT_SUPER_AT;
}

static int
choose_copy(struct vr_ext_job *job, const struct vr_ext *primary,
	    bool *ret_found)
{
	struct copies copies = {0};
	enum vr_ext_state state;
	struct vr_ext by;
	int r = vr_ext_read(job->volume, job->on->content.evidence, &by,
			    &state);

	if (r < 0 || state == VR_EXT_LOST || state == VR_EXT_WRONG)
		return r;
	r = read_copies(job, &by, &copies);
	if (r == 0 && copies.count > 0) {
		choose(job, &copies);
		prefer_primary(job, primary);
		*ret_found = true;
	} else if (r == 0 && is_logged(job, &by, state)) {
		job->ext = by;
		job->logged = job->on->content.evidence;
		*ret_found = true;
	}
	free(copies.items);
	return r;
}

static int
choose_super(struct vr_ext_job *job, bool *ret_found)
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

/* --- the journal ---------------------------------------------------------- */

#define JOURNAL_MAGIC 0xC03B3998u

/* Does it hold what has not reached its place? False also where it is lost. */
static int
journal_is_dirty(struct vr_ext_job *job, bool *ret)
{
	uint64_t block = vr_ext_journal_block(&job->ext);
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
count_free(const struct vr_ext_job *job, uint8_t *raw)
{
	uint64_t clusters = 0, inodes = 0;
	struct vr_ext_group g;

	for (uint64_t i = 0; i < job->ext.groups; i++) {
		if (!job->groups.good[i] ||
		    !vr_ext_group_decode(&job->ext, i,
					 vr_ext_job_descriptor(job, i), &g))
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

#define STATE_CLEAN    1
#define LAST_ORPHAN_AT 232

static int
build_super(struct vr_ext_job *job, uint8_t raw[VR_EXT_SUPER_BYTES])
{
	bool dirty = false;
	int r = 0;

	memcpy(raw, job->ext.raw, VR_EXT_SUPER_BYTES);
	/* What an image counted, and whom it still had to delete, is over. */
	if (job->logged) {
		vr_store_le32(raw + LAST_ORPHAN_AT, 0);
		vr_store_le32(raw + 96, vr_load_le32(raw + 96) &
						~VR_EXT_INCOMPAT_RECOVER);
	}
	if (job->copy > 0 || job->logged) {
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
evidence_of_super(const struct vr_ext_job *job)
{
	if (job->logged)
		return vr_format("an image in the journal, at byte %" PRIu64
				 " of the volume, %s; all copies are lost; it "
				 "is as long as its place",
				 job->logged,
				 vr_ext_has_checksums(&job->ext)
					 ? "whose checksum agrees"
					 : "whose fields agree");
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
patch_super(struct vr_ext_job *job)
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
tell_disagreement(struct vr_ext_job *job)
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

/* --- the row -------------------------------------------------------------- */

static int
repair(struct vr_ext_job *job)
{
	bool found;
	int r = choose_super(job, &found);

	if (r < 0 || !found || job->ext.groups > VR_EXT_GROUPS_MOST)
		return r;
	r = vr_ext_settle_descriptors(job);
	if (r == 0)
		r = tell_disagreement(job);
	if (r == 0 && job->primary != VR_EXT_SOUND)
		r = patch_super(job);
	if (r == 0)
		r = vr_ext_patch_descriptors(job);
	if (r == 0)
		r = vr_ext_patch_reserved(job);
	return r == 0 ? vr_ext_tell_losses(job) : r;
}

static int
ext_plan(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	struct vr_ext_job job = {
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
	free(job.images);
	return r;
}

const struct vr_repair vr_repair_ext = {
	.name = "ext",
	.plan = ext_plan,
};
