/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_SCAN_H
#define VR_GUEST_SCAN_H

#include "guest/tree.h"

/*
 * One pass over stretches of a disk, by several threads, for the magics of all
 * probers and tables. What is lost and what is a hole is passed over.
 */
struct vr_hit {
	uint64_t off;			/* where the structure begins */
	const struct vr_prober *prober; /* or NULL: */
	const struct vr_table_row *table;
};

struct vr_hits {
	struct vr_hit *items; /* ascending by off */
	size_t count, room;
	bool full; /* there were more */
};

#define VR_HITS_MOST ((size_t)1 << 20)

struct vr_scan_how {
	unsigned threads; /* 0: one a processor */
	vr_progress progress;
	void *progress_data;
};

int vr_scan_magics(struct vr_source *disk, const struct vr_ranges *stretches,
		   const struct vr_scan_how *how, struct vr_hits *ret);
void vr_hits_free(struct vr_hits *hits);

#endif
