/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_OUTPUT_PIPELINE_H
#define VR_OUTPUT_PIPELINE_H

#include "io/source.h"

/*
 * A source in blocks: read and worked on by several threads, taken in order by
 * the caller's. What is known to be zeros comes as one long block without bytes.
 * Blocks begin and end at multiples of align, the source's end apart.
 */
#define VR_BLOCK_BYTES ((size_t)1 << 20)
#define VR_ZEROS_MOST  (UINT64_C(256) << 20)

struct vr_block {
	uint64_t off, length;
	bool zero;	/* nothing was read, bytes says nothing */
	uint8_t *bytes; /* VR_BLOCK_BYTES of room */
	/* For work() to fill: made_room bytes, and as many notes as it wants. */
	uint8_t *made;
	size_t made_length;
	uint32_t notes[32];
};

struct vr_pipeline_how {
	unsigned threads; /* 0: one a processor */
	uint64_t align;	  /* divides VR_BLOCK_BYTES */
	size_t made_room;
	bool zeros_for_unreadable; /* else a sector that fails ends all */
	/* In any thread, in any order; not called for zeros. May be NULL. */
	int (*work)(void *data, struct vr_block *block);
	/* In the caller's thread, in order, without gaps. */
	int (*take)(void *data, const struct vr_block *block);
	void *data;
};

/* From byte from on, a multiple of align. */
int vr_pipeline_run(struct vr_source *source, uint64_t from,
		    const struct vr_pipeline_how *how);

#endif
