/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_SEARCH_H
#define VR_FS_BTRFS_SEARCH_H

#include "fs/btrfs_tree.h"

/*
 * Leaves that nothing leads to any more, found by what they say of themselves.
 * btrfs never writes a node in place: beside the newest version of a leaf older
 * ones stand about, until their room is used again.
 */
struct vr_btrfs_leaf {
	struct vr_btrfs_key first, last;
	uint64_t owner, generation, bytenr;
	/* By what is known of space in use, from the least. */
	enum vr_btrfs_use {
		VR_BTRFS_UNKNOWN,
		VR_BTRFS_IN_USE,   /* by its owner or by a snapshot */
		VR_BTRFS_OF_OWNER, /* by its owner alone, as it is */
	} use;
};

/* By owner, then by first key. */
struct vr_btrfs_leaves {
	struct vr_btrfs_leaf *items;
	size_t count, room;
};

/*
 * Looks through all chunks that may have nodes, or through the whole volume: then
 * nodes that no known chunk holds make chunks of their own.
 */
int vr_btrfs_search(struct vr_btrfs_space *space, bool everywhere,
		    struct vr_btrfs_leaves *ret);
void vr_btrfs_leaves_free(struct vr_btrfs_leaves *leaves);

/* Trees whose leaves a tree may have, and up to which generation. */
struct vr_btrfs_writer {
	uint64_t owner, newest;
};

/*
 * Asks the tree of extents, which has all space in use and by what it is used,
 * which of the leaves still count.
 */
int vr_btrfs_leaves_ask(struct vr_btrfs_leaves *leaves,
			const struct vr_btrfs_space *space,
			const struct vr_btrfs_tree *extents);

/*
 * Fills gaps of the tree with leaves: of two for one key the newer one counts.
 * There is doubt, but for leaves of which it is known that this tree has them.
 * Between leaves a gap remains.
 */
int vr_btrfs_tree_fill(struct vr_btrfs_tree *tree,
		       const struct vr_btrfs_leaves *leaves,
		       const struct vr_btrfs_writer *writers, size_t count);

/* The newest leaf's generation; 0: there is none. */
uint64_t vr_btrfs_leaves_newest(const struct vr_btrfs_leaves *leaves,
				uint64_t owner);

/* The index of the first leaf of that owner or a later one. */
size_t vr_btrfs_leaves_from(const struct vr_btrfs_leaves *leaves,
			    uint64_t owner);

#endif
