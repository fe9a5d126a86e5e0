/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_CHUNKS_H
#define VR_FS_BTRFS_CHUNKS_H

#include "guest/btrfs_super.h"

/*
 * Where logical bytes of a btrfs lie on this device. Trees and files know logical
 * places only; a chunk is a range of them with one or more whole copies.
 *
 * Invariant once settled: chunks ascend by logical, none overlaps another.
 */
#define VR_BTRFS_COPIES 4

struct vr_btrfs_chunk {
	uint64_t logical, length;
	uint64_t at[VR_BTRFS_COPIES]; /* on the device */
	unsigned copies;
	bool has_nodes; /* trees may lie in it */
	bool doubted;
};

struct vr_btrfs_chunks {
	struct vr_btrfs_chunk *items;
	size_t count, room;
};

#define VR_BTRFS_CHUNK_ITEM 228

/*
 * Of an item of the tree of chunks. Copies on other devices are left out, and so
 * are profiles that deal a chunk out over several devices.
 */
int vr_btrfs_chunks_take(struct vr_btrfs_chunks *chunks,
			 const struct vr_btrfs *fs, uint64_t logical,
			 const uint8_t *item, size_t n, bool doubted);

/* Those that the superblock itself tells: where the tree of chunks lies. */
int vr_btrfs_chunks_take_system(struct vr_btrfs_chunks *chunks,
				const struct vr_btrfs *fs);

/* A copy of a chunk, as other evidence has it; in doubt. */
int vr_btrfs_chunks_add(struct vr_btrfs_chunks *chunks, uint64_t logical,
			uint64_t length, uint64_t at, bool has_nodes);

/* Puts them in order; of two that overlap the surer one stays. */
void vr_btrfs_chunks_settle(struct vr_btrfs_chunks *chunks);

/* The one that contains logical, or NULL; settled ones only. */
const struct vr_btrfs_chunk *
vr_btrfs_chunks_find(const struct vr_btrfs_chunks *chunks, uint64_t logical);

void vr_btrfs_chunks_free(struct vr_btrfs_chunks *chunks);

#endif
