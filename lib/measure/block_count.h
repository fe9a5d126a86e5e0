/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_BLOCK_COUNT_H
#define VR_MEASURE_BLOCK_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What can be counted in one pass of a vector unit, at ten times the speed of a
 * histogram. Counts are exact, so every counter gives the same.
 */
#define VR_BLOCK_LAGS 8

struct vr_block_counts {
	uint64_t zeros;
	uint64_t printable; /* 32 to 127, and 9 to 13: tab to carriage return */
	/* [i]: how many bytes equal the one i + 1 places further on. */
	uint64_t pairs[VR_BLOCK_LAGS];
};

struct vr_block_counter {
	const char *name;
	bool (*usable)(void); /* on this processor */
	void (*count)(const uint8_t *bytes, size_t n,
		      struct vr_block_counts *ret);
};

/* By number, the fastest first; NULL behind the last, which runs everywhere. */
const struct vr_block_counter *vr_block_counter(size_t i);

/* The fastest that is usable. */
const struct vr_block_counter *vr_block_counter_best(void);

#endif
