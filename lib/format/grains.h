/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_GRAINS_H
#define VR_FORMAT_GRAINS_H

#include "io/source.h"

/*
 * A disk in grains: a directory of tables of grains, all of them places in one
 * file, as hosted VMDK4 and COWD have it. The file is the annotated one, so that
 * damage flows up: a grain in a lost stripe is lost, and so is one whose place
 * is not known any more; one that was reached through doubted bytes is suspect.
 * A second directory with tables of its own steps in where the first is lost.
 */
#define VR_NO_DIRECTORY UINT64_MAX

struct vr_grain_layout {
	uint64_t capacity;	/* bytes, > 0 */
	uint64_t grain_bytes;	/* a power of two, at least a sector */
	uint64_t table_entries; /* of each table */
	/* Byte offsets of the directories, the one to prefer first. */
	uint64_t directory[2];
	/*
	 * Where the writer laid the tables: table t of a directory at table[d] +
	 * t * table_stride. 0: wherever it pleased. Stands in for lost entries.
	 */
	uint64_t table[2], table_stride;
	uint64_t data_start; /* no grain lies below it */
	bool zero_entries;   /* an entry of 1 is a grain of zeros */
	bool packed;	     /* grains are compressed, and bear their place */
	bool assumed; /* all of this was worked out: what it leads to is suspect */
};

/* Directories of more entries than this are refused: 512 TiB of usual grains. */
#define VR_DIRECTORY_MOST    (UINT64_C(1) << 24)
#define VR_GRAIN_MOST	     (UINT64_C(16) << 20)
#define VR_PACKED_GRAIN_MOST VR_MIB

/* VR_E_FORMAT or VR_E_LIMIT where no disk can be so. */
int vr_grain_layout_check(const struct vr_grain_layout *layout);
uint64_t vr_grain_layout_tables(const struct vr_grain_layout *layout);

/*
 * Places of grains that were found by other means than tables; asked where the
 * tables are lost.
 */
enum vr_known { VR_KNOWN_NOTHING, VR_KNOWN_EMPTY, VR_KNOWN_STORED };
struct vr_grain_index;
enum vr_known vr_grain_index_get(const struct vr_grain_index *index,
				 uint64_t grain, uint64_t *ret_off);
void vr_grain_index_free(struct vr_grain_index *index);
VR_CLEANUP_FOR(struct vr_grain_index, vr_grain_index_free)

/*
 * A source of the layout's capacity. parent holds what the file does not, or is
 * NULL: zeros. index may be NULL and is taken over on success.
 */
int vr_grains_open(struct vr_source *file, const struct vr_grain_layout *layout,
		   struct vr_source *parent, struct vr_grain_index *index,
		   struct vr_source **ret);

/* Where bytes of the disk come from. */
enum vr_grain_kind {
	VR_GRAIN_EMPTY,	 /* stored nowhere, not in the parent either: zeros */
	VR_GRAIN_PARENT, /* the parent's, at the same place */
	VR_GRAIN_ZERO,	 /* said to be zeros */
	VR_GRAIN_STORED, /* at file_off, as they are */
	VR_GRAIN_PACKED, /* compressed, from file_off on; one grain at a time */
	VR_GRAIN_LOST,	 /* nobody knows where */
};

struct vr_grain_span {
	enum vr_grain_kind kind;
	uint64_t length;
	uint64_t file_off;
	uint64_t file_length; /* of a packed grain */
	bool doubted;	      /* reached through bytes that may be lost */
	bool assumed;	      /* reached by rule */
};

/*
 * The span at off (below the size) of a source of vr_grains_open(); it may end
 * before the kind changes. A packed grain is not inflated for it.
 */
int vr_grains_at(struct vr_source *grains, uint64_t off,
		 struct vr_grain_span *ret);

/* Does the packed grain of this span inflate? VR_E_FORMAT where not. */
int vr_grains_verify(struct vr_source *grains, uint64_t off);

#endif
