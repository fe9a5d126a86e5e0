/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The algebra of runs against the dumbest model there is: a byte a flag. Small
 * numbers reach every branch; the edges of 64 bits have cases of their own.
 */
#include "unit.h"

#include "base/checked.h"
#include "base/run.h"

#define ROUNDS 20000
#define SPACE  160

struct model {
	uint8_t in[SPACE];
};

static void
model_paint(struct model *m, const struct vr_run *run)
{
	for (uint64_t i = 0; i < run->count; i++)
		memset(m->in + run->first + i * run->stride, 1,
		       (size_t)run->length);
}

static struct model
model_of(const struct vr_run *run)
{
	struct model m = {0};

	model_paint(&m, run);
	return m;
}

static unsigned
model_bytes_below(const struct model *m, unsigned off)
{
	unsigned bytes = 0;

	for (unsigned i = 0; i < off; i++)
		bytes += m->in[i];
	return bytes;
}

static uint64_t
model_change(const struct model *m, unsigned off)
{
	for (unsigned i = off + 1; i < SPACE; i++)
		if (m->in[i] != m->in[off])
			return i;
	return UINT64_MAX;
}

/* The set as one run, where it is one. */
static bool
model_is_run(const struct model *m, struct vr_run *ret)
{
	uint64_t starts[SPACE], count = 0, length = 0, here = 0;

	for (unsigned i = 0; i < SPACE; i++) {
		if (!m->in[i])
			continue;
		if (i == 0 || !m->in[i - 1]) {
			starts[count++] = i;
			here = 0;
		}
		here++;
		if (i + 1 < SPACE && m->in[i + 1])
			continue;
		if (count > 1 && here != length)
			return false;
		length = here;
	}
	for (uint64_t i = 2; i < count; i++)
		if (starts[i] - starts[i - 1] != starts[1] - starts[0])
			return false;
	return count &&
	       vr_run_make(starts[0], length,
			   count > 1 ? starts[1] - starts[0] : 0, count, ret);
}

static void
assert_sound(const struct vr_run *run)
{
	assert_true(run->length > 0 && run->count > 0);
	if (run->count == 1)
		assert_int_equal(run->stride, run->length);
	else
		assert_true(run->stride > run->length);
}

static void
assert_same_run(const struct vr_run *a, const struct vr_run *b)
{
	assert_memory_equal(a, b, sizeof(*a));
}

/* Within [0, SPACE), at or behind from. */
static struct vr_run
any_run(struct dice *dice, unsigned from)
{
	struct vr_run run;

	for (;;) {
		uint64_t first = from + roll_below(dice, SPACE / 4);
		uint64_t length = 1 + roll_below(dice, 6);
		uint64_t stride = length + roll_below(dice, 12);
		uint64_t count = 1 + roll_below(dice, 8);

		if (vr_run_make(first, length, stride, count, &run) &&
		    vr_run_end(&run) <= SPACE)
			return run;
	}
}

/* --- making ------------------------------------------------------------- */

static void
make_keeps_the_invariant(void **state)
{
	static const struct {
		struct vr_run in, out;
	} cases[] = {
		/* One piece has no use for a stride, whatever it was. */
		{{5, 3, 0, 1}, {5, 3, 3, 1}},
		{{5, 3, 99, 1}, {5, 3, 3, 1}},
		{{5, 3, 1, 1}, {5, 3, 3, 1}},
		/* Touching pieces are one. */
		{{5, 3, 3, 4}, {5, 12, 12, 1}},
		{{5, 3, 4, 4}, {5, 3, 4, 4}},
		/* The last byte that has an exclusive end in 64 bits. */
		{{UINT64_MAX - 1, 1, 0, 1}, {UINT64_MAX - 1, 1, 1, 1}},
		{{0, UINT64_MAX, 0, 1}, {0, UINT64_MAX, UINT64_MAX, 1}},
		{{0, 1, 2, UINT64_MAX / 2 + 1}, {0, 1, 2, UINT64_MAX / 2 + 1}},
	};
	struct vr_run run;

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		assert_true(vr_run_make(cases[i].in.first, cases[i].in.length,
					cases[i].in.stride, cases[i].in.count,
					&run));
		assert_same_run(&run, &cases[i].out);
	}
}

static void
make_refuses_what_is_no_run(void **state)
{
	static const struct vr_run cases[] = {
		{0, 0, 1, 1},
		{0, 1, 1, 0},
		{0, 2, 1, 2},
		{0, 2, 0, 2},
		{UINT64_MAX, 1, 0, 1},
		{1, UINT64_MAX, 0, 1},
		{0, UINT64_MAX / 2, UINT64_MAX / 2, 3},
		{0, 1, UINT64_MAX, 2},
		{0, 1, UINT64_MAX / 2, 4},
		{0, 2, 3, UINT64_MAX},
		{2, 1, 2, UINT64_MAX / 2 + 1},
	};
	const struct vr_run before = {7, 7, 7, 1};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct vr_run run = before;

		assert_false(vr_run_make(cases[i].first, cases[i].length,
					 cases[i].stride, cases[i].count,
					 &run));
		assert_same_run(&run, &before);
	}
}

/* --- asking ------------------------------------------------------------- */

static void
questions_match_the_model(void **state)
{
	struct dice dice = {1};

	(void)state;
	for (unsigned round = 0; round < ROUNDS / 10; round++) {
		struct vr_run run = any_run(&dice, 0);
		struct model m = model_of(&run);

		assert_sound(&run);
		assert_int_equal(vr_run_bytes(&run),
				 model_bytes_below(&m, SPACE));
		for (unsigned off = 0; off < SPACE; off++) {
			uint64_t change;

			assert_int_equal(vr_run_bytes_below(&run, off),
					 model_bytes_below(&m, off));
			assert_int_equal(vr_run_contains(&run, off, &change),
					 m.in[off]);
			assert_int_equal(change, model_change(&m, off));
		}
	}
}

static void
questions_at_the_top_of_64_bits(void **state)
{
	const uint64_t top = UINT64_MAX;
	struct vr_run run;
	uint64_t change;

	(void)state;
	assert_true(vr_run_make(top - 9, 2, 7, 2, &run));
	assert_int_equal(vr_run_end(&run), top);
	assert_int_equal(vr_run_bytes_below(&run, top), 4);
	assert_int_equal(vr_run_bytes_below(&run, top - 1), 3);
	assert_true(vr_run_contains(&run, top - 1, &change));
	assert_int_equal(change, top);
	assert_false(vr_run_contains(&run, top - 3, &change));
	assert_int_equal(change, top - 2);
}

/* --- cutting ------------------------------------------------------------ */

static void
crop_once(const struct vr_run *run, unsigned start, unsigned end)
{
	struct vr_run parts[VR_RUN_CROP_MOST];
	size_t n = vr_run_crop(run, start, end, parts);
	struct model whole = model_of(run), got = {0};
	uint64_t reached = 0;

	for (size_t i = 0; i < n; i++) {
		assert_sound(&parts[i]);
		assert_true(parts[i].first >= reached);
		assert_true(vr_run_end(&parts[i]) <= end);
		reached = vr_run_end(&parts[i]);
		model_paint(&got, &parts[i]);
	}
	for (unsigned i = 0; i < SPACE; i++)
		assert_int_equal(got.in[i],
				 i >= start && i < end && whole.in[i]);
}

static void
crop_matches_the_model(void **state)
{
	struct dice dice = {2};

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct vr_run run = any_run(&dice, 0);
		unsigned start = roll_below(&dice, SPACE);
		unsigned end = roll_below(&dice, SPACE);

		/* Also ranges that are empty or the wrong way round. */
		crop_once(&run, start, end);
	}
}

static void
crop_at_the_top_of_64_bits(void **state)
{
	struct vr_run run, parts[VR_RUN_CROP_MOST];

	(void)state;
	assert_true(
		vr_run_make(0, UINT64_C(1) << 62, UINT64_C(3) << 61, 2, &run));
	assert_int_equal(vr_run_crop(&run, 1, UINT64_MAX, parts), 2);
	assert_int_equal(parts[0].first, 1);
	assert_int_equal(vr_run_end(&parts[0]), UINT64_C(1) << 62);
	assert_int_equal(parts[1].first, UINT64_C(3) << 61);
	assert_int_equal(vr_run_end(&parts[1]), UINT64_C(5) << 61);
}

/* --- moving and joining ------------------------------------------------- */

static void
shift_moves_all_of_it_or_nothing(void **state)
{
	struct vr_run run, moved = {0}, back;

	(void)state;
	assert_true(vr_run_make(10, 2, 5, 3, &run));
	assert_true(vr_run_shift(&run, 100, &moved));
	assert_true(vr_run_make(110, 2, 5, 3, &back));
	assert_same_run(&moved, &back);

	assert_true(vr_run_shift(&run, UINT64_MAX - vr_run_end(&run), &moved));
	assert_int_equal(vr_run_end(&moved), UINT64_MAX);
	back = moved;
	assert_false(
		vr_run_shift(&run, UINT64_MAX - vr_run_end(&run) + 1, &moved));
	assert_false(vr_run_shift(&run, UINT64_MAX, &moved));
	assert_same_run(&moved, &back);
}

/* Two runs join exactly when a reader of the bytes would call them one. */
static bool
join_once(const struct vr_run *run, const struct vr_run *next)
{
	struct vr_run joined = *run, wanted = {0};
	struct model both = model_of(run);
	bool could;

	model_paint(&both, next);
	could = model_is_run(&both, &wanted);
	assert_int_equal(vr_run_join(&joined, next), could);
	if (could)
		assert_same_run(&joined, &wanted);
	else
		assert_same_run(&joined, run);
	return could;
}

static void
join_matches_the_model(void **state)
{
	struct dice dice = {3};
	unsigned joined = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS * 5; round++) {
		struct vr_run run = any_run(&dice, 0), next;

		if (vr_run_end(&run) + 32 > SPACE)
			continue;
		/* Dice alone hardly ever throw two halves of one run. */
		next = any_run(&dice, (unsigned)vr_run_end(&run));
		if (roll_below(&dice, 2))
			next.length = run.length;
		if (roll_below(&dice, 2) && run.count > 1)
			next.stride = run.stride;
		if (!vr_run_make(next.first, next.length, next.stride,
				 next.count, &next) ||
		    vr_run_end(&next) > SPACE)
			continue;
		joined += join_once(&run, &next);
	}
	assert_true(joined > ROUNDS / 100);
}

/* Every cut of a run into two or three joins again, one piece or many. */
static void
join_undoes_a_cut_between_pieces(void **state)
{
	struct vr_run run;

	(void)state;
	assert_true(vr_run_make(3, 2, 7, 9, &run));
	for (uint64_t cut = 1; cut < run.count; cut++) {
		struct vr_run head, tail;

		assert_true(vr_run_make(3, 2, 7, cut, &head));
		assert_true(vr_run_make(3 + 7 * cut, 2, 7, 9 - cut, &tail));
		assert_true(vr_run_join(&head, &tail));
		assert_same_run(&head, &run);
	}
}

static void
join_looks_only_forward(void **state)
{
	struct vr_run run, before;

	(void)state;
	assert_true(vr_run_make(10, 2, 5, 3, &run));
	assert_true(vr_run_make(5, 2, 0, 1, &before));
	assert_false(vr_run_join(&run, &before));
	assert_false(vr_run_join(&run, &run));
}

/* --- checked arithmetic ------------------------------------------------- */

static void
sums_that_wrap_are_refused(void **state)
{
	uint64_t ret = 7;

	(void)state;
	assert_false(vr_add(UINT64_MAX, 1, &ret));
	assert_false(vr_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &ret));
	assert_int_equal(ret, 7);
	assert_true(vr_add(UINT64_MAX - 1, 1, &ret));
	assert_int_equal(ret, UINT64_MAX);
	assert_true(vr_mul(UINT64_MAX, 1, &ret));
	assert_int_equal(ret, UINT64_MAX);
}

static void
bounds_hold_at_the_edges(void **state)
{
	(void)state;
	assert_true(vr_inside(0, 0, 0));
	assert_true(vr_inside(10, 0, 10));
	assert_true(vr_inside(0, 10, 10));
	assert_false(vr_inside(1, 10, 10));
	assert_false(vr_inside(11, 0, 10));
	assert_false(vr_inside(UINT64_MAX, UINT64_MAX, 10));
	assert_false(vr_inside(5, UINT64_MAX - 2, 10));
	assert_int_equal(vr_div_up(0, 512), 0);
	assert_int_equal(vr_div_up(513, 512), 2);
	assert_int_equal(vr_div_up(UINT64_MAX, 512), UINT64_C(1) << 55);
	assert_int_equal(vr_round_down(1023, 512), 512);
	assert_int_equal(vr_min(3, 4) + vr_max(3, 4), 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(make_keeps_the_invariant),
		cmocka_unit_test(make_refuses_what_is_no_run),
		cmocka_unit_test(questions_match_the_model),
		cmocka_unit_test(questions_at_the_top_of_64_bits),
		cmocka_unit_test(crop_matches_the_model),
		cmocka_unit_test(crop_at_the_top_of_64_bits),
		cmocka_unit_test(shift_moves_all_of_it_or_nothing),
		cmocka_unit_test(join_matches_the_model),
		cmocka_unit_test(join_undoes_a_cut_between_pieces),
		cmocka_unit_test(join_looks_only_forward),
		cmocka_unit_test(sums_that_wrap_are_refused),
		cmocka_unit_test(bounds_hold_at_the_edges),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
