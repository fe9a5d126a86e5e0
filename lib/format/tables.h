/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_TABLES_H
#define VR_FORMAT_TABLES_H

#include "format/grains.h"

/*
 * Does a file bear out a layout? Entries that survive speak for or against it;
 * those in doubt count, too, because ciphertext would speak against.
 */
struct vr_evidence {
	uint64_t agree, disagree;
};

/*
 * Directory d against the rule that its tables stand one behind the other from
 * layout->table[d] on.
 */
int vr_tables_check_rule(struct vr_source *file,
			 const struct vr_grain_layout *layout, unsigned d,
			 struct vr_evidence *ret);

/*
 * Entries of the tables that layout->table[d] puts somewhere: zeros say nothing,
 * places of whole grains agree, all else disagrees. Looks at some thousand.
 */
int vr_tables_check_grains(struct vr_source *file,
			   const struct vr_grain_layout *layout, unsigned d,
			   struct vr_evidence *ret);

/* More tables in the directories than the file has room for: they are shared. */
int vr_tables_check_room(struct vr_source *file,
			 const struct vr_grain_layout *layout);

#endif
