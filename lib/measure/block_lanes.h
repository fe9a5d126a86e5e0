/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of every counter: block_count.c includes it once for each width of
 * vector, LANES, and names the result COUNT and its instruction set TARGET. The
 * vectors are the compiler's own, so the text is plain C to it on any processor;
 * but wider ones than the processor has become slower than no vectors at all.
 */
#define GLUE_(a, b)  a##b
#define GLUE(a, b)   GLUE_(a, b)
#define lanes	     GLUE(COUNT, _lanes)
#define signed_lanes GLUE(COUNT, _signed_lanes)
#define words	     GLUE(COUNT, _words)
#define sum	     GLUE(COUNT, _sum)
#define step	     GLUE(COUNT, _step)
#define step_pairs   GLUE(COUNT, _step_pairs)
#define rounds	     GLUE(COUNT, _rounds)

typedef uint8_t lanes __attribute__((vector_size(LANES)));
typedef int8_t signed_lanes __attribute__((vector_size(LANES)));
typedef uint64_t words __attribute__((vector_size(LANES)));

/* The sum of all lanes: neighbours are added in fields twice as wide. */
TARGET static inline uint64_t
sum(const lanes *l)
{
	words w = (words)*l;
	uint64_t total = 0;

	w = (w & 0x00ff00ff00ff00ff) + (w >> 8 & 0x00ff00ff00ff00ff);
	w = (w & 0x0000ffff0000ffff) + (w >> 16 & 0x0000ffff0000ffff);
	w = (w & 0xffffffff) + (w >> 32);
	for (unsigned i = 0; i < LANES / 8; i++)
		total += w[i];
	return total;
}

/* A comparison yields -1 where it holds. */
TARGET static inline void
step_pairs(const uint8_t *p, unsigned lag, lanes counts[COUNTS])
{
	lanes here, there;

	memcpy(&here, p, LANES);
	memcpy(&there, p + lag, LANES);
	counts[lag - 1] -= (lanes)(here == there);
}

/*
 * Written out, and not as a loop over the lags: only then do compilers keep the
 * counts in registers. As signed numbers the bytes from 128 up are negative,
 * which makes "printable" three comparisons.
 */
TARGET static inline void
step(const uint8_t *p, lanes counts[COUNTS])
{
	lanes here;

	memcpy(&here, p, LANES);
	step_pairs(p, 1, counts);
	step_pairs(p, 2, counts);
	step_pairs(p, 3, counts);
	step_pairs(p, 4, counts);
	step_pairs(p, 5, counts);
	step_pairs(p, 6, counts);
	step_pairs(p, 7, counts);
	step_pairs(p, 8, counts);
	counts[ZEROS] -= (lanes)(here == 0);
	counts[PRINTABLE] -= (lanes)((signed_lanes)here > 31) +
			     (lanes)((signed_lanes)here > 8) -
			     (lanes)((signed_lanes)here > 13);
}

/* As many rounds as a lane can count; returns where the next call goes on. */
TARGET static size_t
rounds(const uint8_t *bytes, size_t from, size_t n, uint64_t counts[COUNTS])
{
	lanes in_lanes[COUNTS] = {{0}};
	size_t i = from;

	for (unsigned round = 0; round < ROUNDS_MOST; round++, i += LANES) {
		if (n - i < LANES + VR_BLOCK_LAGS)
			break;
		step(bytes + i, in_lanes);
	}
	for (unsigned j = 0; j < COUNTS; j++)
		counts[j] += sum(&in_lanes[j]);
	return i;
}

static void
COUNT(const uint8_t *bytes, size_t n, struct vr_block_counts *ret)
{
	uint64_t counts[COUNTS] = {0};
	size_t i = 0;

	while (n - i >= LANES + VR_BLOCK_LAGS)
		i = rounds(bytes, i, n, counts);
	count_rest(bytes, i, n, counts);
	store(counts, ret);
}

#undef GLUE_
#undef GLUE
#undef lanes
#undef signed_lanes
#undef words
#undef sum
#undef step
#undef step_pairs
#undef rounds
#undef LANES
#undef COUNT
#undef TARGET
