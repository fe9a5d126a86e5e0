/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_WALK_H
#define VR_FS_WALK_H

#include "fs/walker.h"

/*
 * What a walker's facts add up to: every name with its path and its object, and
 * the fate of each. Objects whose name is lost stand under "lost+found/#ID", names
 * whose folder is lost under "lost+found/#FOLDER/NAME".
 *
 * fs is taken over, even on failure.
 */
int vr_walk_make(struct vr_fs *fs, vr_progress progress, void *progress_data,
		 struct vr_walk **ret);

#endif
