/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_CONCAT_H
#define VR_IO_CONCAT_H

#include "io/source.h"

/*
 * The parts one behind the other: the extents of a disk. Takes its own
 * references; parts of no length are left out. No parts make an empty source.
 */
int vr_concat_open(struct vr_source *const *parts, size_t count,
		   struct vr_source **ret);

#endif
