/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_STREAM_H
#define VR_FORMAT_STREAM_H

#include "format/grains.h"

/*
 * The compressed grains of a streamOptimized file, found by walking it: each
 * says how long it is and where in the disk it belongs, so that neither header
 * nor tables are needed. Behind a lost stripe the walk looks for the next grain
 * that inflates.
 */
struct vr_stream {
	uint64_t start;	      /* where to begin */
	bool start_is_grain;  /* the first marker is known to stand there */
	uint64_t grain_bytes; /* 0: found out from the first grain */
	uint64_t capacity;    /* 0: unknown */

	/* What was found. */
	uint64_t grains, end; /* of the last grain, in the disk */
	bool whole;	      /* from the first to the last without a break */
};

/* Reads a head a grain. *ret_index is NULL where there is no grain at all. */
int vr_stream_walk(struct vr_source *file, struct vr_stream *stream,
		   struct vr_grain_index **ret_index);

#endif
