/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_BTRFS_SUPER_H
#define VR_GUEST_BTRFS_SUPER_H

#include "guest/prober.h"

/*
 * The superblock of btrfs, which stands at three places of each device, whole
 * and up to date in all of them. Layout by the "On-disk Format" pages of
 * btrfs.readthedocs.io; little-endian.
 */
#define VR_BTRFS_SUPER_BYTES 4096
#define VR_BTRFS_SUPER_AT    UINT64_C(0x10000)
#define VR_BTRFS_MIRRORS     3
#define VR_BTRFS_SYSTEM_MOST 2048

enum vr_btrfs_sum {
	VR_BTRFS_CRC32C,
	VR_BTRFS_XXHASH64,
	VR_BTRFS_SHA256,
	VR_BTRFS_BLAKE2B,
	VR_BTRFS_SUMS
};

/* Where the top node of a tree lies; bytenr 0: not told. */
struct vr_btrfs_root {
	uint64_t bytenr, generation;
	unsigned level;
};

struct vr_btrfs {
	enum vr_btrfs_sum sum;
	bool checked;	/* its checksum agrees; only CRC-32C is reckoned */
	uint64_t place; /* where this copy says it stands on the device */
	uint64_t generation, root, chunk_root, chunk_root_generation, log_root;
	uint64_t total_bytes, device_bytes, devices, device_id, incompat;
	uint32_t sector_bytes, node_bytes, system_length;
	unsigned root_level, chunk_root_level, log_root_level;
	/* By that of the four backups which was made along with root. */
	struct vr_btrfs_root files_root, sums_root, device_root, extents_root;
	uint8_t uuid[16];	/* what people see */
	uint8_t block_uuid[16]; /* what stands in the nodes */
	uint8_t label[256];
	uint8_t system[VR_BTRFS_SYSTEM_MOST];
};

/*
 * False where no superblock is, or where its fields contradict each other, the
 * place included: it must be one of the three.
 */
bool vr_btrfs_super(struct vr_window *w, uint64_t at, struct vr_btrfs *ret);

/* Of the three copies, by number. */
uint64_t vr_btrfs_mirror(unsigned number);

/* As btrfs has it, of a node behind its sum or of a sector of data. */
uint32_t vr_btrfs_crc(const uint8_t *bytes, size_t n);

/* Writes the CRC-32C of a block of n bytes into its first four. */
void vr_btrfs_set_sum(uint8_t *block, size_t n);

extern const struct vr_prober vr_prober_btrfs;

#endif
