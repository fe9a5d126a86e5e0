/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Known lockers begin at 0 and repeat at a constant distance. So the first run
 * of noise gives the chunk by its edge; then the file is probed in steps that no
 * further stripe can hide between, and the first noise whose distance from 0
 * holds for the following multiples, too, gives the period. One multiple that is
 * order refutes a candidate, so a guest's archives cost little.
 */
#include "measure/infer.h"

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "measure/block.h"
#include "measure/edge.h"

#define PROBE	    4096
#define GALLOP_FROM (64 * 1024)
#define MULTIPLES   8
#define MILLION	    1000000
/* After so much reading in all, a search gives up: some 10 GiB of probes. */
#define BUDGET (UINT64_C(48) << 20)
/* A period longer than this part of the file leaves too few stripes. */
#define STRIPES_LEAST 8

struct search {
	struct vr_source *source;
	uint64_t *bytes_read;
	uint64_t chunk, period;
	bool failed; /* the last probe, on failing storage */
	bool sharp;  /* order follows the first run of noise */
};

static int
probe(struct search *s, uint64_t off, bool *ret_noise)
{
	uint64_t n = vr_min(PROBE, s->source->size - off);
	int looks;

	*ret_noise = s->failed = false;
	if (n < VR_BLOCK_LEAST)
		return 0;
	looks = vr_sample_looks(s->source, off, n, s->bytes_read);
	s->failed = looks == VR_E_IO;
	*ret_noise = looks == VR_LOOKS_RANDOM;
	return looks < 0 && looks != VR_E_IO ? looks : 0;
}

/*
 * The number that a programmer would have written: a whole MiB or million
 * inside the block that the edge lies in, else the block's beginning.
 */
static uint64_t
round_edge(uint64_t low, uint64_t high)
{
	static const uint64_t units[] = {VR_MIB, MILLION, 65536, 4096};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		uint64_t multiple = vr_div_up(low, units[i]) * units[i];

		if (multiple <= high && multiple > 0)
			return multiple;
	}
	return low;
}

/* --- the chunk -------------------------------------------------------------- */

/* Doubles from the beginning until a probe shows order, then halves back. */
static int
bracket_first_edge(struct search *s, uint64_t *ret_low, uint64_t *ret_high)
{
	uint64_t low = 0, high = GALLOP_FROM, size = s->source->size;
	bool noise = true;
	int r = 0;

	while (r == 0 && high < size) {
		r = probe(s, high, &noise);
		if (!noise)
			break;
		low = high;
		high *= 2;
	}
	high = vr_min(high, size);
	while (r == 0 && high - low > GALLOP_FROM) {
		uint64_t middle = low + (high - low) / 2;

		r = probe(s, middle, &noise);
		if (noise)
			low = middle;
		else
			high = middle;
	}
	*ret_low = low;
	*ret_high = high;
	return r;
}

static int
find_chunk(struct search *s)
{
	uint64_t low, high;
	struct vr_edge edge;
	bool noise;
	int r;

	r = probe(s, 0, &noise);
	if (r < 0 || !noise)
		return r;
	r = bracket_first_edge(s, &low, &high);
	if (r < 0)
		return r;
	r = vr_edge_find(s->source, low, vr_min(high + PROBE, s->source->size),
			 &edge);
	if (r < 0)
		return r == VR_E_IO ? 0 : r;
	*s->bytes_read += edge.bytes_read;
	s->sharp = edge.noise_end < edge.order_from;
	/* A block cut by the edge shows order; a whole one ends at it. */
	s->chunk = round_edge(edge.noise_end, edge.order_from - s->sharp);
	return 0;
}

/* --- the period ------------------------------------------------------------- */

static bool
within_budget(const struct search *s)
{
	return *s->bytes_read < BUDGET;
}

static int
holds_for_multiples(struct search *s, uint64_t period, bool *ret)
{
	bool noise = true;
	int r = 0;

	for (uint64_t k = 2; r == 0 && noise && k < 2 + MULTIPLES; k++) {
		uint64_t off;

		if (!vr_mul(k, period, &off) || off >= s->source->size)
			break;
		r = probe(s, off, &noise);
		/* What cannot be read refutes nothing. */
		noise = noise || s->failed;
	}
	*ret = noise;
	return r;
}

/* Where the noise that a probe met begins, as a distance from 0. */
static int
candidate_at(struct search *s, uint64_t off, uint64_t *ret_period)
{
	uint64_t from = off > s->chunk ? off - s->chunk : 0, start;
	int r;

	r = vr_edge_find_start(s->source, from,
			       vr_min(off + PROBE, s->source->size), &start,
			       s->bytes_read);
	if (r < 0)
		return r == VR_E_IO ? 0 : r;
	*ret_period = round_edge(start, start + VR_BLOCK_LEAST - 1);
	return 0;
}

/*
 * Over a hole at once; else by a chunk: no stripe of that length fits between.
 */
static uint64_t
next_place(const struct search *s, uint64_t off)
{
	uint64_t step = vr_max(s->chunk, PROBE), hole;
	struct vr_extent extent;

	if (vr_source_next(s->source, off, &extent) < 0 ||
	    !(extent.flags & VR_EXTENT_HOLE))
		return off + step;
	/* Onto the grid again, so that edges are met where they are likely. */
	hole = vr_round_down(extent.length, step);
	return off + vr_max(hole, step);
}

static int
try_place(struct search *s, uint64_t off)
{
	uint64_t period = 0;
	bool noise;
	int r;

	r = probe(s, off, &noise);
	if (r < 0 || !noise)
		return r;
	r = candidate_at(s, off, &period);
	if (r < 0 || period <= s->chunk)
		return r;
	r = holds_for_multiples(s, period, &noise);
	if (r == 0 && noise)
		s->period = period;
	return r;
}

static int
find_period(struct search *s)
{
	uint64_t most = s->source->size / STRIPES_LEAST;
	int r = 0;

	for (uint64_t off = s->chunk;
	     r == 0 && s->period == 0 && off < most && within_budget(s);
	     off = next_place(s, off)) {
		r = vr_check_cancel();
		if (r == 0)
			r = try_place(s, off);
	}
	return r;
}

bool
vr_infer_sharp_end(struct vr_source *source, uint64_t off, uint64_t *bytes_read)
{
	if (off < PROBE || !vr_inside(off, PROBE, source->size))
		return false;
	return vr_sample_looks(source, off - PROBE, PROBE, bytes_read) ==
		       VR_LOOKS_RANDOM &&
	       vr_sample_looks(source, off, PROBE, bytes_read) !=
		       VR_LOOKS_RANDOM;
}

int
vr_infer(struct vr_source *source, struct vr_hypothesis *ret_h,
	 enum vr_inferred *ret, uint64_t *bytes_read)
{
	struct search s = {
		.source = source,
		.bytes_read = bytes_read,
	};
	int r = 0;

	*ret = VR_INFERRED_NOTHING;
	r = find_chunk(&s);
	if (r < 0 || s.chunk == 0)
		return r;
	r = find_period(&s);
	if (r < 0 || (s.period == 0 && !s.sharp))
		return r;
	*ret_h = (struct vr_hypothesis){
		.reason = "the bytes alone",
		.condition = VR_CONDITION_FOREIGN,
		.chunk = s.chunk,
		.period = s.period ? s.period : source->size,
	};
	vr_hypothesis_bound(ret_h, "end of file",
			    s.period ? source->size : s.chunk);
	*ret = s.period ? VR_INFERRED_STRIPES : VR_INFERRED_HEAD;
	return 0;
}
