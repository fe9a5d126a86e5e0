/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "measure/damage.h"

#include "base/checked.h"
#include "measure/block.h"
#include "measure/infer.h"

/* Fewer proved stripes than this are no pattern. */
#define PATTERN_LEAST 3
/* Places looked at when no pattern fits. */
#define PLACES 64
/* Disks below this many bytes are encrypted whole by wave 1. */
#define WHOLE_BELOW (UINT64_C(200) * VR_MIB)

struct trial {
	struct vr_source *source;
	const struct vr_profile_case *c;
	struct vr_map *map;
	unsigned runs; /* that came to their end */
	struct vr_diagnosis *d;
};

/* --- the map ------------------------------------------------------------ */

/* Stripes of h that begin below from/period … up to end, as runs of the map. */
static int
add_stripes(struct vr_map *map, enum vr_layer layer, enum vr_damage damage,
	    const struct vr_hypothesis *h, uint64_t start, uint64_t end)
{
	struct vr_run all, parts[VR_RUN_CROP_MOST];
	size_t n;
	int r = 0;

	end = vr_min(end, vr_map_size(map));
	if (start >= end || !vr_run_make(h->first, h->chunk, h->period,
					 vr_hypothesis_count(h, end), &all))
		return 0;
	n = vr_run_crop(&all, start, end, parts);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = vr_map_add(map, layer, damage, &parts[i]);
	return r;
}

/* What the rule says, before a byte is read: the bounds that disagree doubt. */
static int
lay_prediction(struct vr_map *map, const struct vr_hypothesis *h)
{
	uint64_t sure = h->bounds[0].end, most = vr_hypothesis_end(h);
	int r;

	r = vr_map_add_range(map, VR_LAYER_PROFILE, VR_INTACT, 0,
			     vr_map_size(map));
	if (r == 0)
		r = add_stripes(map, VR_LAYER_PROFILE, VR_ENCRYPTED, h, 0,
				sure);
	if (r == 0)
		r = add_stripes(map, VR_LAYER_PROFILE, VR_SUSPECT, h, sure,
				most);
	return r;
}

static enum vr_damage
damage_of_look(const struct vr_measure *m, const struct vr_look *look)
{
	if (look->verdict == VR_STRIPE_UNREADABLE)
		return VR_UNREADABLE;
	if (vr_look_contradicts(m, look))
		return VR_SUSPECT;
	return VR_UNKNOWN; /* nothing to say of its own */
}

/* Stripes that do not go with the rest, on a sheet above it. */
static int
lay_exceptions(struct vr_map *map, const struct vr_hypothesis *h,
	       const struct vr_measure *m)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->looks.count; i++) {
		const struct vr_look *look = &m->looks.items[i];
		enum vr_damage damage = damage_of_look(m, look);
		uint64_t start = vr_hypothesis_stripe(h, look->stripe);

		if (damage != VR_UNKNOWN)
			r = vr_map_add_range(map, VR_LAYER_MEASURED, damage,
					     start, h->chunk);
	}
	return r;
}

/*
 * Encrypted to the boundary, clear behind it, suspect between where it is not
 * sharp. Undecided bytes leave the prediction standing.
 */
static int
lay_measurement(struct vr_map *map, const struct vr_hypothesis *h,
		const struct vr_measure *m)
{
	int r;

	if (!m->decided)
		return 0;
	r = add_stripes(map, VR_LAYER_MEASURED, VR_ENCRYPTED, h, 0, m->end);
	if (r == 0)
		r = add_stripes(map, VR_LAYER_MEASURED, VR_SUSPECT, h, m->end,
				m->clear_end);
	if (r == 0)
		r = add_stripes(map, VR_LAYER_MEASURED, VR_INTACT, h,
				vr_max(m->end, m->clear_end),
				vr_hypothesis_end(h));
	return r == 0 ? lay_exceptions(map, h, m) : r;
}

/* --- choosing ----------------------------------------------------------- */

/*
 * Where stripes between the last that was hit and the first that is clear cannot
 * vote, a bound among them is no more likely than any other end, unless a side
 * file names it and a key behind the file says that the run came to it.
 */
static void
doubt_end_in_noise(const struct trial *t, const struct vr_hypothesis *h,
		   struct vr_measure *m)
{
	uint64_t clear = vr_min(vr_hypothesis_stripe(h, m->clear_from),
				vr_hypothesis_end(h));

	if (!m->decided || m->bound == VR_NO_BOUND ||
	    m->hit_end >= m->clear_from || m->clear_end >= clear ||
	    (t->runs > 0 && t->c->args))
		return;
	m->clear_end = clear;
	m->ambiguous = true;
}

static int
measure(struct trial *t, const struct vr_hypothesis *h,
	const struct vr_measure_how *how, struct vr_measure *ret)
{
	int r = vr_measure_stripes(t->source, h, how, ret);

	if (r < 0)
		return r;
	t->d->bytes_read += ret->bytes_read;
	doubt_end_in_noise(t, h, ret);
	return 0;
}

static bool
first_is_clear(const struct vr_measure *m)
{
	return m->looks.count && m->looks.items[0].stripe == 0 &&
	       m->looks.items[0].verdict == VR_STRIPE_CLEAR;
}

/* The boundary says what became of the run that the sidecar announced. */
static enum vr_condition
condition_of(const struct trial *t, const struct vr_hypothesis *h,
	     const struct vr_measure *m)
{
	bool whole = h->chunk == h->period;

	if (m->looks.count && m->unreadable == m->looks.count)
		return VR_CONDITION_UNREADABLE;
	if (m->decided && m->end == 0 && first_is_clear(m))
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

static void
take(struct trial *t, const struct vr_hypothesis *h, struct vr_measure *m,
     enum vr_condition condition)
{
	t->d->chosen = true;
	t->d->hypothesis = *h;
	t->d->measure = *m;
	t->d->condition = condition;
	*m = (struct vr_measure){0};
}

static bool
is_pattern(const struct vr_measure *m)
{
	return m->encrypted >= PATTERN_LEAST &&
	       m->contradictions * 10 <= m->encrypted;
}

/* Where the run that was found leaves room for another one to show. */
static struct vr_measure_how
beside_the_chosen(const struct trial *t, uint64_t chunk)
{
	const struct vr_hypothesis *later = &t->d->hypothesis;
	uint64_t gap = later->period - later->chunk;

	/*
	 * Where the gap is no longer than a stripe, both sides of one are noise
	 * of the later run: order is looked for one gap further away.
	 */
	return (struct vr_measure_how){
		.neighbour = gap == chunk ? later->chunk : 0,
		.skip_chunk = later->chunk,
		.skip_period = later->period,
		.skip_end = t->d->measure.end,
	};
}

/*
 * Few stripes in the right places are doubt, more are proof. Where noise hides
 * all, a second key behind the file is reason enough for doubt.
 */
static int
lay_earlier(struct trial *t, const struct vr_hypothesis *h,
	    const struct vr_measure *m)
{
	uint64_t end = vr_max(m->end, m->clear_end);

	if (!m->decided && t->runs > 1)
		return add_stripes(t->map, VR_LAYER_MEASURED, VR_SUSPECT, h, 0,
				   vr_hypothesis_end(h));
	if (m->encrypted == 0 || m->contradictions * 10 > m->encrypted)
		return 0;
	if (m->encrypted < PATTERN_LEAST)
		return add_stripes(t->map, VR_LAYER_MEASURED, VR_SUSPECT, h, 0,
				   end);
	t->d->has_earlier = true;
	t->d->earlier = *h;
	t->d->earlier_encrypted = m->encrypted;
	if (t->d->condition == VR_CONDITION_WAVE_2 ||
	    t->d->condition == VR_CONDITION_WAVE_1)
		t->d->condition = VR_CONDITION_BOTH;
	return add_stripes(t->map, VR_LAYER_MEASURED, VR_ENCRYPTED, h, 0,
			   m->end);
}

/* What the chosen run hit must not be covered by the other's doubt. */
static int
lay_chosen_again(struct trial *t)
{
	const struct vr_diagnosis *d = t->d;

	int r;

	if (!d->measure.decided)
		return 0;
	r = add_stripes(t->map, VR_LAYER_MEASURED, VR_ENCRYPTED, &d->hypothesis,
			0, d->measure.end);
	return r == 0 ? lay_exceptions(t->map, &d->hypothesis, &d->measure) : r;
}

static int
try_earlier(struct trial *t, const struct vr_hypothesis *h)
{
	const struct vr_measure_how how = beside_the_chosen(t, h->chunk);
	struct vr_measure m;
	int r;

	r = measure(t, h, &how, &m);
	if (r == 0) {
		r = lay_earlier(t, h, &m);
		vr_measure_free(&m);
	}
	return r;
}

/*
 * Another run of any period, between the stripes of the chosen one and behind
 * its end: thin disks grow between two runs, and so does the period.
 */
static int
search_gaps(struct trial *t)
{
	const struct vr_measure_how how = beside_the_chosen(t, VR_MIB);
	enum vr_inferred inferred;
	struct vr_hypothesis h;
	int r;

	if (t->d->has_earlier || t->d->hypothesis.chunk != VR_MIB ||
	    t->d->hypothesis.period == VR_MIB)
		return 0;
	r = vr_infer(t->source, &how, &h, &inferred, &t->d->bytes_read);
	if (r < 0 || inferred != VR_INFERRED_STRIPES)
		return r;
	h.profile = t->d->hypothesis.profile;
	return try_earlier(t, &h);
}

static int
try_earlier_runs(struct trial *t, const struct vr_hypotheses *all)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count; i++)
		if (all->items[i].earlier && !t->d->has_earlier &&
		    t->d->condition != VR_CONDITION_LOCKED)
			r = try_earlier(t, &all->items[i]);
	if (r == 0 && t->d->condition != VR_CONDITION_LOCKED &&
	    t->d->measure.decided)
		r = search_gaps(t);
	return r == 0 ? lay_chosen_again(t) : r;
}

/* --- without a sidecar --------------------------------------------------- */

/*
 * A head has one edge, so all of it has to be noise that can be sampled, and the
 * edge has to be sharp where the rule puts it.
 */
static int
head_is_noise(struct trial *t, const struct vr_hypothesis *h, bool *ret)
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
try_head(struct trial *t, const struct vr_hypothesis *h)
{
	struct vr_measure m;
	bool noise;
	int r;

	r = head_is_noise(t, h, &noise);
	if (r < 0 || !noise)
		return r;
	r = measure(t, h, &(const struct vr_measure_how){0}, &m);
	if (r < 0)
		return r;
	if (m.bound != VR_NO_BOUND && m.hit_end == 1)
		take(t, h, &m, h->condition);
	vr_measure_free(&m);
	return 0;
}

static int
try_alternative(struct trial *t, const struct vr_hypothesis *h)
{
	const struct vr_measure_how how = {0};
	struct vr_measure m;
	int r;

	/* Contiguous noise has no edges to be told by. */
	if (h->chunk == h->period)
		return 0;
	if (vr_hypothesis_count(h, vr_hypothesis_end(h)) == 1)
		return try_head(t, h);
	r = measure(t, h, &how, &m);
	if (r < 0)
		return r;
	if (is_pattern(&m) && !first_is_clear(&m))
		take(t, h, &m,
		     m.bound != VR_NO_BOUND || t->runs > 0
			     ? h->condition
			     : VR_CONDITION_INTERRUPTED);
	vr_measure_free(&m);
	return 0;
}

/* Wave 1 may show below wave 2, where nothing but the bytes can tell. */
static int
try_first_wave_below(struct trial *t, const struct vr_hypotheses *all)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count; i++)
		if (all->items[i].condition == VR_CONDITION_WAVE_1 &&
		    t->d->condition == VR_CONDITION_WAVE_2)
			r = try_earlier(t, &all->items[i]);
	if (r == 0)
		r = search_gaps(t);
	return r == 0 ? lay_chosen_again(t) : r;
}

static int
lay_place(struct trial *t, uint64_t off, uint64_t n, int looks)
{
	t->d->looked++;
	t->d->noisy += looks == VR_LOOKS_RANDOM;
	t->d->failed += looks == VR_E_IO;
	if (looks == VR_E_IO)
		return vr_map_add_range(t->map, VR_LAYER_MEASURED,
					VR_UNREADABLE, off, n);
	return looks < 0 ? looks : 0;
}

/*
 * No pattern: is the beginning noise, and how much of the rest? MiB 0 is asked
 * in four places, the rest by an even spread.
 */
static int
look_about(struct trial *t, bool *ret_head_is_noise)
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

static int
conclude_without_pattern(struct trial *t)
{
	bool head_is_noise;
	int r = look_about(t, &head_is_noise);

	if (r < 0)
		return r;
	if (t->d->looked && t->d->failed == t->d->looked)
		t->d->condition = VR_CONDITION_UNREADABLE;
	else if (!head_is_noise)
		t->d->condition = t->d->looked ? VR_CONDITION_UNTOUCHED
					       : VR_CONDITION_UNDECIDED;
	else if (t->d->noisy < t->d->looked)
		t->d->condition = VR_CONDITION_FOREIGN;
	else if (t->c->length < WHOLE_BELOW && t->runs > 0)
		t->d->condition = VR_CONDITION_WHOLE;
	else
		t->d->condition = VR_CONDITION_UNDECIDED;
	return 0;
}

/*
 * What a pattern that was read off the bytes most likely is. ESXiArgs has chunks
 * of a MiB; its first wave leaves 100 to 150 of them, on thin disks of any
 * period.
 */
static enum vr_condition
condition_of_inferred(const struct trial *t, const struct vr_hypothesis *h,
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

static int
take_inferred(struct trial *t, const struct vr_hypotheses *all,
	      struct vr_hypothesis *h)
{
	const struct vr_hypothesis *rule = same_pattern(all, h);
	const struct vr_measure_how how = {0};
	enum vr_condition condition;
	struct vr_measure m;
	int r;

	/* A rule that gives the same numbers has names for the bounds, too. */
	if (rule)
		return try_alternative(t, rule);
	r = measure(t, h, &how, &m);
	if (r < 0)
		return r;
	condition = condition_of_inferred(t, h, &m);
	if (condition != VR_CONDITION_FOREIGN)
		h->profile = "esxiargs";
	if (is_pattern(&m))
		take(t, h, &m, condition);
	vr_measure_free(&m);
	return 0;
}

/*
 * A head of no known length: that much is lost for certain. Whether there is
 * more only a rule could say, so the rest stays unknown.
 */
static int
note_head(struct trial *t, const struct vr_hypothesis *h)
{
	return vr_map_add_range(t->map, VR_LAYER_MEASURED, VR_ENCRYPTED,
				h->first, h->chunk);
}

static int
infer(struct trial *t, const struct vr_hypotheses *all)
{
	const struct vr_measure_how how = {0};
	enum vr_inferred inferred;
	struct vr_hypothesis h;
	int r;

	r = vr_infer(t->source, &how, &h, &inferred, &t->d->bytes_read);
	if (r < 0 || inferred == VR_INFERRED_NOTHING)
		return r;
	if (inferred == VR_INFERRED_STRIPES)
		return take_inferred(t, all, &h);
	t->d->has_head = true;
	t->d->hypothesis = h;
	return 0;
}

/*
 * The bytes first, then the rules that a size suggests: a rule's stripes may all
 * be hit and yet be only every second one of those that there are.
 */
static int
search(struct trial *t, const struct vr_hypotheses *all)
{
	int r = infer(t, all);

	for (size_t i = 0; r == 0 && i < all->count && !t->d->chosen; i++)
		r = try_alternative(t, &all->items[i]);
	if (r == 0 && !t->d->chosen && t->d->has_head)
		r = note_head(t, &t->d->hypothesis);
	if (r < 0 || !t->d->chosen)
		return r;

	r = vr_map_add_range(t->map, VR_LAYER_PROFILE, VR_INTACT, 0,
			     t->c->length);
	if (r == 0)
		r = lay_measurement(t->map, &t->d->hypothesis, &t->d->measure);
	return r == 0 ? try_first_wave_below(t, all) : r;
}

static int
diagnose_without_sidecar(struct trial *t)
{
	struct vr_hypotheses all = {0};
	struct vr_profile_case c = *t->c;
	int r;

	c.args = NULL;
	vr_profiles_predict(&c, &all);
	r = search(t, &all);
	return r == 0 && !t->d->chosen ? conclude_without_pattern(t) : r;
}

/* --- with a sidecar ---------------------------------------------------------- */

/*
 * Stripes of another pattern look like contradictions to the one that was said,
 * or, where they are far apart, like a run that broke off right away.
 */
static bool
is_doubtful(const struct vr_measure *m)
{
	if (m->hit_end > 0 && m->hit_end <= PATTERN_LEAST &&
	    m->hit_end < m->stripes)
		return true;
	return m->contradictions >= PATTERN_LEAST &&
	       m->contradictions * 2 > m->encrypted;
}

/* The side file may be another file's, or an earlier run's. */
static int
replace_refuted(struct trial *t, const struct vr_hypothesis *h)
{
	const struct vr_hypotheses none = {0};
	struct vr_diagnosis kept = *t->d;
	int r;

	t->d->chosen = false;
	t->d->measure = (struct vr_measure){0};
	r = search(t, &none);
	if (r < 0 || !t->d->chosen) {
		kept.bytes_read = t->d->bytes_read;
		*t->d = kept;
		return r;
	}
	/* What it did before it broke off lies on top of the other pattern. */
	r = add_stripes(t->map, VR_LAYER_MEASURED, VR_ENCRYPTED, h, 0,
			kept.measure.end);
	vr_measure_free(&kept.measure);
	if (r < 0)
		return r;
	t->d->predicted = false;
	t->d->sidecar_refuted = true;
	t->d->refuted = *h;
	return 0;
}

static int
follow_sidecar(struct trial *t, const struct vr_hypotheses *all)
{
	const struct vr_hypothesis *h = &all->items[0];
	const struct vr_measure_how how = {0};
	struct vr_measure m;
	int r;

	r = measure(t, h, &how, &m);
	if (r < 0)
		return r;
	t->d->predicted = true;
	take(t, h, &m, condition_of(t, h, &m));
	if (is_doubtful(&t->d->measure)) {
		r = replace_refuted(t, h);
		if (r < 0 || t->d->sidecar_refuted)
			return r;
	}
	r = lay_prediction(t->map, &t->d->hypothesis);
	if (r == 0)
		r = lay_measurement(t->map, &t->d->hypothesis, &t->d->measure);
	return r == 0 ? try_earlier_runs(t, all) : r;
}

static int
look_at_all(struct trial *t, const struct vr_full_how *how)
{
	struct vr_diagnosis *d = t->d;
	int r = vr_measure_full(t->source, d->chosen ? &d->hypothesis : NULL,
				how, t->map, &d->full);

	d->bytes_read += d->full.bytes_read;
	return r;
}

int
vr_diagnose(struct vr_source *source, const struct vr_profile_case *c,
	    unsigned runs, const struct vr_full_how *full, struct vr_map *map,
	    struct vr_diagnosis *ret)
{
	struct vr_diagnosis d = {0};
	struct vr_hypotheses all = {0};
	struct trial t = {
		.source = source,
		.c = c,
		.map = map,
		.runs = runs,
		.d = &d,
	};
	int r;

	if (c->args || c->by_hand)
		vr_profiles_predict(c, &all);
	r = all.count ? follow_sidecar(&t, &all) : diagnose_without_sidecar(&t);
	if (r == 0 && full)
		r = look_at_all(&t, full);
	if (r < 0) {
		vr_diagnosis_free(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void
vr_diagnosis_free(struct vr_diagnosis *d)
{
	vr_measure_free(&d->measure);
}
