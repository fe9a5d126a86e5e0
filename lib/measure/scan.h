/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_SCAN_H
#define VR_MEASURE_SCAN_H

#include "measure/stripes.h"

/*
 * Every period that a run from offset 0 can have, in whole units, one by one. An
 * encryptor goes through a file from its beginning, so the first stripe that is
 * clear refutes its period: a sector each is mostly enough, and the search is
 * exhaustive.
 */
struct vr_scan_how {
	uint64_t unit;	      /* chunk, and what periods are multiples of */
	uint64_t least, most; /* periods, in units */
	uint64_t budget;      /* bytes */
	const struct vr_measure_how *covered;
	/*
	 * After so many stripes that noise hides, and none beside order, the rest
	 * of the file is taken to be hidden, too; 0: all are asked.
	 */
	size_t hidden_most;
};

/* A period that could be neither proved nor refuted: stripes up to end. */
struct vr_possible {
	uint64_t period, end;
	size_t exact; /* stripes with order right beside them, */
	size_t both;  /* and of those, on both sides */
};
#define VR_POSSIBLE_MOST 256

struct vr_scan {
	uint64_t period; /* the smallest that shows a pattern, or 0 */
	/* Every period was asked about, and possible holds all that are left. */
	bool exhaustive;
	bool hidden; /* no, because noise hides too many */
	size_t possible_count;
	struct vr_possible possible[VR_POSSIBLE_MOST];
};

int vr_scan_periods(struct vr_source *source, const struct vr_scan_how *how,
		    struct vr_scan *ret, uint64_t *bytes_read);

/*
 * Asks some of the stripes of one period, in ascending order, until one is clear.
 * *ret->end is where the first clear one begins, or the end of the file.
 */
int vr_scan_one(struct vr_source *source, const struct vr_scan_how *how,
		uint64_t period, struct vr_possible *ret, bool *ret_pattern,
		uint64_t *bytes_read);

#endif
