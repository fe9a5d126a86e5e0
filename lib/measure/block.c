/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each verdict but the last needs an event that is too rare in uniform random
 * bytes, and ciphertext is such bytes. Calling lost bytes clear must not happen,
 * so each limit is set where the event's probability is proved, not estimated,
 * to be below 2^-35 for every block of at least 512 bytes. There are fifteen
 * events (8 lags, chi-square, 2 x 3 bets); the others below imply one of them or
 * are rarer by far. Their sum is below 5 in 10^10.
 *
 * Equal pairs. Whether a byte equals the one a given lag further on is, over the
 * block, a row of independent events of probability 1/256. Bernstein's
 * inequality bounds their number.
 *
 * Chi-square of the byte values, 255 degrees of freedom. The tail is heaviest in
 * the smallest block: computed exactly, cell by cell, 460 is passed with
 * probability 2^-37.5 in 512 bytes, 2^-40.4 in 1024, 2^-42.3 in 2048; from 4096
 * on, Chernoff's bound for Poisson cells with a given sum yields 2^-35.8, where
 * chi-square's own tail is 2^-43.9. (440 is passed with 2^-32.8 in 512 bytes: too
 * often.) tests/bench/bench_block.c repeats the exact computation.
 *
 * Bets, on the first 64 KiB: see block_bet.c. They find compressed data.
 *
 * The fast ones come first, and most of a disk goes no further. At a glance a
 * large block's values are counted in one line of 64 bytes out of four, which are
 * random bytes as good as any: the limits stay what they are.
 */
#include "measure/block.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"

#define CHI_SQUARE_MOST 460
#define DOUBLINGS_LEAST 35

/* What a histogram is made of, and of how much at a glance. */
#define LINE		64
#define GLANCE_STRIDE	(4 * LINE)
#define GLANCE_SKIPS_IN (64 * 1024)

/* Statistics are made when a row first asks for them. */
struct block {
	const struct vr_block_counter *counter;
	const uint8_t *bytes;
	struct vr_block_stats stats;
	uint64_t values; /* that chi-square is of */
	bool glance, counted, histogram_made, bet_on[VR_BIT_ORDERS];
};

/* --- statistics ------------------------------------------------------------- */

static const struct vr_block_counts *
counts_of(struct block *b)
{
	if (!b->counted)
		b->counter->count(b->bytes, b->stats.bytes, &b->stats.counts);
	b->counted = true;
	return &b->stats.counts;
}

/* Four tables, so that equal neighbours do not wait for one another. */
static inline void
count_eight(uint64_t eight, uint32_t histogram[4][256])
{
	histogram[0][eight & 0xff]++;
	histogram[1][eight >> 8 & 0xff]++;
	histogram[2][eight >> 16 & 0xff]++;
	histogram[3][eight >> 24 & 0xff]++;
	histogram[0][eight >> 32 & 0xff]++;
	histogram[1][eight >> 40 & 0xff]++;
	histogram[2][eight >> 48 & 0xff]++;
	histogram[3][eight >> 56]++;
}

/* Of whole lines, stride apart, and then byte by byte. Returns how many. */
static uint64_t
make_histogram(const uint8_t *bytes, size_t n, size_t stride,
	       uint32_t histogram[4][256])
{
	uint64_t counted = 0;
	size_t i;

	memset(histogram, 0, 4 * sizeof(*histogram));
	for (i = 0; i + stride <= n; i += stride) {
		for (size_t j = 0; j < LINE; j += 8)
			count_eight(vr_load_le64(bytes + i + j), histogram);
		counted += LINE;
	}
	for (; i < n; i++, counted++)
		histogram[0][bytes[i]]++;
	return counted;
}

/*
 * The sum of (count - n/256)^2 / (n/256) is 256 times the sum of the squares
 * over n, less n; divided before it is multiplied, so that it fits.
 */
static uint64_t
chi_square_of(struct block *b)
{
	bool skips = b->glance && b->stats.bytes >= GLANCE_SKIPS_IN;
	uint32_t h[4][256];
	uint64_t squares = 0, n;

	if (b->histogram_made)
		return b->stats.chi_square;
	n = make_histogram(b->bytes, b->stats.bytes,
			   skips ? GLANCE_STRIDE : LINE, h);
	for (unsigned i = 0; i < 256; i++) {
		uint64_t count = (uint64_t)h[0][i] + h[1][i] + h[2][i] +
				 h[3][i];

		squares += count * count;
	}
	b->stats.chi_square = squares / n * 256 + squares % n * 256 / n - n;
	b->values = n;
	b->histogram_made = true;
	return b->stats.chi_square;
}

static const int64_t *
doublings_of(struct block *b, enum vr_bit_order order)
{
	if (!b->bet_on[order])
		vr_bet(b->bytes, b->stats.bytes, order,
		       b->stats.doublings[order]);
	b->bet_on[order] = true;
	return b->stats.doublings[order];
}

/* --- events ----------------------------------------------------------------- */

/*
 * Bernstein: more than the mean plus s with probability below
 * exp(-s^2 / (2 (mean + s/3))), here exp(-24.5). In 256ths: s^2 > 49 (mean + s/3)
 * becomes excess^2 > 49 * 256 (trials + excess/3).
 */
static bool
too_many(uint64_t pairs, uint64_t trials)
{
	uint64_t excess = 256 * pairs - trials, square;

	if (256 * pairs <= trials)
		return false;
	return !vr_mul(excess, excess, &square) ||
	       square / (UINT64_C(49) * 256) > trials + excess / 3 + 1;
}

static bool
pairs_are_too_many(struct block *b)
{
	const struct vr_block_counts *counts = counts_of(b);

	for (unsigned lag = 1; lag <= VR_BLOCK_LAGS; lag++)
		if (too_many(counts->pairs[lag - 1], b->stats.bytes - lag))
			return true;
	return false;
}

/* Over all lags, twice as many as chance would have it. */
static bool
pairs_abound(struct block *b)
{
	const struct vr_block_counts *counts = counts_of(b);
	uint64_t pairs = 0, chance = b->stats.bytes * VR_BLOCK_LAGS / 256;

	for (unsigned lag = 1; lag <= VR_BLOCK_LAGS; lag++)
		pairs += counts->pairs[lag - 1];
	return pairs >= 2 * chance && pairs_are_too_many(b);
}

static bool
is_zero(struct block *b)
{
	return b->bytes[0] == 0 &&
	       memcmp(b->bytes, b->bytes + 1, b->stats.bytes - 1) == 0;
}

/*
 * Seven bytes in eight, and zeros do not count against it: UTF-16, padding. Of
 * random bytes two in five are printable.
 */
static bool
is_text(struct block *b)
{
	const struct vr_block_counts *counts = counts_of(b);
	uint64_t others = b->stats.bytes - counts->zeros;

	return counts->printable * 8 >= others * 7 &&
	       counts->printable * 4 >= b->stats.bytes;
}

/* Two bytes anywhere in the block agree with probability (1 + chi^2/n) / 256. */
static bool
values_are_few(struct block *b)
{
	uint64_t chi_square = chi_square_of(b);

	return chi_square > vr_max(CHI_SQUARE_MOST, b->values);
}

static bool
values_are_uneven(struct block *b)
{
	return chi_square_of(b) > CHI_SQUARE_MOST;
}

static bool
is_won(struct block *b, enum vr_bit_order order)
{
	const int64_t *doublings = doublings_of(b, order);

	for (unsigned i = 0; i < VR_BETS; i++)
		if (doublings[i] >= DOUBLINGS_LEAST)
			return true;
	return false;
}

static bool
low_bits_are_foreseen(struct block *b)
{
	return is_won(b, VR_LOW_BIT_FIRST);
}

static bool
high_bits_are_foreseen(struct block *b)
{
	return is_won(b, VR_HIGH_BIT_FIRST);
}

static bool
anything(struct block *b)
{
	(void)b;
	return true;
}

/* --- verdicts --------------------------------------------------------------- */

/* The first that holds. */
static const struct row {
	enum vr_looks looks;
	bool (*holds)(struct block *b);
	bool slow; /* left out at a glance */
} rows[] = {
	{VR_LOOKS_ZERO, is_zero, false},
	{VR_LOOKS_TEXT, is_text, false},
	{VR_LOOKS_STRUCTURED, pairs_abound, false},
	{VR_LOOKS_STRUCTURED, values_are_few, false},
	{VR_LOOKS_COMPRESSED, pairs_are_too_many, false},
	{VR_LOOKS_COMPRESSED, values_are_uneven, false},
	{VR_LOOKS_COMPRESSED, low_bits_are_foreseen, true},
	{VR_LOOKS_COMPRESSED, high_bits_are_foreseen, true},
	{VR_LOOKS_RANDOM, anything, false},
};

static enum vr_looks
judge(struct block *b)
{
	const struct row *row = rows;

	while ((b->glance && row->slow) || !row->holds(b))
		row++;
	return row->looks;
}

static struct block
block_of(const uint8_t *bytes, size_t n)
{
	return (struct block){
		.counter = vr_block_counter_best(),
		.bytes = bytes,
		.stats.bytes = n,
	};
}

enum vr_looks
vr_block_looks(const uint8_t *bytes, size_t n)
{
	return vr_block_looks_by(vr_block_counter_best(), bytes, n);
}

enum vr_looks
vr_block_looks_by(const struct vr_block_counter *counter, const uint8_t *bytes,
		  size_t n)
{
	struct block b = block_of(bytes, n);

	b.counter = counter;
	return judge(&b);
}

enum vr_looks
vr_block_glance(const uint8_t *bytes, size_t n)
{
	struct block b = block_of(bytes, n);

	b.glance = true;
	return judge(&b);
}

void
vr_block_measure(const uint8_t *bytes, size_t n, struct vr_block_stats *ret)
{
	struct block b = block_of(bytes, n);

	counts_of(&b);
	chi_square_of(&b);
	for (unsigned order = 0; order < VR_BIT_ORDERS; order++)
		doublings_of(&b, order);
	*ret = b.stats;
}

/* --- words ------------------------------------------------------------------ */

bool
vr_looks_noise(enum vr_looks looks)
{
	return looks == VR_LOOKS_RANDOM;
}

const char *
vr_looks_name(enum vr_looks looks)
{
	static const char *const names[VR_LOOKS] = {
		[VR_LOOKS_ZERO] = "zero",
		[VR_LOOKS_TEXT] = "text",
		[VR_LOOKS_STRUCTURED] = "structured",
		[VR_LOOKS_COMPRESSED] = "compressed",
		[VR_LOOKS_RANDOM] = "random",
	};

	return names[looks];
}
