/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_FIND_H
#define VR_GUEST_FIND_H

#include "guest/copies.h"
#include "guest/tree.h"

/* Volumes of a disk whose table is gone, from what they say of themselves. */
struct vr_found {
	struct vr_bid bid; /* start in the disk */
	uint64_t length;   /* what the bid tells, or as far as the next one */
	const char *rival;
	unsigned supports; /* bids that agree on type and start */
	bool weighed;	   /* against others that claim its place; then: */
	struct vr_copies copies;
	bool dead; /* and less is left of it than of another */
};

/* Ascending by start, none overlapping another. */
struct vr_finds {
	struct vr_found *items;
	size_t count, room;
	bool scanned;
	/*
	 * Bytes of gaps that were left unread, or may be some: only a scan on
	 * request reads more.
	 */
	uint64_t unread;
	/* Where the scan met magics of tables, ascending. */
	struct {
		uint64_t *items;
		size_t count, room;
	} met;
};

struct vr_find_how {
	enum vr_scan_when when;
	unsigned threads;
	vr_progress progress;
	void *progress_data;
};

/* Without being asked to, gaps are read up to so many bytes. */
#define VR_FIND_GAPS_MOST (UINT64_C(512) << 20)
/* And looked for among so many holes and stripes: a disk may have millions. */
#define VR_FIND_EXTENTS_MOST 65536

int vr_find_volumes(struct vr_source *disk, const struct vr_find_how *how,
		    struct vr_finds *ret);
void vr_finds_free(struct vr_finds *finds);

#endif
