/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "measure/scan.h"

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "measure/block.h"
#include "measure/edge.h"

/* A pattern is proved by so many stripes beside order. */
#define EXACT_LEAST 3
/* And its length by so many that end where they should. */
#define ENDS_LEAST 2
/* Stripes 1, 2, 3, … one by one, then further and further apart. */
#define ONE_BY_ONE 6
/* After so many periods that noise hides a search gives up. */
#define HIDDEN_MOST 8

static struct vr_hypothesis
hypothesis_of(const struct vr_source *source, uint64_t unit, uint64_t period)
{
	struct vr_hypothesis h = {.chunk = unit, .period = period};

	vr_hypothesis_bound(&h, "end of file", source->size);
	return h;
}

/*
 * The first stripe from this one on that no run that was found has hit, or the
 * number of all. A run whose period divides this one hits all up to its end.
 */
static uint64_t
next_stripe(const struct vr_scan_how *how, const struct vr_hypothesis *h,
	    uint64_t stripe, uint64_t count)
{
	for (size_t i = 0; i < how->covered->covered_count; i++) {
		const struct vr_covered *c = &how->covered->covered[i];

		if (h->period % c->period == 0 && h->chunk <= c->chunk)
			stripe = vr_max(stripe, vr_div_up(vr_covered_end(c),
							  h->period));
	}
	while (stripe < count &&
	       vr_is_covered(how->covered, vr_hypothesis_stripe(h, stripe)))
		stripe++;
	return vr_min(stripe, count);
}

static uint64_t
step_from(uint64_t stripe)
{
	return stripe < ONE_BY_ONE ? 1 : stripe / 3;
}

/*
 * Where the noise ends that a stripe begins with, if only so far was encrypted.
 * Another stripe's worth is the most.
 */
static int
end_in_stripe(struct vr_source *source, uint64_t start, uint64_t chunk,
	      uint64_t *ret_end, uint64_t *bytes_read)
{
	struct vr_edge edge;
	int r = vr_edge_find(source, start, vr_min(start + chunk, source->size),
			     &edge);

	if (r < 0)
		return r == VR_E_IO ? 0 : r;
	*bytes_read += edge.bytes_read;
	*ret_end = edge.order_from > start + VR_BLOCK_LEAST ||
				   edge.noise_end > start
			   ? edge.order_from
			   : start;
	return 0;
}

int
vr_scan_one(struct vr_source *source, const struct vr_scan_how *how,
	    uint64_t period, struct vr_possible *ret, bool *ret_pattern,
	    uint64_t *bytes_read)
{
	const struct vr_hypothesis h = hypothesis_of(source, how->unit, period);
	uint64_t count = vr_hypothesis_count(&h, source->size);
	struct vr_possible p = {.period = period, .end = source->size};
	uint64_t stripe = next_stripe(how, &h, 1, count);
	size_t noisy = 0, seen = 0, ends = 0;
	int r = 0;

	while (stripe < count) {
		struct vr_look look = {.stripe = stripe};

		r = vr_judge_stripe(source, &h, how->covered, &look,
				    bytes_read);
		if (r < 0)
			return r;
		/* Noise without gaps has no edges, and proves nothing. */
		p.exact += look.verdict == VR_STRIPE_ENCRYPTED &&
			   period > how->unit;
		p.both += look.before && look.after;
		ends += look.after;
		if (look.verdict == VR_STRIPE_CLEAR ||
		    look.verdict == VR_STRIPE_PARTLY) {
			p.end = vr_hypothesis_stripe(&h, stripe);
			r = end_in_stripe(source, p.end, how->unit, &p.end,
					  bytes_read);
			break;
		}
		noisy += look.verdict != VR_STRIPE_UNREADABLE;
		seen++;
		if (p.exact >= EXACT_LEAST && p.exact * 3 >= noisy &&
		    ends >= ENDS_LEAST)
			break;
		if (how->hidden_most && noisy >= how->hidden_most &&
		    p.exact == 0)
			break;
		stripe =
			next_stripe(how, &h, stripe + step_from(stripe), count);
	}
	/* No stripe of its own: whatever it did, another run did as well. */
	if (seen == 0 && p.end == source->size)
		p.end = 0;
	*ret_pattern = p.exact >= EXACT_LEAST && p.exact * 3 >= noisy &&
		       ends >= ENDS_LEAST;
	*ret = p;
	return r;
}

/* A sector of order where the first stripe would be ends the matter. */
static int
is_refuted(struct vr_source *source, const struct vr_scan_how *how,
	   uint64_t period, bool *ret, uint64_t *bytes_read)
{
	const struct vr_hypothesis h = hypothesis_of(source, how->unit, period);
	uint64_t count = vr_hypothesis_count(&h, source->size);
	uint64_t stripe = next_stripe(how, &h, 1, count), off;
	int looks;

	off = vr_hypothesis_stripe(&h, stripe);
	*ret = true;
	if (stripe >= count || source->size - off < VR_BLOCK_LEAST)
		return 0;
	looks = vr_sample_looks(source, off, VR_BLOCK_LEAST, bytes_read);
	*ret = looks >= 0 && !vr_looks_noise((enum vr_looks)looks);
	return looks < 0 && looks != VR_E_IO ? looks : 0;
}

/* Noise wherever it was asked: a guest that encrypts itself. */
static bool
is_hidden(const struct vr_source *source, const struct vr_possible *p)
{
	return p->exact == 0 && p->end == source->size;
}

static int
ask(struct vr_source *source, const struct vr_scan_how *how, uint64_t period,
    struct vr_scan *scan, unsigned *hidden, uint64_t *bytes_read)
{
	struct vr_possible p;
	bool refuted, pattern;
	int r = is_refuted(source, how, period, &refuted, bytes_read);

	if (r < 0 || refuted)
		return r;
	r = vr_scan_one(source, how, period, &p, &pattern, bytes_read);
	if (r < 0)
		return r;
	if (pattern) {
		scan->period = period;
	} else if (p.end <= period) {
		return 0;
	} else if (scan->possible_count == VR_POSSIBLE_MOST ||
		   (is_hidden(source, &p) && ++*hidden > HIDDEN_MOST)) {
		scan->exhaustive = false;
		scan->hidden = is_hidden(source, &p);
	} else {
		scan->possible[scan->possible_count++] = p;
	}
	return 0;
}

int
vr_scan_periods(struct vr_source *source, const struct vr_scan_how *how,
		struct vr_scan *ret, uint64_t *bytes_read)
{
	uint64_t stop = *bytes_read + how->budget;
	struct vr_scan scan = {.exhaustive = true};
	unsigned hidden = 0;
	int r = 0;

	for (uint64_t p = how->least;
	     r == 0 && p <= how->most && scan.period == 0 && scan.exhaustive;
	     p++) {
		if (*bytes_read >= stop)
			scan.exhaustive = false;
		else
			r = ask(source, how, p * how->unit, &scan, &hidden,
				bytes_read);
		if (r == 0)
			r = vr_check_cancel();
	}
	if (r == 0)
		*ret = scan;
	return r;
}
