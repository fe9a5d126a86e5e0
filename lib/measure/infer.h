/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_INFER_H
#define VR_MEASURE_INFER_H

#include "measure/stripes.h"

/*
 * A pattern from nothing but the bytes: noise from 0 on up to an edge (chunk),
 * and again at equal distances (period). For files whose side file is lost, or
 * whose attacker is unknown.
 */
enum vr_inferred {
	VR_INFERRED_NOTHING, /* no noise at 0, or no edge to it */
	VR_INFERRED_HEAD,    /* one run of noise, and order behind it */
	VR_INFERRED_STRIPES,
};

/*
 * *ret_h has one bound, the end of the file; where the stripes really end is for
 * vr_measure_stripes() to find. Reads at most some 44 MiB.
 */
int vr_infer(struct vr_source *source, struct vr_hypothesis *ret_h,
	     enum vr_inferred *ret, uint64_t *bytes_read);

/* Is there noise right before off, and order right behind it? */
bool vr_infer_sharp_end(struct vr_source *source, uint64_t off,
			uint64_t *bytes_read);

#endif
