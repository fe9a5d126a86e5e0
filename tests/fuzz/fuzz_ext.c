/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any disk that may hold ext2, ext3 or ext4, some of it lost: volumes are found,
 * counted and repaired, and what is repaired needs no repair.
 */
#include "guest/tree.h"
#include "pieces.h"
#include "repair/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct vr_prober vr_prober_ext;

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

static void
meet_all(struct vr_source *disk)
{
	const struct pieces *p = (const struct pieces *)disk;
	struct vr_bids bids = {0};

	for (size_t i = 0; i < p->count && i < 16; i++) {
		CHECK(vr_prober_ext.met(disk, p->items[i].off, &bids) == 0);
		CHECK(vr_prober_ext.met(disk, p->items[i].off + 1024, &bids) ==
		      0);
	}
	for (size_t i = 0; i < bids.count; i++)
		CHECK(bids.items[i].start < disk->size);
	vr_bids_free(&bids);
}

/* The disk as the only node of a tree; false: no volume begins with it. */
static bool
plant(struct vr_source *disk, struct vr_tree *tree, struct vr_node *node)
{
	static char name[] = "disk1";
	struct vr_place place = {0};
	struct vr_bids bids = {0};
	const struct vr_bid *best;

	CHECK(vr_prober_ext.probe(disk, 0, disk->size, &bids) == 0);
	best = vr_bids_best(&bids, 0);
	if (best)
		node->content = *best;
	vr_bids_free(&bids);
	if (!best)
		return false;
	node->name = name;
	node->source = disk;
	node->length = disk->size;
	CHECK(vr_layout_append(&node->layout, disk->size, &place, 1, 0) == 0);
	tree->disks = &node->source;
	tree->disk_count = 1;
	tree->nodes.items = node;
	tree->nodes.count = 1;
	return true;
}

static void
count_metadata(const struct vr_node *node)
{
	struct vr_ranges ranges = {0};

	CHECK(vr_prober_ext.metadata(node->source, &node->content, &ranges) ==
	      0);
	vr_ranges_free(&ranges);
}

/* How many steps the repair has; *ret_repaired is the disk behind them. */
static size_t
repair(struct vr_source *disk, struct vr_source **ret_repaired)
{
	struct vr_node node = {.parent = VR_NO_NODE};
	struct vr_tree tree = {0};
	struct vr_plan *plan = NULL;
	size_t steps;

	if (!plant(disk, &tree, &node)) {
		*ret_repaired = vr_source_ref(disk);
		return 0;
	}
	count_metadata(&node);
	CHECK(vr_plan_make(&tree, &plan) == 0);
	CHECK(vr_plan_overlay(plan, 0, disk, ret_repaired) == 0);
	steps = plan->steps.count;
	vr_plan_free(plan);
	vr_layout_free(&node.layout);
	return steps;
}

static void
repair_twice(struct vr_source *disk)
{
	struct vr_source *repaired = NULL, *again = NULL;

	repair(disk, &repaired);
	CHECK(repair(repaired, &again) == 0);
	vr_source_free(again);
	vr_source_free(repaired);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_source *disk = pieces_open(data, size);

	if (!disk)
		return 0;
	meet_all(disk);
	repair_twice(disk);
	vr_source_free(disk);
	return 0;
}
