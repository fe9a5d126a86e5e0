/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Vectors of bytes, compared and counted lane by lane. A lane is a byte, so the
 * lanes are emptied into sums before 256 rounds are over.
 */
#include "measure/block_count.h"

#include <string.h>

#define ROUNDS_MOST 255

/* The pairs at lag 1 to 8, then: */
#define ZEROS	  VR_BLOCK_LAGS
#define PRINTABLE (VR_BLOCK_LAGS + 1)
#define COUNTS	  (VR_BLOCK_LAGS + 2)

/* What is left behind the last full round. */
static void
count_rest(const uint8_t *bytes, size_t from, size_t n, uint64_t counts[COUNTS])
{
	for (size_t i = from; i < n; i++) {
		counts[ZEROS] += bytes[i] == 0;
		counts[PRINTABLE] += (bytes[i] > 31 && bytes[i] < 128) ||
				     (bytes[i] > 8 && bytes[i] < 14);
	}
	for (size_t lag = 1; lag <= VR_BLOCK_LAGS; lag++)
		for (size_t i = from; i + lag < n; i++)
			counts[lag - 1] += bytes[i] == bytes[i + lag];
}

static void
store(const uint64_t counts[COUNTS], struct vr_block_counts *ret)
{
	memcpy(ret->pairs, counts, sizeof(ret->pairs));
	ret->zeros = counts[ZEROS];
	ret->printable = counts[PRINTABLE];
}

/* --- the counters --------------------------------------------------------- */

#define LANES 16
#define TARGET
#define COUNT count_portable
#include "measure/block_lanes.h"

static bool
always(void)
{
	return true;
}

#if defined(__x86_64__) || defined(__i386__)
#define LANES  32
#define TARGET __attribute__((target("avx2")))
#define COUNT  count_avx2
#include "measure/block_lanes.h"

static bool
has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}
#endif

static const struct vr_block_counter counters[] = {
#if defined(__x86_64__) || defined(__i386__)
	{.name = "avx2", .usable = has_avx2, .count = count_avx2},
#endif
	{.name = "portable", .usable = always, .count = count_portable},
};

const struct vr_block_counter *
vr_block_counter(size_t i)
{
	return i < sizeof(counters) / sizeof(*counters) ? &counters[i] : NULL;
}

const struct vr_block_counter *
vr_block_counter_best(void)
{
	size_t i = 0;

	while (!counters[i].usable())
		i++;
	return &counters[i];
}
