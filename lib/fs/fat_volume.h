/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_FAT_VOLUME_H
#define VR_FS_FAT_VOLUME_H

#include "base/checked.h"
#include "fs/fat_table.h"
#include "fs/walker.h"

/*
 * What FAT and exFAT have in common: clusters in chains, and files whose record
 * and name are one, an entry of a folder. All entries are read when the volume is
 * opened; from then on it is immutable.
 *
 * A file's id is the place of its entry, in units of 32 bytes. A folder's is that of
 * its first cluster, where no file's can be, so that it is the same whether its
 * entry is known or not; the top folder's is 0, where the boot sector is.
 */
struct vr_fat_file {
	uint64_t id, folder; /* that of the folder that holds it */
	uint64_t size;
	uint64_t written; /* bytes from here on read as zeros */
	int64_t modified, accessed, created;
	size_t name;	      /* in the heap of text */
	uint32_t name_length; /* 0: the name is lost */
	uint32_t first;	      /* cluster; 0: none */
	uint32_t attributes;  /* as DOS has them */
	const char *how;
	bool unlinked; /* its clusters lie in a row and have no chain */
	bool doubted;
};

#define VR_FAT_ATTRIBUTE_LABEL	0x08u
#define VR_FAT_ATTRIBUTE_FOLDER 0x10u

/* More clusters than that no volume of any use has. */
#define VR_FAT_CLUSTERS_MOST (UINT32_C(1) << 30)

struct vr_fat {
	struct vr_fs fs;
	struct vr_fat_table table;
	uint64_t heap; /* byte of the volume where cluster 2 begins */
	uint32_t cluster_bytes;
	uint8_t *allocated; /* exFAT: a bit a cluster; NULL: not known */
	struct {
		struct vr_fat_file *items;
		size_t count, room;
	} files; /* by id, once all are found */
	struct {
		char *items;
		size_t count, room;
	} text;
	/* While folders are read. */
	uint8_t *seen; /* a bit a cluster: of a folder, and read */
	bool gaps;     /* in a folder, or in the way to its end */
};

static inline bool
vr_fat_bit(const uint8_t *bits, uint32_t cluster)
{
	return bits[cluster / 8] >> cluster % 8 & 1;
}

static inline void
vr_fat_set_bit(uint8_t *bits, uint32_t cluster)
{
	bits[cluster / 8] |= (uint8_t)(1 << cluster % 8);
}

/* Bits for all clusters, or NULL; free() them. */
uint8_t *vr_fat_bits(const struct vr_fat *f);

static inline bool
vr_fat_is_cluster(const struct vr_fat *f, uint32_t cluster)
{
	return cluster >= 2 && cluster - 2 < f->table.clusters;
}

static inline uint64_t
vr_fat_place(const struct vr_fat *f, uint32_t cluster)
{
	return f->heap + (uint64_t)(cluster - 2) * f->cluster_bytes;
}

/* The entry's name goes into the heap. */
int vr_fat_add(struct vr_fat *f, const struct vr_fat_file *file,
	       const char *name, size_t length);

enum vr_fat_footing {
	VR_FAT_SURE,
	VR_FAT_UNSURE, /* the bytes may be lost, or the way to them is doubted */
	VR_FAT_GUESS,  /* the way is lost: perhaps they are another file's */
};

/* Answers of vr_fat_slots beside 0 and negative codes. */
#define VR_FAT_ENDS    1 /* the folder does, here */
#define VR_FAT_REFUSED 2 /* these are no slots of this folder */

/* Some slots of a folder, at a place of the volume. */
typedef int (*vr_fat_slots)(void *data, uint64_t at, struct vr_window *w,
			    enum vr_fat_footing footing);

#define VR_FAT_SLOT 32u

/* bytes of the volume as slots. Answers what each does when that is not 0. */
int vr_fat_read_slots(struct vr_fat *f, uint64_t at, uint64_t bytes,
		      enum vr_fat_footing footing, vr_fat_slots each,
		      void *data);

/*
 * All slots of a folder that begins at first, no more than most bytes. Where its
 * chain is lost the next cluster is a guess; clusters seen once are not read again.
 */
int vr_fat_read_folder(struct vr_fat *f, uint32_t first, bool unlinked,
		       uint64_t most, vr_fat_slots each, void *data);

/* Reads folders from the first one on, those found on the way, too. */
int vr_fat_read_tree(struct vr_fat *f, size_t from,
		     int (*read)(struct vr_fat *f, size_t file));

void vr_fat_sort(struct vr_fat *f);

/* The bytes of one file. */
int vr_fat_open(const struct vr_fat *f, const struct vr_fat_file *file,
		struct vr_source **ret);

/* For the rows. */
int vr_fat_objects(struct vr_fs *fs, vr_object_each each, void *data);
int vr_fat_names(struct vr_fs *fs, vr_name_each each, void *data);
int vr_fat_stream(struct vr_fs *fs, uint64_t id, unsigned index,
		  struct vr_source **ret);
void vr_fat_close(struct vr_fs *fs);

/* A date and a time of day of DOS, and hundredths of a second; UTC is assumed. */
int64_t vr_fat_time(unsigned date, unsigned time, unsigned hundredths);

#endif
