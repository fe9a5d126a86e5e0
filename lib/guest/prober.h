/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_PROBER_H
#define VR_GUEST_PROBER_H

#include "io/window.h"

/*
 * Who can live in a volume. A prober is a row: it looks at bytes and bids for
 * what it saw; several may bid for one place, and the score decides. A bid says
 * what a structure claims about itself, never more.
 */

struct vr_copies; /* guest/copies.h */

/* The structure at a volume's very start, which others go by. */
enum vr_head {
	VR_HEAD_SOUND, /* there, and as its own rules want it */
	VR_HEAD_LOST,  /* in damage, as far as the map knows */
	VR_HEAD_WRONG, /* not lost, but not what it should be */
};

#define VR_LABEL_ROOM 256 /* UTF-8, with its NUL */
#define VR_UUID_ROOM  40

struct vr_bid {
	const struct vr_prober *prober;
	const char *type; /* static: "ext4", "ntfs" */
	enum vr_score score;
	enum vr_head head;
	uint64_t start,
		length;	   /* bytes of the space; length 0: it does not tell */
	uint64_t evidence; /* where in the space lies what tells, */
	const char *structure; /* and what it is, static: "superblock copy" */
	unsigned block_bytes;  /* block or cluster; 0 where there is none */
	char uuid[VR_UUID_ROOM], label[VR_LABEL_ROOM]; /* or empty */
};

struct vr_bids {
	struct vr_bid *items;
	size_t count, room;
};

/* More would come only from bytes made to exhaust us; the rest is dropped. */
#define VR_BIDS_MOST 65536
int vr_bids_add(struct vr_bids *bids, const struct vr_bid *bid);
void vr_bids_free(struct vr_bids *bids);

/* The best of those that begin at start; NULL where there is none. */
const struct vr_bid *vr_bids_best(const struct vr_bids *bids, uint64_t start);

/* Bytes that stand at a fixed place of a structure. */
struct vr_magic {
	unsigned at; /* from the structure's first sector on; below 4096 */
	unsigned length;
	const char *bytes;
};

struct vr_ranges {
	struct {
		uint64_t off, length;
	} * items;
	size_t count, room;
};
int vr_ranges_add(struct vr_ranges *ranges, uint64_t off, uint64_t length);
void vr_ranges_free(struct vr_ranges *ranges);

/*
 * space is a disk, or a logical volume. All functions answer 0 or a negative
 * code for trouble with memory or cancellation; what is lost or absurd is no
 * trouble but no bid.
 *
 *   probe     is there a volume that begins at start and ends at most at limit?
 *             Looks at the head and, if that does not answer, at the copies
 *             whose places can be reckoned. A few reads.
 *   met       the scan met one of the magics, its structure begins at off (of a
 *             sector). Bids where the volume of that structure would begin: a
 *             copy of a superblock knows. One or two reads.
 *   metadata  ranges of the volume (offsets from its own start) that hold
 *             metadata, for counting the damage in them; NULL: not told.
 *   copies    what stands at the places where a bid says that more of its volume
 *             is; NULL: it names none. A few reads.
 *   search    the volume's head is lost, and nobody bid: goes through it for what
 *             else may tell; NULL: there is nothing else. Many reads.
 *   magics    ends with a length of 0; NULL: never scanned for.
 *   mount     what to type behind "mount -o ro,loop,offset=N", as options; NULL:
 *             nothing mounts it.
 */
struct vr_prober {
	const char *name;
	enum vr_content {
		VR_CONTENT_FILESYSTEM,
		VR_CONTENT_MEMBER, /* a piece of a pool: LVM, MD */
		VR_CONTENT_SWAP,
		VR_CONTENT_ENCRYPTED,
		VR_CONTENT_OTHER,
	} content;
	const struct vr_magic *magics;
	const char *mount_type, *mount_options;
	int (*probe)(struct vr_source *space, uint64_t start, uint64_t limit,
		     struct vr_bids *bids);
	int (*met)(struct vr_source *space, uint64_t off, struct vr_bids *bids);
	int (*metadata)(struct vr_source *volume, const struct vr_bid *bid,
			struct vr_ranges *ret);
	int (*copies)(struct vr_source *space, const struct vr_bid *bid,
		      struct vr_copies *ret);
	int (*search)(struct vr_source *volume, struct vr_bids *bids);
};

/* NULL behind the last. */
const struct vr_prober *vr_prober_row(size_t index);

/* All rows at one place. */
int vr_probe_all(struct vr_source *space, uint64_t start, uint64_t limit,
		 struct vr_bids *bids);

#endif
