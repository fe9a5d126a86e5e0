/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two questions are kept apart. Where did the run go that was found? Its own
 * stripes tell that. And did any other go over the file? Only where the answer is
 * no, known by exclusion or by what explains the whole file, is a byte between
 * the stripes called intact; else it is suspect.
 */
#include "measure/damage.h"

#include <stdlib.h>

#include "base/checked.h"
#include "measure/block.h"
#include "measure/failing.h"
#include "measure/fine.h"
#include "measure/trial.h"

/* --- the map ------------------------------------------------------------ */

int
vr_trial_lay(struct vr_trial *t, enum vr_layer layer, enum vr_damage damage,
	     const struct vr_hypothesis *h, uint64_t start, uint64_t end)
{
	struct vr_map *map = t->map;
	struct vr_run all, parts[VR_RUN_CROP_MOST];
	size_t n;
	int r = 0;

	end = vr_min(end, vr_map_size(map));
	if (start < vr_min(h->head, end))
		r = vr_map_add_range(map, layer, damage, start,
				     vr_min(h->head, end) - start);
	if (r < 0 || start >= end ||
	    !vr_run_make(h->first, h->chunk, h->period,
			 vr_hypothesis_count(h, end), &all))
		return r;
	n = vr_run_crop(&all, start, end, parts);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = vr_map_add(map, layer, damage, &parts[i]);
	return r;
}

/* What the rule says, before a byte is read: the bounds that disagree doubt. */
static int
lay_prediction(struct vr_trial *t, const struct vr_hypothesis *h)
{
	uint64_t sure = h->bounds[0].end, most = vr_hypothesis_end(h);
	bool believed = t->d->measure.decided ||
			(t->d->sidecar_fits && t->runs > 0) || t->c->by_hand;
	int r;

	if (!believed)
		sure = 0;
	r = vr_trial_lay(t, VR_LAYER_PROFILE, VR_ENCRYPTED, h, 0, sure);
	if (r == 0)
		r = vr_trial_lay(t, VR_LAYER_PROFILE, VR_SUSPECT, h, sure,
				 most);
	return r;
}

/* Stripes that do not go with the rest, on a sheet above it. */
int
vr_trial_lay_exceptions(struct vr_trial *t, const struct vr_hypothesis *h,
			const struct vr_measure *m)
{
	uint64_t looked_at = vr_is_fine(h) ? vr_fine_group(h) * h->period
					   : h->chunk;
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->looks.count; i++) {
		const struct vr_look *look = &m->looks.items[i];
		uint64_t start = vr_hypothesis_stripe(h, look->stripe);

		if (look->verdict == VR_STRIPE_UNREADABLE)
			r = vr_failing_lay(t->source, t->map, start,
					   VR_SAMPLE_BYTES);
		else if (vr_look_contradicts(m, look))
			r = vr_trial_lay(t, VR_LAYER_MEASURED, VR_SUSPECT, h,
					 start, start + looked_at);
	}
	return r;
}

/*
 * Encrypted to the boundary, clear behind it, suspect between where it is not
 * sharp. Undecided bytes leave the prediction standing.
 */
int
vr_trial_lay_measure(struct vr_trial *t, const struct vr_hypothesis *h,
		     const struct vr_measure *m)
{
	enum vr_damage behind = t->d->gaps_sure ? VR_INTACT : VR_SUSPECT;
	int r;

	if (!m->decided)
		return 0;
	/* Noise without gaps, with order in front of it: repaired, or never hit? */
	if (h->chunk == h->period && m->contradictions)
		behind = VR_SUSPECT;
	r = vr_trial_lay(t, VR_LAYER_MEASURED, VR_ENCRYPTED, h, 0, m->end);
	if (r == 0)
		r = vr_trial_lay(t, VR_LAYER_MEASURED, VR_SUSPECT, h, m->end,
				 m->clear_end);
	if (r == 0)
		r = vr_trial_lay(t, VR_LAYER_MEASURED, behind, h,
				 vr_max(m->end, m->clear_end),
				 vr_hypothesis_end(h));
	return r == 0 ? vr_trial_lay_exceptions(t, h, m) : r;
}

/* --- what all files of the trial use --------------------------------------- */

/* Looked at behind a run without gaps. */
#define PLACES_BEHIND 32
/* Wave 1 makes a hundred stripes. */
#define STRIPES_LEAST 100

uint64_t
vr_trial_longest_period(const struct vr_trial *t, uint64_t unit)
{
	uint64_t longest = vr_profile_case_longest(t->c);

	return vr_min(longest / unit / STRIPES_LEAST + 2,
		      t->source->size / unit);
}

/*
 * Do the keys behind the file say that the side file's run came to its end? Where
 * du said more than there was before, one of them was there already.
 */
static bool
came_to_its_end(const struct vr_trial *t)
{
	const struct vr_args *args = t->c->args;
	uint64_t thick = vr_div_up(t->c->length, VR_MIB) * VR_MIB;

	return t->d->sidecar_fits &&
	       t->runs > (args && args->bytes > thick ? 1u : 0u);
}

/*
 * Where stripes between the last that was hit and the first that is clear cannot
 * vote, a bound among them is no more likely than any other end, unless a side
 * file names it and a key behind the file says that the run came to it.
 */
static void
doubt_end_in_noise(const struct vr_trial *t, const struct vr_hypothesis *h,
		   struct vr_measure *m)
{
	uint64_t clear = vr_min(vr_hypothesis_stripe(h, m->clear_from),
				vr_hypothesis_end(h));

	if (!m->decided || m->bound == VR_NO_BOUND || t->c->by_hand ||
	    m->hit_end >= m->clear_from ||
	    (came_to_its_end(t) && m->clear_from >= m->stripes))
		return;
	if (m->hit_end)
		m->end = vr_min(vr_hypothesis_stripe(h, m->hit_end - 1) +
					h->chunk,
				m->end);
	else
		m->end = 0;
	m->clear_end = vr_max(clear, m->clear_end);
	m->ambiguous = true;
}

/* Does the guest hold order, and none but that, from off on? */
static bool
is_orderly_from(struct vr_trial *t, uint64_t off)
{
	uint64_t size = t->source->size;
	uint64_t step = off < size ? vr_div_up(size - off, PLACES_BEHIND) : 0;
	bool orderly = false;

	for (; off < size && size - off >= VR_SECTOR; off += vr_max(step, 1)) {
		int looks = vr_sample_looks(t->source, off, size - off,
					    &t->d->bytes_read);

		if (looks < 0 || vr_looks_noise((enum vr_looks)looks))
			return false;
		orderly = true;
	}
	return orderly;
}

/*
 * A run without gaps has one edge, and in a guest that holds noise that edge may
 * be the guest's. Then nothing is sure but the first stripe and, where a key and
 * the side file say that the run came to its end, what lies below the lowest bound.
 */
static void
doubt_without_gaps(struct vr_trial *t, const struct vr_hypothesis *h,
		   struct vr_measure *m)
{
	uint64_t sure = h->chunk;

	if (h->chunk != h->period || !m->decided || m->hit_end == 0 ||
	    t->c->by_hand)
		return;
	/* A key behind a file that holds no order at all: it was lost whole. */
	if (t->runs > 0 && m->end >= t->c->length)
		return;
	if (came_to_its_end(t))
		sure = vr_max(sure, h->bounds[0].end);
	if (sure >= m->end || is_orderly_from(t, m->clear_end))
		return;
	m->end = sure;
	m->ambiguous = true;
}

int
vr_trial_measure(struct vr_trial *t, const struct vr_hypothesis *h,
		 const struct vr_measure_how *how, struct vr_measure *ret)
{
	int r = vr_measure_stripes(t->source, h, how, ret);

	if (r < 0)
		return r;
	t->d->bytes_read += ret->bytes_read;
	doubt_end_in_noise(t, h, ret);
	doubt_without_gaps(t, h, ret);
	return 0;
}

bool
vr_trial_first_is_clear(const struct vr_measure *m)
{
	return m->looks.count && m->looks.items[0].stripe == 0 &&
	       m->looks.items[0].verdict == VR_STRIPE_CLEAR;
}

bool
vr_trial_is_pattern(const struct vr_measure *m)
{
	return m->encrypted >= VR_PATTERN_LEAST &&
	       m->contradictions * 10 <= m->encrypted;
}

void
vr_trial_take(struct vr_trial *t, const struct vr_hypothesis *h,
	      struct vr_measure *m, enum vr_condition condition)
{
	vr_measure_free(&t->d->measure);
	t->d->chosen = true;
	t->d->hypothesis = *h;
	t->d->measure = *m;
	t->d->condition = condition;
	*m = (struct vr_measure){0};
}

void
vr_trial_candidate(struct vr_trial *t, const struct vr_hypothesis *h)
{
	struct vr_diagnosis *d = t->d;

	for (size_t i = 0; i < d->candidate_count; i++)
		if (d->candidates[i].chunk == h->chunk &&
		    d->candidates[i].period == h->period)
			return;
	if (d->candidate_count < VR_CANDIDATES_MOST)
		d->candidates[d->candidate_count++] = *h;
}

/* --- with a sidecar ---------------------------------------------------------- */

/*
 * du says the length of a disk that is not thin, and little more after a run. A
 * side file that does is this file's, or that of another of the same size, whose
 * stripes are the same.
 */
static bool
sidecar_fits(const struct vr_profile_case *c)
{
	return c->args && c->args->bytes + VR_MIB > c->length &&
	       c->args->bytes <= c->length + 4 * VR_MIB;
}

/* The boundary says what became of the run that the sidecar announced. */
static enum vr_condition
condition_of(const struct vr_trial *t, const struct vr_hypothesis *h,
	     const struct vr_measure *m)
{
	bool whole = h->chunk == h->period;

	if (m->looks.count && m->unreadable == m->looks.count)
		return VR_CONDITION_UNREADABLE;
	if (m->decided && m->end == 0 && vr_trial_first_is_clear(m))
		return VR_CONDITION_LOCKED;
	if (!m->decided)
		return whole || t->runs > 0 ? h->condition
					    : VR_CONDITION_UNDECIDED;
	if (m->bound == VR_NO_BOUND)
		return VR_CONDITION_INTERRUPTED;
	if (whole && m->end < t->c->length)
		return VR_CONDITION_STRIPED;
	return h->condition;
}

/*
 * Stripes of another pattern look like contradictions to the one that was said,
 * or, where they are far apart, like a run that broke off right away.
 */
static bool
is_doubtful(const struct vr_trial *t, const struct vr_measure *m)
{
	if (!m->decided)
		return false;
	/* Of another file's size, and hardly a stripe to bear it out. */
	if (!t->d->sidecar_fits && m->exact < VR_PATTERN_LEAST &&
	    !vr_trial_first_is_clear(m))
		return true;
	if (m->hit_end <= VR_PATTERN_LEAST && m->hit_end < m->stripes &&
	    !vr_trial_first_is_clear(m))
		return true;
	if (t->runs > 0 && m->bound == VR_NO_BOUND &&
	    !vr_trial_first_is_clear(m))
		return true;
	return m->contradictions >= VR_PATTERN_LEAST &&
	       m->contradictions * 2 > m->encrypted;
}

/*
 * First stripes that end as the other reading says, and not as the first does: all
 * of them, for one that stands out amid noise may do so by chance.
 */
static bool
tells_the_unit(const struct vr_trial *t, const struct vr_measure *m)
{
	return t->d->measure.hit_end == 0 && m->hit_end > 0 &&
	       m->encrypted >= m->hit_end && m->contradictions == 0;
}

/* A less likely reading of the side file, if it shows a pattern. */
static int
take_other_reading(struct vr_trial *t, const struct vr_hypotheses *all,
		   bool *ret_taken)
{
	const struct vr_measure_how how = {0};

	for (size_t i = 1; i < all->count; i++) {
		struct vr_measure m;
		int r = vr_trial_measure(t, &all->items[i], &how, &m);

		if (r < 0)
			return r;
		if (vr_trial_is_pattern(&m) || tells_the_unit(t, &m)) {
			vr_trial_take(t, &all->items[i], &m,
				      all->items[i].condition);
			*ret_taken = true;
			return 0;
		}
		vr_measure_free(&m);
	}
	return 0;
}

static bool
is_same(const struct vr_hypothesis *a, const struct vr_hypothesis *b)
{
	return a->first == b->first && a->chunk == b->chunk &&
	       a->period == b->period;
}

/* The side file may be another file's, or an earlier run's. */
static int
replace_refuted(struct vr_trial *t, const struct vr_hypothesis *h)
{
	struct vr_diagnosis kept = *t->d;
	int r;

	t->d->chosen = false;
	t->d->measure = (struct vr_measure){0};
	r = vr_search(t);
	if (r == 0 && t->d->chosen && !is_same(&t->d->hypothesis, h)) {
		t->d->predicted = false;
		t->d->sidecar_refuted = true;
		t->d->sidecar_fits = false;
		t->d->refuted = *h;
		vr_measure_free(&kept.measure);
		return 0;
	}
	vr_measure_free(&t->d->measure);
	kept.bytes_read = t->d->bytes_read;
	*t->d = kept;
	return r;
}

static int
hear_sidecar(struct vr_trial *t, const struct vr_hypotheses *all)
{
	const struct vr_hypothesis *h = &all->items[0];
	const struct vr_measure_how how = {0};
	struct vr_measure m;
	bool taken = false;
	int r = vr_trial_measure(t, h, &how, &m);

	if (r < 0)
		return r;
	t->d->predicted = true;
	vr_trial_take(t, h, &m, condition_of(t, h, &m));
	if (t->c->by_hand || !is_doubtful(t, &t->d->measure))
		return 0;
	r = take_other_reading(t, all, &taken);
	return r == 0 && !taken ? replace_refuted(t, h) : r;
}

/* --- together ----------------------------------------------------------------- */

/* The run ended where this side file says, and not where others would. */
static bool
ended_as_said(const struct vr_diagnosis *d)
{
	const struct vr_measure *m = &d->measure;

	return d->predicted && m->decided && m->bound != VR_NO_BOUND &&
	       !m->ambiguous &&
	       d->hypothesis.bounds[m->bound].end <
		       vr_hypothesis_end(&d->hypothesis);
}

/*
 * A run that was refuted, or one of a few stripes that nothing but the side file
 * names, leaves open what else went over the file. So does every other MiB, which
 * many sizes have in common.
 */
static bool
explains_the_file(const struct vr_trial *t)
{
	const struct vr_diagnosis *d = t->d;

	if (t->c->by_hand || t->excluded)
		return true;
	if (t->is_part)
		return false;
	if (d->condition == VR_CONDITION_LOCKED)
		return true;
	if (d->predicted && d->sidecar_fits)
		return true;
	if (d->condition == VR_CONDITION_HEAD)
		return true;
	return d->measure.exact >= VR_PATTERN_LEAST &&
	       (d->hypothesis.period > 2 * d->hypothesis.chunk ||
		t->c->runs_most == 1 || ended_as_said(d) ||
		(d->predicted && !t->hides_others));
}

static int
lay_all(struct vr_trial *t)
{
	const struct vr_diagnosis *d = t->d;
	int r;

	r = vr_map_add_range(t->map, VR_LAYER_PROFILE,
			     d->gaps_sure ? VR_INTACT : VR_SUSPECT, 0,
			     vr_map_size(t->map));
	if (r == 0 && d->predicted)
		r = lay_prediction(t, &d->hypothesis);
	return r;
}

static int
work_out(struct vr_trial *t)
{
	struct vr_diagnosis *d = t->d;
	int r = 0;

	if (d->condition != VR_CONDITION_LOCKED && !t->c->by_hand)
		r = vr_others_find(t);
	if (r < 0)
		return r;
	d->gaps_sure = explains_the_file(t);
	r = lay_all(t);
	if (r == 0)
		r = vr_trial_lay_measure(t, &d->hypothesis, &d->measure);
	return r == 0 ? vr_others_lay(t) : r;
}

static int
diagnose(struct vr_trial *t)
{
	struct vr_hypotheses all = {0};
	int r;

	if (t->c->args || t->c->by_hand)
		vr_profiles_predict(t->c, &all);
	t->d->sidecar_fits = sidecar_fits(t->c);
	r = all.count ? hear_sidecar(t, &all) : vr_search(t);
	if (r < 0)
		return r;
	return t->d->chosen ? work_out(t) : vr_search_conclude(t);
}

static int
look_at_all(struct vr_trial *t, const struct vr_full_how *how)
{
	struct vr_diagnosis *d = t->d;
	int r = vr_measure_full(t->source, d->chosen ? &d->hypothesis : NULL,
				how, t->map, &d->full);

	d->bytes_read += d->full.bytes_read;
	return r;
}

/* --- confidence ----------------------------------------------------------------- */

/*
 * By chance, a stripe would be noise as often as places beside stripes are. A
 * clear stripe where encryption should be is one error of the block test.
 */
#define BITS_MOST_A_STRIPE 10
#define BITS_OF_CLEAR	   35
#define BITS_SURE	   40
#define BITS_LIKELY	   8

static int64_t
bits_a_stripe(const struct vr_measure *m)
{
	size_t order = m->encrypted * 2 + m->clear + 1;
	size_t noise = 2 * m->unsure + m->contradictions + 1;
	int64_t bits = 1;

	while (bits < BITS_MOST_A_STRIPE && order >> bits >= noise)
		bits++;
	return bits;
}

static void
weigh(struct vr_trial *t)
{
	struct vr_diagnosis *d = t->d;
	const struct vr_measure *m = &d->measure;

	if (!d->chosen)
		return;
	d->bits = (int64_t)m->encrypted * bits_a_stripe(m) -
		  (int64_t)m->contradictions * bits_a_stripe(m);
	if (d->condition == VR_CONDITION_LOCKED)
		d->bits = (int64_t)m->clear * BITS_OF_CLEAR;
	/* Noise without gaps has nothing to stand out from. */
	if (d->hypothesis.chunk == d->hypothesis.period)
		d->bits = m->clear ? BITS_LIKELY : 0;
	if (d->bits < 0)
		d->bits = 0;
	if (!m->decided)
		d->confidence = VR_CONFIDENCE_RULE;
	else if (!d->gaps_sure || d->bits < BITS_LIKELY)
		d->confidence = VR_CONFIDENCE_AMBIGUOUS;
	else if (m->ambiguous || d->bits < BITS_SURE)
		d->confidence = VR_CONFIDENCE_LIKELY;
	else
		d->confidence = VR_CONFIDENCE_SURE;
}

const char *
vr_confidence_name(enum vr_confidence confidence)
{
	static const char *const names[] = {
		[VR_CONFIDENCE_NONE] = "none",
		[VR_CONFIDENCE_RULE] = "rule-alone",
		[VR_CONFIDENCE_AMBIGUOUS] = "ambiguous",
		[VR_CONFIDENCE_LIKELY] = "likely",
		[VR_CONFIDENCE_SURE] = "sure",
	};

	return names[confidence];
}

const char *
vr_confidence_reason(enum vr_confidence confidence)
{
	static const char *const reasons[] = {
		[VR_CONFIDENCE_NONE] = "no pattern was found in the bytes",
		[VR_CONFIDENCE_RULE] =
			"the bytes are noise inside and beside every stripe, "
			"so the rule alone speaks for it",
		[VR_CONFIDENCE_AMBIGUOUS] =
			"the bytes do not rule out other runs; what those "
			"would have hit is called suspect",
		[VR_CONFIDENCE_LIKELY] =
			"it fits, but few stripes stand out from what lies "
			"beside them, or its end lies in noise",
		[VR_CONFIDENCE_SURE] =
			"the stripes stand out from what lies beside them, and "
			"no other run fits",
	};

	return reasons[confidence];
}

int
vr_diagnose(struct vr_source *source, const struct vr_profile_case *c,
	    unsigned runs, const struct vr_full_how *full, struct vr_map *map,
	    struct vr_diagnosis *ret)
{
	struct vr_diagnosis d = {0};
	struct vr_trial t = {
		.source = source,
		.c = c,
		.map = map,
		.runs = runs,
		.d = &d,
	};
	int r = diagnose(&t);

	if (r == 0 && full)
		r = look_at_all(&t, full);
	if (r < 0) {
		free(t.sheets.items);
		vr_diagnosis_free(&d);
		return r;
	}
	weigh(&t);
	free(t.sheets.items);
	*ret = d;
	return 0;
}

void
vr_diagnosis_free(struct vr_diagnosis *d)
{
	vr_measure_free(&d->measure);
}
