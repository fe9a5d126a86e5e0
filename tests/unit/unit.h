/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UNIT_H
#define UNIT_H

/* cmocka.h wants these four in front of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <vmdkrescue.h>

#define ITEMS(array) (sizeof(array) / sizeof(*(array)))

/* As assert_int_equal(), but a failure says what the library had to say. */
#define assert_code(code, call)                                                \
	do {                                                                   \
		int wanted_ = (code), got_ = (call);                           \
		if (got_ != wanted_)                                           \
			fail_msg("%s: %d in place of %d, \"%s\"", #call, got_, \
				 wanted_, vr_error_sentence());                \
	} while (0)
#define assert_ok(call) assert_code(0, call)

#define assert_sentence_has(part)                                              \
	do {                                                                   \
		if (!strstr(vr_error_sentence(), (part)))                      \
			fail_msg("\"%s\" does not say \"%s\"",                 \
				 vr_error_sentence(), (part));                 \
	} while (0)

/*
 * SplitMix64, published by Sebastiano Vigna into the public domain. The same
 * numbers in every run: a property that fails once fails again.
 */
struct dice {
	uint64_t state;
};

static inline uint64_t
roll(struct dice *dice)
{
	uint64_t z = (dice->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* Below bound, which is above zero. */
static inline unsigned
roll_below(struct dice *dice, unsigned bound)
{
	return (unsigned)(roll(dice) % bound);
}

#endif
