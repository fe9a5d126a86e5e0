/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_XFS_DIR_H
#define VR_FS_XFS_DIR_H

#include "fs/walker.h"
#include "fs/xfs_inode.h"

/* An entry of a directory, ".." included, "." not. */
struct vr_xfs_entry {
	const char *name;
	size_t length;
	uint64_t number;
	enum vr_file_kind kind; /* VR_FILE_OTHER: not told */
	bool is_parent;		/* ".." */
};

/* 0, or what ends the reading. */
typedef int (*vr_xfs_entry_each)(void *data, const struct vr_xfs_entry *entry);

/*
 * All entries of the blocks of a directory that are there and check themselves.
 * Lost ones are passed over.
 */
int vr_xfs_dir_read(struct vr_source *volume, const struct vr_xfs *fs,
		    const struct vr_xfs_inode *inode, vr_xfs_entry_each each,
		    void *data);

/*
 * Does a block of a directory (version 5) begin at a place of the window, of a
 * volume's byte off, and whose? For directories that lost their inode.
 */
bool vr_xfs_dir_block(struct vr_window *w, uint64_t at, uint64_t off,
		      const struct vr_xfs *fs, uint64_t *ret_owner);

/* The entries of that block. */
int vr_xfs_dir_block_read(struct vr_source *volume, const struct vr_xfs *fs,
			  uint64_t off, uint64_t owner, vr_xfs_entry_each each,
			  void *data);

#endif
