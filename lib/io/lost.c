/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/lost.h"

#include "base/checked.h"

int
vr_lost_bytes(struct vr_source *source, uint64_t off, uint64_t n, uint64_t *ret)
{
	struct vr_extent extent;
	uint64_t sum = 0;

	for (uint64_t end = off + n; off < end; off += extent.length) {
		int r = vr_source_next(source, off, &extent);

		if (r < 0)
			return r;
		extent.length = vr_min(extent.length, end - off);
		if (extent.flags & VR_EXTENT_DAMAGED)
			sum += extent.length;
	}
	*ret = sum;
	return 0;
}
