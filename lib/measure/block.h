/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_BLOCK_H
#define VR_MEASURE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How a block looks. RANDOM means that ciphertext would look like this; so do
 * compressed data, media, and guests that encrypt themselves. ORDINARY and ZERO
 * are the strong verdicts: ciphertext does not look like that.
 */
enum vr_looks { VR_LOOKS_ZERO, VR_LOOKS_ORDINARY, VR_LOOKS_RANDOM };

/* Below this a block says nothing that could be relied on. */
#define VR_BLOCK_LEAST 512

/* n at least VR_BLOCK_LEAST. */
enum vr_looks vr_block_looks(const uint8_t *bytes, size_t n);

#endif
