/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_BLKID_H
#define VR_GUEST_BLKID_H

#include "guest/prober.h"

/*
 * What libblkid takes a volume for: a second opinion over a wider field, and
 * never the judge, for it takes copies of superblocks for volumes and checks few
 * checksums. It is shown parts of the volume; what is lost reads as zeros there.
 */
#define VR_OPINION_ROOM 32

/* Was this library built with it? */
bool vr_blkid_is_there(void);

/*
 * also: ranges of the volume that it may want to look at besides, of each the
 * first 64 KiB. *ret_name empty: it knows nothing, or is not there.
 */
int vr_blkid_ask(struct vr_source *volume, const struct vr_ranges *also,
		 char ret_name[VR_OPINION_ROOM]);

#endif
