/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_DONOR_H
#define VR_IMAGE_DONOR_H

#include "image/vm.h"

/*
 * An older copy of a disk fills what is lost of it, where it can be shown to
 * fit. The donor has to be a disk of the same capacity that no attack touched.
 * A lost stretch is taken from it where
 *
 *   - the bytes beside the stretch, on both sides, equal the donor's: 128 KiB, or
 *     all up to the next loss if that is at least 64 KiB; of a stretch at the
 *     disk's beginning or end 512 KiB on the one side there is;
 *   - enough of these bytes, 16 KiB, is something: zeros equal zeros on any disk;
 *   - the donor's bytes are not our ciphertext, nor noise between edges of order.
 *
 * That shows that it is a copy of this disk and was current around the stretch;
 * not that nothing changed within. So what is filled is called recovered, never
 * intact.
 */
struct vr_donor {
	char *path, *shown;
	struct vr_vm *vm;
	size_t filled, differ, bare, noise, narrow; /* stretches */
	uint64_t filled_bytes;
};

/* Changes bytes, map and findings of the disk; a donor that does not fit is a
 * finding, one that cannot be opened an error. */
int vr_donor_apply(struct vr_disk *disk, const struct vr_options *options);
void vr_donor_free(struct vr_donor *donor);
VR_CLEANUP_FOR(struct vr_donor, vr_donor_free)

#endif
