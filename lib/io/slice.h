/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_SLICE_H
#define VR_IO_SLICE_H

#include "io/source.h"

/*
 * length bytes of lower from start: a file without its trailer, a volume of a
 * disk. A range that leaves lower is VR_E_USAGE. Takes its own reference.
 */
int vr_slice_open(struct vr_source *lower, uint64_t start, uint64_t length,
		  struct vr_source **ret);

#endif
