/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_OUTPUT_DEFLATER_H
#define VR_OUTPUT_DEFLATER_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/*
 * Makes zlib streams (RFC 1950) of pieces of memory, for one thread at a time:
 * with libdeflate where that was there when this was built, else with zlib. What
 * it makes is fast to make rather than small: guests' disks are large, and what
 * compresses well does so at any level.
 */
struct vr_deflater;

int vr_deflater_new(struct vr_deflater **ret);
void vr_deflater_free(struct vr_deflater *deflater);
VR_CLEANUP_FOR(struct vr_deflater, vr_deflater_free)

/* Room that n bytes may need at worst, whoever makes it. */
#define VR_DEFLATED_MOST(n) ((n) + (n) / 1000 + 128)

int vr_deflate(struct vr_deflater *deflater, const uint8_t *bytes, size_t n,
	       uint8_t *to, size_t *ret_length);

#endif
