/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/geometry.h"

#include <stddef.h>
#include <string.h>

#include "base/checked.h"

#define GIB_SECTORS (UINT64_C(1) << 21)

/*
 * Seen in descriptors that ESXi wrote: 64 x 32 for 16 and 512 MiB, 255 x 63 for
 * 40 GiB and more. The step between, from 1 to 2 GiB, is how DiscUtils and SCSI
 * drivers do it; no descriptor of ESXi's of that size could be looked at.
 */
static struct vr_geometry
scsi_shape(uint64_t capacity_sectors)
{
	if (capacity_sectors < GIB_SECTORS)
		return (struct vr_geometry){.heads = 64, .sectors = 32};
	if (capacity_sectors < 2 * GIB_SECTORS)
		return (struct vr_geometry){.heads = 128, .sectors = 32};
	return (struct vr_geometry){.heads = 255, .sectors = 63};
}

struct vr_geometry
vr_geometry(uint64_t capacity_sectors, const char *adapter)
{
	struct vr_geometry g = scsi_shape(capacity_sectors);

	if (adapter && strcmp(adapter, "ide") == 0)
		g = (struct vr_geometry){.heads = 16, .sectors = 63};
	/* Below one cylinder, one all the same: readers divide by it. */
	g.cylinders = vr_max(capacity_sectors / (g.heads * g.sectors), 1);
	return g;
}
