/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/sparse_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "io/copy.h"

struct writing {
	struct vr_source *from;
	int fd;
	const struct vr_sparse_how *how;
};

int
vr_sparse_block(int fd, struct vr_block *block)
{
	uint64_t wrote = 0;
	int r = vr_copy_write(fd, block->bytes, (size_t)block->length,
			      block->off, &wrote);

	block->made_length = (size_t)wrote;
	/* On its way already when somebody waits for it; only a wish. */
	if (wrote)
		sync_file_range(fd, (off_t)block->off, (off_t)block->length,
				SYNC_FILE_RANGE_WRITE);
	return r;
}

static int
write_block(void *data, struct vr_block *block)
{
	return vr_sparse_block(((struct writing *)data)->fd, block);
}

static int
take_block(void *data, const struct vr_block *block)
{
	const struct writing *w = data;

	if (w->how->progress &&
	    w->how->progress(w->how->progress_data, w->how->doing,
			     block->off / VR_MIB, w->from->size / VR_MIB))
		return vr_fail(VR_E_CANCELLED, "cancelled");
	return 0;
}

int
vr_sparse_write(struct vr_source *from, int fd, const struct vr_sparse_how *how)
{
	struct writing writing = {from, fd, how};
	const struct vr_pipeline_how pipeline = {
		.align = 4096,
		.zeros_for_unreadable = true,
		.work = write_block,
		.take = take_block,
		.data = &writing,
	};

	if (ftruncate(fd, (off_t)from->size) < 0)
		return vr_fail_errno("making a file of that size");
	return vr_pipeline_run(from, 0, &pipeline);
}
