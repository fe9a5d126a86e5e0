/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_TABLE_H
#define VR_GUEST_TABLE_H

#include "guest/prober.h"

/* What a partition table says. A kind of table is a row, as a prober is. */
struct vr_partition {
	unsigned number;	/* as systems count them: logical ones from 5 */
	uint64_t start, length; /* bytes of the disk */
	char type[VR_UUID_ROOM]; /* "83", or a GUID in lower case */
	const char *meaning;	 /* static: "EFI system", NULL: unknown */
	char uuid[VR_UUID_ROOM]; /* or empty */
	char label[VR_LABEL_ROOM];
	bool boot; /* flagged active */
	bool logical;
};

struct vr_table {
	const struct vr_table_row *row;
	enum vr_score score;
	enum vr_head head;     /* of what lies in the first sectors */
	const char *structure; /* static: "backup table at the end" */
	uint64_t evidence;     /* byte of the disk where that lies */
	unsigned sector_bytes;
	char uuid[VR_UUID_ROOM]; /* disk GUID or signature, or empty */
	/* The disk may as well be one volume of this type; or NULL. */
	const char *rival;
	/* Part of it is lost: there may be volumes that it does not name. */
	bool partial;
	struct {
		struct vr_partition *items;
		size_t count, room;
	} partitions; /* by start */
	struct {
		char **items; /* sentences about what is odd in it */
		size_t count, room;
	} oddities;
};

/*
 * Where else a table's remains may lie, known once volumes were looked for
 * without it: around them, and where a scan met one of the rows' magics.
 */
struct vr_table_hints {
	/* Ascending, none overlapping; or NULL. */
	const struct vr_ranges *volumes;
	const uint64_t *met;
	size_t met_count;
};

struct vr_table_row {
	const char *name;	       /* "gpt", "mbr" */
	const struct vr_magic *magics; /* as of a prober */
	/*
	 * Adds what it finds to ret: of several copies the one that counts. 0
	 * also where there is none; then nothing is added. hints may be NULL.
	 */
	int (*read)(struct vr_source *disk, const struct vr_table_hints *hints,
		    struct vr_table **ret);
};

const struct vr_table_row *vr_table_row(size_t index);
void vr_table_free(struct vr_table *table);
VR_CLEANUP_FOR(struct vr_table, vr_table_free)

/* For rows: a sentence; beyond a number that nobody reads, none. */
int vr_table_odd(struct vr_table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A partition; more than anybody ever had are left off, and that is odd. */
#define VR_PARTITIONS_MOST 4096
int vr_table_push(struct vr_table *table, const struct vr_partition *partition);

/* Sorts the partitions by start; those that overlap are odd. */
int vr_table_finish(struct vr_table *table);

/* Of all rows the best; NULL in *ret where there is no table. */
int vr_table_read(struct vr_source *disk, const struct vr_table_hints *hints,
		  struct vr_table **ret);

#endif
