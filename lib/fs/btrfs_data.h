/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_DATA_H
#define VR_FS_BTRFS_DATA_H

#include "fs/btrfs_forest.h"

/*
 * The logical space of a btrfs as a source: each sector from that copy of its
 * chunk that is best. A sector whose checksum agrees is sure, whatever the map
 * says of its bytes; one whose checksum does not is lost, or, where the checksum
 * itself is in doubt, in doubt. What no chunk holds is lost.
 *
 * The forest must outlive it.
 */
int vr_btrfs_data_open(struct vr_source *volume,
		       const struct vr_btrfs_forest *forest,
		       struct vr_source **ret);

#endif
