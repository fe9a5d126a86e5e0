/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_LOST_H
#define VR_IO_LOST_H

#include "io/source.h"

/* How many of n bytes at off, which are inside the source, are lost. */
int vr_lost_bytes(struct vr_source *source, uint64_t off, uint64_t n,
		  uint64_t *ret);

#endif
