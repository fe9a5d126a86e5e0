/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_BLOCK_H
#define VR_MEASURE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/block_bet.h"
#include "measure/block_count.h"

/*
 * How a block looks, taken as a whole. RANDOM means that ciphertext would look
 * like this; so do some compressed data, and guests that encrypt themselves. All
 * others are strong verdicts: ciphertext is called that less than once in 10^9
 * blocks, whatever their size. A block that is ciphertext only in part may get
 * any verdict, so cut blocks where the ciphertext would begin and end.
 */
enum vr_looks {
	VR_LOOKS_ZERO,
	VR_LOOKS_TEXT,
	VR_LOOKS_STRUCTURED, /* equal bytes at least twice as often as chance */
	VR_LOOKS_COMPRESSED, /* less order than that, but some */
	VR_LOOKS_RANDOM,
};
#define VR_LOOKS 5

/* Below this a block says nothing that could be relied on. */
#define VR_BLOCK_LEAST 512
/* Above this, counts do not fit. */
#define VR_BLOCK_MOST UINT32_MAX

/* n from VR_BLOCK_LEAST to VR_BLOCK_MOST; from any thread. */
enum vr_looks vr_block_looks(const uint8_t *bytes, size_t n);

/*
 * The same without the bets, and of large blocks only some of the values are
 * counted: sixteen times as fast on noise, for bulk. Calls more compressed data
 * RANDOM, and ciphertext nothing else any oftener.
 */
enum vr_looks vr_block_glance(const uint8_t *bytes, size_t n);

/* Would ciphertext look like this? */
bool vr_looks_noise(enum vr_looks looks);

/* A lower-case word. */
const char *vr_looks_name(enum vr_looks looks);

/* What the verdicts go by. */
struct vr_block_stats {
	size_t bytes;
	struct vr_block_counts counts;
	uint64_t chi_square; /* of the byte values; rounded down */
	int64_t doublings[VR_BIT_ORDERS][VR_BETS];
};

void vr_block_measure(const uint8_t *bytes, size_t n,
		      struct vr_block_stats *ret);

/* With a counter of the caller's choice: tests show that it does not matter. */
enum vr_looks vr_block_looks_by(const struct vr_block_counter *counter,
				const uint8_t *bytes, size_t n);

#endif
