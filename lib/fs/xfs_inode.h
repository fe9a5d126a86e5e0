/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_XFS_INODE_H
#define VR_FS_XFS_INODE_H

#include "fs/extents.h"
#include "guest/xfs_super.h"

/*
 * Inodes of XFS, and where the two forks of one lie: data, and extended
 * attributes. Version 5 inodes check themselves; those of version 4 have their
 * magic and the sense of their fields.
 */
#define VR_XFS_INODE_MOST 2048

enum vr_xfs_format {
	VR_XFS_DEVICE,
	VR_XFS_LOCAL, /* in the inode itself */
	VR_XFS_EXTENTS,
	VR_XFS_TREE,
};

struct vr_xfs_fork {
	enum vr_xfs_format format;
	uint64_t extents;    /* how many it should have */
	unsigned at, length; /* in the inode's bytes; length 0: no such fork */
};

struct vr_xfs_inode {
	uint64_t number, size, blocks;
	uint32_t mode, uid, gid, links, generation;
	bool realtime; /* its data lies on another device */
	int64_t modified, changed, accessed, created; /* as of vr_object */
	struct vr_xfs_fork data, attributes;
	uint8_t bytes[VR_XFS_INODE_MOST];
};

/* The inode at a place of the window, if one in use with that number is there. */
bool vr_xfs_inode_at(struct vr_window *w, uint64_t at, const struct vr_xfs *fs,
		     uint64_t number, struct vr_xfs_inode *ret);

int vr_xfs_inode_read(struct vr_source *volume, const struct vr_xfs *fs,
		      uint64_t number, struct vr_xfs_inode *ret,
		      bool *ret_found);

bool vr_xfs_is_folder(const struct vr_xfs_inode *inode);

/*
 * Adds the pieces of a fork in extents or in a tree of them; what lost blocks of
 * the tree told is a lost piece. Nothing for the other formats.
 */
int vr_xfs_fork_pieces(struct vr_source *volume, const struct vr_xfs *fs,
		       const struct vr_xfs_inode *inode,
		       const struct vr_xfs_fork *fork, struct vr_extents *to);

#endif
