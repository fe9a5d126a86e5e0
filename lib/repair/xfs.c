/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XFS. The superblock comes back from a copy: it differs in the mark "mkfs is
 * not done", which makes kernels refuse a copy taken as it is, and mostly in the
 * numbers of the first inodes.
 *
 * The headers of a group have no copy. A kernel that mounts read-only wants them
 * sound and uses little of them, so they are set to say "full, nothing to give":
 * no block and no inode can come out of such a group, and what is reached through
 * a tree whose root is lost still fails by that root's own checksum. xfs_repair
 * builds the true ones from all inodes.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "guest/xfs_log.h"
#include "repair/plan.h"

#define HEADERS	     4 /* of a group: superblock, AGF, AGI, AGFL */
#define GROUPS_MOST  65536
#define ROOTS_BLOCKS 32 /* behind the headers, where roots are looked for */

extern const struct vr_repair vr_repair_xfs;

struct job {
	const struct vr_tree *tree;
	size_t node;
	struct vr_source *volume;
	struct vr_plan *plan;
	struct vr_xfs fs;
	uint32_t stand_ins; /* groups whose headers cannot be told */
	uint8_t primary[VR_XFS_SECTOR_MOST]; /* its sector, as it will be */
};

static bool
is_header_sound(const struct vr_xfs *fs, struct vr_window *w, uint32_t ag,
		uint32_t magic)
{
	uint64_t at = magic == VR_XFS_MAGIC_AGF ? fs->sector_bytes
						: 2 * fs->sector_bytes;
	struct vr_xfs_ag head;

	return vr_window_holds(w, at, fs->sector_bytes) &&
	       vr_xfs_ag_header(w, at, fs->sector_bytes, &head) &&
	       head.magic == magic && head.number == ag && head.v5 == fs->v5 &&
	       head.length == vr_xfs_ag_length(fs, ag);
}

/* --- the superblock ------------------------------------------------------- */

static int
read_super(struct job *job, uint64_t off, struct vr_window *ret_w,
	   struct vr_xfs *ret, bool *ret_sound)
{
	int r = vr_window_read(ret_w, job->volume, off, VR_XFS_SECTOR_MOST);

	if (r == 0)
		*ret_sound = vr_xfs_super(ret_w, 0, ret) &&
			     (!ret->v5 || ret->checked);
	return r;
}

/*
 * Where mkfs puts the first inodes: behind the headers, the roots of the trees
 * and the blocks kept for these to grow, aligned as inodes are.
 */
static uint64_t
usual_root(const struct vr_xfs *fs)
{
	uint64_t block = vr_div_up(HEADERS * fs->sector_bytes, fs->block_bytes);
	uint64_t align = fs->aligned_inodes ? vr_max(fs->inode_align, 1) : 1;

	block += 3 + 4;
	if (fs->ro_compat & VR_XFS_RO_FREE_INODES)
		block++;
	if (fs->ro_compat & VR_XFS_RO_REVERSE_MAP)
		block += 3;
	if (fs->ro_compat & VR_XFS_RO_REFLINK)
		block++;
	if (fs->stripe_unit)
		align = fs->stripe_unit;
	return vr_div_up(block, align) * align << fs->inode_log;
}

/* Some copies know the root, by habit of mkfs the middle and the last one. */
static int
root_from_copies(struct job *job, const struct vr_xfs *fs, uint64_t *ret)
{
	uint32_t groups[3] = {fs->ag_count - 1, fs->ag_count / 2, 1};
	int r = 0;

	*ret = VR_XFS_NO_INODE;
	for (size_t i = 0; r == 0 && *ret == VR_XFS_NO_INODE && i < 3; i++) {
		struct vr_window w;
		struct vr_xfs copy;
		bool sound = false;

		r = read_super(job, vr_xfs_ag_off(fs, groups[i]), &w, &copy,
			       &sound);
		if (r < 0)
			break;
		if (sound && memcmp(copy.uuid, fs->uuid, 16) == 0)
			*ret = copy.root;
		vr_window_free(&w);
	}
	return r;
}

static int
fill_root(struct job *job, struct vr_xfs *fs, uint8_t *sector)
{
	int r = 0;

	if (fs->root == VR_XFS_NO_INODE)
		r = root_from_copies(job, fs, &fs->root);
	if (fs->root == VR_XFS_NO_INODE)
		fs->root = usual_root(fs);
	vr_store_be64(sector + 56, fs->root);
	if (vr_load_be64(sector + 64) == VR_XFS_NO_INODE &&
	    !(fs->incompat & VR_XFS_INCOMPAT_METADIR)) {
		vr_store_be64(sector + 64, fs->root + 1);
		vr_store_be64(sector + 72, fs->root + 2);
	}
	return r;
}

/*
 * The counts of inodes and free blocks, which copies do not keep, summed over the
 * groups; left alone where one does not tell. Systems do the same after a crash.
 */
static int
fill_counts(struct job *job, uint8_t *sector)
{
	const struct vr_xfs *fs = &job->fs;
	uint64_t inodes = 0, free_inodes = 0, free_blocks = 0;

	for (uint32_t i = 0; i < fs->ag_count && i < GROUPS_MOST; i++) {
		struct vr_window w;
		uint64_t agf = fs->sector_bytes, agi = 2 * fs->sector_bytes;
		bool sound = false;
		int r = vr_check_cancel();

		if (r == 0)
			r = vr_window_read(&w, job->volume,
					   vr_xfs_ag_off(fs, i),
					   (size_t)HEADERS * fs->sector_bytes);
		if (r < 0)
			return r;
		sound = is_header_sound(fs, &w, i, VR_XFS_MAGIC_AGF) &&
			is_header_sound(fs, &w, i, VR_XFS_MAGIC_AGI);
		free_blocks += (uint64_t)vr_window_be32(&w, agf + 48) +
			       vr_window_be32(&w, agf + 52) +
			       vr_window_be32(&w, agf + 60);
		inodes += vr_window_be32(&w, agi + 16);
		free_inodes += vr_window_be32(&w, agi + 28);
		vr_window_free(&w);
		if (!sound)
			return 0;
	}
	vr_store_be64(sector + 128, inodes);
	vr_store_be64(sector + 136, free_inodes);
	vr_store_be64(sector + 144, free_blocks);
	return 0;
}

/* The sector as the first group has it, from a copy's bytes. */
static int
patch_super(struct job *job, uint8_t *sector)
{
	size_t n = job->fs.sector_bytes;
	int r = fill_root(job, &job->fs, sector);

	if (r == 0)
		r = fill_counts(job, sector);
	if (r < 0)
		return r;
	sector[126] = 0;
	if (job->fs.v5)
		vr_store_le32(sector + 224, vr_xfs_crc(sector, n, 224));
	memcpy(job->primary, sector, n);
	return vr_plan_patch(job->plan, 0, sector, n);
}

static int
put_copy(struct job *job, uint8_t *sector, uint64_t off)
{
	int r = vr_plan_step(job->plan, &vr_repair_xfs, job->node,
			     VR_RISK_REBUILT,
			     job->fs.v5 ? "the copy's checksum agrees"
					: "the copy agrees with its group",
			     "the superblock of XFS, from its copy at byte "
			     "%" PRIu64 " of the volume",
			     off);

	return r < 0 ? r : patch_super(job, sector);
}

static int
put_logged(struct job *job, uint64_t off)
{
	vr_cleanup(vr_free_p) uint8_t *sector = calloc(1, VR_XFS_SECTOR_MOST);
	int r = sector ? vr_source_read_at(job->volume, sector,
					   VR_XFS_LOGGED_BYTES, off)
		       : vr_fail_memory();

	if (r == 0)
		r = vr_plan_step(
			job->plan, &vr_repair_xfs, job->node, VR_RISK_REBUILT,
			"it names the place of the log that it lies in",
			"the superblock of XFS, from the log at byte "
			"%" PRIu64 " of the volume",
			off);
	return r < 0 ? r : patch_super(job, sector);
}

static int
tell_no_super(struct job *job)
{
	return vr_findings_add(
		&job->plan->findings, VR_LOSS, "xfs-superblock-lost",
		"%s: the superblock of this XFS is lost, and no copy of it was "
		"found where its groups should begin. No system mounts it so. "
		"Export the disk and run xfs_repair on the copy: it searches "
		"every sector for a copy, which takes hours on large disks.",
		job->tree->nodes.items[job->node].name);
}

static int
copy_of_super(struct job *job, bool *ret_found)
{
	const struct vr_bid *bid = &job->tree->nodes.items[job->node].content;
	struct vr_window w;
	uint64_t off;
	bool sound = false;
	int r = read_super(job, bid->evidence, &w, &job->fs, &sound);

	if (r < 0)
		return r;
	*ret_found = sound && bid->evidence != 0;
	if (*ret_found)
		r = put_copy(job, w.bytes, bid->evidence);
	vr_window_free(&w);
	if (r < 0 || *ret_found)
		return r;
	r = vr_xfs_logged_super(job->volume, 0, job->volume->size, &job->fs,
				&off, ret_found);
	return r < 0 || !*ret_found ? r : put_logged(job, off);
}

/* *ret_known: job->fs is filled, from the head or from a copy. */
static int
plan_super(struct job *job, bool *ret_known)
{
	const struct vr_bid *bid = &job->tree->nodes.items[job->node].content;
	struct vr_window w;
	int r;

	if (bid->head != VR_HEAD_SOUND) {
		r = copy_of_super(job, ret_known);
		return r < 0 || *ret_known ? r : tell_no_super(job);
	}
	r = read_super(job, 0, &w, &job->fs, ret_known);
	if (r < 0)
		return r;
	if (*ret_known)
		memcpy(job->primary, w.bytes, job->fs.sector_bytes);
	vr_window_free(&w);
	return 0;
}

/* --- headers of groups ---------------------------------------------------- */

struct roots {
	uint32_t block, level;
};

enum tree { BY_PLACE, BY_SIZE, INODES, FREE_INODES, OWNERS, SHARED, TREES };

static enum tree
tree_of(uint32_t magic)
{
	static const uint32_t magics[] = {
		[BY_PLACE] = 0x41423342, [BY_SIZE] = 0x41423343,
		[INODES] = 0x49414233,	 [FREE_INODES] = 0x46494233,
		[OWNERS] = 0x524d4233,	 [SHARED] = 0x52334643,
	};
	unsigned i = 0;

	while (i < TREES && magics[i] != magic)
		i++;
	return (enum tree)i;
}

/* Places as mkfs orders them; what stands there for sure overrides them. */
static void
usual_roots(const struct vr_xfs *fs, struct roots ret[TREES])
{
	uint32_t block = (uint32_t)vr_div_up(HEADERS * fs->sector_bytes,
					     fs->block_bytes);

	for (unsigned i = 0; i < TREES; i++)
		ret[i] = (struct roots){0, 0};
	ret[BY_PLACE] = (struct roots){block++, 1};
	ret[BY_SIZE] = (struct roots){block++, 1};
	ret[INODES] = (struct roots){block++, 1};
	if (fs->ro_compat & VR_XFS_RO_FREE_INODES)
		ret[FREE_INODES] = (struct roots){block++, 1};
	if (fs->ro_compat & VR_XFS_RO_REVERSE_MAP)
		ret[OWNERS] = (struct roots){block++, 1};
	if (fs->ro_compat & VR_XFS_RO_REFLINK)
		ret[SHARED] = (struct roots){block, 1};
}

static int
find_roots(struct job *job, uint32_t ag, struct roots ret[TREES])
{
	uint64_t off = vr_xfs_ag_off(&job->fs, ag);
	struct vr_window w;
	int r;

	usual_roots(&job->fs, ret);
	r = vr_window_read(&w, job->volume, off,
			   (size_t)ROOTS_BLOCKS << job->fs.block_log);
	if (r < 0)
		return r;
	for (uint32_t i = 1; i < ROOTS_BLOCKS; i++) {
		uint64_t at = (uint64_t)i << job->fs.block_log;
		struct vr_xfs_self self;

		if (vr_xfs_self(&w, at, job->fs.block_bytes, &self) &&
		    self.is_root && self.off == off + at && self.level < 10 &&
		    tree_of(self.magic) < TREES &&
		    ret[tree_of(self.magic)].level > 0 &&
		    memcmp(self.uuid, job->fs.block_uuid, 16) == 0)
			ret[tree_of(self.magic)] =
				(struct roots){i, self.level + 1};
	}
	vr_window_free(&w);
	return 0;
}

static size_t
free_list_room(const struct vr_xfs *fs)
{
	return (fs->sector_bytes - (fs->v5 ? 36 : 0)) / 4;
}

static void
make_header(const struct vr_xfs *fs, uint32_t ag, uint32_t magic, uint8_t *to)
{
	memset(to, 0, fs->sector_bytes);
	vr_store_be32(to, magic);
	vr_store_be32(to + 4, 1);
	vr_store_be32(to + 8, ag);
	vr_store_be32(to + 12, vr_xfs_ag_length(fs, ag));
}

static void
make_agf(const struct vr_xfs *fs, uint32_t ag, const struct roots *roots,
	 uint8_t *to)
{
	make_header(fs, ag, VR_XFS_MAGIC_AGF, to);
	vr_store_be32(to + 16, roots[BY_PLACE].block);
	vr_store_be32(to + 20, roots[BY_SIZE].block);
	vr_store_be32(to + 24, roots[OWNERS].block);
	vr_store_be32(to + 28, roots[BY_PLACE].level);
	vr_store_be32(to + 32, roots[BY_SIZE].level);
	vr_store_be32(to + 36, roots[OWNERS].level);
	vr_store_be32(to + 44, (uint32_t)free_list_room(fs) - 1);
	if (!fs->v5)
		return;
	memcpy(to + 64, fs->block_uuid, sizeof(fs->block_uuid));
	vr_store_be32(to + 80, roots[OWNERS].level ? 1 : 0);
	vr_store_be32(to + 84, roots[SHARED].level ? 1 : 0);
	vr_store_be32(to + 88, roots[SHARED].block);
	vr_store_be32(to + 92, roots[SHARED].level);
	vr_store_le32(to + 216, vr_xfs_crc(to, fs->sector_bytes, 216));
}

static void
make_agi(const struct vr_xfs *fs, uint32_t ag, const struct roots *roots,
	 uint8_t *to)
{
	make_header(fs, ag, VR_XFS_MAGIC_AGI, to);
	vr_store_be32(to + 20, roots[INODES].block);
	vr_store_be32(to + 24, roots[INODES].level);
	memset(to + 32, 0xff, 8 + 64 * 4);
	if (!fs->v5)
		return;
	memcpy(to + 296, fs->block_uuid, sizeof(fs->block_uuid));
	vr_store_be32(to + 328, roots[FREE_INODES].block);
	vr_store_be32(to + 332, roots[FREE_INODES].level);
	vr_store_le32(to + 312, vr_xfs_crc(to, fs->sector_bytes, 312));
}

static void
make_agfl(const struct vr_xfs *fs, uint32_t ag, uint8_t *to)
{
	memset(to, 0xff, fs->sector_bytes);
	if (!fs->v5)
		return;
	vr_store_be32(to, VR_XFS_MAGIC_AGFL);
	vr_store_be32(to + 4, ag);
	memcpy(to + 8, fs->block_uuid, sizeof(fs->block_uuid));
	memset(to + 24, 0, 8);
	vr_store_le32(to + 32, vr_xfs_crc(to, fs->sector_bytes, 32));
}

/* Version 4 has nothing in it to tell sound from unsound, but for a loss. */
static bool
is_free_list_sound(const struct vr_xfs *fs, struct vr_window *w, uint32_t ag)
{
	uint64_t at = 3 * fs->sector_bytes;
	const uint8_t *p = vr_window_bytes(w, at, fs->sector_bytes);

	if (!p || !fs->v5)
		return p != NULL;
	return vr_load_be32(p) == VR_XFS_MAGIC_AGFL &&
	       vr_load_be32(p + 4) == ag &&
	       vr_load_le32(p + 32) == vr_xfs_crc(p, fs->sector_bytes, 32);
}

struct health {
	bool copy, agf, agi, agfl;
};

/* xfs_repair believes no superblock without some copies that agree with it. */
static int
put_copy_of_super(struct job *job, uint32_t ag)
{
	size_t n = job->fs.sector_bytes;
	vr_cleanup(vr_free_p) uint8_t *sector = malloc(n);
	int r;

	if (!sector)
		return vr_fail_memory();
	memcpy(sector, job->primary, n);
	sector[126] = 1;
	if (job->fs.v5) {
		memset(sector + 240, 0, 8);
		vr_store_le32(sector + 224, vr_xfs_crc(sector, n, 224));
	}
	r = vr_plan_step(job->plan, &vr_repair_xfs, job->node, VR_RISK_REBUILT,
			 "all groups have the same one, but for marks and "
			 "counts",
			 "the copy of the superblock of XFS in group %" PRIu32,
			 ag);
	return r < 0 ? r
		     : vr_plan_patch(job->plan, vr_xfs_ag_off(&job->fs, ag),
				     sector, n);
}

static int
put_headers(struct job *job, uint32_t ag, const struct health *ok)
{
	uint64_t off = vr_xfs_ag_off(&job->fs, ag), n = job->fs.sector_bytes;
	uint8_t *sector = malloc(n);
	struct roots roots[TREES];
	int r = sector ? find_roots(job, ag, roots) : vr_fail_memory();

	if (r == 0 && !ok->agf) {
		make_agf(&job->fs, ag, roots, sector);
		r = vr_plan_patch(job->plan, off + n, sector, n);
	}
	if (r == 0 && !ok->agi) {
		make_agi(&job->fs, ag, roots, sector);
		r = vr_plan_patch(job->plan, off + 2 * n, sector, n);
	}
	/* The list belongs to the header that was lost: empty goes with any. */
	if (r == 0 && !ok->agfl && !ok->agf) {
		make_agfl(&job->fs, ag, sector);
		r = vr_plan_patch(job->plan, off + 3 * n, sector, n);
	}
	free(sector);
	return r;
}

static int
plan_group(struct job *job, uint32_t ag)
{
	const struct vr_xfs *fs = &job->fs;
	size_t n = (size_t)HEADERS * fs->sector_bytes;
	uint64_t off = vr_xfs_ag_off(fs, ag);
	struct vr_window w;
	struct health ok;
	int r;

	if (!vr_inside(off, n, job->volume->size))
		return 0;
	r = vr_window_read(&w, job->volume, off, n);
	if (r < 0)
		return r;
	ok.copy = vr_window_holds(&w, 0, fs->sector_bytes) &&
		  vr_window_be32(&w, 0) == VR_XFS_MAGIC_SUPER;
	ok.agf = is_header_sound(fs, &w, ag, VR_XFS_MAGIC_AGF);
	ok.agi = is_header_sound(fs, &w, ag, VR_XFS_MAGIC_AGI);
	ok.agfl = is_free_list_sound(fs, &w, ag);
	vr_window_free(&w);
	r = ok.copy || ag == 0 ? 0 : put_copy_of_super(job, ag);
	if (r < 0 || (ok.agf && ok.agi))
		return r;
	job->stand_ins++;
	r = vr_plan_step(job->plan, &vr_repair_xfs, job->node, VR_RISK_GUESSED,
			 "these headers have no copy; a system that mounts "
			 "read-only wants them and does not use them",
			 "stand-ins for the headers of group %" PRIu32
			 " of XFS, which say that it is full",
			 ag);
	return r < 0 ? r : put_headers(job, ag, &ok);
}

static int
tell_stand_ins(struct job *job)
{
	if (job->stand_ins == 0)
		return 0;
	return vr_findings_add(
		&job->plan->findings, VR_WARNING, "xfs-headers-lost",
		"%s: the headers of %" PRIu32 " of %" PRIu32
		" groups of this XFS are lost, and they have no copy. "
		"Stand-ins let it be mounted read-only with \"norecovery\"; "
		"the free space it then shows is wrong. Nothing must be "
		"written to it before xfs_repair has run on a copy of the "
		"disk.",
		job->tree->nodes.items[job->node].name, job->stand_ins,
		job->fs.ag_count);
}

static int
plan_groups(struct job *job)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < job->fs.ag_count && i < GROUPS_MOST;
	     i++) {
		r = vr_check_cancel();
		if (r == 0)
			r = plan_group(job, i);
	}
	return r < 0 ? r : tell_stand_ins(job);
}

/* --- what cannot be rebuilt ----------------------------------------------- */

/* Is the inode there, and a directory? Version 5 inodes know their number. */
static bool
is_root_sound(const struct vr_xfs *fs, struct vr_window *w)
{
	const uint8_t *p = vr_window_bytes(w, 0, fs->inode_bytes);

	if (!p || vr_load_be16(p) != 0x494e ||
	    (vr_load_be16(p + 2) & 0170000) != 0040000)
		return false;
	return !fs->v5 ||
	       (vr_load_be64(p + 152) == fs->root &&
		vr_load_le32(p + 100) == vr_xfs_crc(p, fs->inode_bytes, 100));
}

static int
check_root(struct job *job)
{
	struct vr_window w;
	uint64_t off;
	bool sound = false;
	int r = 0;

	if (vr_xfs_inode_off(&job->fs, job->fs.root, &off)) {
		r = vr_window_read(&w, job->volume, off, job->fs.inode_bytes);
		if (r < 0)
			return r;
		sound = is_root_sound(&job->fs, &w);
		vr_window_free(&w);
	}
	if (sound)
		return 0;
	return vr_findings_add(
		&job->plan->findings, VR_LOSS, "xfs-root-lost",
		"%s: the root directory of this XFS is lost (inode %" PRIu64
		"), and it has no copy. No system mounts it so. \"vmdk-rescue "
		"copy\" reads the files without it. xfs_repair on a copy of "
		"the disk puts what hung on the root into \"lost+found\", as "
		"far as the headers of the groups survive.",
		job->tree->nodes.items[job->node].name, job->fs.root);
}

static int
lost_bytes(struct vr_source *source, uint64_t off, uint64_t n, uint64_t *ret)
{
	struct vr_extent extent;

	*ret = 0;
	for (uint64_t end = off + n; off < end; off += extent.length) {
		int r = vr_source_next(source, off, &extent);

		if (r < 0)
			return r;
		extent.length = vr_min(extent.length, end - off);
		if (extent.flags & VR_EXTENT_DAMAGED)
			*ret += extent.length;
	}
	return 0;
}

static int
check_log(struct job *job)
{
	uint64_t off, lost,
		n = (uint64_t)job->fs.log_blocks << job->fs.block_log;
	int r;

	if (!job->fs.log_start ||
	    !vr_xfs_block_off(&job->fs, job->fs.log_start, &off) ||
	    !vr_inside(off, n, job->volume->size))
		return 0;
	r = lost_bytes(job->volume, off, n, &lost);
	if (r < 0 || lost == 0)
		return r;
	return vr_findings_add(
		&job->plan->findings, VR_NOTE, "xfs-log-hit",
		"%s: %" PRIu64
		" bytes of this XFS's log are lost. Mount it with "
		"\"norecovery\" only; what was written last before the attack "
		"may then be missing. xfs_repair on a copy may ask for \"-L\", "
		"which drops the log.",
		job->tree->nodes.items[job->node].name, lost);
}

static int
plan_xfs(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	const struct vr_node *n = &tree->nodes.items[node];
	struct job job = {
		.tree = tree,
		.node = node,
		.volume = n->source,
		.plan = plan,
	};
	bool known = false;
	int r;

	if (n->content.prober != &vr_prober_xfs)
		return 0;
	r = plan_super(&job, &known);
	if (r < 0 || !known)
		return r;
	r = plan_groups(&job);
	if (r == 0)
		r = check_root(&job);
	if (r == 0)
		r = check_log(&job);
	return r;
}

const struct vr_repair vr_repair_xfs = {
	.name = "xfs",
	.plan = plan_xfs,
};
