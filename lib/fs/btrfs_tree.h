/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_TREE_H
#define VR_FS_BTRFS_TREE_H

#include "fs/btrfs_node.h"

/*
 * A tree of btrfs as the row of its leaves, and of the gaps where they are lost.
 *
 * Invariant: the first span begins at key 0, spans ascend, each reaches to where
 * the next one begins. What a leaf holds outside of its span does not count. A
 * tree of which nothing is known is one gap.
 */
struct vr_btrfs_span {
	struct vr_btrfs_key low;
	uint64_t bytenr, generation; /* of the leaf; bytenr 0: a gap */
	bool doubted;
};

struct vr_btrfs_tree {
	uint64_t id;
	struct vr_btrfs_span *items;
	size_t count, room;
	bool has_gaps, has_doubts;
};

/* More than any tree that was not made to exhaust us has. */
#define VR_BTRFS_SPANS_MOST (1u << 22)

/* Appends; a gap behind a gap is one. */
int vr_btrfs_tree_push(struct vr_btrfs_tree *tree,
		       const struct vr_btrfs_span *span);

/* Follows the pointers down from the root; tree is empty and knows its id. */
int vr_btrfs_tree_walk(const struct vr_btrfs_space *space,
		       const struct vr_btrfs_root *root, bool doubted,
		       struct vr_btrfs_tree *tree);
void vr_btrfs_tree_free(struct vr_btrfs_tree *tree);

/* Does a leaf that is beyond doubt tell what stands there, or that nothing does? */
bool vr_btrfs_tree_is_sure(const struct vr_btrfs_tree *tree,
			   const struct vr_btrfs_key *key);

/*
 * bytes NULL: no item, but news of all from key to end, exclusive. It is lost, or,
 * told behind the items of such a leaf, in doubt: more may have been there.
 */
struct vr_btrfs_item {
	struct vr_btrfs_key key, end;
	const uint8_t *bytes;
	size_t n;
	bool doubted, lost;
};

typedef int (*vr_btrfs_each)(void *data, const struct vr_btrfs_item *item);

/* All from first to last, both included; ends when each does not answer 0. */
int vr_btrfs_tree_each(const struct vr_btrfs_space *space,
		       const struct vr_btrfs_tree *tree,
		       const struct vr_btrfs_key *first,
		       const struct vr_btrfs_key *last, vr_btrfs_each each,
		       void *data);

/* All items of one type of one id. */
int vr_btrfs_tree_of(const struct vr_btrfs_space *space,
		     const struct vr_btrfs_tree *tree, uint64_t id,
		     uint8_t type, vr_btrfs_each each, void *data);

#endif
