/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pearson's chi-square of the byte values against the uniform distribution. For
 * ciphertext it has 255 degrees of freedom: mean 255, standard deviation 22.6
 * and a slightly heavier upper tail in small blocks. The limit lies 8 standard
 * deviations up, so that ciphertext is called ordinary less than once in
 * 10^10 blocks: calling lost bytes clear is the error that must not happen.
 */
#include "measure/block.h"

#define LIMIT 440

static bool
all_zero(const uint32_t count[256], size_t n)
{
	return count[0] == n;
}

/* Sum of (count - n/256)^2 / (n/256), in 64-bit whole numbers. */
static uint64_t
chi_square(const uint32_t count[256], size_t n)
{
	uint64_t squares = 0;

	for (unsigned i = 0; i < 256; i++)
		squares += (uint64_t)count[i] * count[i];
	return squares * 256 / n - n;
}

enum vr_looks
vr_block_looks(const uint8_t *bytes, size_t n)
{
	uint32_t count[256] = {0};

	for (size_t i = 0; i < n; i++)
		count[bytes[i]]++;
	if (all_zero(count, n))
		return VR_LOOKS_ZERO;
	return chi_square(count, n) <= LIMIT ? VR_LOOKS_RANDOM
					     : VR_LOOKS_ORDINARY;
}
