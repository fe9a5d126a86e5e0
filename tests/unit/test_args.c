/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <stdlib.h>

#include "profile/args.h"
#include "profile/profile.h"

#define MIB (UINT64_C(1) << 20)

static void
test_as_the_script_writes_it(void **state)
{
	static const char text[] = "408 1 42949672960\n";
	struct vr_args args;

	(void)state;
	assert_ok(vr_args_parse(text, strlen(text), &args));
	assert_int_equal(args.step, 408);
	assert_int_equal(args.chunk, 1);
	assert_true(args.bytes == UINT64_C(42949672960));
	assert_false(args.carried);
}

static void
test_line_ends_that_copies_make(void **state)
{
	static const char *const texts[] = {"1 1 1024\r\n", "1 1 1024"};
	struct vr_args args;

	(void)state;
	for (size_t i = 0; i < ITEMS(texts); i++) {
		assert_ok(vr_args_parse(texts[i], strlen(texts[i]), &args));
		assert_true(args.carried);
	}
}

static void
test_everything_else_is_refused(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{"", "empty"},
		{"\n", "1 of the three"},
		{"1\n", "1 of the three"},
		{"1 1\n", "2 of the three"},
		{" 1 1 1024\n", "step"},
		{"1  1 1024\n", "chunk"},
		{"1 1 1024 \n", "byte count"},
		{"1 1 1024 5\n", "byte count"},
		{"1\t1\t1024\n", "three"},
		{"+1 1 1024\n", "step"},
		{"-1 1 1024\n", "step"},
		{"0x1 1 1024\n", "step"},
		{"1 0 1024\n", "chunk of 0"},
		{"1 1 0\n", "byte count of 0"},
		{"1 1 18446744073709551616\n", "byte count"},
		{"1 1 9223372036854775808\n", "beyond"},
		{"2147483648 1 1024\n", "beyond"},
		{"1 2147483648 1024\n", "beyond"},
		{"1 1 1024\n1 1 1024\n", "more than one line"},
		{"1 1 1024\n\n", "more than one line"},
		{"one 1 1024\n", "step"},
	};
	struct vr_args args = {.step = 77};

	(void)state;
	for (size_t i = 0; i < ITEMS(rows); i++) {
		assert_code(VR_E_FORMAT,
			    vr_args_parse(rows[i].text, strlen(rows[i].text),
					  &args));
		assert_sentence_has(rows[i].said);
		assert_int_equal(args.step, 77);
	}
	assert_code(VR_E_FORMAT, vr_args_parse("1 1\0 1024\n", 10, &args));
	assert_sentence_has("NUL");
}

static void
test_option_form(void **state)
{
	struct vr_args args;

	(void)state;
	assert_ok(vr_args_parse_option("0,1,1024", &args));
	assert_int_equal(args.bytes, 1024);
	assert_code(VR_E_FORMAT, vr_args_parse_option("0 1 1024", &args));
	assert_code(VR_E_FORMAT, vr_args_parse_option("0,1,1024\n", &args));
}

static const struct vr_hypothesis *
predict(uint64_t length, const struct vr_args *args, struct vr_hypotheses *all)
{
	const struct vr_profile_case c = {
		.length = length,
		.allocated = length,
		.args = args,
	};

	*all = (struct vr_hypotheses){0};
	for (size_t i = 0; vr_profile_row(i); i++)
		vr_profile_row(i)->predict(&c, all);
	assert_true(all->count > 0);
	return &all->items[0];
}

/* The published rule at its corners: allocated MiB, the step of .args. */
static void
test_conditions_by_size(void **state)
{
	static const struct {
		uint64_t mib, step;
		enum vr_condition condition;
	} rows[] = {
		{100, 0, VR_CONDITION_WHOLE},
		{128, 0, VR_CONDITION_WHOLE},
		{129, 0, VR_CONDITION_WHOLE},
		{129, 1, VR_CONDITION_WAVE_2},
		{199, 0, VR_CONDITION_WHOLE},
		{199, 1, VR_CONDITION_WAVE_2},
		{200, 1, VR_CONDITION_EITHER},
		{299, 1, VR_CONDITION_EITHER},
		{300, 2, VR_CONDITION_WAVE_1},
		{300, 1, VR_CONDITION_WAVE_2},
		{40960, 408, VR_CONDITION_WAVE_1},
		{40960, 407, VR_CONDITION_STRIPED},
		{40960, 1, VR_CONDITION_WAVE_2},
	};
	struct vr_hypotheses all;

	(void)state;
	for (size_t i = 0; i < ITEMS(rows); i++) {
		const struct vr_args args = {rows[i].step, 1, rows[i].mib * MIB,
					     false};
		const struct vr_hypothesis *h =
			predict(rows[i].mib * MIB, &args, &all);

		assert_int_equal(h->condition, rows[i].condition);
		assert_true(h->period == (rows[i].step + 1) * MIB);
		assert_true(h->chunk == MIB);
	}
}

/* The byte count as the encryptor may have got it, cut to 32 bits. */
static void
test_bounds(void **state)
{
	static const struct {
		uint64_t gib_length, gib_bytes;
		size_t count;
		uint64_t gib_ends[3];
	} rows[] = {
		{40, 40, 1, {40}},    /* 2^32 divides it: to the end */
		{50, 50, 2, {0, 50}}, /* negative: nothing, or all */
		{25, 25, 2, {1, 25}},	    {1, 1, 1, {1}},
		{100, 10, 3, {0, 10, 100}}, {40, 4, 2, {4, 40}},
	};
	struct vr_hypotheses all;

	(void)state;
	for (size_t i = 0; i < ITEMS(rows); i++) {
		const struct vr_args args = {408, 1, rows[i].gib_bytes << 30,
					     false};
		const struct vr_hypothesis *h =
			predict(rows[i].gib_length << 30, &args, &all);

		assert_int_equal(h->bound_count, rows[i].count);
		for (size_t b = 0; b < rows[i].count; b++)
			assert_true(h->bounds[b].end == rows[i].gib_ends[b]
								<< 30);
	}
}

/* Wave 2 hides an earlier wave 1, whose step only the size can tell. */
static void
test_other_runs(void **state)
{
	const struct vr_args args = {1, 1, UINT64_C(42950721536), false};
	const struct vr_profile_case c = {
		.length = UINT64_C(40) << 30,
		.allocated = UINT64_C(40) << 30,
		.args = &args,
	};
	struct vr_hypotheses all, others = {0};
	bool found = false;

	(void)state;
	predict(c.length, &args, &all);
	vr_profiles_others(&c, &all.items[0], &others);
	for (size_t i = 0; i < others.count; i++)
		found = found || others.items[i].period == 409 * MIB;
	assert_true(found);
	assert_in_range(others.count, 1, 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_the_script_writes_it),
		cmocka_unit_test(test_line_ends_that_copies_make),
		cmocka_unit_test(test_everything_else_is_refused),
		cmocka_unit_test(test_option_form),
		cmocka_unit_test(test_conditions_by_size),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_other_runs),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
