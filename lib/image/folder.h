/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_FOLDER_H
#define VR_IMAGE_FOLDER_H

#include "base/cleanup.h"
#include "format/descriptor.h"
#include "format/vmx.h"
#include "base/findings.h"

/*
 * A VM's folder as it was found: its names, the descriptors and configurations
 * in it that are still plain text, and the disks that all of this tells of.
 * Names are raw bytes; they come from an attacked machine and are looked up in
 * this folder only.
 */
struct vr_folder {
	char *path;
	struct {
		char **items; /* ascending by byte */
		size_t count, room;
	} names;
	struct {
		struct vr_plain *items;
		size_t count, room;
	} plain;
	struct {
		struct vr_config *items;
		size_t count, room;
	} configs; /* best first: .vmx~, .vmx, .vmtx */
	struct {
		struct vr_candidate *items;
		size_t count, room;
	} disks;
	struct {
		struct vr_candidate *items;
		size_t count, room;
	} snapshots;
	struct vr_findings findings;
};

/* A descriptor that is still text; its name is one of the folder's. */
struct vr_plain {
	const char *name;
	struct vr_descriptor *descriptor;
};

struct vr_config {
	const char *name;
	struct vr_vmx *vmx;
};

enum vr_piece_kind {
	VR_PIECE_FLAT,
	VR_PIECE_SPARSE, /* hosted, VMDK4 */
	VR_PIECE_COWD,
	VR_PIECE_MAYBE, /* sparse, if what is left of it shows that */
	VR_PIECE_LONE,	/* the same, and else flat */
};

/* A piece of a disk: bytes of a file, or of nothing (name NULL: zeros). */
struct vr_piece {
	char *name;
	uint64_t off;
	uint64_t bytes; /* 0: all of the file, as much as that proves to be */
	enum vr_piece_kind kind;
};

/* A disk to be recovered: a base disk, or one in the state of a snapshot. */
struct vr_candidate {
	char *name; /* of its descriptor, without ".vmdk" */
	const struct vr_descriptor *descriptor; /* still plain, or NULL */
	char *parent; /* the name of what lies below; NULL: nothing does */
	bool parent_assumed; /* by its file's name, */
	bool parent_unsure;  /* and there are others that it could be */
	struct {
		struct vr_piece *items;
		size_t count, room;
	} pieces;
};

/* Fails only where the folder itself cannot be listed, or without memory. */
int vr_folder_open(const char *path, struct vr_folder **ret);
void vr_folder_free(struct vr_folder *folder);
VR_CLEANUP_FOR(struct vr_folder, vr_folder_free)

bool vr_folder_has(const struct vr_folder *folder, const char *name);

/* path/name; NULL without memory. */
char *vr_folder_join(const struct vr_folder *folder, const char *name);

/* The disk that a file of the folder belongs to, or NULL. */
struct vr_candidate *vr_folder_disk_of(const struct vr_folder *folder,
				       const char *name);

/* A disk of one file whose name tells nothing. */
int vr_folder_add_lone(struct vr_folder *folder, const char *file,
		       struct vr_candidate **ret);

/* The plain descriptor of a snapshot whose parent is that descriptor, or NULL. */
const struct vr_descriptor *vr_folder_child(const struct vr_folder *folder,
					    const char *parent);

/* "web01-f003.vmdk": one of several pieces of a disk. */
bool vr_is_split_piece(const char *name);

/* The snapshot of that name, or that the file so named belongs to, or NULL. */
const struct vr_candidate *vr_folder_snapshot_of(const struct vr_folder *folder,
						 const char *name);

/* What lies below a snapshot; NULL for a base disk, or where it is not there. */
const struct vr_candidate *vr_folder_parent(const struct vr_folder *folder,
					    const struct vr_candidate *c);

/* The base disk below all snapshots; NULL where the chain is broken. */
const struct vr_candidate *vr_folder_base(const struct vr_folder *folder,
					  const struct vr_candidate *c);

/* For the finders of disks: c is taken over, even on failure. */
int vr_candidate_push(struct vr_folder *folder, bool is_snapshot,
		      struct vr_candidate *c);
int vr_candidate_push_piece(struct vr_candidate *c, const char *name,
			    enum vr_piece_kind kind, uint64_t off,
			    uint64_t bytes);
void vr_candidate_free(struct vr_candidate *c);
bool vr_folder_is_taken(const struct vr_folder *folder, const char *file);

/* containers.c: disks and snapshots in files that bear no name of a flat one. */
int vr_folder_find_containers(struct vr_folder *folder);

/* "web01-000002": the 2, and what stands before it. */
bool vr_is_snapshot_name(const char *name, size_t *ret_stem,
			 uint64_t *ret_number);

/* A candidate's name from that of a file: without "-flat.vmdk" and the like. */
char *vr_disk_name_of(const char *file);

#endif
