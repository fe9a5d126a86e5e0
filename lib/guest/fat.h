/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_FAT_H
#define VR_GUEST_FAT_H

#include "guest/prober.h"

/*
 * FAT12, FAT16 and FAT32. Only FAT32 keeps a copy of its boot sector, six sectors
 * on; all keep their table twice. By Microsoft's specification of FAT32.
 */
struct vr_fat_boot {
	unsigned bits; /* of an entry: 12, 16, 32 */
	uint32_t sector_bytes, cluster_bytes;
	uint32_t reserved_sectors, fats, fat_sectors, root_entries;
	uint64_t sectors; /* of the volume */
	uint32_t hidden_sectors, clusters;
	uint64_t root_sector; /* FAT12 and FAT16 */
	uint64_t data_sector;
	uint32_t root_cluster; /* FAT32 */
	uint32_t info_sector, copy_sector;
	bool mirrored; /* both tables are kept alike */
	uint32_t active_fat;
	uint32_t serial;
	uint8_t media;
	char label[VR_LABEL_ROOM];
};

/* Are the 512 bytes at at a boot sector whose fields can be? */
bool vr_fat_boot(struct vr_window *w, uint64_t at, struct vr_fat_boot *ret);

/* Byte of the volume where a table begins, and how many bytes it has. */
uint64_t vr_fat_table(const struct vr_fat_boot *b, unsigned index);
uint64_t vr_fat_table_bytes(const struct vr_fat_boot *b);

#define VR_FAT_COPY_SECTOR 6u

#endif
