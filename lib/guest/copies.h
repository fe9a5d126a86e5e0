/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_COPIES_H
#define VR_GUEST_COPIES_H

#include "guest/prober.h"

/*
 * A volume names places where more of it must stand: copies of its superblock,
 * headers of its groups. Where they do, it lies here in one piece and is what
 * lives here; where other things stand, it is a piece of something, or what is
 * left of a volume that was there before.
 */
struct vr_copies {
	unsigned agree, lost, missing;
	/*
	 * Missing ones before the first that agrees, but for the very first
	 * place, which may well be overwritten alone; and behind the last one.
	 */
	unsigned lead, tail;
	uint64_t lead_at, tail_at; /* the first of each: bytes of the volume */
};

enum vr_copy_state {
	VR_COPY_AGREES,
	VR_COPY_LOST,	 /* nobody can tell */
	VR_COPY_MISSING, /* something else stands there */
};

/* So many places tell enough. */
#define VR_COPIES_MOST 16

/* For rows: places in ascending order. */
void vr_copies_note(struct vr_copies *copies, uint64_t at,
		    enum vr_copy_state state);

/*
 * What stands at such a place, when it is no copy: bytes that may be ciphertext,
 * though no map says so, prove nothing.
 */
int vr_copies_judge(struct vr_source *space, uint64_t off,
		    enum vr_copy_state *ret);

/* Of a bid; all zeros where its kind keeps no copies. */
int vr_copies_of(struct vr_source *space, const struct vr_bid *bid,
		 struct vr_copies *ret);

/* Somewhere between its start and its end something else begins. */
static inline bool
vr_copies_break(const struct vr_copies *c)
{
	return c->lead > 0 || c->tail > 0;
}

/* More places speak against it than for it. */
static inline bool
vr_copies_refute(const struct vr_copies *c)
{
	return c->missing > 0 && c->missing >= c->agree;
}

#endif
