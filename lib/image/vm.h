/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_VM_H
#define VR_IMAGE_VM_H

#include "image/disk.h"

/* The disks of a VM, and the folder that they came from. */
struct vr_vm {
	char *name, *shown_name; /* raw and printable */
	char *path, *shown;
	struct vr_folder *folder;
	struct {
		struct vr_disk **items;
		size_t count, room;
	} disks;
	/* The folder's, and those of disks that could not be opened. */
	struct vr_findings findings;
};

VR_CLEANUP_FOR(struct vr_vm, vr_vm_free)

/* The VM of a folder that is open already; takes it over, even on failure. */
int vr_vm_of_folder(struct vr_folder *folder, const struct vr_options *options,
		    struct vr_vm **ret);

/* options with every field that the caller's version knows. */
void vr_options_take(const struct vr_options *given, struct vr_options *ret);

#endif
