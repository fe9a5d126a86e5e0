/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_DISK_H
#define VR_IMAGE_DISK_H

#include "image/folder.h"
#include "image/hostfile.h"

/* What a descriptor has to say besides the extents. */
struct vr_identity {
	const char *adapter; /* static, or the caller's option */
	char *adapter_source;
	uint32_t cid;
	uint8_t long_content_id[12];
	char *uuid;
	unsigned hardware_version;
	bool thin;
};

/*
 * A stretch of the disk: bytes of a host file as they are, or in grains, or
 * nothing but zeros.
 */
struct vr_part {
	struct vr_hostfile *file; /* NULL: zeros */
	uint64_t file_off;
	uint64_t length;
	struct vr_source *grains; /* of the part; NULL: file_off says all */
	bool length_unsure; /* worked out from what is left of the grains */
};

/*
 * A disk put together from its files: a base disk, or what a snapshot's grains
 * make of its parent. Immutable once open.
 */
struct vr_disk {
	char *name, *shown; /* of the descriptor, raw and printable */
	char *path;	    /* of the first file */
	struct {
		struct vr_hostfile **items;
		size_t count, room;
	} files;
	struct {
		struct vr_part *items;
		size_t count, room;
	} parts;
	uint64_t capacity;
	struct vr_donor *donor; /* of --donor; NULL: none */
	struct vr_disk *parent; /* below a snapshot; its files are this one's */
	struct vr_map *map;
	struct vr_source *source;
	enum vr_condition condition;
	struct vr_identity identity;
	char *state, *next_step;
	struct vr_findings findings;
	uint64_t bytes[VR_DAMAGES];
};

/* hand is the map of --map, or NULL. */
int vr_disk_open(const struct vr_folder *folder, const struct vr_candidate *c,
		 const struct vr_options *options, const struct vr_map *hand,
		 struct vr_disk **ret);
void vr_disk_free(struct vr_disk *disk);
VR_CLEANUP_FOR(struct vr_disk, vr_disk_free)

/* Has it any part that is not the bytes of a file as they are? */
bool vr_disk_has_grains(const struct vr_disk *disk);

/* sparse.c: the part of a disk, from disk_off on, that a file holds in grains. */
struct vr_sparse_job {
	struct vr_hostfile *file;
	const struct vr_piece *piece;
	struct vr_source *parent; /* the whole disk below, or NULL */
	uint64_t disk_off;
	uint64_t capacity; /* of the part, where it is known; else 0 */
	bool doubted;	   /* the parent may be another one */
	struct vr_findings *findings;
};
int vr_sparse_open(const struct vr_sparse_job *job, struct vr_part *ret);

/* What became of the part's bytes, onto the disk's map at disk_off. */
int vr_sparse_project(const struct vr_disk *disk, const struct vr_part *part,
		      uint64_t disk_off, struct vr_map *map,
		      struct vr_findings *findings);

/* identity.c: adapter, content id, uuid, versions, from whatever survived. */
int vr_identity_find(const struct vr_folder *folder,
		     const struct vr_candidate *c,
		     const struct vr_options *options, struct vr_disk *disk);

/* words.c: state and next_step of a disk that is otherwise complete. */
int vr_disk_describe(struct vr_disk *disk);

#endif
