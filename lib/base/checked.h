/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_CHECKED_H
#define VR_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

#define VR_SECTOR 512u
#define VR_MIB	  (UINT64_C(1) << 20)

/* True when the exact result fits; *ret is untouched otherwise. */
static inline bool
vr_add(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*ret = sum;
	return true;
}

static inline bool
vr_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return false;
	*ret = product;
	return true;
}

static inline uint64_t
vr_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t
vr_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Rounded up without the sum that could wrap; divisor > 0. */
static inline uint64_t
vr_div_up(uint64_t n, uint64_t divisor)
{
	return n / divisor + (n % divisor != 0);
}

static inline uint64_t
vr_round_down(uint64_t n, uint64_t unit)
{
	return n - n % unit;
}

/* Is [off, off + len) inside [0, size)? */
static inline bool
vr_inside(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

#endif
