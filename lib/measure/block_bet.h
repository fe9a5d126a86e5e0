/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_BLOCK_BET_H
#define VR_MEASURE_BLOCK_BET_H

#include <stddef.h>
#include <stdint.h>

/*
 * What gamblers win who bet on every next bit, having seen the ones before it:
 * as powers of two, rounded down, of the coin that each began with. See the head
 * of block_bet.c for why that is the test of randomness.
 */
#define VR_BETS 3

/* At most so many bytes of a block are bet on. */
#define VR_BET_MOST 65536

/*
 * A byte's bits in the order that the format packs them: deflate and zstd begin
 * with the lowest, bzip2, JPEG and MPEG with the highest.
 */
enum vr_bit_order { VR_LOW_BIT_FIRST, VR_HIGH_BIT_FIRST };
#define VR_BIT_ORDERS 2

/* n at least 8. */
void vr_bet(const uint8_t *bytes, size_t n, enum vr_bit_order order,
	    int64_t ret_doublings[VR_BETS]);

#endif
