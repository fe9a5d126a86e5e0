/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef UNIT_DOUBLE_H
#define UNIT_DOUBLE_H

#include "io/source.h"

/*
 * A layer that plays bad storage, an ordinary source otherwise. A read that
 * touches a spot with a code fails with it; a spot's flags are added to those
 * of the extents below. Spots ascend and do not overlap.
 */
struct double_spot {
	uint64_t off, length;
	int code;	/* a VR_E…, or 0 */
	unsigned flags; /* of enum vr_extent_flag */
};

/* What was asked of it; kept by the test, so that it outlives the source. */
struct double_log {
	unsigned reads, extents, closes;
	uint64_t read_bytes;
};

/* spots and log are not copied and must outlive the source; log may be NULL. */
int double_open(struct vr_source *lower, const struct double_spot *spots,
		size_t count, struct double_log *log, struct vr_source **ret);

#endif
