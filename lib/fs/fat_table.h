/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_FAT_TABLE_H
#define VR_FS_FAT_TABLE_H

#include "io/window.h"

/*
 * The file allocation table of FAT and exFAT: for each cluster, numbered from 2,
 * the one that follows it in its file. Where sectors of a table are lost those of
 * its copy stand in; where both are there and tell different things, both are
 * doubted. Immutable once open.
 */
struct vr_fat_table {
	struct vr_source *table; /* made of both, as long as one */
	struct vr_source *copy;	 /* the second one as it is, or NULL */
	unsigned bits; /* that count: 12, 16, 28 (FAT32), 32 (exFAT) */
	uint32_t clusters;
};

/* Bytes of the volume: the table at first and its copy at second, or 0. */
struct vr_fat_places {
	uint64_t first, second, bytes;
};

/* bits and clusters are set by the caller, who closes it after failures, too. */
int vr_fat_table_open(struct vr_source *volume,
		      const struct vr_fat_places *places,
		      struct vr_fat_table *table);
void vr_fat_table_close(struct vr_fat_table *table);

/* Reads the table piece by piece; one to a thread. */
struct vr_fat_cursor {
	const struct vr_fat_table *table;
	struct vr_window w, copy;
	uint64_t at; /* where the windows begin */
	bool open;
	unsigned flags; /* of the extents that they lie in */
};

/* What the extents of [off, off + n) are flagged with, all together. */
int vr_fat_flags(struct vr_source *source, uint64_t off, uint64_t n,
		 unsigned *ret);

struct vr_fat_link {
	enum vr_fat_link_kind {
		VR_FAT_FREE,
		VR_FAT_NEXT,
		VR_FAT_END,
		VR_FAT_WRONG, /* a defect, or what no chain can hold */
		VR_FAT_LOST,
	} kind;
	uint32_t next;
	bool doubted;
};

void vr_fat_cursor_open(const struct vr_fat_table *table,
			struct vr_fat_cursor *ret);
int vr_fat_cursor_look(struct vr_fat_cursor *c, uint32_t cluster,
		       struct vr_fat_link *ret);
void vr_fat_cursor_close(struct vr_fat_cursor *c);

#endif
