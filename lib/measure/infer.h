/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_INFER_H
#define VR_MEASURE_INFER_H

#include "measure/stripes.h"

/*
 * A pattern from nothing but the bytes: runs of noise of one length (chunk), at
 * equal distances (period), from anywhere on (first). For files whose side file
 * is lost, or whose attacker is unknown.
 */
enum vr_inferred {
	VR_INFERRED_NOTHING,
	VR_INFERRED_HEAD, /* one run of noise from 0 on, and order behind it */
	VR_INFERRED_STRIPES,
};

struct vr_inference {
	enum vr_inferred what;
	struct vr_hypothesis h;
	/* Noise hides whether those that begin before this were stripes. */
	uint64_t sure_from;
	/* The file begins with noise up to here that the stripes do not explain. */
	uint64_t head;
};

/*
 * ret->h has one bound, the end of the file; where the stripes really end is for
 * vr_measure_stripes() to find. Reads at most some 44 MiB, of a file without noise
 * at its beginning 12.
 */
int vr_infer(struct vr_source *source, struct vr_inference *ret,
	     uint64_t *bytes_read);

/* Is there noise right before off, and order right behind it? */
bool vr_infer_sharp_end(struct vr_source *source, uint64_t off,
			uint64_t *bytes_read);

#endif
