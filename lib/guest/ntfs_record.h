/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_NTFS_RECORD_H
#define VR_GUEST_NTFS_RECORD_H

#include "io/window.h"

/*
 * A record of NTFS's master file table (MFT): a header, then attributes. The
 * last two bytes of each 512 are kept aside and stand for a number that every
 * write changes: when it is the same everywhere, the record is of one piece.
 * Layout as documented by the Linux-NTFS project and in "File System Forensic
 * Analysis" by Brian Carrier.
 */
#define VR_NTFS_RECORD_MOST 65536u
#define VR_NTFS_HOLE	    UINT64_MAX

enum vr_ntfs_type {
	VR_NTFS_STANDARD = 0x10,
	VR_NTFS_LIST = 0x20,
	VR_NTFS_NAME = 0x30,
	VR_NTFS_LABEL = 0x60,
	VR_NTFS_DATA = 0x80,
	VR_NTFS_INDEX_ROOT = 0x90,
	VR_NTFS_INDEX = 0xA0,
	VR_NTFS_BITMAP = 0xB0,
	VR_NTFS_REPARSE = 0xC0,
};

/* The system's own files, by the number of their record. */
enum vr_ntfs_file {
	VR_NTFS_MFT,
	VR_NTFS_MIRROR,
	VR_NTFS_LOG,
	VR_NTFS_VOLUME,
	VR_NTFS_ATTRDEF,
	VR_NTFS_ROOT,
	VR_NTFS_CLUSTERS,
	VR_NTFS_BOOT,
	VR_NTFS_BAD,
	VR_NTFS_SECURE,
	VR_NTFS_UPCASE,
	VR_NTFS_EXTEND,
	VR_NTFS_FILES, /* how many of them there are */
};

#define VR_NTFS_IN_USE	  0x1
#define VR_NTFS_DIRECTORY 0x2

struct vr_ntfs_record {
	struct vr_window w; /* borrowed; length is what the record uses */
	bool numbered;	    /* since NTFS 3.1 they tell their number */
	uint32_t number;
	uint16_t sequence, links, flags;
	uint64_t base; /* record it belongs to, with its sequence; 0: itself */
	uint32_t first_attr, allocated;
	bool odd; /* an attribute was met that cannot be as it stands */
};

struct vr_ntfs_attr {
	uint32_t type, at, length;
	uint16_t flags, id;
	uint32_t name_at, name_units;
	bool resident;
	uint32_t value_at, value_bytes; /* resident */
	/* The others. Sizes only where first_vcn is 0. */
	uint64_t first_vcn, last_vcn, allocated, size, initialised;
	unsigned unit_shift; /* of compression: clusters a unit, as a shift */
	uint32_t runs_at;
};

#define VR_NTFS_COMPRESSED 0x0001
#define VR_NTFS_ENCRYPTED  0x4000
#define VR_NTFS_SPARSE	   0x8000

/* Consecutive clusters of an attribute; lcn VR_NTFS_HOLE: none are stored. */
struct vr_ntfs_run {
	uint64_t vcn, clusters, lcn;
};

/* Where a run list was read up to; begins as all zeros. */
struct vr_ntfs_cursor {
	uint32_t at;
	uint64_t vcn, lcn;
	bool bad; /* the list is not as one must be */
};

/*
 * Puts the bytes back that were kept aside, of a record or an index block of n
 * bytes. False, with the bytes untouched, where it is not of one piece.
 */
bool vr_ntfs_fixup(uint8_t *bytes, size_t n, const char magic[4]);

/*
 * Reads n bytes as a record, which are fixed up in place and must outlive *ret.
 * False where there is no whole one; then *ret is of no use.
 */
bool vr_ntfs_record(uint8_t *bytes, size_t n, struct vr_ntfs_record *ret);

/* The attribute at *at (0: the first); moves *at on. False behind the last. */
bool vr_ntfs_attr_next(struct vr_ntfs_record *r, uint32_t *at,
		       struct vr_ntfs_attr *ret);

/* The first of its type with no name, or with this one (ASCII). */
bool vr_ntfs_attr_find(struct vr_ntfs_record *r, uint32_t type,
		       const char *name, struct vr_ntfs_attr *ret);

bool vr_ntfs_attr_named(struct vr_ntfs_record *r, const struct vr_ntfs_attr *a,
			const char *name);

/* The next run of a list; false behind the last, and where the list is bad. */
bool vr_ntfs_run_next(struct vr_ntfs_record *r, const struct vr_ntfs_attr *a,
		      struct vr_ntfs_cursor *c, struct vr_ntfs_run *ret);

#endif
