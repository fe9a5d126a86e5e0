/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_NTFS_COMPRESSED_H
#define VR_FS_NTFS_COMPRESSED_H

#include "fs/extents.h"

/*
 * A compressed stream, unpacked. stored is its clusters as they lie, made of
 * pieces, which ascend and are copied; what none of them covers is a hole. In each
 * unit of unit_bytes what is stored is packed whenever a hole follows it. A unit of which a byte is lost is lost as a whole. From
 * initialised on all reads as zeros.
 */
int vr_ntfs_compressed_open(struct vr_source *stored,
			    const struct vr_extents *pieces,
			    uint32_t unit_bytes, uint64_t size,
			    uint64_t initialised, struct vr_source **ret);

#endif
