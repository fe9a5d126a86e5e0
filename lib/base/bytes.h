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

static inline uint16_t
vr_load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
vr_load_be32(const uint8_t *p)
{
	return (uint32_t)vr_load_be16(p) << 16 | (uint32_t)vr_load_be16(p + 2);
}

static inline uint64_t
vr_load_be64(const uint8_t *p)
{
	return (uint64_t)vr_load_be32(p) << 32 | (uint64_t)vr_load_be32(p + 4);
}

/* Stores, where a structure is built or a field of it is set. */
static inline void
vr_store_le16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

static inline void
vr_store_le32(uint8_t *p, uint32_t value)
{
	vr_store_le16(p, (uint16_t)value);
	vr_store_le16(p + 2, (uint16_t)(value >> 16));
}

static inline void
vr_store_le64(uint8_t *p, uint64_t value)
{
	vr_store_le32(p, (uint32_t)value);
	vr_store_le32(p + 4, (uint32_t)(value >> 32));
}

static inline void
vr_store_be16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void
vr_store_be32(uint8_t *p, uint32_t value)
{
	vr_store_be16(p, (uint16_t)(value >> 16));
	vr_store_be16(p + 2, (uint16_t)value);
}

static inline void
vr_store_be64(uint8_t *p, uint64_t value)
{
	vr_store_be32(p, (uint32_t)(value >> 32));
	vr_store_be32(p + 4, (uint32_t)value);
}

#endif
