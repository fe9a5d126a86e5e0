/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_OVERLAY_H
#define VR_IO_OVERLAY_H

#include "io/source.h"

/* Bytes that stand in for those of the lower source from off on. */
struct vr_overlay_patch {
	uint64_t off;
	size_t length;
	const uint8_t *bytes;
};

/*
 * lower with patches on top; it never reaches lower's storage. Patches ascend,
 * do not overlap and stay inside, else VR_E_USAGE. Their bytes are copied.
 * Patched extents are flagged REPAIRED and neither damaged nor holes.
 */
int vr_overlay_open(struct vr_source *lower,
		    const struct vr_overlay_patch *patches, size_t count,
		    struct vr_source **ret);

#endif
