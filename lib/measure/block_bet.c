/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A gambler begins with one coin and bets a part of what he has on each bit of
 * the block before it is turned over. The odds are fair, so against ciphertext
 * he expects to end with one coin, whatever his scheme; that he ends with 2^35
 * has, by Markov's inequality, a probability of 2^-35 at most. This holds for
 * every block size exactly, without a limit theorem. Against a Huffman code,
 * whose words recur at every bit position, he gets rich.
 *
 * The scheme: the bits in front (the context) choose one of D accounts, and each
 * account believes that its bit has a bias drawn from a normal distribution of
 * variance t. Seen k bits of which d more were ones than zeros, it has multiplied
 * its coin by at least
 *
 *     exp(d^2 t / (2 (1 + k t))) / sqrt(1 + k t)
 *
 * (the integral of exp(g d - k g^2 / 2), which a fair bit makes a supermartingale
 * because cosh g <= exp(g^2 / 2)). The accounts' winnings multiply. With
 * t = r D / N, N bits in all, the sum of the log2 sqrt(1 + k t) is at most
 * D/2 log2(1 + r), since the k add up to N and the logarithm is concave. What is
 * computed is that lower bound: the gambler may have more, never less.
 *
 * A small context sees few accounts with many bits each and finds a gross bias;
 * a large one finds recurring words. Three sizes serve all that was measured.
 */
#include "measure/block_bet.h"

#include <string.h>

#include "base/bytes.h"

/* 2^16 / (2 ln 2), rounded down: from nats to 65536ths of a doubling. */
#define DOUBLING     65536
#define PER_NAT_HALF 47274

/* A window is the context and the bit that is bet on: its highest. */
struct bet {
	unsigned width;
	uint64_t belief; /* r D */
	int64_t price;	 /* D/2 log2(1 + r) doublings, rounded up */
};

/* Descending: a narrower table is folded out of the wider one. */
static const struct bet bets[VR_BETS] = {
	{.width = 10, .belief = 256, .price = 9814043}, /* r 1/2, 149.751 */
	{.width = 8, .belief = 128, .price = 4194304},	/* r 1, 64 */
	{.width = 6, .belief = 64, .price = 1661954},	/* r 2, 25.360 */
};

#define WIDEST 10
/* Windows at every fourth bit hold four of the widest that are bet on. */
#define TALLY (WIDEST + 3)
#define STEP  4

/* --- windows ---------------------------------------------------------------- */

/* Eight bytes of which four are new to each round; their first bit is lowest. */
#define NEW_BYTES 4
#define OLD_BYTES 4

/* How many bits are bet on in n bytes. */
static uint64_t
bits_of(size_t n)
{
	return (n - OLD_BYTES) / NEW_BYTES * NEW_BYTES * 8;
}

static inline void
tally_at(uint64_t bits, unsigned shift, uint32_t counts[1 << TALLY])
{
	counts[bits >> shift & ((1 << TALLY) - 1)]++;
}

/* One for each STEP in the new bytes; written out, it takes two thirds the time. */
static inline void
tally_bits(uint64_t bits, uint32_t counts[1 << TALLY])
{
	tally_at(bits, 0 * STEP, counts);
	tally_at(bits, 1 * STEP, counts);
	tally_at(bits, 2 * STEP, counts);
	tally_at(bits, 3 * STEP, counts);
	tally_at(bits, 4 * STEP, counts);
	tally_at(bits, 5 * STEP, counts);
	tally_at(bits, 6 * STEP, counts);
	tally_at(bits, 7 * STEP, counts);
}

/*
 * Wide windows at every fourth bit in place of narrow ones at every bit: counting
 * is what takes the time. High bit first, a window's highest bit is the earliest,
 * so this gambler goes through the block backwards.
 */
static void
tally(const uint8_t *bytes, size_t n, enum vr_bit_order order,
      uint32_t counts[1 << TALLY])
{
	memset(counts, 0, sizeof(*counts) << TALLY);
	for (size_t i = 0; i + NEW_BYTES + OLD_BYTES <= n; i += NEW_BYTES) {
		uint64_t bits = vr_load_le64(bytes + i);

		if (order == VR_HIGH_BIT_FIRST)
			bits = __builtin_bswap64(bits) >>
			       (64 - 8 * NEW_BYTES + STEP - TALLY);
		tally_bits(bits, counts);
	}
}

/* Two bits less, at every second bit: without the upper two, or the lower. */
static void
spread_by_two(const uint32_t wide[1 << TALLY],
	      uint32_t counts[1 << (TALLY - 2)])
{
	const uint32_t n = 1 << (TALLY - 2);

	for (uint32_t i = 0; i < n; i++)
		counts[i] = wide[i] + wide[i + n] + wide[i + 2 * n] +
			    wide[i + 3 * n] + wide[4 * i] + wide[4 * i + 1] +
			    wide[4 * i + 2] + wide[4 * i + 3];
}

/* One bit less, at every bit. */
static void
spread_by_one(const uint32_t wide[1 << (TALLY - 2)],
	      uint32_t counts[1 << WIDEST])
{
	const uint32_t n = 1 << WIDEST;

	for (uint32_t i = 0; i < n; i++)
		counts[i] = wide[i] + wide[i + n] + wide[2 * i] +
			    wide[2 * i + 1];
}

/* Without their highest bit; in place. */
static void
narrow(uint32_t *counts, unsigned from, unsigned to)
{
	for (; from > to; from--)
		for (unsigned i = 0; i < 1u << (from - 1); i++)
			counts[i] += counts[i + (1u << (from - 1))];
}

/* --- winnings --------------------------------------------------------------- */

/* In 65536ths of a doubling; bits is the sum of all counts, below 2^20. */
static int64_t
winnings(const struct bet *bet, const uint32_t *counts, uint64_t bits)
{
	const uint32_t accounts = 1u << (bet->width - 1);
	const uint64_t factor = bet->belief * PER_NAT_HALF;
	uint64_t won = 0;

	for (uint32_t i = 0; i < accounts; i++) {
		uint64_t ones = counts[i + accounts], zeros = counts[i];
		uint64_t d = ones > zeros ? ones - zeros : zeros - ones;

		won += d * d * factor / (bits + bet->belief * (ones + zeros));
	}
	return (int64_t)won - bet->price;
}

/* Rounded down, below zero too. */
static int64_t
doublings(int64_t won)
{
	return won < 0 ? -((-won + DOUBLING - 1) / DOUBLING) : won / DOUBLING;
}

void
vr_bet(const uint8_t *bytes, size_t n, enum vr_bit_order order,
       int64_t ret_doublings[VR_BETS])
{
	uint32_t wide[1 << TALLY], less_wide[1 << (TALLY - 2)];
	uint32_t counts[1 << WIDEST];
	unsigned width = WIDEST;

	n = n < VR_BET_MOST ? n : VR_BET_MOST;
	tally(bytes, n, order, wide);
	spread_by_two(wide, less_wide);
	spread_by_one(less_wide, counts);
	for (size_t i = 0; i < VR_BETS; i++) {
		narrow(counts, width, bets[i].width);
		width = bets[i].width;
		ret_doublings[i] =
			doublings(winnings(&bets[i], counts, bits_of(n)));
	}
}
