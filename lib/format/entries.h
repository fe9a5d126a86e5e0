/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_ENTRIES_H
#define VR_FORMAT_ENTRIES_H

#include "io/source.h"

/*
 * The 32-bit entries of a container's directories and tables, read when they
 * are asked for and kept in a cache of fixed size: a disk of 62 TB has gigabytes
 * of them. Each entry bears what is known of the bytes that it stands in. From
 * any thread.
 */
enum vr_entry_state {
	VR_ENTRY_GOOD,
	VR_ENTRY_DOUBTED, /* its bytes may be lost */
	VR_ENTRY_LOST,	  /* they are, or lie behind the end of the file */
};

struct vr_entry {
	uint32_t value; /* 0 where lost */
	enum vr_entry_state state;
};

struct vr_entries;

int vr_entries_new(struct vr_source *file, struct vr_entries **ret);
void vr_entries_free(struct vr_entries *e);
VR_CLEANUP_FOR(struct vr_entries, vr_entries_free)

/* n entries from byte off on; off is a multiple of 4. */
int vr_entries_read(struct vr_entries *e, uint64_t off, size_t n,
		    struct vr_entry *ret);

#endif
