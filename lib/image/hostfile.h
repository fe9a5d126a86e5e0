/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_HOSTFILE_H
#define VR_IMAGE_HOSTFILE_H

#include <sys/stat.h>

#include "image/capacity.h"
#include "base/findings.h"
#include "measure/damage.h"

/*
 * One file of the evidence, diagnosed: lockers encrypt host files, so pattern,
 * trailer and damage map belong to each file by itself, below extents and
 * disks. Immutable once open.
 */
struct vr_hostfile {
	char *path, *shown, *name; /* as given; printable; base name */
	struct stat stat;
	struct vr_source *source; /* the whole file, trailer included */
	bool has_args;
	struct vr_args args;
	struct vr_capacity capacity;
	struct vr_diagnosis diagnosis;
	struct vr_map *map;	/* of [0, capacity) */
	struct vr_source *data; /* the same, annotated with the map */
	/* The same as part of a disk: where there is no trace of an attack, what
	 * nothing is said of is no more in doubt than on any other disk. */
	struct vr_source *flat;
};

/* path must be evidence; findings are about the disk it belongs to. */
int vr_hostfile_open(const char *path, const struct vr_capacity_hints *hints,
		     const struct vr_options *options,
		     struct vr_findings *findings, struct vr_hostfile **ret);
void vr_hostfile_free(struct vr_hostfile *f);
VR_CLEANUP_FOR(struct vr_hostfile, vr_hostfile_free)

void vr_hostfile_info(const struct vr_hostfile *f, struct vr_file_info *ret);

#endif
