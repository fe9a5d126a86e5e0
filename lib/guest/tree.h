/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_TREE_H
#define VR_GUEST_TREE_H

#include "base/findings.h"
#include "guest/layout.h"
#include "guest/pool.h"
#include "guest/table.h"

/*
 * The volumes of a VM: its disks, what lies on them, and what that adds up to.
 * Built from evidence alone, damaged as it is; nothing is repaired here. A tree
 * does not change once it is built, and any thread may read it.
 *
 * Nodes are in the order that people know them: a disk, its volumes by start,
 * the next disk; then the pools' volumes. Parents stand before children.
 */
struct vr_node {
	enum vr_slot slot;
	size_t parent;		/* VR_NO_NODE: a disk, or a logical volume */
	uint32_t disk;		/* the (first) disk it lies on */
	uint64_t start, length; /* on that disk; start 0 for logical volumes */
	unsigned number;     /* of the partition, or counted for found ones */
	char *name;	     /* stable: "disk1", "disk1-p2", "vg0-root" */
	char *how;	     /* evidence for its bounds, a phrase */
	enum vr_score score; /* of that evidence */
	struct vr_layout layout;
	struct vr_source *source; /* its bytes, through the layout */

	/* Of its table, where there is one; belongs to the disk's node. */
	const struct vr_partition *entry;
	struct vr_table *table; /* disks only: the table on it, or NULL */

	/* What lies in it, start relative to the node; score NONE: nothing. */
	struct vr_bid content;
	/* Another bid as good as that one: its type, or NULL. */
	const char *rival;
	/* Not whole where it lies: nothing may be repaired in it. */
	bool piece;

	/* Of its pool, for the repair of members; or NULL. */
	char *memo;

	char *pool; /* logical volumes: the pool's name */
	bool missing;
};

struct vr_tree {
	struct vr_source **disks; /* cached; referenced */
	size_t disk_count;
	struct {
		struct vr_node *items;
		size_t count, room;
	} nodes;
	struct vr_findings findings;
	bool scanned; /* whole disks were read for signatures */
};

struct vr_tree_how {
	enum vr_scan_when scan;
	unsigned threads; /* 0: one a processor */
	vr_progress progress;
	void *progress_data;
};

int vr_tree_build(struct vr_source *const *disks, size_t disk_count,
		  const struct vr_tree_how *how, struct vr_tree **ret);
void vr_tree_free(struct vr_tree *tree);
VR_CLEANUP_FOR(struct vr_tree, vr_tree_free)

#endif
