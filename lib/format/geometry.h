/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_GEOMETRY_H
#define VR_FORMAT_GEOMETRY_H

#include <stdint.h>

struct vr_geometry {
	uint64_t cylinders;
	unsigned heads, sectors;
};

/*
 * As ESXi writes it: heads and sectors by capacity for SCSI adapters, 16 and 63
 * for "ide", cylinders rounded down and not capped, but at least 1. Any other
 * adapter, NULL too, counts as SCSI.
 */
struct vr_geometry vr_geometry(uint64_t capacity_sectors, const char *adapter);

#endif
