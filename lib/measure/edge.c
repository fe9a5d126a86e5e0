/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An edge is found in two steps: in blocks of 4 KiB, which compressed data seldom
 * passes as noise, then to 512 bytes inside the first block that shows order.
 * The search is linear, not a bisection: behind an edge the guest's own data may
 * be noise again.
 */
#include "measure/edge.h"

#include "base/checked.h"
#include "measure/block.h"

#define COARSE 4096
#define FINE   VR_BLOCK_LEAST

static bool
is_noise(const uint8_t *bytes, size_t n)
{
	return n < VR_BLOCK_LEAST ||
	       vr_block_looks(bytes, n) == VR_LOOKS_RANDOM;
}

/*
 * The first fine block of order in a coarse one that is not noise as a whole, or
 * n: compressed data shows in 4 KiB what it may hide in each sector.
 */
static size_t
first_order(const uint8_t *bytes, size_t n)
{
	for (size_t at = 0; at < n; at += FINE)
		if (!is_noise(bytes + at, vr_min(FINE, n - at)))
			return at;
	return n;
}

/*
 * Of zstd at its slowest nine blocks in ten hide: that 64 of them do in a row
 * happens once in a thousand archives.
 */
#define HIDDEN_MOST (64 * COARSE)
#define HIDES_FOR   (16 * COARSE)

/* Does noise come again soon behind off? Then what lies there is near to it. */
static bool
noise_comes_again(struct vr_source *source, uint64_t off, uint64_t end,
		  struct vr_edge *edge)
{
	uint64_t stop = off + vr_min(HIDES_FOR, end - off);
	uint8_t block[COARSE];

	for (; off < stop; off += sizeof(block)) {
		size_t n = (size_t)vr_min(sizeof(block), stop - off);

		if (n < FINE || vr_source_read_at(source, block, n, off) < 0)
			return false;
		edge->bytes_read += n;
		if (is_noise(block, n))
			return true;
	}
	return false;
}

int
vr_edge_find(struct vr_source *source, uint64_t start, uint64_t end,
	     struct vr_edge *ret)
{
	struct vr_edge edge = {end, end, end, 0};
	uint8_t block[COARSE];

	for (uint64_t off = start; off < end; off += COARSE) {
		size_t n = (size_t)vr_min(COARSE, end - off), at;
		int r = vr_source_read_at(source, block, n, off);

		if (r < 0)
			return r;
		edge.bytes_read += n;
		if (is_noise(block, n))
			continue;
		at = first_order(block, n);
		/* Order that no sector shows by itself: all of it is in doubt. */
		edge.noise_end = at < n ? off + at : off;
		edge.order_from = off + vr_min(at + FINE, n);
		edge.sure_end = edge.noise_end;
		if (vr_block_looks(block, n) == VR_LOOKS_COMPRESSED ||
		    noise_comes_again(source, off + n, end, &edge))
			edge.sure_end -=
				vr_min(HIDDEN_MOST, edge.noise_end - start);
		break;
	}
	*ret = edge;
	return 0;
}

/* The length of the noise that the block ends in. */
static size_t
noise_at_end(const uint8_t *bytes, size_t n)
{
	size_t at = n / FINE * FINE;

	while (at >= FINE && is_noise(bytes + at - FINE, FINE))
		at -= FINE;
	return n - at;
}

int
vr_edge_find_start(struct vr_source *source, uint64_t start, uint64_t end,
		   uint64_t *ret, uint64_t *bytes_read)
{
	uint8_t block[COARSE];
	uint64_t off = end;

	while (off > start) {
		size_t n = (size_t)vr_min(COARSE, off - start), noisy;
		int r = vr_source_read_at(source, block, n, off - n);

		if (r < 0)
			return r;
		*bytes_read += n;
		noisy = is_noise(block, n) ? n : noise_at_end(block, n);
		off -= noisy;
		if (noisy < n)
			break;
	}
	*ret = off;
	return 0;
}
