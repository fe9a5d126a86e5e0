/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_EXFAT_SET_H
#define VR_FS_EXFAT_SET_H

#include "fs/fat_volume.h"

/*
 * A file's entry in a folder of exFAT: a set of slots, the first of which has a
 * checksum of all. The second has the size, the first cluster and a hash of the
 * name, which ties it to its name where the first slot is lost. By Microsoft's
 * specification of exFAT.
 */
#define VR_EXFAT_SET_MOST  19u
#define VR_EXFAT_NAME_ROOM (3 * 255 + 1)

struct vr_exfat_entry {
	uint64_t
		id; /* that of the second slot, which is never a folder's first */
	uint64_t size, written;
	int64_t modified, accessed, created;
	uint32_t first, attributes;
	bool unlinked;
	bool whole;    /* by its checksum */
	bool headless; /* the first slot is lost: times and attributes */
	char name[VR_EXFAT_NAME_ROOM];
	size_t name_length; /* 0: lost */
};

/* Slots are fed in their order. */
struct vr_exfat_reader {
	uint8_t slots[VR_EXFAT_SET_MOST * VR_FAT_SLOT];
	unsigned have, want; /* have 0: no set is under way */
	bool headless;
	uint64_t id;
};

enum vr_exfat_slot_kind {
	VR_EXFAT_SLOT_NOTHING,
	VR_EXFAT_SLOT_ENTRY, /* a set is done, or as much as there is of it */
	VR_EXFAT_SLOT_END,
};

/* slot NULL: lost. After an ENTRY that the slot is no part of, feed it again. */
enum vr_exfat_slot_kind vr_exfat_slot(struct vr_exfat_reader *reader,
				      const uint8_t *slot, uint64_t at,
				      struct vr_exfat_entry *ret,
				      bool *ret_again);

#endif
