/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "fs/lznt1.h"

/* A chunk of literals and pairs, worked out by hand from MS-XCA. */
static void
test_literals_and_pairs(void **state)
{
	/* "abc", then 9 bytes from 3 back: flags 0b1000. */
	static const uint8_t packed[] = {0x05, 0xB0, 0x08, 'a', 'b',
					 'c',  0x06, 0x20, 0,	0};
	uint8_t to[4096];

	(void)state;
	assert_true(vr_lznt1(packed, sizeof(packed), to, sizeof(to)));
	assert_memory_equal(to, "abcabcabcabc", 12);
	for (size_t i = 12; i < sizeof(to); i++)
		assert_int_equal(to[i], 0);
}

static void
test_chunk_as_it_is(void **state)
{
	uint8_t packed[2 + 4096 + 2] = {0xFF, 0x3F}, to[8192];

	(void)state;
	for (size_t i = 0; i < 4096; i++)
		packed[2 + i] = (uint8_t)(i * 7);
	assert_true(vr_lznt1(packed, sizeof(packed), to, sizeof(to)));
	assert_memory_equal(to, packed + 2, 4096);
	assert_int_equal(to[4096], 0);
}

static void
test_what_is_none_is_refused(void **state)
{
	/* A pair before any byte; further back than the start; cut off. */
	static const uint8_t bad[][8] = {
		{0x02, 0xB0, 0x01, 0x00, 0x00},
		{0x03, 0xB0, 0x02, 'a', 0x00, 0x10},
		{0xFF, 0xBF, 0x00, 'a'},
	};
	uint8_t to[4096];

	(void)state;
	for (size_t i = 0; i < ITEMS(bad); i++)
		assert_false(vr_lznt1(bad[i], sizeof(bad[i]), to, sizeof(to)));
}

/* Any bytes into rooms of any size: a sanitizer sees one byte too far. */
static void
test_any_bytes(void **state)
{
	struct dice dice = {1};

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = roll_below(&dice, 600),
		       room = roll_below(&dice, 9000);
		uint8_t *from = test_malloc(n + 1), *to = test_malloc(room + 1);

		for (size_t j = 0; j < n; j++)
			from[j] = (uint8_t)roll(&dice);
		if (n > 1)
			from[1] = 0xB0 | (from[1] & 0x0F);
		to[room] = 0x5A;
		vr_lznt1(from, n, to, room);
		assert_int_equal(to[room], 0x5A);
		test_free(from);
		test_free(to);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literals_and_pairs),
		cmocka_unit_test(test_chunk_as_it_is),
		cmocka_unit_test(test_what_is_none_is_refused),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
