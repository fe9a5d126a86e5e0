/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_LVM2_SEARCH_H
#define VR_GUEST_LVM2_SEARCH_H

#include "guest/lvm2_area.h"

/*
 * Texts in files: a guest keeps the text of each of its groups in
 * /etc/lvm/backup, older ones in /etc/lvm/archive, and what of those was deleted
 * may still be there. Reads the disk at its speed, without what is lost, up to
 * most bytes; off of a copy is a byte of the disk. *ret_unread is set where there
 * were more.
 */
int vr_lvm2_search(struct vr_source *disk, uint64_t most,
		   struct vr_lvm2_copies *ret, bool *ret_unread);

#endif
