/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_FINE_H
#define VR_MEASURE_FINE_H

#include "measure/stripes.h"

/*
 * Stripes of some dozen bytes say nothing one by one. Of many in a row the bytes
 * are put together into one block, and those right before and right behind them
 * into two others.
 */
#define VR_FINE_BYTES 4096

/* Is a stripe of h too short to be judged by itself? */
bool vr_is_fine(const struct vr_hypothesis *h);

/* How many stripes are judged together. */
uint64_t vr_fine_group(const struct vr_hypothesis *h);

/* A group, from its first stripe on; look->stripe is not read. */
int vr_fine_judge(struct vr_source *source, const struct vr_hypothesis *h,
		  uint64_t first_stripe, struct vr_look *look,
		  uint64_t *bytes_read);

#endif
