/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_UNPACK_H
#define VR_FS_BTRFS_UNPACK_H

#include "fs/btrfs_inode.h"

/*
 * Unpacks what btrfs compressed: room bytes, or fewer and zeros for the rest where
 * the packed stream ends. False where it is no such stream, or of a method that
 * this build does not know.
 */
bool vr_btrfs_unpack(unsigned method, const uint8_t *packed, size_t n,
		     uint8_t *to, size_t room);

#endif
