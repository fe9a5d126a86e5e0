/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_REPAIR_PATCHFILE_H
#define VR_REPAIR_PATCHFILE_H

#include <stdio.h>

#include "repair/plan.h"

/*
 * Patches of one disk as text: what a person reviews, and what is applied to a
 * copy and taken back again. Lines:
 *
 *	vmdk-rescue-patches 1
 *	disk NAME              the rest of the line, printable
 *	capacity BYTES
 *	evidence PATH          files that must not be written; any number
 *	step REPAIR RISK
 *	what WORDS
 *	from WORDS
 *	patch OFFSET LENGTH    of the step above; ascending
 *	- HEX                  what stands there now, ?? where nobody can read it
 *	+ HEX                  what is to stand there, as many bytes
 *
 * Lines that begin with '#' are comments.
 */
struct vr_patchfile_head {
	const char *disk; /* printable */
	uint64_t capacity;
	const char *const *evidence;
	size_t evidence_count;
};

int vr_patchfile_write(const struct vr_plan *plan, uint32_t disk,
		       struct vr_source *lower,
		       const struct vr_patchfile_head *head, FILE *to);

struct vr_patchfile_item {
	uint64_t off;
	size_t length;
	/* known[i] is false where old[i] could not be read. */
	uint8_t *old, *fresh;
	bool *known;
};

struct vr_patchfile {
	uint64_t capacity;
	struct {
		char **items;
		size_t count, room;
	} evidence;
	struct {
		struct vr_patchfile_item *items;
		size_t count, room;
	} patches; /* ascending, none overlapping */
};

#define VR_PATCHFILE_MOST ((size_t)1 << 30)

/* VR_E_FORMAT names the line that is wrong. */
int vr_patchfile_read(const char *text, size_t n, struct vr_patchfile **ret);
void vr_patchfile_free(struct vr_patchfile *p);
VR_CLEANUP_FOR(struct vr_patchfile, vr_patchfile_free)

#endif
