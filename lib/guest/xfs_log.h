/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_XFS_LOG_H
#define VR_GUEST_XFS_LOG_H

#include "guest/xfs_super.h"

/*
 * The superblock as the log has it. Systems write all of it there each time they
 * fall idle, so it often survives where every group's copy is lost; its checksum
 * is not made up to date there. Looked for in the middle of [start, limit), where
 * mkfs puts the log, and only if records of a log stand there; found if the log
 * is where that superblock says. *ret_off is of the space, at any alignment.
 */
int vr_xfs_logged_super(struct vr_source *space, uint64_t start, uint64_t limit,
			struct vr_xfs *ret, uint64_t *ret_off, bool *ret_found);

#define VR_XFS_LOGGED_BYTES 264

#endif
