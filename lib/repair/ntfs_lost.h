/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_REPAIR_NTFS_LOST_H
#define VR_REPAIR_NTFS_LOST_H

#include "guest/ntfs.h"
#include "repair/plan.h"

/*
 * What of NTFS's own files no copy brings back, and what that means for whoever
 * mounts the volume. mirror_whole: a bit for each record that the mirror has.
 */
int vr_ntfs_tell_lost(struct vr_plan *plan, const struct vr_node *node,
		      const struct vr_ntfs_look *look, uint64_t mirror_whole);

#endif
