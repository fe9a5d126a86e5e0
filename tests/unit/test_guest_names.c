/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <stdlib.h>

#include "base/text.h"
#include "guest/names.h"

static void
assert_label(const char *bytes, size_t n, const char *wanted)
{
	char label[VR_LABEL_ROOM];

	vr_label_bytes((const uint8_t *)bytes, n, label);
	assert_string_equal(label, wanted);
}

static void
test_labels_of_bytes(void **state)
{
	(void)state;
	assert_label("", 0, "");
	assert_label("root\0junk", 9, "root");
	assert_label("NO NAME    ", 11, "NO NAME");
	assert_label("cut\xC3", 4, "cut?");
	assert_label("\xC3\xA9t\xC3\xA9", 5, "\xC3\xA9t\xC3\xA9");
	assert_label("a\033[2Jb\xC2\x9B"
		     "c",
		     9, "a?[2Jb??c");
	assert_label("\xFF\xFE", 2, "??");
}

static void
assert_utf16(const uint16_t *units, size_t n, const char *wanted)
{
	uint8_t bytes[64];
	char label[VR_LABEL_ROOM];

	for (size_t i = 0; i < n; i++) {
		bytes[2 * i] = (uint8_t)units[i];
		bytes[2 * i + 1] = (uint8_t)(units[i] >> 8);
	}
	vr_label_utf16(bytes, n, label);
	assert_string_equal(label, wanted);
}

static void
test_labels_of_utf16(void **state)
{
	static const uint16_t plain[] = {'D', 'a', 't', 'a', 0, 'x'};
	static const uint16_t wide[] = {0xE9, 0x20AC, 0xD83D, 0xDE00};
	static const uint16_t lone[] = {0xD83D, 'a', 0xDE00, 0xD83D};

	(void)state;
	assert_utf16(plain, ITEMS(plain), "Data");
	assert_utf16(wide, ITEMS(wide), "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
	assert_utf16(lone, ITEMS(lone), "?a??");
}

/* Whatever stands there, the text is UTF-8, ends, and fits. */
static void
test_any_bytes(void **state)
{
	struct dice dice = {2};
	uint8_t bytes[600];
	char label[VR_LABEL_ROOM];

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(roll(&dice) | 1);
		vr_label_bytes(bytes, sizeof(bytes), label);
		assert_true(vr_is_utf8(label, strlen(label)));
		vr_label_utf16(bytes, sizeof(bytes) / 2, label);
		assert_true(vr_is_utf8(label, strlen(label)));
	}
}

static void
test_uuids(void **state)
{
	uint8_t bytes[16];
	char text[VR_UUID_ROOM];

	(void)state;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 0x11);
	vr_uuid_plain(bytes, text);
	assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
	vr_uuid_mixed(bytes, text);
	assert_string_equal(text, "33221100-5544-7766-8899-aabbccddeeff");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_of_bytes),
		cmocka_unit_test(test_labels_of_utf16),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_uuids),
	};

	return cmocka_run_group_tests_name("guest names", tests, NULL, NULL);
}
