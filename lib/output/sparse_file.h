/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_OUTPUT_SPARSE_FILE_H
#define VR_OUTPUT_SPARSE_FILE_H

#include "output/pipeline.h"

/*
 * All bytes of a source in a file that is open for writing and fresh, at the
 * same offsets and by several threads; the file gets the source's size. What is
 * a hole, or reads as zeros, stays a hole of the file. Unreadable sectors are
 * holes, too.
 */
struct vr_sparse_how {
	const char *doing; /* for the progress, which counts MiB */
	vr_progress progress;
	void *progress_data;
};
int vr_sparse_write(struct vr_source *from, int fd,
		    const struct vr_sparse_how *how);

/* One block of it: for the work() of a pipeline. made_length: bytes stored. */
int vr_sparse_block(int fd, struct vr_block *block);

#endif
