/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CRC-32C against the vectors of RFC 3720, appendix B.4, and Rocksoft's check. */
#include "unit.h"

#include "base/crc32c.h"

static const struct vector {
	const char *name;
	uint8_t first, step; /* byte i is first + i * step */
	size_t length;
	uint32_t crc;
} vectors[] = {
	{"32 zeros", 0, 0, 32, 0x8A9136AA},
	{"32 bytes of ones", 0xFF, 0, 32, 0x62A8AB43},
	{"32 ascending", 0, 1, 32, 0x46DD794E},
	{"32 descending", 31, 0xFF, 32, 0x113FDB5C},
	{"123456789", '1', 1, 9, 0xE3069283},
};

/* RFC 3720's fifth example, a SCSI READ (10) command. */
static const uint8_t command[48] = {
	0x01,	     0xC0,	  [16] = 0x14, [22] = 0x04,
	[27] = 0x14, [31] = 0x18, 0x28,	       [40] = 0x02,
};

static void
test_published_vectors(void **state)
{
	uint8_t bytes[32];

	(void)state;
	for (size_t w = 0; vr_crc32c_way(w); w++) {
		const struct vr_crc32c_way *way = vr_crc32c_way(w);

		if (!way->usable())
			continue;
		for (size_t v = 0; v < ITEMS(vectors); v++) {
			for (size_t i = 0; i < vectors[v].length; i++)
				bytes[i] = (uint8_t)(vectors[v].first +
						     i * vectors[v].step);
			if (~way->sum(~0u, bytes, vectors[v].length) !=
			    vectors[v].crc)
				fail_msg("%s by %s", vectors[v].name,
					 way->name);
		}
		assert_int_equal(~way->sum(~0u, command, sizeof(command)),
				 0xD9963A56);
	}
}

static void
test_all_ways_agree(void **state)
{
	struct dice dice = {1};
	uint8_t bytes[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)roll(&dice);
	for (size_t at = 0; at < 16; at++)
		for (size_t n = 0; at + n <= sizeof(bytes); n++) {
			uint32_t crc = vr_crc32c((uint32_t)n, bytes + at, n);

			for (size_t w = 0; vr_crc32c_way(w); w++)
				if (vr_crc32c_way(w)->usable())
					assert_int_equal(
						crc, vr_crc32c_way(w)->sum(
							     (uint32_t)n,
							     bytes + at, n));
		}
}

static void
test_pieces_make_the_whole(void **state)
{
	static const char text[] = "123456789";

	(void)state;
	for (size_t cut = 0; cut < 9; cut++) {
		uint32_t crc = vr_crc32c(~0u, text, cut);

		assert_int_equal(~vr_crc32c(crc, text + cut, 9 - cut),
				 0xE3069283);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_vectors),
		cmocka_unit_test(test_all_ways_agree),
		cmocka_unit_test(test_pieces_make_the_whole),
	};

	return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
