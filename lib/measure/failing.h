/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_FAILING_H
#define VR_MEASURE_FAILING_H

#include "io/source.h"
#include "map/map.h"

/*
 * Calls unreadable what of a range cannot be read. A storage fails in sectors, and
 * what stands beside one can be had; but every failing read costs a dying disk
 * seconds, so sectors are asked one by one only where something can be read at
 * all. Nothing is said of the rest.
 */
int vr_failing_lay(struct vr_source *source, struct vr_map *map, uint64_t off,
		   uint64_t n);

#endif
