/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_MBR_SECTOR_H
#define VR_GUEST_MBR_SECTOR_H

#include "io/window.h"

/*
 * A sector with a partition table of four entries: the MBR in sector 0, or an EBR
 * in front of a logical partition. It has no checksum and no copy; shape is all
 * there is to go by.
 */
#define VR_MBR_ENTRIES 4

struct vr_mbr_entry {
	uint8_t status, type;
	uint32_t first, count; /* sectors; what first counts from differs */
};

struct vr_mbr {
	uint32_t signature; /* of the disk */
	struct vr_mbr_entry entries[VR_MBR_ENTRIES];
};

#define VR_MBR_SIGNATURE_AT 440
#define VR_MBR_TABLE_AT	    446
#define VR_MBR_PROTECTIVE   0xEE

/* NULL: unknown. */
const char *vr_mbr_type_meaning(uint8_t type);

bool vr_mbr_is_extended(uint8_t type);
bool vr_mbr_is_used(const struct vr_mbr_entry *entry);

/*
 * The MBR in the sector at byte at of the window. False where that is lost, or
 * has no entry, or what no table has; or where it is the boot sector of a
 * filesystem, whose message texts may look like one.
 */
bool vr_mbr_decode(struct vr_window *w, uint64_t at, struct vr_mbr *ret);

/* Is it one that only keeps others from a GPT, or one beside a GPT? */
bool vr_mbr_is_protective(const struct vr_mbr *mbr);
bool vr_mbr_is_hybrid(const struct vr_mbr *mbr);

/*
 * An EBR: the logical partition counts from the EBR's sector, the link to the next
 * one (count 0: none) from the extended partition's.
 */
struct vr_ebr {
	uint8_t type;
	uint8_t status;
	uint32_t first, count;
	uint32_t link_first, link_count;
};

/*
 * strict: found, not linked to; then all that is not told of must be zeros. An
 * EBR whose logical partition was deleted has count 0.
 */
bool vr_ebr_decode(struct vr_window *w, uint64_t at, bool strict,
		   struct vr_ebr *ret);

#endif
