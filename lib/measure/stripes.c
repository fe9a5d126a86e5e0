/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The encryptor went through a file from its beginning to some end, so stripes
 * are encrypted up to one boundary and clear behind it. The boundary is found by
 * bisection and then confirmed: around itself, around every bound that the
 * hypothesis names, and by an even spread over the whole file. Stripes between
 * two noisy neighbours cannot vote; bisection steps over them.
 */
#include "measure/stripes.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"
#include "measure/block.h"
#include "measure/edge.h"

#define SAMPLE_BYTES (16 * 1024)
/* As many as all stripes of a first-wave disk: those are read one by one. */
#define COMPLETE_UP_TO 256
#define SPREAD	       64
#define AROUND	       4
/* How far bisection walks to find a stripe that can vote. */
#define STEP_OVER   16
#define ROUNDS_MOST 96

struct work {
	struct vr_source *source;
	const struct vr_hypothesis *h;
	const struct vr_measure_how *how;
	struct vr_measure m;
};

/* --- one stripe --------------------------------------------------------- */

/* Is all of the range a hole? Then nothing was ever written there. */
static bool
is_hole(struct vr_source *source, uint64_t off, uint64_t n)
{
	struct vr_extent extent;

	return vr_source_next(source, off, &extent) == 0 &&
	       (extent.flags & VR_EXTENT_HOLE) && extent.length >= n;
}

int
vr_sample_looks(struct vr_source *source, uint64_t off, uint64_t n,
		uint64_t *bytes_read)
{
	uint8_t sample[SAMPLE_BYTES];
	int r;

	n = vr_min(n, sizeof(sample));
	if (is_hole(source, off, n))
		return VR_LOOKS_ZERO;
	r = vr_source_read_at(source, sample, (size_t)n, off);
	if (r < 0)
		return r;
	*bytes_read += n;
	return (int)vr_block_looks(sample, (size_t)n);
}

/* Order at off? A range outside the file, or one that fails, shows none. */
static bool
shows_order(struct work *w, uint64_t off, uint64_t n)
{
	int looks;

	if (n < VR_BLOCK_LEAST || !vr_inside(off, n, w->source->size))
		return false;
	looks = vr_sample_looks(w->source, off, n, &w->m.bytes_read);
	return looks >= 0 && !vr_looks_noise((enum vr_looks)looks);
}

/* Without gaps there is no contrast, and noise has to do. */
static bool
is_contiguous(const struct vr_hypothesis *h)
{
	return h->period == h->chunk;
}

/* The sample just outside: what lies before the stripe, or behind it. */
static bool
order_beside(struct work *w, uint64_t start, uint64_t end)
{
	uint64_t gap = w->h->period - w->h->chunk;
	uint64_t n = vr_min(SAMPLE_BYTES, gap);
	uint64_t distance = w->how->neighbour, size = w->source->size;

	if (start >= distance + n && shows_order(w, start - distance - n, n))
		return true;
	if (end > size || size - end <= distance)
		return false;
	return shows_order(w, end + distance, vr_min(n, size - end - distance));
}

/*
 * A stripe is judged by its first bytes, up to a bound that may cut it: an
 * encryptor that began on it has changed those.
 */
static uint64_t
first_cut(const struct vr_hypothesis *h, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < h->bound_count; i++)
		if (h->bounds[i].end > start)
			return vr_min(h->bounds[i].end, end);
	return end;
}

static int
judge(struct work *w, uint64_t stripe, enum vr_verdict *ret)
{
	uint64_t start = vr_hypothesis_stripe(w->h, stripe);
	uint64_t end = vr_min(start + w->h->chunk, vr_hypothesis_end(w->h));
	uint64_t n = first_cut(w->h, start, end) - start;
	int looks;

	if (n < VR_BLOCK_LEAST) {
		*ret = VR_STRIPE_UNSURE;
		return 0;
	}
	looks = vr_sample_looks(w->source, start, n, &w->m.bytes_read);
	if (looks == VR_E_IO) {
		*ret = VR_STRIPE_UNREADABLE;
		return 0;
	}
	if (looks < 0)
		return looks;
	if (looks != VR_LOOKS_RANDOM)
		*ret = VR_STRIPE_CLEAR;
	else if (is_contiguous(w->h) || order_beside(w, start, end))
		*ret = VR_STRIPE_ENCRYPTED;
	else
		*ret = VR_STRIPE_UNSURE;
	return 0;
}

/* --- the list of looks -------------------------------------------------- */

static size_t
look_place(const struct vr_measure *m, uint64_t stripe)
{
	size_t low = 0, high = m->looks.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->looks.items[middle].stripe < stripe)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_covered(const struct work *w, uint64_t stripe)
{
	const struct vr_measure_how *how = w->how;
	uint64_t start = vr_hypothesis_stripe(w->h, stripe);

	return how->skip_period && start < how->skip_end &&
	       start % how->skip_period < how->skip_chunk;
}

static int
look_insert(struct vr_measure *m, size_t at, const struct vr_look *look)
{
	int r = VR_PUSH(&m->looks, *look);

	if (r < 0)
		return r;
	memmove(&m->looks.items[at + 1], &m->looks.items[at],
		(m->looks.count - 1 - at) * sizeof(*look));
	m->looks.items[at] = *look;
	return 0;
}

/* Looks at a stripe once; later calls remember. */
static int
look_at(struct work *w, uint64_t stripe, enum vr_verdict *ret)
{
	size_t at = look_place(&w->m, stripe);
	struct vr_look look = {.stripe = stripe};
	int r;

	if (at < w->m.looks.count && w->m.looks.items[at].stripe == stripe) {
		*ret = w->m.looks.items[at].verdict;
		return 0;
	}
	*ret = VR_STRIPE_UNSURE;
	if (is_covered(w, stripe))
		return 0;
	r = judge(w, stripe, &look.verdict);
	if (r < 0)
		return r;
	*ret = look.verdict;
	return look_insert(&w->m, at, &look);
}

static int
look_range(struct work *w, uint64_t from, uint64_t to)
{
	enum vr_verdict verdict;
	int r = 0;

	for (uint64_t i = from; r == 0 && i < vr_min(to, w->m.stripes); i++)
		r = look_at(w, i, &verdict);
	return r;
}

static int
look_around(struct work *w, uint64_t stripe)
{
	return look_range(w, stripe > AROUND ? stripe - AROUND : 0,
			  stripe + AROUND);
}

/* --- many stripes ------------------------------------------------------- */

/*
 * One stripe of each of many equal cells, not all at the same place in it: equal
 * distances could keep step with a pattern other than the one asked about. The
 * places are the same in every run.
 */
static uint64_t
spread_place(uint64_t cell, uint64_t cell_stripes)
{
	uint64_t scattered = (cell + 1) * UINT64_C(0x9E3779B97F4A7C15);

	return cell * cell_stripes + (scattered >> 20) % cell_stripes;
}

static int
look_at_spread(struct work *w)
{
	enum vr_verdict verdict;
	int r = look_at(w, 0, &verdict);

	for (uint64_t i = 0; r == 0 && i < SPREAD; i++)
		r = look_at(w, spread_place(i, w->m.stripes / SPREAD),
			    &verdict);
	return r == 0 ? look_around(w, w->m.stripes) : r;
}

static int
look_at_bounds(struct work *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->h->bound_count; i++)
		r = look_around(w,
				vr_hypothesis_count(w->h, w->h->bounds[i].end));
	return r;
}

/* A stripe at or behind middle, below high, that can vote. */
static int
vote_near(struct work *w, uint64_t middle, uint64_t high, uint64_t *ret_stripe,
	  enum vr_verdict *ret)
{
	uint64_t stop = vr_min(high, middle + STEP_OVER);

	for (*ret_stripe = middle; *ret_stripe < stop; ++*ret_stripe) {
		int r = look_at(w, *ret_stripe, ret);

		if (r < 0)
			return r;
		if (*ret == VR_STRIPE_CLEAR || *ret == VR_STRIPE_ENCRYPTED)
			return 0;
	}
	*ret = VR_STRIPE_UNSURE;
	return 0;
}

/*
 * The boundary that the looks speak for best. A clear stripe below it is nearly
 * impossible, so it weighs much; a noisy one behind it may be a guest's own
 * archive that happens to begin there, so it weighs little. Of equal places the
 * higher one: then more counts as lost.
 */
#define COST_CLEAR_BELOW  20
#define COST_NOISE_BEHIND 3

static size_t
best_cut(const struct vr_measure *m)
{
	uint64_t cost = 0, best;
	size_t cut = 0;

	for (size_t i = 0; i < m->looks.count; i++)
		if (m->looks.items[i].verdict == VR_STRIPE_ENCRYPTED)
			cost += COST_NOISE_BEHIND;
	best = cost;
	for (size_t i = 0; i < m->looks.count; i++) {
		if (m->looks.items[i].verdict == VR_STRIPE_ENCRYPTED)
			cost -= COST_NOISE_BEHIND;
		if (m->looks.items[i].verdict == VR_STRIPE_CLEAR)
			cost += COST_CLEAR_BELOW;
		if (cost <= best) {
			best = cost;
			cut = i + 1;
		}
	}
	return cut;
}

/* Proved encrypted below the one, clear from the other on. */
static void
bracket(const struct vr_measure *m, uint64_t *ret_hit_end,
	uint64_t *ret_clear_from)
{
	size_t cut = best_cut(m);

	*ret_hit_end = 0;
	*ret_clear_from = m->stripes;
	for (size_t i = cut; i-- > 0 && *ret_hit_end == 0;)
		if (m->looks.items[i].verdict == VR_STRIPE_ENCRYPTED)
			*ret_hit_end = m->looks.items[i].stripe + 1;
	for (size_t i = m->looks.count; i-- > cut;)
		if (m->looks.items[i].verdict == VR_STRIPE_CLEAR)
			*ret_clear_from = m->looks.items[i].stripe;
}

static int
bisect(struct work *w)
{
	uint64_t low, high, middle, stripe;
	enum vr_verdict verdict;
	int r = 0;

	for (unsigned round = 0; r == 0 && round < ROUNDS_MOST; round++) {
		bracket(&w->m, &low, &high);
		if (low >= high)
			break;
		middle = low + (high - low) / 2;
		r = vote_near(w, middle, high, &stripe, &verdict);
		if (r == 0 && verdict == VR_STRIPE_UNSURE)
			r = vote_near(w, low, middle, &stripe, &verdict);
		if (verdict == VR_STRIPE_UNSURE)
			break;
	}
	if (r == 0)
		r = look_around(w, low);
	return r == 0 ? look_around(w, high) : r;
}

static int
look_at_some(struct work *w)
{
	int r = look_at_spread(w);

	if (r == 0)
		r = look_at_bounds(w);
	if (r == 0)
		r = bisect(w);
	return r;
}

/* --- what it means ------------------------------------------------------ */

bool
vr_look_contradicts(const struct vr_measure *m, const struct vr_look *look)
{
	if (look->verdict == VR_STRIPE_CLEAR)
		return look->stripe < m->hit_end;
	return look->verdict == VR_STRIPE_ENCRYPTED &&
	       look->stripe >= m->hit_end;
}

static void
count_verdicts(struct vr_measure *m)
{
	for (size_t i = 0; i < m->looks.count; i++) {
		const struct vr_look *look = &m->looks.items[i];

		m->clear += look->verdict == VR_STRIPE_CLEAR;
		m->encrypted += look->verdict == VR_STRIPE_ENCRYPTED;
		m->unsure += look->verdict == VR_STRIPE_UNSURE;
		m->unreadable += look->verdict == VR_STRIPE_UNREADABLE;
		m->contradictions += vr_look_contradicts(m, look);
	}
	m->decided = m->clear + m->encrypted > 0;
}

/*
 * Would encryption that ends at this bound have left the verdicts that were
 * found? The last stripe it touches must not be clear, the next not hit.
 */
static bool
bound_fits(const struct work *w, const struct vr_bound *bound)
{
	uint64_t touched = vr_hypothesis_count(w->h, bound->end);

	return touched >= w->m.hit_end && touched <= w->m.clear_from;
}

/*
 * Two bounds may cut the same stripe; then its verdict speaks for the first and
 * the bytes between them decide. Order there: it ended at the lower one.
 */
static bool
ended_before(struct work *w, const struct vr_bound *low,
	     const struct vr_bound *high)
{
	uint64_t touched = vr_hypothesis_count(w->h, low->end), stop;

	if (touched == 0)
		return false;
	stop = vr_hypothesis_stripe(w->h, touched - 1) + w->h->chunk;
	stop = vr_min(high->end, stop);
	return low->end < stop && shows_order(w, low->end, stop - low->end);
}

static bool
same_last_stripe(const struct work *w, const struct vr_bound *a,
		 const struct vr_bound *b)
{
	return vr_hypothesis_count(w->h, a->end) ==
	       vr_hypothesis_count(w->h, b->end);
}

/* Bounds ascend: the highest that fits, unless order shows an earlier end. */
static void
explain(struct work *w)
{
	const struct vr_bound *bounds = w->h->bounds;
	int low = VR_NO_BOUND, high = VR_NO_BOUND;

	for (int i = 0; i < (int)w->h->bound_count; i++) {
		if (!bound_fits(w, &bounds[i]))
			continue;
		if (high >= 0 && ended_before(w, &bounds[high], &bounds[i]))
			break;
		if (high >= 0 && same_last_stripe(w, &bounds[low], &bounds[i]))
			low = i;
		high = i;
		low = low >= 0 ? low : i;
	}
	w->m.bound = high;
	w->m.low_bound = low;
	w->m.ambiguous = low != high;
}

/* What an encryptor that broke off inside [start, end) left behind. */
static int
edge_inside(struct work *w, uint64_t start, uint64_t end)
{
	struct vr_measure *m = &w->m;
	struct vr_edge edge;
	int r = vr_edge_find(w->source, start, end, &edge);

	if (r < 0)
		return r == VR_E_IO ? 0 : r;
	m->bytes_read += edge.bytes_read;
	/* Not from the first sector on order: some of it may be ciphertext. */
	if (edge.noise_end > start ||
	    edge.order_from > start + VR_BLOCK_LEAST) {
		m->end = edge.noise_end;
		m->clear_end = edge.order_from;
	}
	return 0;
}

/*
 * A run that stopped elsewhere than at a bound may have stopped inside a stripe:
 * the last one that was hit, or the next, a few sectors into it, which its
 * sample called clear. Where other stripes lie between the last that was hit and
 * the first that is clear, that cannot be said.
 */
static int
find_edge(struct work *w)
{
	struct vr_measure *m = &w->m;
	uint64_t most = vr_hypothesis_end(w->h);
	uint64_t next = vr_hypothesis_stripe(w->h, m->clear_from), start, end;
	int r;

	m->clear_end = vr_min(next, most);
	if (m->hit_end) {
		start = vr_hypothesis_stripe(w->h, m->hit_end - 1);
		end = vr_min(start + w->h->chunk, most);
		m->end = end;
		if (m->hit_end != m->clear_from)
			return 0;
		m->clear_end = end;
		r = edge_inside(w, start, end);
		if (r < 0 || m->end < end)
			return r;
	}
	if (m->hit_end != m->clear_from || next >= most)
		return 0;
	return edge_inside(w, next, vr_min(next + SAMPLE_BYTES, most));
}

static int
conclude(struct work *w)
{
	struct vr_measure *m = &w->m;

	bracket(m, &m->hit_end, &m->clear_from);
	count_verdicts(m);
	explain(w);
	if (m->bound == VR_NO_BOUND)
		return find_edge(w);
	m->end = w->h->bounds[m->low_bound].end;
	m->clear_end = w->h->bounds[m->bound].end;
	return 0;
}

int
vr_measure_stripes(struct vr_source *source, const struct vr_hypothesis *h,
		   const struct vr_measure_how *how, struct vr_measure *ret)
{
	struct work w = {.source = source, .h = h, .how = how};
	int r;

	w.m.stripes = vr_hypothesis_count(h, vr_hypothesis_end(h));
	w.m.complete = w.m.stripes <= COMPLETE_UP_TO;
	r = w.m.complete ? look_range(&w, 0, w.m.stripes) : look_at_some(&w);
	if (r == 0)
		r = conclude(&w);
	if (r < 0) {
		vr_measure_free(&w.m);
		return r;
	}
	*ret = w.m;
	return 0;
}

void
vr_measure_free(struct vr_measure *m)
{
	free(m->looks.items);
	m->looks.items = NULL;
	m->looks.count = m->looks.room = 0;
}
