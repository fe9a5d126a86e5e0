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

/* --- the tree of chunks ---------------------------------------------------- */

/*
 * Stripes of a chunk on this device, out of the superblock's list: a key of 17
 * bytes, then 48 bytes with the length first and the number of stripes at 44, then
 * device, offset and UUID of each stripe. Single, DUP and mirrors only: there every
 * stripe is a whole copy.
 */
#define KEY_BYTES    17u
#define CHUNK_BYTES  48u
#define STRIPE_BYTES 32u
#define STRIPED	     UINT64_C(0x1C8) /* RAID 0, 10, 5, 6 */

struct copies {
	uint64_t at[4];
	unsigned count;
};

static void
copies_of(const struct vr_btrfs *fs, uint64_t logical, struct copies *ret)
{
	const uint8_t *p = fs->system, *end = p + fs->system_length;

	ret->count = 0;
	while ((size_t)(end - p) >= KEY_BYTES + CHUNK_BYTES) {
		const uint8_t *chunk = p + KEY_BYTES, *stripe;
		uint64_t start = vr_load_le64(p + 9);
		unsigned stripes = vr_load_le16(chunk + 44);
		bool here = logical >= start &&
			    logical - start < vr_load_le64(chunk) &&
			    !(vr_load_le64(chunk + 24) & STRIPED);

		stripe = chunk + CHUNK_BYTES;
		if (stripes > (size_t)(end - stripe) / STRIPE_BYTES)
			return;
		for (unsigned i = 0; here && i < stripes && ret->count < 4; i++)
			if (vr_load_le64(stripe + i * STRIPE_BYTES) ==
			    fs->device_id)
				ret->at[ret->count++] =
					vr_load_le64(stripe + i * STRIPE_BYTES +
						     8) +
					logical - start;
		p = stripe + stripes * STRIPE_BYTES;
	}
}

static int
is_there(struct vr_source *volume, uint64_t off, size_t n, bool *ret)
{
	struct vr_window w;
	int r;

	*ret = false;
	if (!vr_inside(off, n, volume->size))
		return 0;
	r = vr_window_read(&w, volume, off, n);
	if (r < 0)
		return r;
	*ret = vr_window_holds(&w, 0, n);
	vr_window_free(&w);
	return 0;
}

/* It leads to all other trees; without it nothing has a place. */
static int
tell_chunks(const struct vr_tree *tree, size_t node, struct vr_plan *plan,
	    const struct vr_btrfs *fs)
{
	const struct vr_node *n = &tree->nodes.items[node];
	struct copies copies;
	bool there = false;
	int r = 0;

	copies_of(fs, fs->chunk_root, &copies);
	for (unsigned i = 0; r == 0 && !there && i < copies.count; i++)
		r = is_there(n->source, copies.at[i], fs->node_bytes, &there);
	if (r < 0 || there || copies.count == 0 || fs->devices > 1)
		return r;
	return vr_findings_add(
		&plan->findings, VR_LOSS, "btrfs-chunks-lost",
		"%s: the root of the chunk tree of this btrfs is lost, in %s, so "
		"that nothing mounts it: that tree tells where all others lie. "
		"Export the volume and run \"btrfs rescue chunk-recover\" on the "
		"copy, then \"btrfs restore\"; parts of the other trees lie in "
		"stripes as well.",
		n->name,
		copies.count > 1 ? "all of its copies" : "its only copy");
}

/* --- the superblock -------------------------------------------------------- */

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
		if (r == 0)
			r = tell_chunks(tree, node, plan, &fs);
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
