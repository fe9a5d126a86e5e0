/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_CAPACITY_H
#define VR_IMAGE_CAPACITY_H

#include "io/source.h"
#include "profile/args.h"

/*
 * How long was the file before the attack? Its length now is no answer: each
 * completed run appended a key. Clues are gathered from all that speaks of it;
 * the strongest decides, and every other one is kept as agreeing or
 * contradicting.
 */
struct vr_clue {
	enum vr_weight weight;
	const char *kind; /* static */
	unsigned rank;	  /* of the kinds, 0 the strongest */
	uint64_t bytes;
	char *text;
};

struct vr_capacity {
	uint64_t bytes;
	bool sure;
	uint64_t trailer_bytes;	 /* what stands behind it in the file */
	uint64_t unreadable_off; /* the sector that failed */
	bool tail_unreadable;	 /* the last sectors, on failing storage */
	unsigned trailers;	 /* completed runs that would make it up, */
	unsigned trailers_most; /* and as many as short keys would make of it */
	struct {
		struct vr_clue *items;
		size_t count, room;
	} clues;
};

/* What is known from outside the file; zero or NULL where nothing is. */
struct vr_capacity_hints {
	uint64_t by_hand;
	uint64_t descriptor; /* a surviving descriptor's extent */
	uint64_t child;	     /* a snapshot's descriptor, of the whole disk */
	const struct vr_args *args;
	/* Where the file begins in its disk, for structures that know their LBA. */
	uint64_t disk_off;
	/* Its length is not the disk's: what stands behind the last grain is no
	 * matter, and what looks like a clue is a guest's, at any place. */
	bool sparse;
};

/* Reads little more than a MiB. Free with vr_capacity_free(). */
int vr_capacity_find(struct vr_source *file,
		     const struct vr_capacity_hints *hints,
		     struct vr_capacity *ret);
void vr_capacity_free(struct vr_capacity *c);

#endif
