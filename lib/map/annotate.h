/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MAP_ANNOTATE_H
#define VR_MAP_ANNOTATE_H

#include "io/source.h"

/*
 * A host file with its damage map: bytes pass through, extents carry the
 * damage. The map must outlive the source and have at least the source's size.
 */
int vr_annotate_open(struct vr_source *lower, const struct vr_map *map,
		     struct vr_source **ret);

#endif
