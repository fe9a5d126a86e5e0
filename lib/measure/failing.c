/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "measure/failing.h"

#include <vmdkrescue.h>

#include "base/checked.h"

#define BLOCK 4096
/* As much as is ever sampled at once. */
#define BLOCKS_MOST 16

static int
is_failing(struct vr_source *source, uint64_t off, uint64_t n, bool *ret)
{
	uint8_t bytes[BLOCK];
	int r = vr_source_read_at(source, bytes, (size_t)n, off);

	*ret = r == VR_E_IO;
	return *ret ? 0 : r;
}

static int
lay(struct vr_map *map, uint64_t off, uint64_t end)
{
	return vr_map_add_range(map, VR_LAYER_MEASURED, VR_UNREADABLE, off,
				end - off);
}

static int
lay_sectors(struct vr_source *source, struct vr_map *map, uint64_t off,
	    uint64_t end)
{
	int r = 0;

	while (r == 0 && off < end) {
		uint64_t stop = vr_min(off + VR_SECTOR, end);
		bool failing;

		r = is_failing(source, off, stop - off, &failing);
		if (r == 0 && failing)
			r = lay(map, off, stop);
		off = stop;
	}
	return r;
}

int
vr_failing_lay(struct vr_source *source, struct vr_map *map, uint64_t off,
	       uint64_t n)
{
	bool failing[BLOCKS_MOST];
	uint64_t most = vr_min(n, BLOCKS_MOST * BLOCK);
	uint64_t end = off + vr_min(most, source->size - off);
	size_t blocks = (size_t)vr_div_up(end - off, BLOCK), failed = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < blocks; i++) {
		uint64_t at = off + i * BLOCK;

		r = is_failing(source, at, vr_min(BLOCK, end - at),
			       &failing[i]);
		failed += failing[i];
	}
	if (r == 0 && failed == blocks && blocks > 1)
		return lay(map, off, end);
	for (size_t i = 0; r == 0 && i < blocks; i++)
		if (failing[i])
			r = lay_sectors(source, map, off + i * BLOCK,
					vr_min(off + (i + 1) * BLOCK, end));
	return r;
}
