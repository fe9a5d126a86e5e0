/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_NOISE_H
#define VR_GUEST_NOISE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Could a sector be ciphertext, though no map says so? 512 random bytes take 221
 * of the 256 values, give or take five; structures and text take far fewer. Good
 * enough to spend a few more reads on, for nothing else.
 */
static inline bool
vr_is_noise(const uint8_t *sector)
{
	bool seen[256] = {false};
	unsigned values = 0;

	for (unsigned i = 0; i < 512; i++) {
		values += !seen[sector[i]];
		seen[sector[i]] = true;
	}
	return values > 195;
}

#endif
