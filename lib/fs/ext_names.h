/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_EXT_NAMES_H
#define VR_FS_EXT_NAMES_H

#include "fs/ext_inode.h"

/* All names in a folder, in blocks or inside its inode. */
int vr_ext_names(const struct vr_ext_fs *fs, const struct vr_ext_inode *folder,
		 vr_name_each each, void *data);

#endif
