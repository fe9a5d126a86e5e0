/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_FATES_H
#define VR_FS_FATES_H

#include "fs/walker.h"

/* What is left of an object's bytes, and what that makes of it. */
struct vr_fate_found {
	uint64_t lost_bytes, doubted_bytes; /* of all its streams */
	enum vr_fate fate;
};

int vr_fate_find(struct vr_fs *fs, const struct vr_object *object,
		 bool path_doubted, struct vr_fate_found *ret);

#endif
