/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/text.h"
#include "base/utf16.h"

/* units end in a NUL unit. */
static void
check(const char *units, size_t count, const char *wanted)
{
	char text[64];

	assert_int_equal(vr_utf8_of_utf16le((const uint8_t *)units, count, text,
					    sizeof(text)),
			 strlen(wanted));
	assert_string_equal(text, wanted);
}

static void
test_characters_of_each_length(void **state)
{
	(void)state;
	check("C\0:\0", 2, "C:");
	check("\xE4\0\xAC\x20", 2, "\xC3\xA4\xE2\x82\xAC");
	check("\x3D\xD8\x00\xDE", 2, "\xF0\x9F\x98\x80");
	check("a\0\0\0b\0", 3, "a");
	check("", 0, "");
}

static void
test_half_surrogates_are_replaced(void **state)
{
	(void)state;
	check("\x3D\xD8", 1, "\xEF\xBF\xBD");
	check("\x00\xDE", 1, "\xEF\xBF\xBD");
	check("\x3D\xD8x\0", 2, "\xEF\xBF\xBDx");
	check("\x3D\xD8\x3D\xD8\x00\xDE", 3, "\xEF\xBF\xBD\xF0\x9F\x98\x80");
}

static void
test_room_is_kept_and_characters_stay_whole(void **state)
{
	char text[4] = "xyz";

	(void)state;
	assert_int_equal(
		vr_utf8_of_utf16le((const uint8_t *)"a\0\xAC\x20", 2, text, 4),
		1);
	assert_string_equal(text, "a");
	assert_int_equal(
		vr_utf8_of_utf16le((const uint8_t *)"\xAC\x20q\0", 2, text, 4),
		3);
	assert_int_equal(vr_utf8_of_utf16le((const uint8_t *)"a\0", 1, text, 1),
			 0);
	assert_string_equal(text, "");
}

static void
test_any_units_become_utf8(void **state)
{
	struct dice dice = {16};

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t units[16];
		char text[64];
		size_t n;

		for (unsigned j = 0; j < sizeof(units); j++)
			units[j] = (uint8_t)roll(&dice);
		n = vr_utf8_of_utf16le(units, 8, text, sizeof(text));
		assert_true(vr_is_utf8(text, n));
		assert_int_equal(strlen(text), n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters_of_each_length),
		cmocka_unit_test(test_half_surrogates_are_replaced),
		cmocka_unit_test(test_room_is_kept_and_characters_stay_whole),
		cmocka_unit_test(test_any_units_become_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
