/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_EXT_LOGGED_H
#define VR_GUEST_EXT_LOGGED_H

#include "guest/ext_super.h"

/*
 * The journal keeps whole blocks as they were written of late, the one with the
 * superblock and those with descriptors among them, long after they reached their
 * places. Where every other MiB is lost, all copies may lie in lost ones and the
 * journal between them. Such images check themselves; which is the newest does
 * not matter for what a volume is.
 */

/*
 * Looks where mke2fs puts the journal of a volume of this size, which must be the
 * volume's to the last 64 KiB. *ret_off 0: there is none.
 */
int vr_ext_logged_super(struct vr_source *volume, struct vr_ext *ret,
			uint64_t *ret_off);

/*
 * Images of blocks of descriptors: off[index] is the byte of the volume where
 * one lies, 0: there is none. free() it.
 */
int vr_ext_logged_descriptors(struct vr_source *volume,
			      const struct vr_ext *ext, uint64_t **ret_off);

#endif
