/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings: numbers out of hostile text, names that can be shown, sizes. */
#include "unit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/text.h"
#include "base/vector.h"

/* --- growing ------------------------------------------------------------ */

static void
nothing_appended_is_an_empty_string(void **state)
{
	struct vr_text t = {0};
	char *s = NULL;

	(void)state;
	assert_ok(vr_text_finish(&t, &s));
	assert_string_equal(s, "");
	assert_null(t.bytes);
	free(s);
}

static void
appends_add_up(void **state)
{
	struct vr_text t = {0};
	char *s = NULL;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		vr_text_append(&t, "ab", 2);
		vr_text_format(&t, "%04u", i);
		assert_int_equal(t.bytes[t.length], '\0');
		assert_int_equal(t.length, 6 * (i + 1));
	}
	assert_ok(vr_text_finish(&t, &s));
	assert_int_equal(strlen(s), 6000);
	assert_memory_equal(s + 5994, "ab0999", 6);
	free(s);
}

static void
bytes_may_hold_a_nul(void **state)
{
	struct vr_text t = {0};

	(void)state;
	vr_text_append(&t, "a\0b", 3);
	vr_text_append(&t, NULL, 0);
	assert_int_equal(t.length, 3);
	assert_memory_equal(t.bytes, "a\0b", 4);
	vr_text_free(&t);
	vr_text_free(&t);
}

static void
trouble_sticks_and_is_reported_once(void **state)
{
	struct vr_text t = {0};
	char *s = NULL;

	(void)state;
	vr_text_append(&t, "abc", 3);
	/* Refused by its size alone: the bytes are never looked at. */
	vr_text_append(&t, "", SIZE_MAX / 2);
	assert_true(t.failed);
	vr_text_append(&t, "abc", 3);
	vr_text_format(&t, "%d", 1);
	assert_int_equal(t.length, 3);
	assert_code(VR_E_MEMORY, vr_text_finish(&t, &s));
	assert_null(s);
	assert_null(t.bytes);
}

static void
format_takes_any_length(void **state)
{
	char *s = vr_format("%5000s|", "x");

	(void)state;
	assert_non_null(s);
	assert_int_equal(strlen(s), 5001);
	assert_string_equal(s + 4999, "x|");
	free(s);
}

/* --- numbers ------------------------------------------------------------ */

static void
decimals_are_whole_and_fit(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
		{"0", true, 0},
		{"007", true, 7},
		{"18446744073709551615", true, UINT64_MAX},
		{"0018446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"99999999999999999999", false, 0},
		{"184467440737095516150", false, 0},
		{"", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"+1", false, 0},
		{"-1", false, 0},
		{"1a", false, 0},
		{"0x10", false, 0},
		{"1.5", false, 0},
		{"\xd9\xa1", false, 0}, /* an Arabic one */
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		uint64_t value = 4711;
		bool ok = vr_parse_decimal(cases[i].text, strlen(cases[i].text),
					   &value);

		assert_int_equal(ok, cases[i].ok);
		assert_int_equal(value, ok ? cases[i].value : 4711);
	}
}

static void
numbers_may_be_hexadecimal(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
		{"0x0", true, 0},
		{"0X1f", true, 31},
		{"0xFfFfFfFfFfFfFfFf", true, UINT64_MAX},
		{"0x0000000000000000000001", true, 1},
		{"0x10000000000000000", false, 0},
		{"12", true, 12},
		{"0x", false, 0},
		{"x1", false, 0},
		{"0x 1", false, 0},
		{"0xg", false, 0},
		{"1f", false, 0},
		{"0x-1", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		uint64_t value = 4711;
		bool ok = vr_parse_number(cases[i].text, strlen(cases[i].text),
					  &value);

		assert_int_equal(ok, cases[i].ok);
		assert_int_equal(value, ok ? cases[i].value : 4711);
	}
}

static void
numbers_stop_at_their_length(void **state)
{
	uint64_t value;

	(void)state;
	assert_true(vr_parse_decimal("1234", 2, &value));
	assert_int_equal(value, 12);
	assert_true(vr_parse_number("0x1234", 4, &value));
	assert_int_equal(value, 0x12);
	assert_false(vr_parse_decimal("1\0002", 3, &value));
}

static void
loads_are_little_endian_at_any_alignment(void **state)
{
	static const uint8_t bytes[] = {0xAA, 0x01, 0x82, 0x03, 0x84,
					0x05, 0x86, 0x07, 0x88};

	(void)state;
	assert_int_equal(vr_load_le16(bytes + 1), 0x8201);
	assert_int_equal(vr_load_le32(bytes + 1), 0x84038201);
	assert_true(vr_load_le64(bytes + 1) == UINT64_C(0x8807860584038201));
}

/* --- UTF-8 -------------------------------------------------------------- */

static size_t
encode(uint32_t c, char *p)
{
	if (c < 0x80) {
		p[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (char)(0xC0 | c >> 6);
		p[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (char)(0xE0 | c >> 12);
		p[1] = (char)(0x80 | (c >> 6 & 63));
		p[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	p[0] = (char)(0xF0 | c >> 18);
	p[1] = (char)(0x80 | (c >> 12 & 63));
	p[2] = (char)(0x80 | (c >> 6 & 63));
	p[3] = (char)(0x80 | (c & 63));
	return 4;
}

static bool
is_surrogate(uint32_t c)
{
	return c >= 0xD800 && c < 0xE000;
}

static void
every_character_is_utf8(void **state)
{
	char p[4];

	(void)state;
	for (uint32_t c = 0; c < 0x120000; c++) {
		size_t n = encode(c, p);

		assert_int_equal(vr_is_utf8(p, n),
				 c < 0x110000 && !is_surrogate(c));
		assert_true(n == 1 || !vr_is_utf8(p, n - 1));
		assert_true(n == 1 || !vr_is_utf8(p + 1, n - 1));
	}
}

/*
 * With all characters accepted it is enough to count: of the 2^24 strings of
 * three bytes, only those that characters of one, two and three bytes make up.
 */
static void
nothing_else_is_utf8(void **state)
{
	const uint32_t one = 0x80, two = 0x800 - 0x80;
	const uint32_t three = 0x10000 - 0x800 - 0x800;
	uint32_t accepted = 0;
	char p[3];

	(void)state;
	for (uint32_t i = 0; i < 1 << 24; i++) {
		p[0] = (char)(i >> 16);
		p[1] = (char)(i >> 8);
		p[2] = (char)i;
		accepted += vr_is_utf8(p, 3);
	}
	assert_int_equal(accepted, three + 2 * one * two + one * one * one);
}

/* --- names -------------------------------------------------------------- */

static void
printable_shows_names_as_they_are(void **state)
{
	static const struct {
		const char *name, *shown;
	} cases[] = {
		{"web01-flat.vmdk", "web01-flat.vmdk"},
		{"", ""},
		{"K\xc3\xb6ln \xe2\x82\xac \xf0\x9f\x92\xbe",
		 "K\xc3\xb6ln \xe2\x82\xac \xf0\x9f\x92\xbe"},
		{"a\\b", "a\\\\b"},
		{"a\nb\x7f\x1b[2J", "a\\x0Ab\\x7F\\x1B[2J"},
		{"\xc2\x9b", "\\xC2\\x9B"}, /* a C1 control: CSI */
		{"\xc2\xa0", "\xc2\xa0"},
		{"caf\xe9", "caf\\xE9"},
		{"\xe2\x82", "\\xE2\\x82"},
		{"\xed\xa0\x80", "\\xED\\xA0\\x80"},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		char *shown = vr_printable(cases[i].name);

		assert_string_equal(shown, cases[i].shown);
		free(shown);
	}
}

static size_t
unescape(const char *s, char *ret)
{
	size_t n = 0;

	while (*s) {
		unsigned byte;

		if (s[0] == '\\' && s[1] == 'x') {
			assert_int_equal(sscanf(s + 2, "%2X", &byte), 1);
			ret[n++] = (char)byte;
			s += 4;
		} else {
			s += s[0] == '\\';
			ret[n++] = *s++;
		}
	}
	return n;
}

/* No two names look the same, and none can move a cursor. */
static void
printable_loses_nothing(void **state)
{
	static const char alphabet[] = "ax\\\n\x7f\xc2\xc3\x80\x9b\xa4\xe2\xff";
	struct dice dice = {4};

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char name[12] = {0}, back[12];
		char *shown;

		for (unsigned i = roll_below(&dice, 11); i-- > 0;)
			name[i] = alphabet[roll_below(&dice,
						      sizeof(alphabet) - 1)];
		shown = vr_printable(name);
		assert_true(vr_is_utf8(shown, strlen(shown)));
		for (const char *p = shown; *p; p++)
			assert_false(iscntrl((unsigned char)*p));
		assert_int_equal(unescape(shown, back), strlen(name));
		assert_memory_equal(back, name, strlen(name));
		free(shown);
	}
}

static void
base_names_and_endings(void **state)
{
	(void)state;
	assert_string_equal(vr_base_name("a/b/c.vmdk"), "c.vmdk");
	assert_string_equal(vr_base_name("c.vmdk"), "c.vmdk");
	assert_string_equal(vr_base_name("a/"), "");
	assert_string_equal(vr_base_name(""), "");
	assert_true(vr_ends_with("WEB-FLAT.VMDK", "-flat.vmdk"));
	assert_true(vr_ends_with("a", ""));
	assert_true(vr_ends_with(".args", ".args"));
	assert_false(vr_ends_with("args", ".args"));
	assert_false(vr_ends_with("x.args1", ".args"));
}

static void
folder_names(void **state)
{
	static const struct {
		const char *path, *folder;
	} cases[] = {
		{"a/b/c.vmdk", "a/b"}, {"/c.vmdk", "/"}, {"c.vmdk", "."},
		{"a/b/", "a/b"},       {"", "."},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		char *folder = vr_folder_name(cases[i].path);

		assert_string_equal(folder, cases[i].folder);
		free(folder);
	}
}

static void
sizes_read_well(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 bytes"},
		{1, "1 byte"},
		{512, "512 bytes"},
		{1023, "1023 bytes"},
		{1024, "1 KiB"},
		{1536, "1.50 KiB"},
		{UINT64_C(40) << 30, "40 GiB"},
		{(UINT64_C(40) << 30) + 1, "40.00 GiB"},
		{(UINT64_C(3) << 40) / 2, "1.50 TiB"},
		{UINT64_C(1) << 60, "1 EiB"},
		{UINT64_MAX, "16.00 EiB"},
	};
	char room[32];

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++)
		assert_string_equal(vr_human_size(cases[i].bytes, room),
				    cases[i].text);
}

/* --- vectors ------------------------------------------------------------ */

struct pair {
	unsigned a, b;
};

static void
vectors_grow_and_keep(void **state)
{
	struct {
		struct pair *items;
		size_t count, room;
	} pairs = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_ok(VR_PUSH(&pairs, {i, i * 2}));
	assert_int_equal(pairs.count, 1000);
	assert_true(pairs.room >= 1000 && pairs.room < 4000);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(pairs.items[i].a * 2, pairs.items[i].b);
	free(pairs.items);
}

static void
vectors_refuse_sizes_that_wrap(void **state)
{
	size_t room = SIZE_MAX / 4;
	void *items = NULL;

	(void)state;
	assert_code(VR_E_MEMORY, vr_vector_grow(&items, &room, room, 64));
	assert_int_equal(room, SIZE_MAX / 4);
	assert_null(items);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_appended_is_an_empty_string),
		cmocka_unit_test(appends_add_up),
		cmocka_unit_test(bytes_may_hold_a_nul),
		cmocka_unit_test(trouble_sticks_and_is_reported_once),
		cmocka_unit_test(format_takes_any_length),
		cmocka_unit_test(decimals_are_whole_and_fit),
		cmocka_unit_test(numbers_may_be_hexadecimal),
		cmocka_unit_test(numbers_stop_at_their_length),
		cmocka_unit_test(loads_are_little_endian_at_any_alignment),
		cmocka_unit_test(every_character_is_utf8),
		cmocka_unit_test(nothing_else_is_utf8),
		cmocka_unit_test(printable_shows_names_as_they_are),
		cmocka_unit_test(printable_loses_nothing),
		cmocka_unit_test(base_names_and_endings),
		cmocka_unit_test(folder_names),
		cmocka_unit_test(sizes_read_well),
		cmocka_unit_test(vectors_grow_and_keep),
		cmocka_unit_test(vectors_refuse_sizes_that_wrap),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
