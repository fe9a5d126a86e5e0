/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_FILE_H
#define VR_FS_BTRFS_FILE_H

#include "fs/btrfs_tree.h"

/*
 * The bytes of a file of a tree: data is the logical space (fs/btrfs_data.h). What
 * a gap of the tree may have told is lost.
 */
int vr_btrfs_file_open(const struct vr_btrfs_space *space,
		       const struct vr_btrfs_tree *tree, struct vr_source *data,
		       uint64_t id, uint64_t size, struct vr_source **ret);

#endif
