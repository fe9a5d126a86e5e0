/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_GPT_COPIES_H
#define VR_GUEST_GPT_COPIES_H

#include "guest/gpt_header.h"
#include "guest/table.h"

/* One of the two copies of a disk's GPT: a header and the array of entries. */
struct vr_gpt_copy {
	bool found; /* the header checks itself */
	uint64_t off;
	struct vr_gpt gpt;
	/*
	 * The entries, in whole blocks, from the header's own array or from its
	 * twin's where only that agrees with the header's checksum; empty where
	 * the header's numbers are absurd.
	 */
	struct vr_window array;
	uint64_t array_off;
	bool array_sound; /* the checksum agrees */
};

struct vr_gpt_copies {
	struct vr_gpt_copy primary, backup;
	bool head_lost;		/* sector 0, or the primary's header */
	bool has_protection;	/* a protective or hybrid MBR */
	unsigned other_backups; /* sound headers that lost to backup */
};

/*
 * Looks for the primary behind sector 0 and for the backup in the last block, and
 * where the head of the disk is lost, at likely old ends of a disk that has
 * grown. hints may be NULL.
 */
int vr_gpt_find(struct vr_source *disk, const struct vr_table_hints *hints,
		struct vr_gpt_copies *ret);
void vr_gpt_copies_free(struct vr_gpt_copies *copies);

#endif
