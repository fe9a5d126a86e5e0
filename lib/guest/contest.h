/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_CONTEST_H
#define VR_GUEST_CONTEST_H

#include "guest/table.h"

/*
 * Disks are used again: an old table's backup may outlive its partitions, an old
 * file system's copies the next one. What lives has its copies all in place;
 * what is dead was written over somewhere.
 */
enum vr_contest {
	VR_CONTEST_TABLE, /* the table counts */
	VR_CONTEST_WHOLE, /* the disk is one volume, and the table is old */
	VR_CONTEST_OPEN,  /* nothing tells */
};

/* A table whose first sectors do not speak for it, against *ret_whole. */
int vr_contest_table(struct vr_source *disk, const struct vr_table *table,
		     struct vr_bid *ret_whole, enum vr_contest *ret);

/*
 * Of the bids for start the one that counts, NULL: there is none; and the type of
 * another that may as well, or NULL.
 */
int vr_contest_bids(struct vr_source *space, const struct vr_bids *bids,
		    uint64_t start, const struct vr_bid **ret,
		    const char **ret_rival);

#endif
