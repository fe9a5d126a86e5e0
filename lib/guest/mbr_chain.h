/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_MBR_CHAIN_H
#define VR_GUEST_MBR_CHAIN_H

#include "guest/mbr_sector.h"
#include "guest/table.h"

/* A link of an extended partition's chain: an EBR and where it stands. */
struct vr_ebr_at {
	uint64_t sector; /* of the disk */
	struct vr_ebr ebr;
};

/*
 * The logical partitions of a disk. Never more links than anybody had; no sector
 * twice, so that a chain which bites its tail ends.
 */
struct vr_mbr_chain {
	struct vr_ebr_at *items; /* in the order of their links */
	size_t count, room;
	bool has_start;
	uint64_t start; /* sector where the extended partition begins */
	bool broken;	/* a link leads to what is no EBR, or is lost */
	bool loops;	/* or to one that was there before */
};

/* From an extended partition that an MBR names. */
int vr_mbr_follow(struct vr_source *disk, uint64_t first, uint64_t count,
		  struct vr_mbr_chain *ret);

/*
 * What is left of a chain whose MBR is lost: EBRs around volumes that were found
 * without them, where a scan met them, and where these link to. None that lies
 * inside a volume counts: disks of guests hold images of disks.
 */
int vr_mbr_survey(struct vr_source *disk, const struct vr_table_hints *hints,
		  struct vr_mbr_chain *ret);

void vr_mbr_chain_free(struct vr_mbr_chain *chain);

#endif
