/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The repaired sectors, one stretch behind the other: an extent of the
 * descriptor. What lies between joined stretches is copied as it stands.
 */
#include "base/checked.h"
#include "base/error.h"
#include "io/copy.h"
#include "output/output.h"

#define BUFFER ((size_t)1 << 20)

static int
write_stretch(FILE *file, struct vr_source *source, uint64_t off, uint64_t n,
	      uint8_t *buffer)
{
	while (n > 0) {
		size_t here = (size_t)vr_min(n, BUFFER);
		int r = vr_copy_read(source, buffer, here, off);

		if (r < 0)
			return r;
		/* A short write shows when the file is closed. */
		fwrite(buffer, 1, here, file);
		off += here;
		n -= here;
	}
	return 0;
}

static int
write_disk(struct vr_stage *stage, const struct vr_product_disk *disk)
{
	vr_cleanup(vr_free_p) uint8_t *buffer = malloc(BUFFER);
	FILE *file;
	int r, closed;

	if (!buffer)
		return vr_fail_memory();
	r = vr_stage_create(stage, disk->repair_name, &file);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < disk->stretches.count; i++)
		r = write_stretch(file, disk->repaired,
				  disk->stretches.items[i].off,
				  disk->stretches.items[i].length, buffer);
	closed = vr_stage_close(stage, disk->repair_name, file);
	return r < 0 ? r : closed;
}

static int
repair_extent_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < job->disk_count; i++)
		if (job->disks[i].stretches.count)
			r = write_disk(stage, &job->disks[i]);
	return r;
}

const struct vr_output vr_output_repair_extent = {
	.name = "repair_extent",
	.write = repair_extent_write,
};
