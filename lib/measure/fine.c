/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Some builds of Black Basta used the same key stream for every stripe (SRLabs,
 * "Black Basta Buster", 2023): over zeros all stripes are then equal, and put
 * together they look like anything but noise. So only bytes that no key stream
 * leaves are called clear: zeros, text, blocks with many zeros in them.
 */
#include "measure/fine.h"

#include <string.h>

#include "base/checked.h"
#include "measure/block.h"

/* Of ciphertext one byte in 256 is zero, and of a key stream over zeros hardly more. */
#define ZEROS_ONE_IN 8

struct group {
	uint8_t before[VR_FINE_BYTES], inside[VR_FINE_BYTES];
	uint8_t after[VR_FINE_BYTES];
	size_t length;
};

bool
vr_is_fine(const struct vr_hypothesis *h)
{
	return h->chunk > 0 && h->chunk < VR_BLOCK_LEAST &&
	       h->period >= 3 * h->chunk;
}

uint64_t
vr_fine_group(const struct vr_hypothesis *h)
{
	return vr_div_up(VR_FINE_BYTES, h->chunk);
}

/* One stripe and its neighbours in one read; *ret_end at the end of the file. */
static int
add_stripe(struct vr_source *source, const struct vr_hypothesis *h,
	   uint64_t start, struct group *g, bool *ret_end)
{
	uint8_t bytes[3 * VR_BLOCK_LEAST];
	size_t n = (size_t)h->chunk;
	uint64_t off = start >= n ? start - n : start + n;
	int r;

	*ret_end = !vr_inside(start, 2 * n, source->size) ||
		   !vr_inside(off, 3 * n, source->size) ||
		   g->length + n > VR_FINE_BYTES;
	if (*ret_end)
		return 0;
	r = vr_source_read_at(source, bytes, 3 * n, off);
	if (r < 0)
		return r;
	/* The very first has nothing before it. */
	memcpy(g->before + g->length, bytes, n);
	memcpy(g->inside + g->length, bytes + n, n);
	memcpy(g->after + g->length, bytes + 2 * n, n);
	if (start < n)
		return vr_source_read_at(source, g->inside + g->length, n,
					 start);
	g->length += n;
	return 0;
}

static bool
is_clear(const uint8_t *bytes, size_t n)
{
	struct vr_block_counts counts;

	switch (vr_block_looks(bytes, n)) {
	case VR_LOOKS_ZERO:
	case VR_LOOKS_TEXT:
		return true;
	case VR_LOOKS_RANDOM:
		return false;
	default:
		vr_block_counter_best()->count(bytes, n, &counts);
		return counts.zeros * ZEROS_ONE_IN >= n;
	}
}

static enum vr_verdict
verdict_of(const struct group *g, struct vr_look *look)
{
	if (g->length < VR_BLOCK_LEAST)
		return VR_STRIPE_UNSURE;
	if (is_clear(g->inside, g->length))
		return VR_STRIPE_CLEAR;
	look->before = is_clear(g->before, g->length);
	look->after = is_clear(g->after, g->length);
	return look->before && look->after ? VR_STRIPE_ENCRYPTED
					   : VR_STRIPE_UNSURE;
}

int
vr_fine_judge(struct vr_source *source, const struct vr_hypothesis *h,
	      uint64_t first_stripe, struct vr_look *look, uint64_t *bytes_read)
{
	uint64_t start = vr_hypothesis_stripe(h, first_stripe);
	struct group g;
	bool ended = false;
	int r = 0;

	g.length = 0;
	for (uint64_t i = 0; r == 0 && !ended && i < vr_fine_group(h); i++)
		r = add_stripe(source, h, start + i * h->period, &g, &ended);
	*bytes_read += 3 * g.length;
	look->verdict = VR_STRIPE_UNREADABLE;
	if (r == 0)
		look->verdict = verdict_of(&g, look);
	return r == VR_E_IO ? 0 : r;
}
