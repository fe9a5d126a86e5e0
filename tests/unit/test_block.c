/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every verdict, at the edges of its rule; the counters against loops that
 * anyone can read; and that noise is never called anything else.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "measure/block.h"

#define MOST 65536

/* Room for a shift, so that no pointer is aligned by accident. */
struct room {
	uint8_t bytes[MOST + 64];
};

static int
make_room(void **state)
{
	*state = calloc(1, sizeof(struct room));
	return *state ? 0 : -1;
}

static int
free_room(void **state)
{
	free(*state);
	return 0;
}

static void
fill_with_noise(struct dice *dice, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t eight = roll(dice);

		memcpy(bytes + i, &eight, n - i < 8 ? n - i : 8);
	}
}

/* Each byte below limit: the smaller, the further from noise. */
static void
fill_below(struct dice *dice, uint8_t *bytes, size_t n, unsigned limit)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)roll_below(dice, limit);
}

/* A stand-in for a Huffman code: symbols of 2 to 10 bits, one after another. */
static void
fill_with_codes(struct dice *dice, uint8_t *bytes, size_t n,
		enum vr_bit_order order)
{
	size_t bit = 0;

	memset(bytes, 0, n);
	while (bit < 8 * n) {
		unsigned ones = 1;

		while (ones < 9 && roll_below(dice, 2))
			ones++;
		for (unsigned i = 0; i <= ones && bit < 8 * n; i++, bit++)
			if (i < ones && roll_below(dice, 100) < 60)
				bytes[bit / 8] |=
					(uint8_t)(order == VR_LOW_BIT_FIRST
							  ? 1 << bit % 8
							  : 128 >> bit % 8);
	}
}

static void
assert_looks_for(enum vr_looks wanted, const uint8_t *bytes, size_t n,
		 unsigned line)
{
	enum vr_looks got = vr_block_looks(bytes, n);

	if (got != wanted)
		fail_msg("line %u: %zu bytes look '%s', not '%s'", line, n,
			 vr_looks_name(got), vr_looks_name(wanted));
}
#define assert_looks(wanted, bytes, n)                                         \
	assert_looks_for(wanted, bytes, n, __LINE__)

static const size_t sizes[] = {512,  513,  543,	 575,	1000, 1024,
			       4095, 4096, 4097, 16384, 65536};

/* --- noise ------------------------------------------------------------------ */

static void
test_noise_is_never_called_clear(void **state)
{
	struct room *room = *state;
	struct dice dice = {1};

	for (size_t s = 0; s < ITEMS(sizes); s++)
		for (unsigned i = 0; i < (1u << 22) / sizes[s]; i++) {
			fill_with_noise(&dice, room->bytes, sizes[s]);
			assert_looks(VR_LOOKS_RANDOM, room->bytes, sizes[s]);
		}
}

/* How far from the limits noise stays, seen from the numbers behind them. */
static void
test_noise_keeps_its_distance(void **state)
{
	struct room *room = *state;
	struct vr_block_stats stats;
	struct dice dice = {2};

	for (unsigned i = 0; i < 1000; i++) {
		fill_with_noise(&dice, room->bytes, 512);
		vr_block_measure(room->bytes, 512, &stats);
		assert_in_range(stats.chi_square, 150, 400);
		for (unsigned order = 0; order < VR_BIT_ORDERS; order++)
			for (unsigned bet = 0; bet < VR_BETS; bet++)
				assert_true(stats.doublings[order][bet] < 18);
	}
}

/* --- order ------------------------------------------------------------------ */

static void
test_zero(void **state)
{
	struct room *room = *state;

	memset(room->bytes, 0, sizeof(room->bytes));
	for (size_t s = 0; s < ITEMS(sizes); s++) {
		uint8_t *bytes = room->bytes + s;

		assert_looks(VR_LOOKS_ZERO, bytes, sizes[s]);
		bytes[sizes[s] - 1] = 1;
		assert_looks(VR_LOOKS_STRUCTURED, bytes, sizes[s]);
		bytes[sizes[s] - 1] = 0;
		bytes[0] = 1;
		assert_looks(VR_LOOKS_STRUCTURED, bytes, sizes[s]);
		bytes[0] = 0;
	}
	memset(room->bytes, 0xff, 512);
	assert_looks(VR_LOOKS_STRUCTURED, room->bytes, 512);
}

static void
fill_with_text(uint8_t *bytes, size_t n)
{
	static const char text[] = "Mostly text, as in a log:\t17\r\n";

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)text[i % (sizeof(text) - 1)];
}

static void
test_text(void **state)
{
	struct room *room = *state;
	uint8_t *bytes = room->bytes + 1;

	for (size_t s = 0; s < ITEMS(sizes); s++) {
		size_t n = sizes[s], others = n / 8;

		fill_with_text(bytes, n);
		assert_looks(VR_LOOKS_TEXT, bytes, n);
		memset(bytes, 0x80, others);
		assert_looks(VR_LOOKS_TEXT, bytes, n);
		memset(bytes, 0x80, others + 1);
		assert_looks(VR_LOOKS_STRUCTURED, bytes, n);
	}
}

/* Every letter with a zero behind it, and a file's padding behind its end. */
static void
test_zeros_do_not_spoil_text(void **state)
{
	struct room *room = *state;

	fill_with_text(room->bytes, 4096);
	for (size_t i = 1; i < 4096; i += 2)
		room->bytes[i] = 0;
	assert_looks(VR_LOOKS_TEXT, room->bytes, 4096);

	fill_with_text(room->bytes, 4096);
	memset(room->bytes + 1024, 0, 3072);
	assert_looks(VR_LOOKS_TEXT, room->bytes, 4096);
	room->bytes[1023] = 0;
	assert_looks(VR_LOOKS_STRUCTURED, room->bytes, 4096);
}

/* Printable is a rule of its own: letters drawn at random show no other order. */
static void
test_printable_bytes(void **state)
{
	struct room *room = *state;
	struct vr_block_stats stats;

	for (unsigned value = 0; value < 256; value++) {
		bool printable = (value >= 32 && value < 128) ||
				 (value >= 9 && value <= 13);

		memset(room->bytes, (int)value, 600);
		vr_block_measure(room->bytes, 600, &stats);
		assert_int_equal(stats.counts.printable, printable ? 600 : 0);
		assert_int_equal(stats.counts.zeros, value == 0 ? 600 : 0);
	}
}

static void
test_structured(void **state)
{
	struct room *room = *state;
	struct dice dice = {3};

	for (size_t s = 0; s < ITEMS(sizes); s++) {
		fill_below(&dice, room->bytes + 3, sizes[s], 9);
		assert_looks(VR_LOOKS_STRUCTURED, room->bytes + 3, sizes[s]);
	}
	/* Records of 64 bytes: no two bytes within eight are equal. */
	for (size_t i = 0; i < 4096; i++)
		room->bytes[i] = (uint8_t)(128 + i % 64);
	assert_looks(VR_LOOKS_STRUCTURED, room->bytes, 4096);
}

/* Values left out make the rest more frequent: the sharper, the more bytes. */
static void
test_uneven_values(void **state)
{
	static const struct {
		size_t n;
		unsigned limit;
		enum vr_looks looks;
	} rows[] = {
		{4096, 120, VR_LOOKS_STRUCTURED},
		{4096, 160, VR_LOOKS_COMPRESSED},
		{4096, 220, VR_LOOKS_COMPRESSED},
		{4096, 256, VR_LOOKS_RANDOM},
		{65536, 120, VR_LOOKS_STRUCTURED},
		{65536, 250, VR_LOOKS_COMPRESSED},
		{65536, 256, VR_LOOKS_RANDOM},
	};
	struct room *room = *state;
	struct dice dice = {4};

	for (size_t i = 0; i < ITEMS(rows); i++) {
		fill_below(&dice, room->bytes, rows[i].n, rows[i].limit);
		assert_looks(rows[i].looks, room->bytes, rows[i].n);
		assert_int_equal(vr_block_glance(room->bytes, rows[i].n),
				 rows[i].looks);
	}
}

/* All values equally often, no neighbours equal: only a bet shows the order. */
static void
test_counting_is_no_noise(void **state)
{
	struct room *room = *state;
	struct vr_block_stats stats;

	for (size_t i = 0; i < 4096; i++)
		room->bytes[i] = (uint8_t)i;
	vr_block_measure(room->bytes, 4096, &stats);
	assert_int_equal(stats.chi_square, 0);
	assert_int_equal(vr_block_glance(room->bytes, 4096), VR_LOOKS_RANDOM);
	assert_looks(VR_LOOKS_COMPRESSED, room->bytes, 4096);
}

static void
test_codes_are_found_in_either_bit_order(void **state)
{
	struct room *room = *state;
	struct vr_block_stats stats;
	struct dice dice = {5};

	for (unsigned order = 0; order < VR_BIT_ORDERS; order++) {
		fill_with_codes(&dice, room->bytes, 4096, order);
		assert_false(vr_looks_noise(vr_block_looks(room->bytes, 4096)));
		vr_block_measure(room->bytes, 4096, &stats);
		assert_true(stats.doublings[order][0] >= 35);
	}
}

/* Some lines of a large block stand for all, wherever the order lies. */
static void
test_glances_skip(void **state)
{
	struct dice dice = {11};
	uint8_t *bytes = malloc(MOST);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < MOST; i++)
		bytes[i] = (uint8_t)(roll(&dice) >> 8);
	assert_int_equal(vr_block_glance(bytes, MOST), VR_LOOKS_RANDOM);
	/* Unequal values, of which no two neighbours are equal for that. */
	for (size_t i = 0; i < MOST; i += 3)
		bytes[i] &= 0x3f;
	assert_false(vr_looks_noise(vr_block_glance(bytes, MOST)));
	memset(bytes + MOST - 4096, 0, 4096);
	assert_false(vr_looks_noise(vr_block_glance(bytes, MOST)));
	free(bytes);
}

/* Compressed behind the part that is bet on: then only the values tell. */
static void
test_bets_end(void **state)
{
	uint8_t *bytes = malloc(2 * MOST);
	struct vr_block_stats whole, part;
	struct dice dice = {6};

	(void)state;
	fill_with_noise(&dice, bytes, MOST);
	fill_with_codes(&dice, bytes + MOST, MOST, VR_LOW_BIT_FIRST);
	vr_block_measure(bytes, 2 * MOST, &whole);
	vr_block_measure(bytes, MOST, &part);
	assert_memory_equal(whole.doublings, part.doublings,
			    sizeof(whole.doublings));
	assert_true(whole.chi_square > part.chi_square);
	free(bytes);
}

/* --- numbers ---------------------------------------------------------------- */

static struct vr_block_counts
count_plainly(const uint8_t *bytes, size_t n)
{
	struct vr_block_counts counts = {0};

	for (size_t i = 0; i < n; i++) {
		counts.zeros += bytes[i] == 0;
		counts.printable += (bytes[i] >= 32 && bytes[i] < 128) ||
				    (bytes[i] >= 9 && bytes[i] <= 13);
		for (size_t lag = 1; lag <= VR_BLOCK_LAGS; lag++)
			if (i + lag < n)
				counts.pairs[lag - 1] += bytes[i] ==
							 bytes[i + lag];
	}
	return counts;
}

static void
assert_counters_agree(const uint8_t *bytes, size_t n)
{
	struct vr_block_counts wanted = count_plainly(bytes, n), got;
	enum vr_looks looks = vr_block_looks(bytes, n);
	const struct vr_block_counter *counter;

	for (size_t i = 0; (counter = vr_block_counter(i)); i++) {
		if (!counter->usable())
			continue;
		counter->count(bytes, n, &got);
		assert_memory_equal(&got, &wanted, sizeof(got));
		assert_int_equal(vr_block_looks_by(counter, bytes, n), looks);
	}
}

/* Lengths around every width of vector, at every alignment. */
static void
test_counters_agree_at_all_lengths(void **state)
{
	struct room *room = *state;
	struct dice dice = {7};

	for (size_t n = VR_BLOCK_LEAST; n < VR_BLOCK_LEAST + 100; n++) {
		uint8_t *bytes = room->bytes + n % 64;

		fill_below(&dice, bytes, n, 1 + roll_below(&dice, 256));
		assert_counters_agree(bytes, n);
	}
}

/* Beyond what a lane of a byte can count, in steps of both vector widths. */
static void
test_counters_do_not_overflow(void **state)
{
	struct room *room = *state;

	for (unsigned value = 0; value < 256; value += 51) {
		memset(room->bytes, (int)value, MOST);
		for (size_t n = 4072; n < 4090; n++)
			assert_counters_agree(room->bytes, n);
		for (size_t n = 8160; n < 8250; n += 7)
			assert_counters_agree(room->bytes, n);
		assert_counters_agree(room->bytes, MOST);
	}
}

static void
test_counters_agree_on_anything(void **state)
{
	struct room *room = *state;
	struct dice dice = {8};

	for (unsigned i = 0; i < 400; i++) {
		size_t n = VR_BLOCK_LEAST + roll_below(&dice, 8000);
		uint8_t *bytes = room->bytes + roll_below(&dice, 64);

		fill_below(&dice, bytes, n, 2 + roll_below(&dice, 255));
		assert_counters_agree(bytes, n);
	}
}

static void
test_chi_square(void **state)
{
	struct room *room = *state;
	struct vr_block_stats stats;

	memset(room->bytes, 7, 1024);
	vr_block_measure(room->bytes, 1024, &stats);
	assert_int_equal(stats.chi_square, 255 * 1024);
	memset(room->bytes, 8, 512);
	vr_block_measure(room->bytes, 1024, &stats);
	assert_int_equal(stats.chi_square, 127 * 1024);
	assert_int_equal(stats.bytes, 1024);
}

/* A gambler pays for his accounts, and wins at most every bit of the block. */
static void
test_doublings_have_bounds(void **state)
{
	struct room *room = *state;
	struct vr_block_stats stats;

	memset(room->bytes, 0, MOST);
	for (size_t s = 0; s < ITEMS(sizes); s++) {
		vr_block_measure(room->bytes, sizes[s], &stats);
		for (unsigned order = 0; order < VR_BIT_ORDERS; order++)
			for (unsigned bet = 0; bet < VR_BETS; bet++)
				assert_in_range(stats.doublings[order][bet], 35,
						8 * sizes[s]);
	}
}

static void
test_names(void **state)
{
	(void)state;
	for (unsigned looks = 0; looks < VR_LOOKS; looks++) {
		assert_non_null(vr_looks_name(looks));
		assert_int_equal(vr_looks_noise(looks),
				 looks == VR_LOOKS_RANDOM);
	}
	assert_string_equal(vr_looks_name(VR_LOOKS_RANDOM), "random");
}

#define block_test(f) cmocka_unit_test_setup_teardown(f, make_room, free_room)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		block_test(test_noise_is_never_called_clear),
		block_test(test_noise_keeps_its_distance),
		block_test(test_zero),
		block_test(test_text),
		block_test(test_zeros_do_not_spoil_text),
		block_test(test_printable_bytes),
		block_test(test_structured),
		block_test(test_uneven_values),
		block_test(test_counting_is_no_noise),
		block_test(test_glances_skip),
		block_test(test_codes_are_found_in_either_bit_order),
		block_test(test_bets_end),
		block_test(test_counters_agree_at_all_lengths),
		block_test(test_counters_do_not_overflow),
		block_test(test_counters_agree_on_anything),
		block_test(test_chi_square),
		block_test(test_doublings_have_bounds),
		block_test(test_names),
	};

	return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
