/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_PACKED_H
#define VR_FS_BTRFS_PACKED_H

#include "fs/btrfs_inode.h"

/*
 * Extents that are compressed, and data that stands in the tree itself, unpacked
 * one behind the other. An extent of which a byte is lost, or that does not
 * unpack, or whose method is not known here, is lost as a whole.
 */
struct vr_btrfs_pack {
	uint64_t start, unpacked; /* in the source */
	uint64_t at, stored;	  /* what is packed, in the data */
	uint8_t *bytes; /* instead, of what stands in the tree; owned */
	unsigned method;
	bool doubted;
};

struct vr_btrfs_packs {
	struct vr_btrfs_pack *items;
	size_t count, room;
	uint64_t size; /* of all, unpacked */
};

/* More than btrfs makes, packed or unpacked. */
#define VR_BTRFS_PACK_MOST (UINT64_C(1) << 20)

/* Appends an extent; *ret_start: where it will begin. */
int vr_btrfs_packs_add(struct vr_btrfs_packs *packs,
		       const struct vr_btrfs_piece *piece, bool doubted,
		       uint64_t *ret_start);
void vr_btrfs_packs_free(struct vr_btrfs_packs *packs);

/* Takes packs over, even on failure. */
int vr_btrfs_packed_open(struct vr_source *data, struct vr_btrfs_packs *packs,
			 struct vr_source **ret);

#endif
