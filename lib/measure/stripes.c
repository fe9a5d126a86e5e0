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
#include "measure/fine.h"
#include "measure/structure.h"

/* Order is asked for as near to an edge as this. */
#define NEAR_BYTES 4096
/* So much shows what compressed data is, where a sample hides it. */
#define LARGE_BYTES (64 * 1024)
/* As many as all stripes of a first-wave disk: those are read one by one. */
#define COMPLETE_UP_TO 256
#define SPREAD	       64
#define AROUND	       4
/* How far bisection walks to find a stripe that can vote. */
#define STEP_OVER   16
#define ROUNDS_MOST 96
/* So many stripes that do not fit the rest are read as a whole. */
#define CONFIRMED_MOST 8

struct work {
	struct vr_source *source;
	const struct vr_hypothesis *h;
	const struct vr_measure_how *how;
	/* Not NULL: what is meant, and h has a stripe for each group of it. */
	const struct vr_hypothesis *fine;
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
	uint8_t sample[VR_SAMPLE_BYTES];
	enum vr_looks looks;
	int r;

	n = vr_min(n, VR_SAMPLE_BYTES);
	if (is_hole(source, off, n))
		return VR_LOOKS_ZERO;
	r = vr_source_read_at(source, sample, (size_t)n, off);
	if (r < 0)
		return r;
	*bytes_read += n;
	looks = vr_block_looks(sample, (size_t)n);
	/* What checks itself is no ciphertext, whatever lies around it. */
	if (vr_looks_noise(looks) &&
	    vr_structure_find(sample, (size_t)n, off, NULL))
		looks = VR_LOOKS_STRUCTURED;
	return (int)looks;
}

/* As vr_sample_looks(), of more bytes; a range that fails shows nothing. */
static enum vr_looks
large_looks(struct work *w, uint64_t off, uint64_t n)
{
	uint8_t sample[LARGE_BYTES];

	n = vr_min(n, sizeof(sample));
	if (vr_source_read_at(w->source, sample, (size_t)n, off) < 0)
		return VR_LOOKS_RANDOM;
	w->m.bytes_read += n;
	return vr_block_looks(sample, (size_t)n);
}

/* How a range looks that may lie outside the file, or fail: then like noise. */
static enum vr_looks
looks_at(struct work *w, uint64_t off, uint64_t n)
{
	int looks;

	if (n < VR_BLOCK_LEAST || !vr_inside(off, n, w->source->size))
		return VR_LOOKS_RANDOM;
	looks = vr_sample_looks(w->source, off, n, &w->m.bytes_read);
	return looks < 0 ? VR_LOOKS_RANDOM : (enum vr_looks)looks;
}

static bool
shows_order(struct work *w, uint64_t off, uint64_t n)
{
	return !vr_looks_noise(looks_at(w, off, n));
}

/* Without gaps there is no contrast, and noise has to do. */
static bool
is_contiguous(const struct vr_hypothesis *h)
{
	return h->period == h->chunk;
}

/*
 * Is there order right at an edge, the far one of near being off + n or off?
 * Compressed data may hide in 4 KiB; a larger piece shows it, but then the
 * stripe, too, must be noise in a larger piece, or both are one archive.
 */
static bool
order_at(struct work *w, uint64_t near, uint64_t wide, uint64_t n,
	 uint64_t stripe_piece, uint64_t stripe_bytes)
{
	enum vr_looks looks = looks_at(w, near, vr_min(NEAR_BYTES, n));

	if (vr_looks_noise(looks))
		looks = looks_at(w, wide, n) == VR_LOOKS_COMPRESSED
				? VR_LOOKS_COMPRESSED
				: VR_LOOKS_RANDOM;
	if (looks != VR_LOOKS_COMPRESSED)
		return !vr_looks_noise(looks);
	return vr_looks_noise(large_looks(w, stripe_piece, stripe_bytes));
}

static bool
order_before(struct work *w, uint64_t start, uint64_t end)
{
	uint64_t n = vr_min(VR_SAMPLE_BYTES, w->h->period - w->h->chunk);
	uint64_t distance = w->how->neighbour;

	if (start < distance + n)
		return false;
	start -= distance;
	return order_at(w, start - vr_min(NEAR_BYTES, n), start - n, n,
			start + distance,
			vr_min(end - start - distance, LARGE_BYTES));
}

static bool
order_after(struct work *w, uint64_t start, uint64_t end)
{
	uint64_t n = vr_min(VR_SAMPLE_BYTES, w->h->period - w->h->chunk);
	uint64_t size = w->source->size, distance = w->how->neighbour;
	uint64_t last = vr_min(end - start, LARGE_BYTES);

	if (end > size || size - end <= distance)
		return false;
	n = vr_min(n, size - end - distance);
	return order_at(w, end + distance, end + distance, n, end - last, last);
}

/*
 * A stripe is judged up to a bound that may cut it: an encryptor that began on
 * it has changed that much.
 */
static uint64_t
first_cut(const struct vr_hypothesis *h, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < h->bound_count; i++)
		if (h->bounds[i].end > start)
			return vr_min(h->bounds[i].end, end);
	return end;
}

/* Noise at first: to the end, and with order beside it? */
static enum vr_verdict
judge_noise(struct work *w, uint64_t start, uint64_t cut, uint64_t end,
	    struct vr_look *look)
{
	if (cut - start > VR_SAMPLE_BYTES &&
	    shows_order(w, cut - NEAR_BYTES, NEAR_BYTES))
		return VR_STRIPE_PARTLY;
	if (is_contiguous(w->h))
		return VR_STRIPE_ENCRYPTED;
	look->before = order_before(w, start, cut);
	look->after = order_after(w, start, end);
	return look->before || look->after ? VR_STRIPE_ENCRYPTED
					   : VR_STRIPE_UNSURE;
}

static int
judge(struct work *w, struct vr_look *look)
{
	uint64_t start = vr_hypothesis_stripe(w->h, look->stripe);
	uint64_t end = vr_min(start + w->h->chunk, vr_hypothesis_end(w->h));
	uint64_t cut = first_cut(w->h, start, end);
	int looks;

	look->verdict = VR_STRIPE_UNSURE;
	if (w->fine)
		return vr_fine_judge(w->source, w->fine,
				     look->stripe * vr_fine_group(w->fine),
				     look, &w->m.bytes_read);
	if (cut - start < VR_BLOCK_LEAST)
		return 0;
	looks = vr_sample_looks(w->source, start, cut - start,
				&w->m.bytes_read);
	if (looks == VR_E_IO)
		look->verdict = VR_STRIPE_UNREADABLE;
	else if (looks < 0)
		return looks;
	else if (looks != VR_LOOKS_RANDOM)
		look->verdict = VR_STRIPE_CLEAR;
	else
		look->verdict = judge_noise(w, start, cut, end, look);
	return 0;
}

int
vr_judge_stripe(struct vr_source *source, const struct vr_hypothesis *h,
		const struct vr_measure_how *how, struct vr_look *look,
		uint64_t *bytes_read)
{
	struct work w = {.source = source, .h = h, .how = how};
	int r = judge(&w, look);

	*bytes_read += w.m.bytes_read;
	return r;
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

uint64_t
vr_covered_end(const struct vr_covered *c)
{
	uint64_t rest = c->end % c->period;

	return rest < c->chunk ? c->end - rest : c->end;
}

bool
vr_is_covered(const struct vr_measure_how *how, uint64_t off)
{
	for (size_t i = 0; i < how->covered_count; i++) {
		const struct vr_covered *c = &how->covered[i];

		if (off < vr_covered_end(c) && off % c->period < c->chunk)
			return true;
	}
	return false;
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
	if (vr_is_covered(w->how, vr_hypothesis_stripe(w->h, stripe)))
		return 0;
	r = judge(w, &look);
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
		if (*ret != VR_STRIPE_UNSURE && *ret != VR_STRIPE_UNREADABLE)
			return 0;
	}
	*ret = VR_STRIPE_UNSURE;
	return 0;
}

/*
 * The boundary that the looks speak for best. A clear stripe below it is nearly
 * impossible, so it weighs much; a noisy one behind it may be a guest's own
 * archive that happens to begin there, so it weighs little, and nothing at all
 * where there are no gaps to show that it is not. Of equal places the higher one:
 * then more counts as lost.
 */
#define COST_CLEAR_BELOW  20
#define COST_NOISE_BEHIND 3

static bool
is_clear(const struct vr_look *look)
{
	return look->verdict == VR_STRIPE_CLEAR ||
	       look->verdict == VR_STRIPE_PARTLY;
}

static size_t
best_cut(const struct vr_measure *m, uint64_t noise_behind)
{
	uint64_t cost = 0, best;
	size_t cut = 0;

	for (size_t i = 0; i < m->looks.count; i++)
		if (m->looks.items[i].verdict == VR_STRIPE_ENCRYPTED)
			cost += noise_behind;
	best = cost;
	for (size_t i = 0; i < m->looks.count; i++) {
		if (m->looks.items[i].verdict == VR_STRIPE_ENCRYPTED)
			cost -= noise_behind;
		if (is_clear(&m->looks.items[i]))
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
bracket(const struct work *w, uint64_t *ret_hit_end, uint64_t *ret_clear_from)
{
	const struct vr_measure *m = &w->m;
	size_t cut = best_cut(
		m, is_contiguous(w->h) && !w->fine ? 0 : COST_NOISE_BEHIND);

	*ret_hit_end = 0;
	*ret_clear_from = m->stripes;
	for (size_t i = cut; i-- > 0 && *ret_hit_end == 0;)
		if (m->looks.items[i].verdict == VR_STRIPE_ENCRYPTED)
			*ret_hit_end = m->looks.items[i].stripe + 1;
	for (size_t i = m->looks.count; i-- > cut;)
		if (is_clear(&m->looks.items[i]))
			*ret_clear_from = m->looks.items[i].stripe;
}

static int
bisect(struct work *w)
{
	uint64_t low, high, middle, stripe;
	enum vr_verdict verdict;
	int r = 0;

	for (unsigned round = 0; r == 0 && round < ROUNDS_MOST; round++) {
		bracket(w, &low, &high);
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
	if (is_clear(look))
		return look->stripe < m->hit_end;
	return look->verdict == VR_STRIPE_ENCRYPTED &&
	       look->stripe >= m->hit_end;
}

static void
count_verdicts(struct vr_measure *m)
{
	for (size_t i = 0; i < m->looks.count; i++) {
		const struct vr_look *look = &m->looks.items[i];

		m->clear += is_clear(look);
		m->encrypted += look->verdict == VR_STRIPE_ENCRYPTED;
		m->exact += look->verdict == VR_STRIPE_ENCRYPTED &&
			    look->stripe > 0 && look->stripe < m->hit_end;
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

static const struct vr_look *
find_look(const struct vr_measure *m, uint64_t stripe)
{
	size_t at = look_place(m, stripe);

	return at < m->looks.count && m->looks.items[at].stripe == stripe
		       ? &m->looks.items[at]
		       : NULL;
}

/* Is the last stripe that a bound cuts noise amid order? */
static bool
shows_contrast(const struct work *w, const struct vr_bound *bound)
{
	uint64_t touched = vr_hypothesis_count(w->h, bound->end);
	const struct vr_look *look = touched ? find_look(&w->m, touched - 1)
					     : NULL;

	return look && look->verdict == VR_STRIPE_ENCRYPTED;
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
		if (high >= 0 &&
		    same_last_stripe(w, &bounds[low], &bounds[i]) &&
		    shows_contrast(w, &bounds[i]))
			low = i;
		high = i;
		low = low >= 0 ? low : i;
	}
	w->m.bound = high;
	w->m.low_bound = low;
	w->m.ambiguous = low != high;
}

/*
 * What an encryptor that broke off inside [start, end) left behind. Noise there
 * is its work for certain only where order stands right before it.
 */
static int
edge_inside(struct work *w, uint64_t start, uint64_t end, bool certain)
{
	struct vr_measure *m = &w->m;
	struct vr_edge edge;
	int r = vr_edge_find(w->source, start, end, &edge);

	/* The edge may lie in what cannot be read, or behind it. */
	if (r == VR_E_IO) {
		m->clear_end = end;
		return 0;
	}
	if (r < 0)
		return r;
	m->bytes_read += edge.bytes_read;
	/* Not from the first sector on order: some of it may be ciphertext. */
	if (edge.noise_end == start &&
	    edge.order_from <= start + VR_BLOCK_LEAST)
		return 0;
	if (certain)
		m->end = edge.sure_end;
	m->clear_end = edge.order_from;
	return 0;
}

/* The last stripe that was hit, where noise goes on behind it: all of it? */
static int
edge_of_last(struct work *w, uint64_t start, uint64_t end)
{
	const struct vr_look *look = find_look(&w->m, w->m.hit_end - 1);

	w->m.end = w->m.clear_end = end;
	if (w->fine || is_contiguous(w->h) || (look && look->after))
		return 0;
	w->m.end = start;
	return edge_inside(w, start, end, true);
}

/* The first stripe that is clear may have been begun on. */
static int
edge_of_next(struct work *w, uint64_t start, uint64_t end, bool certain)
{
	const struct vr_look *look = find_look(&w->m, w->m.clear_from);

	/* Where inside a group it ended cannot be told. */
	if (w->fine) {
		w->m.clear_end = end;
		return 0;
	}
	if (!look || look->verdict != VR_STRIPE_PARTLY)
		end = vr_min(end, start + VR_SAMPLE_BYTES);
	if (!is_contiguous(w->h) && start > 0)
		certain = certain && order_before(w, start, end);
	return edge_inside(w, start, end, certain);
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
	uint64_t most = vr_hypothesis_end(w->h), chunk = w->h->chunk;
	uint64_t next = vr_hypothesis_stripe(w->h, m->clear_from), last_end;
	bool adjoins = m->hit_end == m->clear_from;
	int r = 0;

	last_end = m->end = w->h->first;
	m->clear_end = vr_min(next, most);
	if (m->hit_end) {
		last_end = vr_hypothesis_stripe(w->h, m->hit_end - 1) + chunk;
		last_end = m->end = vr_min(last_end, most);
		if (adjoins)
			r = edge_of_last(
				w, vr_hypothesis_stripe(w->h, m->hit_end - 1),
				last_end);
	}
	if (r < 0 || next >= most || (adjoins && m->clear_end < last_end) ||
	    vr_is_covered(w->how, next))
		return r;
	return edge_of_next(w, next, vr_min(next + chunk, most),
			    adjoins && m->end == last_end);
}

/*
 * Noise at both ends of a stripe behind the boundary, as archives have it inside
 * programs: order anywhere in it shows that nothing was encrypted there.
 */
static bool
has_order_inside(struct work *w, uint64_t stripe)
{
	uint64_t off = vr_hypothesis_stripe(w->h, stripe);
	uint64_t end = vr_min(off + w->h->chunk, vr_hypothesis_end(w->h));

	for (; off < end && end - off >= VR_BLOCK_LEAST; off += LARGE_BYTES / 4)
		if (shows_order(w, off, vr_min(LARGE_BYTES / 4, end - off)))
			return true;
	return false;
}

static void
look_inside_contradictions(struct work *w)
{
	size_t left = CONFIRMED_MOST;

	for (size_t i = w->m.looks.count; i-- > 0 && left > 0;) {
		struct vr_look *look = &w->m.looks.items[i];

		if (w->fine || look->verdict != VR_STRIPE_ENCRYPTED ||
		    look->stripe < w->m.hit_end)
			continue;
		left--;
		if (has_order_inside(w, look->stripe))
			look->verdict = VR_STRIPE_CLEAR;
	}
}

/* A bound right before a stripe that was begun on is not where it ended. */
static bool
ended_inside(struct work *w)
{
	struct vr_measure *m = &w->m;
	const struct vr_look *look = find_look(m, m->clear_from);
	uint64_t start = vr_hypothesis_stripe(w->h, m->clear_from);

	if (!look || w->fine || w->h->bounds[m->bound].end > start)
		return false;
	if (look->verdict != VR_STRIPE_PARTLY &&
	    (!vr_looks_noise(looks_at(w, start, VR_BLOCK_LEAST)) ||
	     (start > 0 && !order_before(w, start, start + w->h->chunk))))
		return false;
	m->bound = m->low_bound = VR_NO_BOUND;
	m->ambiguous = false;
	return true;
}

static int
conclude(struct work *w)
{
	struct vr_measure *m = &w->m;

	bracket(w, &m->hit_end, &m->clear_from);
	look_inside_contradictions(w);
	bracket(w, &m->hit_end, &m->clear_from);
	count_verdicts(m);
	explain(w);
	if (m->bound == VR_NO_BOUND || ended_inside(w))
		return find_edge(w);
	m->end = w->h->bounds[m->low_bound].end;
	m->clear_end = w->h->bounds[m->bound].end;
	return 0;
}

/* Groups without gaps between them; the bounds stay what they are. */
static struct vr_hypothesis
grouped(const struct vr_hypothesis *h)
{
	struct vr_hypothesis groups = *h;

	groups.chunk = groups.period = vr_fine_group(h) * h->period;
	return groups;
}

/* From groups back to stripes. */
static void
ungroup(struct vr_measure *m, const struct vr_hypothesis *h)
{
	uint64_t group = vr_fine_group(h);

	m->stripes = vr_hypothesis_count(h, vr_hypothesis_end(h));
	m->hit_end = vr_min(m->hit_end * group, m->stripes);
	m->clear_from = vr_min(m->clear_from * group, m->stripes);
	for (size_t i = 0; i < m->looks.count; i++)
		m->looks.items[i].stripe *= group;
}

int
vr_measure_stripes(struct vr_source *source, const struct vr_hypothesis *h,
		   const struct vr_measure_how *how, struct vr_measure *ret)
{
	const struct vr_hypothesis groups = grouped(h);
	struct work w = {
		.source = source,
		.h = vr_is_fine(h) ? &groups : h,
		.how = how,
		.fine = vr_is_fine(h) ? h : NULL,
	};
	int r;

	w.m.stripes = vr_hypothesis_count(w.h, vr_hypothesis_end(w.h));
	w.m.complete = w.m.stripes <= COMPLETE_UP_TO;
	r = w.m.complete ? look_range(&w, 0, w.m.stripes) : look_at_some(&w);
	if (r == 0)
		r = conclude(&w);
	if (r < 0) {
		vr_measure_free(&w.m);
		return r;
	}
	if (w.fine)
		ungroup(&w.m, h);
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
