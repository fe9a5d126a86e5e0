/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_NTFS_USN_H
#define VR_FS_NTFS_USN_H

#include "fs/ntfs_mft.h"

/*
 * The journal of changes, $Extend\$UsnJrnl:$J: each change of a file with its
 * number, name and folder, oldest first. Asked for files whose records are lost:
 * the last change of each that is left tells how it was called then, unless it was
 * deleted by it. Nothing tells whether later changes are lost: names are in doubt.
 *
 * number: the record of $UsnJrnl.
 */
int vr_ntfs_usn_names(struct vr_ntfs *n, uint64_t number, vr_name_each each,
		      void *data);

#endif
