/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_OUTPUT_EXPORT_H
#define VR_OUTPUT_EXPORT_H

#include <vmdkrescue.h>

#include "format/descriptor_write.h"
#include "io/source.h"
#include "output/digest.h"

/*
 * One file made of a disk or volume. A format is a row. Everything is written
 * under a temporary name, "OUT.partial", which becomes OUT when all of it is on
 * the storage.
 */
struct vr_export {
	struct vr_source *view; /* what to write */
	const char *out;	/* the final name */
	bool zeros_for_unreadable, resume;
	bool force; /* as vr_export_run() was told */
	unsigned threads;
	struct vr_descriptor_plan plan; /* all but type and extents */
	vr_progress progress;
	void *progress_data;

	int fd; /* of OUT.partial, read and write */
	char *partial, *shown;
	/* How far an earlier run came that this one goes on with. */
	uint64_t resumed;
	struct vr_digest *digest; /* of the file, filled in order */
	uint64_t written;	  /* bytes of the file that are not holes */
};

struct vr_export_format {
	const char *name;
	bool resumes;
	/* A disk only, not a volume: it bears a descriptor. */
	bool of_disks;
	/* May it be made there? Asked before anything is; or NULL. */
	int (*check)(struct vr_export *e);
	int (*write)(struct vr_export *e);
	/* Files beside the main one, once that is complete; or NULL. */
	int (*finish)(struct vr_export *e);
};

/* NULL behind the last. */
const struct vr_export_format *vr_export_format_row(size_t index);
const struct vr_export_format *vr_export_format_for(const char *name);

/* Calls the progress with MiB; VR_E_CANCELLED where that says so. */
int vr_export_tick(struct vr_export *e, uint64_t done);

/* The raw bytes into fd, hashed, with a journal: what two formats share. */
int vr_export_raw(struct vr_export *e);

/*
 * From a job to a finished file, or none. force: replace OUT and what is left of
 * an earlier run.
 */
int vr_export_run(struct vr_export *e, const struct vr_export_format *format,
		  bool force);

#endif
