/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ESXiArgs, February 2023. The script measured each file with du, in KiB, and
 * started the encryptor with a number of MiB to skip, 1 MiB to encrypt, and the
 * allocated bytes:
 *
 *   wave 1  up to 128 MiB skip 0 (all of it); above, MiB / 100 - 1 in whole
 *           numbers, so about a hundred stripes whatever the size, and still
 *           skip 0 below 200 MiB;
 *   wave 2  above 128 MiB skip 1: every other MiB.
 *
 * Published with the script itself (encrypt.sh, 3 February 2023) and described
 * by CISA and FBI, advisory AA23-039A; Malwarebytes and others on wave 2.
 *
 * The encryptor read its numbers with atoi() (analysis by Nam Nguyen, 2024), so
 * the byte count may have reached it cut to a signed 32-bit number. What that
 * did nobody has reported; the bound therefore has several hypotheses.
 */
#include "base/checked.h"
#include "profile/profile.h"

#define WHOLE_UP_TO_MIB 128
#define WAVE_1_STRIPES	100
/*
 * A run adds at most so many MiB to what du says: its stripes fill holes, up to
 * 199 of them below 400 MiB and hardly more than 100 above, and the key takes
 * another block.
 */
#define GROWTH_MIB 201
/* Nobody has seen an encryptor that counts in millions; the bytes would tell. */
#define MILLION 1000000
/* Between these both waves skip exactly 1 MiB. */
#define SAME_FROM_MIB  200
#define SAME_UP_TO_MIB 299

static uint64_t
wave_1_step(uint64_t mib)
{
	if (mib <= WHOLE_UP_TO_MIB)
		return 0;
	return mib / WAVE_1_STRIPES ? mib / WAVE_1_STRIPES - 1 : 0;
}

static uint64_t
wave_2_step(uint64_t mib)
{
	return mib > WHOLE_UP_TO_MIB;
}

static enum vr_condition
condition_of(uint64_t step, uint64_t mib)
{
	if (step == 0)
		return VR_CONDITION_WHOLE;
	if (step == 1 && mib >= SAME_FROM_MIB && mib <= SAME_UP_TO_MIB)
		return VR_CONDITION_EITHER;
	if (step == wave_1_step(mib))
		return VR_CONDITION_WAVE_1;
	if (step == wave_2_step(mib))
		return VR_CONDITION_WAVE_2;
	return VR_CONDITION_STRIPED;
}

static struct vr_hypothesis
stripes_of(uint64_t step, uint64_t chunk, uint64_t unit,
	   enum vr_condition condition, const char *reason)
{
	return (struct vr_hypothesis){
		.profile = "esxiargs",
		.reason = reason,
		.condition = condition,
		.chunk = chunk * unit,
		.period = (step + chunk) * unit,
	};
}

/* int32 of the value: 0 falls back to the file's length, says the usage text. */
static void
add_32_bit_bound(struct vr_hypothesis *h, uint64_t bytes, uint64_t length)
{
	int32_t value = (int32_t)(uint32_t)bytes;

	if (value > 0)
		vr_hypothesis_bound(h, "32-bit",
				    vr_min((uint64_t)value, length));
	else if (value < 0)
		vr_hypothesis_bound(h, "32-bit", 0);
	else
		vr_hypothesis_bound(h, "end of file", length);
}

static void
add_bounds(struct vr_hypothesis *h, uint64_t bytes, uint64_t length)
{
	vr_hypothesis_bound(h, "value", vr_min(bytes, length));
	vr_hypothesis_bound(h, "end of file", length);
	add_32_bit_bound(h, bytes, length);
}

static void
add_rule(const struct vr_profile_case *c, uint64_t allocated, uint64_t step,
	 const char *reason, struct vr_hypotheses *ret)
{
	uint64_t mib = allocated / VR_MIB;
	struct vr_hypothesis h =
		stripes_of(step, 1, VR_MIB, condition_of(step, mib), reason);

	add_bounds(&h, allocated, c->length);
	vr_hypotheses_push(ret, &h);
}

static void
predict_from_args(const struct vr_profile_case *c, struct vr_hypotheses *ret)
{
	const struct vr_args *args = c->args;
	enum vr_condition condition =
		args->chunk == 1
			? condition_of(args->step, args->bytes / VR_MIB)
			: VR_CONDITION_STRIPED;
	struct vr_hypothesis h =
		stripes_of(args->step, args->chunk, VR_MIB, condition, ".args");

	if (args->step == 0)
		h.condition = VR_CONDITION_WHOLE;
	add_bounds(&h, args->bytes, c->length);
	vr_hypotheses_push(ret, &h);
	if (args->step == 0)
		return;
	h = stripes_of(args->step, args->chunk, MILLION, VR_CONDITION_FOREIGN,
		       ".args, in millions of bytes");
	add_bounds(&h, args->bytes, c->length);
	vr_hypotheses_push(ret, &h);
}

static void
predict_from_size(const struct vr_profile_case *c, struct vr_hypotheses *ret)
{
	uint64_t thick = c->length / VR_MIB;
	uint64_t thin = vr_min(c->allocated, c->length) / VR_MIB;

	add_rule(c, c->length, wave_2_step(thick),
		 "the rule of wave 2 for this length", ret);
	add_rule(c, c->length, wave_1_step(thick),
		 "the rule of wave 1 for this length", ret);
	if (thin == thick)
		return;
	add_rule(c, thin * VR_MIB, wave_2_step(thin),
		 "the rule of wave 2 for the allocated size", ret);
	add_rule(c, thin * VR_MIB, wave_1_step(thin),
		 "the rule of wave 1 for the allocated size", ret);
}

/* --- other runs ---------------------------------------------------------- */

/* A run of wave 1 over a file of so many allocated MiB, each period once. */
static void
add_wave_1_run(const struct vr_profile_case *c,
	       const struct vr_hypothesis *found, uint64_t unit, uint64_t mib,
	       struct vr_hypotheses *ret)
{
	struct vr_hypothesis h = stripes_of(wave_1_step(mib), 1, unit,
					    VR_CONDITION_WAVE_1,
					    "another run of wave 1");

	if (mib == 0 || h.period == found->period)
		return;
	for (size_t i = 0; i < ret->count; i++)
		if (ret->items[i].period == h.period)
			return;
	vr_hypothesis_bound(&h, "value", vr_min(mib * VR_MIB, c->length));
	vr_hypothesis_bound(&h, "end of file", c->length);
	vr_hypotheses_push(ret, &h);
}

static void
add_wave_1_runs(const struct vr_profile_case *c,
		const struct vr_hypothesis *found, uint64_t unit, uint64_t low,
		uint64_t high, struct vr_hypotheses *ret)
{
	high = vr_min(high, vr_profile_case_longest(c) / VR_MIB + 2);
	for (uint64_t mib = low; mib < high; mib += WAVE_1_STRIPES)
		add_wave_1_run(c, found, unit, mib, ret);
	add_wave_1_run(c, found, unit, high, ret);
}

static uint64_t
below(uint64_t mib)
{
	return mib > GROWTH_MIB ? mib - GROWTH_MIB : 1;
}

static void
add_others(const struct vr_profile_case *c, const struct vr_hypothesis *found,
	   uint64_t unit, struct vr_hypotheses *ret)
{
	uint64_t mib = found->period / found->chunk * WAVE_1_STRIPES;
	struct vr_hypothesis h = stripes_of(1, 1, unit, VR_CONDITION_WAVE_2,
					    "another run of wave 2");

	if (found->period != h.period) {
		add_bounds(&h, c->length, c->length);
		vr_hypotheses_push(ret, &h);
	}
	if (found->period > 2 * found->chunk)
		add_wave_1_runs(c, found, unit, below(mib),
				mib + WAVE_1_STRIPES + GROWTH_MIB, ret);
	mib = c->args ? c->args->bytes / VR_MIB : c->length / VR_MIB;
	add_wave_1_runs(c, found, unit, below(mib), mib, ret);
	mib = vr_min(c->allocated, c->length) / VR_MIB;
	add_wave_1_runs(c, found, unit, below(mib), mib, ret);
}

/*
 * What du said before and after another run lies close to what it said of this
 * one. Its .args says that; without one, the period of wave 1 does, to a
 * hundred MiB.
 */
static void
esxiargs_others(const struct vr_profile_case *c,
		const struct vr_hypothesis *found, struct vr_hypotheses *ret)
{
	if (found->chunk != VR_MIB && found->chunk != MILLION)
		return;
	add_others(c, found, VR_MIB, ret);
	add_others(c, found, MILLION, ret);
}

static void
esxiargs_predict(const struct vr_profile_case *c, struct vr_hypotheses *ret)
{
	if (c->length == 0)
		return;
	if (c->args)
		predict_from_args(c, ret);
	else
		predict_from_size(c, ret);
}

const struct vr_profile vr_profile_esxiargs = {
	.name = "esxiargs",
	.title =
		"ESXiArgs, wave 1 (3 February 2023) and wave 2 (8 February 2023)",
	.rule = "1 MiB encrypted from offset 0 on, then STEP MiB clear, again and "
		"again; a wrapped key of some hundred bytes is appended. Wave 1: "
		"STEP = MiB / 100 - 1 above 128 MiB, else 0. Wave 2: STEP = 1 "
		"above 128 MiB.",
	.sidecar = ".args",
	.source = "encrypt.sh as published; CISA and FBI, advisory AA23-039A",
	.predict = esxiargs_predict,
	.others = esxiargs_others,
};
