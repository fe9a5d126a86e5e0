/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_CRC32C_H
#define VR_BASE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C, Castagnoli's polynomial 0x1EDC6F41 with its bits reflected: the
 * checksum of ext4, XFS, btrfs and iSCSI (RFC 3720, appendix B.4).
 *
 * Takes and returns the bare register, without the customary inversions, so that
 * a sum can go on over pieces. ext4 wants it so, from ~0 on; everyone else's
 * checksum is ~vr_crc32c(~0, ...).
 */
uint32_t vr_crc32c(uint32_t crc, const void *bytes, size_t n);

/* The ways to reckon it, the fastest first, for tests; NULL behind the last. */
struct vr_crc32c_way {
	const char *name;
	bool (*usable)(void);
	uint32_t (*sum)(uint32_t crc, const uint8_t *bytes, size_t n);
};
const struct vr_crc32c_way *vr_crc32c_way(size_t index);

#endif
