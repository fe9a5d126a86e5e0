/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_NTFS_MFT_H
#define VR_FS_NTFS_MFT_H

#include "fs/extents.h"
#include "fs/walker.h"
#include "guest/ntfs.h"

/*
 * The MFT as a whole, and single files of it. All are immutable once open.
 *
 * Where the MFT lies is said by its record 0. When that is lost in both copies,
 * the volume is searched for records, which tell their own numbers; those that do
 * not lie where the boot sector lets expect them are doubted.
 */
enum vr_ntfs_state {
	VR_NTFS_FREE, /* no file now, or never used */
	VR_NTFS_USED,
	VR_NTFS_LOST,
};

struct vr_ntfs {
	struct vr_fs fs;
	struct vr_ntfs_boot boot;
	struct vr_source *cache; /* of the volume */
	struct vr_source *mft;	 /* its bytes */
	uint64_t records;
	uint8_t *states; /* enum vr_ntfs_state of each record */
	uint8_t *doubts; /* a bit each; NULL where none is */
	/* Records that belong to others, by those: more than a list tells. */
	struct {
		struct vr_ntfs_extension {
			uint64_t base, number;
		} * items;
		size_t count, room;
	} extensions;
};

int vr_ntfs_mft_open(struct vr_ntfs *n);
void vr_ntfs_mft_close(struct vr_ntfs *n);
bool vr_ntfs_doubted(const struct vr_ntfs *n, uint64_t number);

/* A record with the bytes that hold it. */
struct vr_ntfs_held {
	uint64_t number;
	struct vr_window w;
	struct vr_ntfs_record r;
};

/* *ret_whole false: there is no whole one of that number, nothing to free. */
int vr_ntfs_held_read(const struct vr_ntfs *n, uint64_t number,
		      struct vr_ntfs_held *ret, bool *ret_whole);
void vr_ntfs_held_free(struct vr_ntfs_held *held);

/* Attributes of a file from all of its records. */
struct vr_ntfs_part {
	size_t held; /* index */
	struct vr_ntfs_attr a;
};

struct vr_ntfs_file_parts {
	struct {
		struct vr_ntfs_held *items;
		size_t count, room;
	} held;
	struct {
		struct vr_ntfs_part *items;
		size_t count, room;
	} parts;
	bool incomplete; /* some of its records, or the list of them, are lost */
};

/* *ret_is_file false: no base record in use has that number; nothing to free. */
int vr_ntfs_parts_read(const struct vr_ntfs *n, uint64_t number,
		       struct vr_ntfs_file_parts *ret, bool *ret_is_file);
void vr_ntfs_parts_free(struct vr_ntfs_file_parts *p);

/* The record that a part lies in. */
struct vr_ntfs_record *vr_ntfs_part_record(struct vr_ntfs_file_parts *p,
					   const struct vr_ntfs_part *part);

/* Same type, same name? */
bool vr_ntfs_part_same(struct vr_ntfs_file_parts *p,
		       const struct vr_ntfs_part *a,
		       const struct vr_ntfs_part *b);

/* The part where an attribute begins, by type and ASCII name; or NULL. */
const struct vr_ntfs_part *vr_ntfs_part_find(struct vr_ntfs_file_parts *p,
					     uint32_t type, const char *name);

/*
 * The bytes of the attribute that begins with first. What its runs leave out is
 * lost; what they call a hole is one.
 */
int vr_ntfs_part_open(const struct vr_ntfs *n, struct vr_ntfs_file_parts *p,
		      const struct vr_ntfs_part *first, struct vr_source **ret);

#endif
