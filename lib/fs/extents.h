/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_EXTENTS_H
#define VR_FS_EXTENTS_H

#include "io/source.h"

/*
 * A file's bytes as pieces of its volume. What no piece covers is a hole and
 * reads as zeros. Invariant of vr_extents_open(): pieces ascend by off, none
 * overlaps another.
 */
struct vr_piece_of_file {
	uint64_t off, length; /* in the file */
	uint64_t at;	      /* in the volume; for VR_PIECE_DATA */
	enum vr_piece_kind {
		VR_PIECE_DATA,
		VR_PIECE_ZERO, /* reserved, never written */
		VR_PIECE_LOST, /* nobody knows where it lies */
	} kind;
	bool doubted; /* the way to it is */
};

struct vr_extents {
	struct vr_piece_of_file *items;
	size_t count, room;
};

/* More than any file that was not made to exhaust us has. */
#define VR_EXTENTS_MOST (UINT64_C(8) << 20)

/* In any order; joins a piece that goes on where the last one ended. */
int vr_extents_add(struct vr_extents *extents,
		   const struct vr_piece_of_file *piece);
void vr_extents_free(struct vr_extents *extents);

/*
 * size bytes made of the pieces, which are sorted here and taken over, even on
 * failure. Of overlapping pieces the first (by off) counts and what they share is
 * doubted; a piece that leaves the volume is lost; one that leaves size is cut.
 */
int vr_extents_open(struct vr_source *volume, struct vr_extents *extents,
		    uint64_t size, struct vr_source **ret);

#endif
