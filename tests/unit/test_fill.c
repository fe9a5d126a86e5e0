/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "double.h"
#include "io/fill.h"
#include "io/mem.h"

#define SIZE 1000u

static struct vr_source *
open_bytes(int value, const struct double_spot *spots, size_t count)
{
	struct vr_source *mem, *s;
	uint8_t bytes[SIZE];

	memset(bytes, value, sizeof(bytes));
	assert_ok(vr_mem_open(bytes, sizeof(bytes), &mem));
	assert_ok(double_open(mem, spots, count, NULL, &s));
	vr_source_free(mem);
	return s;
}

static void
test_fills(void **state)
{
	const struct double_spot lost[] = {
		{100, 300, VR_E_IO, VR_EXTENT_DAMAGED},
		{700, 300, 0, VR_EXTENT_DAMAGED}};
	const struct double_spot doubt[] = {{0, SIZE, 0, VR_EXTENT_SUSPECT}};
	const struct vr_fill_range ranges[] = {{100, 200}, {300, 100}};
	struct vr_source *lower = open_bytes('a', lost, 2);
	struct vr_source *other = open_bytes('b', doubt, 1), *s;
	uint8_t got[SIZE];
	struct vr_extent e;

	(void)state;
	assert_ok(vr_fill_open(lower, other, ranges, 2, &s));
	vr_source_free(lower);
	vr_source_free(other);
	/* What is filled is never read below, where it fails. */
	assert_ok(vr_source_read_at(s, got, SIZE, 0));
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(got[i], i >= 100 && i < 400 ? 'b' : 'a');
	assert_ok(vr_source_next(s, 0, &e));
	assert_int_equal(e.length, 100);
	assert_int_equal(e.flags, 0);
	assert_ok(vr_source_next(s, 150, &e));
	assert_int_equal(e.length, 150);
	assert_int_equal(e.flags, VR_EXTENT_REPAIRED);
	assert_ok(vr_source_next(s, 399, &e));
	assert_int_equal(e.length, 1);
	assert_ok(vr_source_next(s, 800, &e));
	assert_int_equal(e.flags, VR_EXTENT_DAMAGED);
	vr_source_free(s);
}

static void
test_ranges(void **state)
{
	const struct vr_fill_range bad[][2] = {
		{{0, 10}, {5, 10}},	   /* overlap */
		{{50, 10}, {0, 10}},	   /* out of order */
		{{0, 10}, {20, 0}},	   /* empty */
		{{0, 10}, {SIZE - 5, 10}}, /* outside */
		{{0, 10}, {UINT64_MAX, 2}},
	};
	struct vr_source *a = open_bytes(1, NULL, 0),
			 *b = open_bytes(2, NULL, 0);
	struct vr_source *s;

	(void)state;
	for (size_t i = 0; i < ITEMS(bad); i++)
		assert_code(VR_E_USAGE, vr_fill_open(a, b, bad[i], 2, &s));
	assert_ok(vr_fill_open(a, b, NULL, 0, &s));
	vr_source_free(s);
	vr_source_free(a);
	vr_source_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fills),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
