/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hosts were hit twice, and the side file shows the last run only. What du said
 * before is close to what it said then, so the periods that another run can have
 * are few: each is asked at its first stripes. Where that list may be incomplete
 * every period is asked.
 */
#include <string.h>

#include "base/checked.h"
#include "base/vector.h"
#include "measure/block.h"
#include "measure/fine.h"
#include "measure/scan.h"
#include "measure/trial.h"

/* What an encryptor may count in instead of MiB. */
#define MILLION 1000000
/* A search through all periods reads a sector for each of them. */
#define SEARCH_BYTES (UINT64_C(24) << 20)

int
vr_trial_note(struct vr_trial *t, enum vr_damage damage,
	      const struct vr_hypothesis *h, uint64_t start, uint64_t end)
{
	const struct vr_sheet sheet = {damage, *h, start, end};

	return start < end ? VR_PUSH(&t->sheets, sheet) : 0;
}

static void
cover(struct vr_trial *t, const struct vr_hypothesis *h, uint64_t end)
{
	struct vr_measure_how *how = &t->covered;

	/* The file's end cuts a stripe; the run did not break off in it. */
	if (end >= t->source->size)
		end = vr_div_up(end, h->period) * h->period;
	if (how->covered_count < VR_COVERED_MOST && end > 0)
		how->covered[how->covered_count++] =
			(struct vr_covered){h->chunk, h->period, end};
}

/*
 * Where the gap is no longer than a stripe, both sides of one are noise of the
 * run that was found: order is looked for one gap further away.
 */
static struct vr_measure_how
how_beside(const struct vr_trial *t)
{
	const struct vr_hypothesis *h = &t->d->hypothesis;
	struct vr_measure_how how = t->covered;

	if (h->period == 2 * h->chunk)
		how.neighbour = h->chunk;
	return how;
}

static bool
is_known(const struct vr_trial *t, uint64_t chunk, uint64_t period)
{
	const struct vr_hypothesis *h = &t->d->hypothesis;

	if (h->chunk == chunk && h->period == period)
		return true;
	for (size_t i = 0; i < t->d->other_count; i++) {
		h = &t->d->others[i].hypothesis;
		if (h->chunk == chunk && h->period == period)
			return true;
	}
	return false;
}

static int
take_other(struct vr_trial *t, const struct vr_hypothesis *h,
	   const struct vr_measure *m)
{
	struct vr_diagnosis *d = t->d;

	if (d->other_count < VR_OTHERS_MOST)
		d->others[d->other_count++] =
			(struct vr_other){*h, m->encrypted};
	if ((d->condition == VR_CONDITION_WAVE_2 ||
	     d->condition == VR_CONDITION_WAVE_1) &&
	    (h->period == 2 * h->chunk) !=
		    (d->hypothesis.period == 2 * d->hypothesis.chunk))
		d->condition = VR_CONDITION_BOTH;
	cover(t, h, m->end);
	return vr_trial_note(t, VR_ENCRYPTED, h, 0, m->end);
}

/*
 * Few stripes in the right places are doubt, more are proof; and what noise hides
 * is doubt, too, as is noise without a gap, which has no edges.
 */
static int
weigh_other(struct vr_trial *t, const struct vr_hypothesis *h,
	    const struct vr_measure *m)
{
	uint64_t end = vr_max(m->end, m->clear_end);
	int r = 0;

	if (h->chunk < h->period && m->encrypted >= VR_PATTERN_LEAST &&
	    m->contradictions * 10 <= m->encrypted)
		r = take_other(t, h, m);
	else
		r = vr_trial_note(t, VR_SUSPECT, h, h->period,
				  m->decided ? end : vr_hypothesis_end(h));
	if (r == 0 && m->decided)
		r = vr_trial_note(t, VR_SUSPECT, h, m->end, end);
	return r;
}

/*
 * After wave 1 there was no earlier wave 2, where one key says that there was one
 * run: in a guest that encrypts itself half of the disk would be in doubt.
 */
static bool
is_out_of_order(const struct vr_trial *t, const struct vr_hypothesis *h)
{
	return h->condition == VR_CONDITION_WAVE_2 && t->runs == 1 &&
	       t->c->args && t->d->sidecar_fits;
}

/* Its first stripes that were not hit anyway: all clear, and that was it. */
static int
try_other(struct vr_trial *t, const struct vr_hypothesis *h)
{
	const struct vr_measure_how how = how_beside(t);
	const struct vr_scan_how one = {
		.unit = h->chunk,
		.covered = &how,
		.hidden_most = t->hidden_most,
	};
	struct vr_possible possible;
	struct vr_measure m;
	bool pattern;
	int r;

	if (is_known(t, h->chunk, h->period) ||
	    t->d->other_count == VR_OTHERS_MOST)
		return 0;
	r = vr_scan_one(t->source, &one, h->period, &possible, &pattern,
			&t->d->bytes_read);
	if (r < 0)
		return r;
	if (!pattern && possible.exact == 0 && is_out_of_order(t, h))
		return 0;
	if (!pattern && (possible.exact == 0 || possible.end < t->source->size))
		return vr_trial_note(t, VR_SUSPECT, h, h->period, possible.end);
	r = vr_trial_measure(t, h, &how, &m);
	if (r < 0)
		return r;
	r = weigh_other(t, h, &m);
	vr_measure_free(&m);
	return r;
}

static int
try_period(struct vr_trial *t, uint64_t period)
{
	const struct vr_hypothesis *found = &t->d->hypothesis;
	struct vr_hypothesis h = {
		.profile = found->profile,
		.reason = "the bytes alone",
		.condition = VR_CONDITION_STRIPED,
		.chunk = found->chunk,
		.period = period,
	};

	vr_hypothesis_bound(&h, "end of file", t->source->size);
	return try_other(t, &h);
}

/* What was found may be every second or third stripe of what there is. */
static int
try_parts(struct vr_trial *t)
{
	const struct vr_hypothesis *h = &t->d->hypothesis;
	uint64_t units = h->period / h->chunk;
	int r = 0;

	if (h->period % h->chunk)
		return 0;
	for (uint64_t part = 2; r == 0 && part < units && part <= 100; part++)
		if (units % part == 0)
			r = try_period(t, units / part * h->chunk);
	return r;
}

/* Order right behind the first stripe: its length is what it was counted in. */
static bool
unit_shows(const struct vr_measure *m)
{
	return m->looks.count && m->looks.items[0].stripe == 0 &&
	       m->looks.items[0].verdict == VR_STRIPE_ENCRYPTED &&
	       m->looks.items[0].after;
}

static int
try_rules(struct vr_trial *t)
{
	const struct vr_hypothesis *found = &t->d->hypothesis;
	bool proved = t->d->measure.exact >= VR_PATTERN_LEAST ||
		      unit_shows(&t->d->measure) ||
		      found->chunk == found->period;
	struct vr_hypotheses all = {0};
	int r = 0;

	/* Stripes that were found show what an encryptor counts in. */
	vr_profiles_others(t->c, found, &all);
	for (size_t i = 0; r == 0 && i < all.count; i++)
		if (all.items[i].chunk == found->chunk || !proved)
			r = try_other(t, &all.items[i]);
	return r;
}

/* --- every period ----------------------------------------------------------- */

/* The first stripe ends where it would in another unit: others may follow. */
static bool
counts_in_millions(const struct vr_trial *t)
{
	const struct vr_measure *m = &t->d->measure;

	return t->d->hypothesis.chunk > MILLION && m->hit_end <= 1 &&
	       m->end <= MILLION && m->clear_end >= MILLION &&
	       m->clear_end < MILLION + 4 * VR_SECTOR;
}

static int
lay_possible(struct vr_trial *t, uint64_t unit, const struct vr_possible *p)
{
	const struct vr_hypothesis h = {
		.chunk = unit,
		.period = p->period,
	};

	return vr_trial_note(t, VR_SUSPECT, &h, h.period, p->end);
}

static int
search_all(struct vr_trial *t)
{
	const struct vr_hypothesis *h = &t->d->hypothesis;
	const struct vr_measure_how how = how_beside(t);
	const struct vr_scan_how all = {
		.unit = h->chunk,
		.least = 1,
		.most = vr_trial_longest_period(t, h->chunk),
		.budget = SEARCH_BYTES,
		.covered = &how,
		.hidden_most = t->hidden_most,
	};
	struct vr_scan scan;
	int r = vr_scan_periods(t->source, &all, &scan, &t->d->bytes_read);

	for (size_t i = 0; r == 0 && i < scan.possible_count; i++)
		r = lay_possible(t, h->chunk, &scan.possible[i]);
	if (r < 0)
		return r;
	if (scan.period && t->d->other_count < VR_OTHERS_MOST &&
	    !is_known(t, h->chunk, scan.period)) {
		size_t before = t->d->other_count;

		r = try_period(t, scan.period);
		if (r < 0 || t->d->other_count == before)
			return r;
		return search_all(t);
	}
	t->hides_others = scan.hidden;
	t->excluded = scan.exhaustive && scan.period == 0 &&
		      !counts_in_millions(t);
	return 0;
}

/*
 * A side file that is this file's, or the period of a first wave, leave nothing
 * to search for, unless there are more keys than runs.
 */
static bool
search_is_due(const struct vr_trial *t)
{
	const struct vr_diagnosis *d = t->d;
	bool proved = d->measure.exact >= VR_PATTERN_LEAST;

	if (t->is_part)
		return true;
	if (d->predicted && d->sidecar_fits)
		return false;
	return !proved || d->hypothesis.period == 2 * d->hypothesis.chunk ||
	       t->runs > 1 + d->other_count;
}

/*
 * Other runs that were found. The first that is covered is the chosen one's: see
 * vr_others_find().
 */
static struct vr_measure_how
others_found(const struct vr_trial *t)
{
	struct vr_measure_how how = t->covered;

	if (how.covered_count && t->d->measure.decided &&
	    t->d->measure.end > 0) {
		how.covered_count--;
		memmove(how.covered, how.covered + 1,
			how.covered_count * sizeof(*how.covered));
	}
	return how;
}

/* Noise behind the chosen run's end that another run left is no contradiction. */
static void
explain_contradictions(struct vr_trial *t)
{
	const struct vr_measure_how how = others_found(t);
	struct vr_measure *m = &t->d->measure;

	for (size_t i = 0; i < m->looks.count; i++) {
		struct vr_look *look = &m->looks.items[i];
		uint64_t start =
			vr_hypothesis_stripe(&t->d->hypothesis, look->stripe);

		if (look->verdict != VR_STRIPE_ENCRYPTED ||
		    !vr_look_contradicts(m, look) ||
		    !vr_is_covered(&how, start))
			continue;
		look->verdict = VR_STRIPE_UNSURE;
		m->contradictions--;
		m->encrypted--;
		m->unsure++;
	}
}

/*
 * Every hundredth stripe of wave 2 looks like wave 1 with a side file of another
 * disk: then that it fits proves nothing.
 */
static bool
is_part_of_another(const struct vr_trial *t)
{
	const struct vr_hypothesis *h = &t->d->hypothesis;
	const struct vr_measure_how how = others_found(t);

	for (size_t i = 0; i < how.covered_count; i++) {
		const struct vr_covered *c = &how.covered[i];

		if (c->chunk == h->chunk && c->period < h->period &&
		    h->period % c->period == 0 &&
		    t->d->measure.end <= c->end + h->period)
			return true;
	}
	return false;
}

/* What the chosen run hit must not be covered by the others' doubt. */
static int
lay_chosen_again(struct vr_trial *t)
{
	const struct vr_diagnosis *d = t->d;

	if (!d->measure.decided)
		return 0;
	for (size_t i = 0; i < t->covered.covered_count; i++) {
		const struct vr_covered *c = &t->covered.covered[i];
		const struct vr_hypothesis h = {
			.chunk = c->chunk,
			.period = c->period,
		};
		int r = vr_trial_lay(t, VR_LAYER_MEASURED, VR_ENCRYPTED, &h, 0,
				     c->end);

		if (r < 0)
			return r;
	}
	return vr_trial_lay_exceptions(t, &d->hypothesis, &d->measure);
}

/* Every run begins at 0: where that is clear in part, no other got further. */
static bool
first_was_left(const struct vr_trial *t)
{
	const struct vr_measure *m = &t->d->measure;

	return m->hit_end == 0 && !counts_in_millions(t) && m->looks.count &&
	       m->looks.items[0].stripe == 0 &&
	       (m->looks.items[0].verdict == VR_STRIPE_CLEAR ||
		m->looks.items[0].verdict == VR_STRIPE_PARTLY);
}

/* Any other run would have gone on where this one stopped inside its first. */
static bool
stopped_in_first(struct vr_trial *t)
{
	const struct vr_measure *m = &t->d->measure;
	uint64_t off = vr_round_down(m->clear_end + VR_SECTOR - 1, VR_SECTOR);
	int looks;

	if (!m->decided || m->hit_end > 1 || m->clear_end == 0 ||
	    counts_in_millions(t) ||
	    off + VR_SECTOR > vr_min(t->d->hypothesis.chunk, t->source->size))
		return false;
	looks = vr_sample_looks(t->source, off, VR_SECTOR, &t->d->bytes_read);
	return looks >= 0 && !vr_looks_noise((enum vr_looks)looks);
}

/* A guest that is noise wherever the run was looked for hides others as well. */
static bool
is_hidden(const struct vr_measure *m)
{
	return m->unsure * 16 >= m->looks.count * 15;
}

int
vr_others_find(struct vr_trial *t)
{
	const struct vr_diagnosis *d = t->d;
	int r;

	/* All known runs begin at 0; strangers' second runs hit the same. */
	if (d->hypothesis.first > 0) {
		t->excluded = true;
		return 0;
	}
	/* No family of such stripes leaves others at a second run. */
	if (d->condition == VR_CONDITION_HEAD || vr_is_fine(&d->hypothesis))
		return 0;
	if (first_was_left(t)) {
		t->excluded = d->measure.encrypted == 0;
		return 0;
	}
	if (stopped_in_first(t)) {
		t->excluded = true;
		return 0;
	}
	if (is_hidden(&d->measure))
		t->hidden_most = VR_HIDDEN_MOST;
	t->covered = (struct vr_measure_how){0};
	cover(t, &d->hypothesis, d->measure.decided ? d->measure.end : 0);
	r = try_rules(t);
	if (r == 0 && !(d->predicted && d->sidecar_fits))
		r = try_parts(t);
	if (r == 0 && d->sidecar_refuted)
		r = try_other(t, &d->refuted);
	t->is_part = is_part_of_another(t);
	if (r == 0 && search_is_due(t))
		r = search_all(t);
	explain_contradictions(t);
	return r;
}

int
vr_others_lay(struct vr_trial *t)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->sheets.count; i++) {
		const struct vr_sheet *s = &t->sheets.items[i];

		r = vr_trial_lay(t, VR_LAYER_MEASURED, s->damage,
				 &s->hypothesis, s->start, s->end);
	}
	return r == 0 && t->sheets.count ? lay_chosen_again(t) : r;
}
