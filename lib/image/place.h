/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_PLACE_H
#define VR_IMAGE_PLACE_H

#include "image/vm.h"

/*
 * Where a result may go: nowhere inside a folder of evidence, by whatever path,
 * link or mount it is reached, and not in the place of a folder that holds one.
 * Evidence is the VM's folder, the folders that its files really lie in, and
 * those of the paths in options->evidence.
 */
int vr_place_choose(const struct vr_vm *vm,
		    const struct vr_recover_options *options, const char *name,
		    char **ret);

/* A new file of that path would not lie in a folder of evidence. */
int vr_place_outside(const struct vr_vm *vm, const char *path);

#endif
