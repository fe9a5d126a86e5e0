/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_GUEST_H
#define VR_IMAGE_GUEST_H

#include "guest/blkid.h"
#include "image/vm.h"
#include "repair/plan.h"

struct vr_volume_sums {
	uint64_t bytes[VR_DAMAGES], metadata_bytes, metadata_lost;
};

/* Volumes and repairs of a VM. Immutable once open; the VM outlives it. */
struct vr_guest {
	const struct vr_vm *vm;
	struct vr_guest_options options;
	size_t disk_count;
	struct vr_source **disks, **repaired;
	struct vr_tree *tree,
		*after; /* after: of the repaired disks, or NULL */
	struct vr_plan *plan;
	/* By node of the tree. */
	struct vr_source **sources;
	enum vr_head *heads;
	struct vr_volume_sums *sums;
	/* Of libblkid; NULL where it was not asked. */
	char (*opinions)[VR_OPINION_ROOM];
};
VR_CLEANUP_FOR(struct vr_guest, vr_guest_free)

#endif
