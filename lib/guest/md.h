/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_MD_H
#define VR_GUEST_MD_H

#include "guest/prober.h"

/*
 * Superblocks of Linux MD (md(4)): 0.90 and 1.0 at the member's end, 1.1 at its
 * start, 1.2 at 4096. Each member has its own; there is no second copy.
 */
#define VR_MD_BYTES	 4096
#define VR_MD_LINEAR	 (-1)
#define VR_MD_DISKS_MOST 1920

enum vr_md_flag {
	VR_MD_RECOVERING = 1, /* was being filled when it was last used */
	VR_MD_RESHAPING = 2,
	VR_MD_OUTSIDE = 4, /* a spare, a failed one, a journal */
};

struct vr_md {
	unsigned major, minor; /* 0.90, or 1.0, 1.1, 1.2 */
	bool checked;	       /* the checksum agrees */
	int level;
	unsigned flags, role, disks;
	uint64_t chunk_bytes, events;
	/* Bytes of the member. super_off of 0.90 is 0: it does not tell. */
	uint64_t data_off, data_bytes, super_off;
	char uuid[VR_UUID_ROOM], name[VR_LABEL_ROOM];
};

extern const struct vr_prober vr_prober_md;

/* The superblock that the window begins with; false: it is none. */
bool vr_md_decode(struct vr_window *w, struct vr_md *ret);
int vr_md_read(struct vr_source *source, uint64_t off, struct vr_md *ret,
	       bool *ret_found);

#endif
