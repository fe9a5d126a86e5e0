/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_RUN_H
#define VR_BASE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A periodic run: count pieces of length bytes, stride apart from start to
 * start. Half a million stripes are one run, and every question about them has
 * a closed form.
 *
 * Invariant, established by vr_run_make() and kept by all others: length and
 * count are above zero, the end fits 64 bits; count 1 has stride == length;
 * count above 1 has stride > length (touching pieces are one longer piece).
 */
struct vr_run {
	uint64_t first, length, stride, count;
};

/* False when the numbers break the invariant in a way that no rewriting mends. */
bool vr_run_make(uint64_t first, uint64_t length, uint64_t stride,
		 uint64_t count, struct vr_run *ret);

/* Exclusive end of the last piece. */
uint64_t vr_run_end(const struct vr_run *run);

/* Bytes covered below off; vr_run_bytes() is all of them. */
uint64_t vr_run_bytes_below(const struct vr_run *run, uint64_t off);
uint64_t vr_run_bytes(const struct vr_run *run);

/*
 * Is off inside a piece? *ret_change receives the next offset above off where
 * the answer changes, UINT64_MAX when it never does.
 */
bool vr_run_contains(const struct vr_run *run, uint64_t off,
		     uint64_t *ret_change);

/* The run moved up by delta; false when it would leave 64 bits. */
bool vr_run_shift(const struct vr_run *run, uint64_t delta, struct vr_run *ret);

/*
 * What of the run lies in [start, end): at most a cut piece, a periodic middle
 * and another cut piece, in ascending order. Returns their number.
 */
#define VR_RUN_CROP_MOST 3
size_t vr_run_crop(const struct vr_run *run, uint64_t start, uint64_t end,
		   struct vr_run ret[VR_RUN_CROP_MOST]);

/*
 * Takes a run that begins at or behind the end of this one into this one, if
 * both together still are one run. False leaves it untouched.
 */
bool vr_run_join(struct vr_run *run, const struct vr_run *next);

#endif
