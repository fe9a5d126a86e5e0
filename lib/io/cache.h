/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_CACHE_H
#define VR_IO_CACHE_H

#include "io/source.h"

/*
 * Keeps the blocks of 16 KiB that were read last, about bytes of them: for many
 * small reads close to each other, as structures are read. Long reads go past
 * it. Extents are those of the lower source; the last few are remembered.
 */
int vr_cache_open(struct vr_source *lower, size_t bytes,
		  struct vr_source **ret);

#endif
