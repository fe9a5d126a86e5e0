/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * btrfs. All copies of the superblock are written with every commit and differ
 * in the place they tell and in the checksum, so one gives the others back byte
 * for byte. Trees lie in two copies on most single disks, and the kernel takes
 * the second one by itself.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/btrfs_super.h"
#include "repair/plan.h"

extern const struct vr_repair vr_repair_btrfs;

static int
tell_sum(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	return vr_findings_add(
		&plan->findings, VR_WARNING, "btrfs-superblock-lost",
		"%s: the superblock of this btrfs is lost. A copy is there, but "
		"its kind of checksum is not one that can be made here. Export "
		"the disk and run \"btrfs rescue super-recover\" on the copy.",
		tree->nodes.items[node].name);
}

static int
tell_devices(const struct vr_tree *tree, size_t node, struct vr_plan *plan,
	     const struct vr_btrfs *fs)
{
	if (fs->devices == 1)
		return 0;
	return vr_findings_add(&plan->findings, VR_NOTE, "btrfs-devices",
			       "%s is one of %" PRIu64
			       " devices of a btrfs: mount it with all "
			       "of them at hand.",
			       tree->nodes.items[node].name, fs->devices);
}

static int
put_super(size_t node, struct vr_plan *plan, const struct vr_bid *bid,
	  uint8_t *block)
{
	int r;

	vr_store_le64(block + 48, VR_BTRFS_SUPER_AT);
	vr_btrfs_set_sum(block, VR_BTRFS_SUPER_BYTES);
	r = vr_plan_step(
		plan, &vr_repair_btrfs, node, VR_RISK_EXACT,
		"the copy's checksum agrees, and both are written with "
		"every commit",
		"the superblock of btrfs, from its copy at byte "
		"%" PRIu64 " of the volume",
		bid->evidence);
	return r < 0 ? r
		     : vr_plan_patch(plan, VR_BTRFS_SUPER_AT, block,
				     VR_BTRFS_SUPER_BYTES);
}

static int
plan_btrfs(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	const struct vr_node *n = &tree->nodes.items[node];
	const struct vr_bid *bid = &n->content;
	struct vr_window w;
	struct vr_btrfs fs;
	int r;

	if (bid->prober != &vr_prober_btrfs)
		return 0;
	r = vr_window_read(&w, n->source, bid->evidence, VR_BTRFS_SUPER_BYTES);
	if (r < 0)
		return r;
	if (vr_btrfs_super(&w, 0, &fs)) {
		r = tell_devices(tree, node, plan, &fs);
		if (r == 0 && bid->head != VR_HEAD_SOUND && fs.checked &&
		    fs.place != VR_BTRFS_SUPER_AT)
			r = put_super(node, plan, bid, w.bytes);
		else if (r == 0 && bid->head != VR_HEAD_SOUND)
			r = tell_sum(tree, node, plan);
	}
	vr_window_free(&w);
	return r;
}

const struct vr_repair vr_repair_btrfs = {
	.name = "btrfs",
	.plan = plan_btrfs,
};
