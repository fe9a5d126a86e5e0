/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_FAT_ENTRY_H
#define VR_FS_FAT_ENTRY_H

#include "fs/fat_volume.h"

/*
 * Entries of FAT's folders: a slot with a name of 8 and 3 bytes, before it slots
 * with pieces of a long name that repeat a checksum of the short one. By
 * Microsoft's specification of FAT32.
 */
#define VR_FAT_LONG_MOST 255u /* units of UTF-16 */
#define VR_FAT_NAME_ROOM (3 * 260 + 1)

struct vr_fat_entry {
	uint64_t id;
	uint32_t first, size, attributes;
	int64_t modified, accessed, created;
	char name[VR_FAT_NAME_ROOM];
	size_t name_length;
};

/* Slots are fed in their order; long names are put together on the way. */
struct vr_fat_reader {
	uint8_t units[2 * 20 * 13];
	unsigned awaited; /* the number of the piece that comes next */
	unsigned pieces;  /* 0: no long name is under way */
	uint8_t sum;
};

enum vr_fat_slot_kind {
	VR_FAT_SLOT_NOTHING, /* deleted, a piece of a name, a label */
	VR_FAT_SLOT_ENTRY,
	VR_FAT_SLOT_END,
	VR_FAT_SLOT_WRONG, /* no folder holds such bytes */
};

/* slot NULL: lost. */
enum vr_fat_slot_kind vr_fat_slot(struct vr_fat_reader *reader,
				  const uint8_t *slot, uint64_t at, bool is_32,
				  struct vr_fat_entry *ret);

/* Is it "." or ".."? These stand first in every folder but the top one. */
bool vr_fat_is_dot(const uint8_t *slot, unsigned dots);

uint32_t vr_fat_first_cluster(const uint8_t *slot, bool is_32);

#endif
