/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_OUTPUT_DIGEST_H
#define VR_OUTPUT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* SHA-256 of what comes in order (FIPS 180-4), by OpenSSL. */
struct vr_digest;
int vr_digest_new(struct vr_digest **ret);
int vr_digest_add(struct vr_digest *d, const void *bytes, size_t n);
int vr_digest_zeros(struct vr_digest *d, uint64_t n);

/* 64 digits and a NUL; nothing may be added afterwards. */
int vr_digest_finish(struct vr_digest *d, char ret[65]);
void vr_digest_free(struct vr_digest *d);
VR_CLEANUP_FOR(struct vr_digest, vr_digest_free)

#endif
