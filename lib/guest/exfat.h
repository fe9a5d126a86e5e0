/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_EXFAT_H
#define VR_GUEST_EXFAT_H

#include "guest/prober.h"

/*
 * exFAT begins with a region of twelve sectors, the last of which repeats a
 * checksum of the others, and a copy of it follows. By Microsoft's specification
 * of exFAT.
 */
#define VR_EXFAT_REGION_SECTORS 12u

struct vr_exfat_boot {
	uint32_t sector_bytes, cluster_bytes, fats;
	uint64_t partition_sector; /* where it begins on the disk, or 0 */
	uint64_t sectors;	   /* of the volume */
	uint32_t fat_sector, fat_sectors, heap_sector, clusters, root_cluster;
	uint32_t serial;
	uint8_t flags; /* bit 0: the second FAT is the active one */
};

/* Are the 512 bytes at at a boot sector whose fields can be? */
bool vr_exfat_boot(struct vr_window *w, uint64_t at, struct vr_exfat_boot *ret);

/*
 * A region at off of space: is the boot sector one, and does the checksum of all
 * twelve sectors hold?
 */
struct vr_exfat_region {
	bool found, whole, lost;
	struct vr_exfat_boot boot;
};
int vr_exfat_region(struct vr_source *space, uint64_t off,
		    uint32_t sector_bytes, struct vr_exfat_region *ret);

#endif
