/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_PATHS_H
#define VR_FS_PATHS_H

#include "fs/facts.h"

/*
 * Paths of names, through the folders that hold them. A folder's path is made once,
 * from its best name; one whose record is lost has one where a folder above it
 * knows its name. A chain of folders that bites its own tail is cut where it was
 * entered.
 */
struct vr_folder_path {
	uint64_t id;
	size_t path; /* in the heap of the facts; VR_NOTHING: not yet made */
	bool doubted, lost, busy;
};

struct vr_paths {
	struct vr_facts *facts;
	struct {
		struct vr_folder_path *items;
		size_t count, room;
	} folders; /* by id */
};

struct vr_road {
	size_t path; /* in the heap of the facts */
	bool doubted;
	bool lost; /* it begins in lost+found */
};

/* The empty path, that of the top folder, stands at 0 of the heap. */
int vr_paths_open(struct vr_facts *facts, struct vr_paths *ret);
void vr_paths_close(struct vr_paths *paths);

int vr_paths_of_name(struct vr_paths *p, size_t name, struct vr_road *ret);
int vr_paths_of_folder(struct vr_paths *p, uint64_t id, struct vr_road *ret);
/* "lost+found/#ID" */
int vr_paths_of_orphan(struct vr_paths *p, uint64_t id, struct vr_road *ret);

#endif
