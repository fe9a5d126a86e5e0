/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_XFS_INODES_H
#define VR_FS_XFS_INODES_H

#include "fs/xfs_inode.h"

/*
 * The inodes in use of an XFS, by ascending number, each of them there and
 * checked. Each group's tree of inodes tells them; where a part of the tree is
 * lost, the group is searched for inodes that know their number.
 *
 * A found inode may be one that was freed: inodes of whole chunks are freed without
 * a mark in them. It is live where directories that are live say so, by an entry
 * that leads to it or by their "..".
 */
struct vr_xfs_known {
	uint64_t number;
	bool is_folder, in_tree, live;
};

/* A directory's block, found in such a search. */
struct vr_xfs_stray {
	uint64_t off, owner;
};

struct vr_xfs_inodes {
	struct vr_xfs_known *items;
	size_t count, room;
	struct {
		struct vr_xfs_stray *items;
		size_t count, room;
	} strays;
};

int vr_xfs_inodes_find(struct vr_source *volume, const struct vr_xfs *fs,
		       struct vr_xfs_inodes *ret);
void vr_xfs_inodes_free(struct vr_xfs_inodes *inodes);

const struct vr_xfs_known *vr_xfs_inodes_get(const struct vr_xfs_inodes *inodes,
					     uint64_t number);

#endif
