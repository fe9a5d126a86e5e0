/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_LVM2_TEXT_H
#define VR_GUEST_LVM2_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/prober.h"

/*
 * LVM2's description of a volume group: a text, the same in the metadata areas
 * and in a guest's /etc/lvm/backup and /etc/lvm/archive. Only what it takes to
 * find the bytes of volumes is kept.
 *
 * Invariant of what vr_lvm2_parse() accepts: sizes are above zero, all sums fit
 * 64 bits, a stripe lies inside its physical volume, no two segments claim the
 * same extent, and the segments of a volume are in order and without gap.
 */
struct vr_lvm2_pv {
	char *name; /* "pv0", by which segments call it */
	char uuid[VR_UUID_ROOM];
	uint64_t bytes;	     /* of the device; 0: not told */
	uint64_t data_bytes; /* from its start to the first extent */
	uint64_t extents;
	uint64_t boot_off, boot_bytes; /* kept free for a boot loader, or 0 */
};

struct vr_lvm2_stripe {
	size_t pv;
	uint64_t extent;
};

struct vr_lvm2_segment {
	uint64_t start, extents; /* of the volume */
	uint64_t stripe_bytes;
	size_t first_stripe, stripe_count;
};

struct vr_lvm2_lv {
	char *name;
	char uuid[VR_UUID_ROOM];
	bool visible;
	char *odd_type; /* "thin": what we cannot lay out, or NULL */
	char *other; /* the volume that holds the bytes, or NULL: see below */
	size_t first_segment, segment_count;
};

/*
 * other: for a mirror the first image, a hidden volume that holds all of its
 * bytes; for a snapshot its difference store.
 */
struct vr_lvm2_vg {
	char *name;
	char uuid[VR_UUID_ROOM];
	uint64_t number; /* seqno: grows with every change */
	uint64_t extent_bytes;
	struct {
		struct vr_lvm2_pv *items;
		size_t count, room;
	} pvs;
	struct {
		struct vr_lvm2_lv *items;
		size_t count, room;
	} lvs;
	struct {
		struct vr_lvm2_segment *items;
		size_t count, room;
	} segments;
	struct {
		struct vr_lvm2_stripe *items;
		size_t count, room;
	} stripes;
	size_t length; /* bytes of text that were understood */
	char *text;    /* the whole, in the form that metadata areas hold */
};

#define VR_LVM2_TEXT_MOST ((size_t)4 << 20)

/*
 * The text that begins with bytes: with the group's name, as in a metadata area,
 * or with its "contents =" line, as in a file. It may go on with anything.
 * VR_E_FORMAT where it is none, is cut short, or contradicts itself.
 */
int vr_lvm2_parse(const char *bytes, size_t n, struct vr_lvm2_vg *ret);
void vr_lvm2_vg_free(struct vr_lvm2_vg *vg);

/* SIZE_MAX where there is none of that name. */
size_t vr_lvm2_find_lv(const struct vr_lvm2_vg *vg, const char *name);

/* The line that every text has, and files begin with. */
#define VR_LVM2_CONTENTS "contents = \"Text Format Volume Group\""

#endif
