/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_XFS_ATTR_H
#define VR_FS_XFS_ATTR_H

#include "fs/walker.h"
#include "fs/xfs_inode.h"

/*
 * Extended attributes whose value stands in the inode or in a block with its name
 * (all but those above some KiB). Lost ones are passed over.
 */
int vr_xfs_attr_read(struct vr_source *volume, const struct vr_xfs *fs,
		     const struct vr_xfs_inode *inode, vr_xattr_each each,
		     void *data);

#endif
