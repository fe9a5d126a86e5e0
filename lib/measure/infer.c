/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lockers that work in stripes repeat themselves at a constant distance, from the
 * file's beginning or from a place of their own. So runs of noise are looked for
 * in steps and measured at both edges. Two of the same length are a period apart,
 * or some: what lies at the multiples tells. A guest's archives have many lengths
 * and refute themselves, so they cost little.
 */
#include "measure/infer.h"

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "measure/block.h"
#include "measure/edge.h"

#define PROBE 4096
/* Edges are bracketed so narrowly before blocks are read one by one. */
#define NARROW (64 * 1024)
/* Two pieces of one pattern may differ so much where a sector hides an edge. */
#define SLACK	    (2 * VR_SECTOR)
#define LEAST_BYTES (16 * 1024)
#define PIECES_MOST 64
/* A distance may be so many periods, where steps went over stripes. */
#define PARTS_MOST 64
#define MULTIPLES  8
#define SHARPENED  8
#define MILLION	   1000000
/* The first multiples must stand out, or it is no pattern. */
#define SHARP_LEAST 2

/* One run of noise. Sharp: order on both sides, or the beginning of the file. */
struct piece {
	uint64_t start, end;
	bool sharp;
};

struct search {
	struct vr_source *source;
	uint64_t *bytes_read;
	uint64_t stop; /* of bytes_read */
	size_t count;
	struct piece pieces[PIECES_MOST];
	/* What was found: */
	struct piece first; /* of the stripes */
	uint64_t period;    /* or 0 */
	uint64_t doubt_from;
};

/* Places to look at: so far into the file, so far apart. */
struct round {
	uint64_t step, reach, budget;
};

/*
 * Stripes of a MiB and more cannot hide between the steps of the first; the
 * second finds those of 64 KiB.
 */
static const struct round rounds[] = {
	{UINT64_C(1) << 20, UINT64_C(2) << 30, UINT64_C(24) << 20},
	{UINT64_C(64) << 10, UINT64_C(64) << 20, UINT64_C(16) << 20},
};

static bool
has_budget(const struct search *s)
{
	return *s->bytes_read < s->stop;
}

/* Failing storage shows nothing, and counts as order. */
static int
probe(struct search *s, uint64_t off, bool *ret_noise)
{
	uint64_t n = off < s->source->size
			     ? vr_min(PROBE, s->source->size - off)
			     : 0;
	int looks;

	*ret_noise = false;
	if (n < VR_BLOCK_LEAST)
		return 0;
	looks = vr_sample_looks(s->source, off, n, s->bytes_read);
	*ret_noise = looks == VR_LOOKS_RANDOM;
	return looks < 0 && looks != VR_E_IO ? looks : 0;
}

/*
 * The number that a programmer would have written, if one lies within a sector of
 * the edge: a sector that is noise in part may have been taken for either.
 */
static uint64_t
round_edge(uint64_t edge)
{
	static const uint64_t units[] = {VR_MIB, MILLION, 65536, 4096};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		uint64_t nearest = (edge + units[i] / 2) / units[i] * units[i];

		if (vr_max(nearest, edge) - vr_min(nearest, edge) < VR_SECTOR)
			return nearest;
	}
	return edge;
}

/* --- one run of noise ------------------------------------------------------- */

/* Halves what lies between noise and order until it is narrow. */
static int
narrow(struct search *s, uint64_t *noise_at, uint64_t *order_at)
{
	int r = 0;

	while (r == 0) {
		uint64_t low = vr_min(*noise_at, *order_at);
		uint64_t high = vr_max(*noise_at, *order_at);
		uint64_t middle =
			vr_round_down(low + (high - low) / 2, VR_SECTOR);
		bool noise;

		if (high - low <= NARROW)
			break;
		r = probe(s, middle, &noise);
		*(noise ? noise_at : order_at) = middle;
	}
	return r;
}

/*
 * Goes on from noise in steps that grow with the distance, slowly enough that a
 * gap a quarter as long as the stripe is not stepped over.
 */
static int
bracket_end(struct search *s, uint64_t off, uint64_t *ret_low,
	    uint64_t *ret_high)
{
	uint64_t low = off, high = off, size = s->source->size;
	bool noise = true;
	int r = 0;

	while (r == 0 && noise && high < size) {
		low = high;
		high = vr_round_down(high, VR_SECTOR) +
		       vr_max(NARROW, vr_round_down((high - off) / 4, NARROW));
		high = vr_min(high, size);
		r = probe(s, high, &noise);
	}
	if (r == 0)
		r = narrow(s, &low, &high);
	*ret_low = low;
	*ret_high = high;
	return r;
}

static int
find_end(struct search *s, uint64_t off, struct piece *p)
{
	uint64_t low, high;
	struct vr_edge edge;
	int r = bracket_end(s, off, &low, &high);

	if (r < 0)
		return r;
	r = vr_edge_find(s->source, low, vr_min(high + PROBE, s->source->size),
			 &edge);
	p->sharp = false;
	p->end = high;
	if (r < 0)
		return r == VR_E_IO ? 0 : r;
	*s->bytes_read += edge.bytes_read;
	p->sharp = edge.noise_end < edge.order_from;
	p->end = round_edge(edge.noise_end);
	return 0;
}

/* Between order at low and noise at off. */
static int
find_start(struct search *s, uint64_t low, uint64_t off, struct piece *p)
{
	uint64_t start;
	bool noise;
	int r = probe(s, low, &noise);

	if (r < 0)
		return r;
	if (noise) {
		p->start = low;
		p->sharp = p->sharp && low == 0;
		return 0;
	}
	r = narrow(s, &off, &low);
	if (r == 0)
		r = vr_edge_find_start(s->source, low,
				       vr_min(off + PROBE, s->source->size),
				       &start, s->bytes_read);
	if (r < 0)
		return r == VR_E_IO ? 0 : r;
	p->start = round_edge(start);
	return 0;
}

/* --- a pattern -------------------------------------------------------------- */

static uint64_t
length_of(const struct piece *p)
{
	return p->end - p->start;
}

/* Is there noise from start to end, and order right beside it? */
static int
look_at_place(struct search *s, uint64_t start, uint64_t end, bool *ret_noise,
	      bool *ret_sharp)
{
	const uint64_t inside[] = {start, end - PROBE,
				   start + (end - start) / 2};
	bool before = false, after = false;
	int r = 0;

	*ret_noise = true;
	*ret_sharp = false;
	for (size_t i = 0; r == 0 && *ret_noise && i < 3; i++)
		r = probe(s, inside[i], ret_noise);
	if (r < 0 || !*ret_noise)
		return r;
	if (start >= PROBE)
		r = probe(s, start - PROBE, &before);
	if (r == 0)
		r = probe(s, end, &after);
	*ret_sharp = !before && !after;
	return r;
}

/*
 * All of the next multiples are noise, and most of them stand out. Of a part of a
 * distance that was shown to hold, one that stands out between is enough: stripes
 * that the guest's noise surrounds must not be taken for none.
 */
static int
holds(struct search *s, const struct piece *p, uint64_t period, unsigned part,
      bool *ret)
{
	unsigned sharp = 0, noisy = 0, between = 0;
	bool noise = true;
	int r = 0;

	for (uint64_t k = 1; r == 0 && noise && k <= MULTIPLES; k++) {
		uint64_t off;
		bool stands_out;

		if (!vr_mul(k, period, &off) || !vr_add(off, p->start, &off) ||
		    off >= s->source->size - length_of(p))
			break;
		r = look_at_place(s, off, off + length_of(p), &noise,
				  &stands_out);
		noisy += noise;
		sharp += stands_out;
		between += stands_out && k % part;
	}
	*ret = part > 1 ? between > 0 && noise
			: sharp >= SHARP_LEAST && 2 * sharp > noisy;
	return r;
}

/* What was taken for the distance of two stripes may be that of more. */
static int
smallest_part(struct search *s, const struct piece *p, uint64_t *period)
{
	uint64_t whole = *period;
	int r = 0;

	for (unsigned n = PARTS_MOST; r == 0 && n > 1; n--) {
		bool found = false;

		if (whole % n == 0 && whole / n > length_of(p))
			r = holds(s, p, whole / n, n, &found);
		if (found) {
			*period = whole / n;
			break;
		}
	}
	return r;
}

/*
 * The steps may have begun to see stripes behind the first. What is noise amid
 * noise may be a stripe or the guest's own.
 */
static int
go_back(struct search *s)
{
	uint64_t start = s->first.start, length = length_of(&s->first);
	int r = 0;

	while (r == 0 && start >= s->period && has_budget(s)) {
		bool noise, sharp;

		start -= s->period;
		r = look_at_place(s, start, start + length, &noise, &sharp);
		if (r < 0 || !noise)
			break;
		s->doubt_from = start;
		if (sharp)
			s->first = (struct piece){start, start + length, true};
	}
	return r;
}

/*
 * A sector of the guest's that hides makes a stripe seem longer, never shorter:
 * of many edges the latest start and the earliest end are the truest.
 */
static int
sharpen(struct search *s)
{
	uint64_t size = s->source->size, length = length_of(&s->first);
	uint64_t start = s->first.start, end = s->first.end;
	int r = 0;

	for (uint64_t k = 0; r == 0 && k < SHARPENED; k++) {
		uint64_t shift = k * s->period, at = s->first.start + shift;
		struct vr_edge edge = {0};
		uint64_t from = 0;
		bool noise, sharp;

		if (!vr_inside(at, length + PROBE, size))
			break;
		r = look_at_place(s, at, at + length, &noise, &sharp);
		if (r < 0 || !sharp || at < PROBE)
			continue;
		r = vr_edge_find_start(s->source, at - PROBE, at + PROBE, &from,
				       s->bytes_read);
		if (r == 0)
			r = vr_edge_find(s->source, at + length - PROBE,
					 at + length + PROBE, &edge);
		if (r < 0)
			continue;
		start = vr_max(start, from - shift);
		end = vr_min(end, edge.noise_end - shift);
	}
	/* The same edges before. */
	s->doubt_from += round_edge(start) - s->first.start;
	s->first.start = round_edge(start);
	s->first.end = round_edge(end);
	return r < 0 && r != VR_E_IO ? r : 0;
}

static bool
are_alike(const struct piece *a, const struct piece *b)
{
	uint64_t x = length_of(a), y = length_of(b);

	return a->sharp && b->sharp && vr_max(x, y) - vr_min(x, y) <= SLACK;
}

/*
 * A sector of the guest's that hides makes a stripe seem longer, never shorter:
 * the later start and the earlier end are the truer.
 */
static struct piece
common_part(const struct piece *a, const struct piece *b)
{
	uint64_t length = vr_min(length_of(a), length_of(b));

	return length == length_of(a)
		       ? *a
		       : (struct piece){b->start, b->start + length, true};
}

/* Asks about the last piece's distance from each that is as long. */
static int
try_pairs(struct search *s)
{
	const struct piece *last = &s->pieces[s->count - 1];
	int r = 0;

	for (size_t i = s->count - 1; r == 0 && i-- > 0;) {
		struct piece p = common_part(&s->pieces[i], last);
		uint64_t period = last->start - s->pieces[i].start;
		bool found = false;

		if (are_alike(&s->pieces[i], last))
			r = holds(s, &p, period, 1, &found);
		if (r < 0 || !found)
			continue;
		r = smallest_part(s, &p, &period);
		s->first = p;
		s->period = period;
		s->doubt_from = p.start;
		if (r == 0)
			r = go_back(s);
		return r == 0 ? sharpen(s) : r;
	}
	return r;
}

/* --- through the file --------------------------------------------------------- */

/* Over a hole at once; else by a step. */
static uint64_t
next_place(const struct search *s, uint64_t off, uint64_t step)
{
	struct vr_extent extent;

	if (vr_source_next(s->source, off, &extent) < 0 ||
	    !(extent.flags & VR_EXTENT_HOLE))
		return off + step;
	/* Onto the grid again, so that edges are met where they are likely. */
	return off + vr_max(vr_round_down(extent.length, step), step);
}

/* *off moves behind the run of noise that was met, if one was. */
static int
try_place(struct search *s, uint64_t before, uint64_t *off)
{
	struct piece p = {0};
	bool noise;
	int r = probe(s, *off, &noise);

	if (r < 0 || !noise)
		return r;
	r = find_end(s, *off, &p);
	if (r == 0)
		r = find_start(s, before, *off, &p);
	*off = vr_max(*off, p.end);
	if (r < 0 || p.end < p.start + LEAST_BYTES)
		return r;
	s->pieces[s->count++] = p;
	return try_pairs(s);
}

static int
go_through(struct search *s, const struct round *round)
{
	uint64_t reach = vr_min(round->reach, s->source->size), before = 0;
	uint64_t off = 0;
	int r = 0;

	s->stop = *s->bytes_read + round->budget;
	s->count = 0;
	while (r == 0 && s->period == 0 && off < reach && has_budget(s) &&
	       s->count < PIECES_MOST) {
		r = vr_check_cancel();
		if (r == 0)
			r = try_place(s, before, &off);
		before = off;
		off = next_place(s, off, round->step);
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

/* The run of noise that the file begins with, if it does. */
static const struct piece *
head_of(const struct search *s)
{
	return s->count > 0 && s->pieces[0].start == 0 ? &s->pieces[0] : NULL;
}

static struct vr_inference
inference_of(const struct search *s, const struct piece *head)
{
	const struct piece *p = s->period ? &s->first : head;
	uint64_t start = s->period ? s->doubt_from : p->start;
	struct vr_inference ret = {
		.what = s->period ? VR_INFERRED_STRIPES : VR_INFERRED_HEAD,
		.h =
			{
				.reason = "the bytes alone",
				.condition = VR_CONDITION_FOREIGN,
				.first = start,
				.chunk = length_of(p),
				.period = s->period ? s->period
						    : s->source->size,
			},
		.sure_from = p->start,
		.head = head && start > 0 ? head->end : 0,
	};

	vr_hypothesis_bound(&ret.h, "end of file",
			    s->period ? s->source->size : p->end);
	return ret;
}

int
vr_infer(struct vr_source *source, struct vr_inference *ret,
	 uint64_t *bytes_read)
{
	struct search s = {.source = source, .bytes_read = bytes_read};
	const struct piece *head;
	int r = 0;

	for (size_t i = 0; i < sizeof(rounds) / sizeof(*rounds); i++)
		if (r == 0 && s.period == 0)
			r = go_through(&s, &rounds[i]);
	if (r < 0)
		return r;
	head = head_of(&s);
	*ret = (struct vr_inference){.what = VR_INFERRED_NOTHING};
	if (s.period || (head && head->sharp))
		*ret = inference_of(&s, head);
	return 0;
}
