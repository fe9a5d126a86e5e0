/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_MEM_H
#define VR_IO_MEM_H

#include "io/source.h"

/* Bytes in memory, copied: what fuzzers and small structures are read from. */
int vr_mem_open(const void *bytes, size_t n, struct vr_source **ret);

/* Zeros that nobody wrote: a ZERO extent, or a file that is not there. */
int vr_hole_open(uint64_t size, struct vr_source **ret);

/* Nothing but lost bytes, which read as zeros. */
int vr_lost_open(uint64_t size, struct vr_source **ret);

#endif
