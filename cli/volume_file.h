/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_VOLUME_FILE_H
#define CLI_VOLUME_FILE_H

#include <vmdkrescue.h>

/*
 * The files that a mount shows of volumes, as everything that speaks of them
 * names them: "1-efi-system-vfat.raw", "v2-ext4.raw", "vg0-root-xfs.raw". The
 * same evidence gives the same names.
 */
#define VOLUME_FILE_MOST 200

/*
 * Whose folder volume index is in: the number of its disk, or the number of
 * disks where it may lie on several. False: it has no file of its own.
 */
bool volume_file_folder(const struct vr_vm *vm, const struct vr_guest *guest,
			size_t index, unsigned *ret_disk);

void volume_file_name(const struct vr_vm *vm, const struct vr_guest *guest,
		      size_t index, char room[VOLUME_FILE_MOST]);

#endif
