/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_BYTES_H
#define VR_BASE_BYTES_H

#include <stdint.h>

/* Loads at any alignment; the caller has checked the bounds. */
static inline uint16_t
vr_load_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
vr_load_le32(const uint8_t *p)
{
	return (uint32_t)vr_load_le16(p) | (uint32_t)vr_load_le16(p + 2) << 16;
}

static inline uint64_t
vr_load_le64(const uint8_t *p)
{
	return (uint64_t)vr_load_le32(p) | (uint64_t)vr_load_le32(p + 4) << 32;
}

#endif
