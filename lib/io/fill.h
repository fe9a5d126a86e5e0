/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_FILL_H
#define VR_IO_FILL_H

#include "io/source.h"

struct vr_fill_range {
	uint64_t off, length;
};

/*
 * lower, but for the ranges, which are other's bytes at the same place. Ranges
 * ascend, do not overlap, and lie inside both, else VR_E_USAGE. They are copied;
 * both sources are referenced. Filled extents are flagged REPAIRED, whatever
 * lies below, and bear what other says of its own.
 */
int vr_fill_open(struct vr_source *lower, struct vr_source *other,
		 const struct vr_fill_range *ranges, size_t count,
		 struct vr_source **ret);

#endif
