/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Without a side file the bytes are asked: first about the rules for a file of
 * this size, then about every period that a run can have, then about patterns of
 * nobody we know.
 */
#include "base/checked.h"
#include "measure/block.h"
#include "measure/failing.h"
#include "measure/fine.h"
#include "measure/infer.h"
#include "measure/scan.h"
#include "measure/trial.h"

/* Places looked at when no pattern fits. */
#define PLACES 64
/* And how much of each, to tell a guest that is noise. */
#define HIDDEN_SAMPLE 4096
/* Disks below this many bytes are encrypted whole by wave 1. */
#define WHOLE_BELOW (UINT64_C(200) * VR_MIB)
/* A search through all periods reads a sector for each of them, and more. */
#define SEARCH_BYTES (UINT64_C(16) << 20)
#define MILLION	     1000000

/*
 * A head has one edge, so all of it has to be noise that can be sampled, and the
 * edge has to be sharp where the rule puts it.
 */
static int
head_is_noise(struct vr_trial *t, const struct vr_hypothesis *h, bool *ret)
{
	uint64_t step = h->chunk / PLACES;
	int looks = VR_LOOKS_RANDOM;

	*ret = false;
	if (!vr_infer_sharp_end(t->source, h->first + h->chunk,
				&t->d->bytes_read))
		return 0;
	for (uint64_t i = 0; i < PLACES && looks == VR_LOOKS_RANDOM; i++)
		looks = vr_sample_looks(t->source, h->first + i * step, step,
					&t->d->bytes_read);
	*ret = looks == VR_LOOKS_RANDOM;
	return looks < 0 && looks != VR_E_IO ? looks : 0;
}

static int
try_head(struct vr_trial *t, const struct vr_hypothesis *h)
{
	struct vr_measure m;
	bool noise;
	int r;

	r = head_is_noise(t, h, &noise);
	if (r < 0 || !noise)
		return r;
	r = vr_trial_measure(t, h, &(const struct vr_measure_how){0}, &m);
	if (r < 0)
		return r;
	if (m.bound != VR_NO_BOUND && m.hit_end == 1)
		vr_trial_take(t, h, &m, h->condition);
	vr_measure_free(&m);
	return 0;
}

static bool
is_striped(const struct vr_hypothesis *h)
{
	return h->chunk < h->period &&
	       vr_hypothesis_count(h, vr_hypothesis_end(h)) > 1;
}

static bool
is_single(const struct vr_hypothesis *h)
{
	return h->chunk < h->period && !is_striped(h);
}

static int
shows_pattern(struct vr_trial *t, uint64_t unit, uint64_t period, bool *ret)
{
	const struct vr_measure_how how = {0};
	const struct vr_scan_how one = {.unit = unit, .covered = &how};
	struct vr_possible p;

	return vr_scan_one(t->source, &one, period, &p, ret, &t->d->bytes_read);
}

/* A rule's stripes may all be hit and yet be every second of what there is. */
static int
smallest_part(struct vr_trial *t, uint64_t unit, uint64_t *period)
{
	uint64_t units = *period / unit;

	for (uint64_t n = 2; n < units; n++) {
		bool pattern = false;
		int r = 0;

		if (units % n == 0)
			r = shows_pattern(t, unit, n * unit, &pattern);
		if (r < 0)
			return r;
		if (pattern) {
			*period = n * unit;
			return 0;
		}
	}
	return 0;
}

/*
 * What a pattern that was read off the bytes most likely is. ESXiArgs has chunks
 * of a MiB; its first wave leaves 100 to 150 of them, on thin disks of any
 * period.
 */
static enum vr_condition
condition_of_inferred(const struct vr_trial *t, const struct vr_hypothesis *h,
		      const struct vr_measure *m)
{
	uint64_t stripes = vr_hypothesis_count(h, m->end);

	if (h->chunk != VR_MIB || h->period % VR_MIB)
		return VR_CONDITION_FOREIGN;
	if (h->period == 2 * VR_MIB)
		return VR_CONDITION_WAVE_2;
	if (stripes >= 100 && stripes <= 150)
		return VR_CONDITION_WAVE_1;
	return t->runs > 0 ? VR_CONDITION_STRIPED : VR_CONDITION_INTERRUPTED;
}

static const struct vr_hypothesis *
same_pattern(const struct vr_hypotheses *all, const struct vr_hypothesis *h)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].chunk == h->chunk &&
		    all->items[i].period == h->period)
			return &all->items[i];
	return NULL;
}

/* A rule that gives the same numbers has names for the bounds, too. */
static int
take_period(struct vr_trial *t, const struct vr_hypotheses *all, uint64_t unit,
	    uint64_t period, bool proved)
{
	const struct vr_measure_how how = {0};
	struct vr_hypothesis h = {
		.profile = "esxiargs",
		.reason = "the bytes alone",
		.condition = VR_CONDITION_FOREIGN,
		.chunk = unit,
		.period = period,
	};
	const struct vr_hypothesis *rule;
	enum vr_condition condition;
	struct vr_measure m;
	int r;

	vr_hypothesis_bound(&h, "end of file", t->source->size);
	rule = same_pattern(all, &h);
	if (rule)
		h = *rule;
	r = vr_trial_measure(t, &h, &how, &m);
	if (r < 0)
		return r;
	condition = rule ? h.condition : condition_of_inferred(t, &h, &m);
	if (rule && m.bound == VR_NO_BOUND && t->runs == 0)
		condition = VR_CONDITION_INTERRUPTED;
	if ((vr_trial_is_pattern(&m) || !proved) &&
	    !vr_trial_first_is_clear(&m))
		vr_trial_take(t, &h, &m, condition);
	vr_measure_free(&m);
	return 0;
}

static int
try_rule(struct vr_trial *t, const struct vr_hypotheses *all,
	 const struct vr_hypothesis *h)
{
	const struct vr_measure_how how = {0};
	const struct vr_scan_how one = {
		.unit = h->chunk,
		.covered = &how,
		.hidden_most = t->hidden_most,
	};
	uint64_t period = h->period;
	struct vr_possible p;
	bool pattern;
	int r = vr_scan_one(t->source, &one, period, &p, &pattern,
			    &t->d->bytes_read);

	if (r < 0)
		return r;
	/* Failing storage leaves few to be seen: then all are looked at. */
	if (!pattern && p.exact > 0 && p.end == t->source->size)
		return take_period(t, all, h->chunk, period, true);
	if (!pattern)
		return 0;
	if (period % h->chunk == 0)
		r = smallest_part(t, h->chunk, &period);
	return r == 0 ? take_period(t, all, h->chunk, period, true) : r;
}

/* Stripes of some bytes: groups of them at the beginning must stand out. */
#define FINE_GROUPS 8

static int
try_fine(struct vr_trial *t, const struct vr_hypothesis *h)
{
	const struct vr_measure_how how = {0};
	struct vr_measure m;
	size_t shown = 0;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < FINE_GROUPS; i++) {
		struct vr_look look = {0};

		r = vr_fine_judge(t->source, h, i * vr_fine_group(h), &look,
				  &t->d->bytes_read);
		shown += look.verdict == VR_STRIPE_ENCRYPTED;
		if (look.verdict == VR_STRIPE_CLEAR)
			return r;
	}
	if (r < 0 || shown < VR_PATTERN_LEAST)
		return r;
	r = vr_trial_measure(t, h, &how, &m);
	if (r < 0)
		return r;
	if (vr_trial_is_pattern(&m))
		vr_trial_take(t, h, &m, h->condition);
	vr_measure_free(&m);
	return 0;
}

/* Such stripes leave most of the first sector, which then is no noise. */
static int
try_fine_rules(struct vr_trial *t, const struct vr_hypotheses *all)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count && !t->d->chosen; i++)
		if (vr_is_fine(&all->items[i]))
			r = try_fine(t, &all->items[i]);
	return r;
}

static int
try_rules(struct vr_trial *t, const struct vr_hypotheses *all)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count && !t->d->chosen; i++)
		if (vr_is_fine(&all->items[i]))
			continue;
		else if (is_striped(&all->items[i]))
			r = try_rule(t, all, &all->items[i]);
		else if (is_single(&all->items[i]))
			r = try_head(t, &all->items[i]);
	return r;
}

/* --- every period ----------------------------------------------------------- */

/*
 * A run that broke off after a few stripes: no pattern yet, but where all other
 * periods are refuted, one stripe with order on both sides is enough.
 */
static const struct vr_possible *
only_one_left(const struct vr_scan *scan)
{
	const struct vr_possible *best = NULL;

	for (size_t i = 0; scan->exhaustive && i < scan->possible_count; i++) {
		if (scan->possible[i].exact == 0)
			continue;
		if (best || scan->possible[i].both == 0)
			return NULL;
		best = &scan->possible[i];
	}
	return best;
}

static int
try_all_periods(struct vr_trial *t, const struct vr_hypotheses *all,
		uint64_t unit)
{
	const struct vr_measure_how how = {0};
	const struct vr_scan_how every = {
		.unit = unit,
		.least = 2,
		.most = vr_trial_longest_period(t, unit),
		.budget = SEARCH_BYTES,
		.covered = &how,
		.hidden_most = t->hidden_most,
	};
	const struct vr_possible *left;
	struct vr_scan scan;
	int r = vr_scan_periods(t->source, &every, &scan, &t->d->bytes_read);

	if (r < 0)
		return r;
	if (scan.period)
		return take_period(t, all, unit, scan.period, true);
	left = only_one_left(&scan);
	return left ? take_period(t, all, unit, left->period, false) : 0;
}

/* --- strangers ---------------------------------------------------------------- */

/* What the stripes do not explain of the noise before them is in doubt. */
static int
doubt_before(struct vr_trial *t, const struct vr_inference *inferred)
{
	const struct vr_hypothesis *h = &inferred->h;
	struct vr_hypothesis head = *h;
	int r;

	head.first = 0;
	head.chunk = head.period = vr_max(inferred->head, 1);
	r = vr_trial_note(t, VR_SUSPECT, h, h->first, inferred->sure_from);
	return r == 0 ? vr_trial_note(t, VR_SUSPECT, &head, 0, inferred->head)
		      : r;
}

static int
take_stranger(struct vr_trial *t, const struct vr_inference *inferred)
{
	const struct vr_measure_how how = {0};
	struct vr_measure m;
	int r = vr_trial_measure(t, &inferred->h, &how, &m);

	if (r < 0)
		return r;
	if (vr_trial_is_pattern(&m)) {
		vr_trial_take(t, &inferred->h, &m, VR_CONDITION_FOREIGN);
		r = doubt_before(t, inferred);
	}
	vr_measure_free(&m);
	return r;
}

static int
try_strangers(struct vr_trial *t)
{
	struct vr_inference inferred;
	int r;

	r = vr_infer(t->source, &inferred, &t->d->bytes_read);
	if (r < 0 || inferred.what == VR_INFERRED_NOTHING)
		return r;
	if (inferred.what == VR_INFERRED_STRIPES)
		return take_stranger(t, &inferred);
	t->d->has_head = true;
	t->d->hypothesis = inferred.h;
	return 0;
}

/*
 * A guest that encrypts itself is noise wherever it is looked at, and then no
 * search finds more in hundreds of stripes than in a few.
 */
static int
see_if_hidden(struct vr_trial *t)
{
	uint64_t step = t->source->size / PLACES;
	int looks = VR_LOOKS_RANDOM;

	if (step < VR_BLOCK_LEAST)
		return 0;
	for (uint64_t i = 0; i < PLACES && looks == VR_LOOKS_RANDOM; i++)
		looks = vr_sample_looks(t->source, i * step,
					vr_min(step, HIDDEN_SAMPLE),
					&t->d->bytes_read);
	if (looks == VR_LOOKS_RANDOM)
		t->hidden_most = VR_HIDDEN_MOST;
	return looks < 0 && looks != VR_E_IO ? looks : 0;
}

/* Does the file begin with noise, as far as can be read? */
static int
begins_with_noise(struct vr_trial *t, bool *ret)
{
	uint64_t n = vr_min(VR_SECTOR, t->source->size);
	int looks = VR_LOOKS_RANDOM;

	if (n >= VR_BLOCK_LEAST)
		looks = vr_sample_looks(t->source, 0, n, &t->d->bytes_read);
	*ret = looks < 0 || vr_looks_noise((enum vr_looks)looks);
	return looks < 0 && looks != VR_E_IO ? looks : 0;
}

static void
predict(const struct vr_trial *t, struct vr_hypotheses *ret)
{
	struct vr_profile_case c = *t->c;

	c.args = NULL;
	c.by_hand = NULL;
	vr_profiles_predict(&c, ret);
}

static bool
may_be_esxiargs(const struct vr_hypotheses *all)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].chunk == VR_MIB)
			return true;
	return false;
}

/* The runs that we know of all begin at 0. */
static int
try_known(struct vr_trial *t, const struct vr_hypotheses *all)
{
	bool noise;
	int r = begins_with_noise(t, &noise);

	if (r < 0 || !noise)
		return r;
	r = see_if_hidden(t);
	if (r == 0)
		r = try_rules(t, all);
	if (r == 0 && !t->d->chosen && may_be_esxiargs(all))
		r = try_all_periods(t, all, VR_MIB);
	if (r == 0 && !t->d->chosen && may_be_esxiargs(all))
		r = try_all_periods(t, all, MILLION);
	return r;
}

int
vr_search(struct vr_trial *t)
{
	struct vr_hypotheses all = {0};
	int r;

	predict(t, &all);
	r = try_fine_rules(t, &all);
	if (r == 0 && !t->d->chosen)
		r = try_known(t, &all);
	if (r == 0 && !t->d->chosen && !t->c->only)
		r = try_strangers(t);
	return r;
}

/* --- without a pattern ----------------------------------------------------------- */

static int
lay_place(struct vr_trial *t, uint64_t off, uint64_t n, int looks)
{
	t->d->looked++;
	t->d->noisy += looks == VR_LOOKS_RANDOM;
	t->d->failed += looks == VR_E_IO;
	if (looks == VR_E_IO)
		return vr_failing_lay(t->source, t->map, off,
				      vr_min(n, VR_SAMPLE_BYTES));
	return looks < 0 ? looks : 0;
}

/*
 * No pattern: is the beginning noise, and how much of the rest? MiB 0 is asked
 * in four places, the rest by an even spread.
 */
static int
look_about(struct vr_trial *t, bool *ret_head_is_noise)
{
	uint64_t length = t->c->length, step = vr_max(length / PLACES, 1);
	size_t head = 0, head_noisy = 0;
	int r = 0;

	for (uint64_t off = 0; r >= 0 && off < length; off += step) {
		uint64_t n = vr_min(64 * 1024, length - off);

		if (n < VR_BLOCK_LEAST)
			break;
		r = vr_sample_looks(t->source, off, n, &t->d->bytes_read);
		r = lay_place(t, off, n, r);
	}
	for (uint64_t off = 0; r >= 0 && off < vr_min(VR_MIB, length);
	     off += VR_MIB / 4) {
		uint64_t n = vr_min(VR_MIB / 4, length - off);

		if (n < VR_BLOCK_LEAST)
			break;
		r = vr_sample_looks(t->source, off, n, &t->d->bytes_read);
		head++;
		head_noisy += r == VR_LOOKS_RANDOM;
	}
	*ret_head_is_noise = head && head_noisy == head;
	return r < 0 && r != VR_E_IO ? r : 0;
}

/* What the rules would leave here, if noise hides it. */
static int
list_candidates(struct vr_trial *t)
{
	const struct vr_measure_how how = {0};
	struct vr_hypotheses all = {0};
	struct vr_hypothesis unknown = {
		.profile = "esxiargs",
		.reason = "a run of another size, or one that broke off",
		.chunk = VR_MIB,
	};
	int r = 0;

	predict(t, &all);
	for (size_t i = 0; r == 0 && i < all.count; i++) {
		const struct vr_hypothesis *h = &all.items[i];
		const struct vr_scan_how one = {
			.unit = h->chunk,
			.covered = &how,
			.hidden_most = t->hidden_most,
		};
		struct vr_possible p = {.end = UINT64_MAX};
		bool pattern;

		if (vr_is_fine(h))
			continue;
		if (is_striped(h))
			r = vr_scan_one(t->source, &one, h->period, &p,
					&pattern, &t->d->bytes_read);
		if (r == 0 && p.end > h->period)
			vr_trial_candidate(t, h);
	}
	if (may_be_esxiargs(&all))
		vr_trial_candidate(t, &unknown);
	return r;
}

/*
 * A head of no known length: what was encrypted, and what was noise before, only
 * a rule could say, so the rest stays unknown.
 */
static int
note_head(struct vr_trial *t)
{
	const struct vr_hypothesis *h = &t->d->hypothesis;

	return vr_map_add_range(t->map, VR_LAYER_MEASURED, VR_SUSPECT, h->first,
				h->chunk);
}

int
vr_search_conclude(struct vr_trial *t)
{
	struct vr_diagnosis *d = t->d;
	bool head_is_noise;
	int r = look_about(t, &head_is_noise);

	if (r == 0 && d->has_head)
		r = note_head(t);
	if (r == 0 && (head_is_noise || d->has_head))
		r = list_candidates(t);
	if (r < 0)
		return r;
	if (d->looked && d->failed == d->looked)
		d->condition = VR_CONDITION_UNREADABLE;
	else if (!head_is_noise && !d->has_head)
		d->condition = d->looked ? VR_CONDITION_UNTOUCHED
					 : VR_CONDITION_UNDECIDED;
	else if (d->noisy < d->looked)
		d->condition = VR_CONDITION_FOREIGN;
	else if (t->c->length < WHOLE_BELOW && t->runs > 0)
		d->condition = VR_CONDITION_WHOLE;
	else
		d->condition = VR_CONDITION_UNDECIDED;
	return 0;
}
