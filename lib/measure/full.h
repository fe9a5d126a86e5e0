/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_FULL_H
#define VR_MEASURE_FULL_H

#include "io/source.h"
#include "map/map.h"
#include "profile/profile.h"

/*
 * The full pass: every byte of a file is looked at, by several threads, in
 * pieces of 64 KiB cut at the stripes' edges. The answer does not depend on
 * their number.
 */
struct vr_full_how {
	unsigned threads; /* 0: as many as there are processors */
	vr_progress progress;
	void *progress_data;
};

struct vr_full {
	bool done;
	uint64_t bytes_read;
	/* Stripes by what all of their bytes say. */
	uint64_t encrypted, clear, mixed, unreadable;
	/* Bytes between the stripes: shown to be clear, and noise of any kind. */
	uint64_t gap_order, gap_noise;
};

/*
 * Lays the measured layer for the stripes of h; without a hypothesis (NULL) for
 * cells of one MiB, where only what shows order is said to be intact. What
 * cannot be read is unreadable, to 4 KiB. Fails when cancelled, or without memory.
 */
int vr_measure_full(struct vr_source *source, const struct vr_hypothesis *h,
		    const struct vr_full_how *how, struct vr_map *map,
		    struct vr_full *ret);

#endif
