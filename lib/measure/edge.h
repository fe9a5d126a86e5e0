/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_EDGE_H
#define VR_MEASURE_EDGE_H

#include "io/source.h"

/*
 * Where noise that begins at start ends, within [start, end): everything below
 * noise_end looks encrypted, and from order_from on there is order, as far as
 * the first block of it. Between the two, a block of 512 bytes or, where
 * compressed data follows, of 4 KiB, lies the edge. Without order both are end.
 *
 * Compressed data hides in some of its blocks, so where such follows, the edge
 * may lie further in front: sure_end is how far the noise is beyond doubt.
 */
struct vr_edge {
	uint64_t sure_end, noise_end, order_from;
	uint64_t bytes_read;
};

int vr_edge_find(struct vr_source *source, uint64_t start, uint64_t end,
		 struct vr_edge *ret);

/*
 * The other way round: order up to some point, then noise up to end. Where does
 * the noise begin? *ret is exact to a block of 512 bytes, rounded down, and is
 * end where the last block is order.
 */
int vr_edge_find_start(struct vr_source *source, uint64_t start, uint64_t end,
		       uint64_t *ret, uint64_t *bytes_read);

#endif
