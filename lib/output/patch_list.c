/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The repairs as text: to be reviewed, applied to a copy, and taken back. */
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "output/output.h"
#include "repair/patchfile.h"

struct paths {
	const char **items;
	size_t count, room;
};

static int
write_list(FILE *file, const struct vr_product_disk *disk)
{
	struct paths paths = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < disk->part_count; i++)
		if (disk->parts[i].evidence)
			r = VR_PUSH(&paths, disk->parts[i].evidence);
	if (r == 0) {
		const struct vr_patchfile_head head = {
			.disk = disk->name,
			.capacity = disk->capacity,
			.evidence = paths.items,
			.evidence_count = paths.count,
		};

		r = vr_patchfile_write(disk->repairs, disk->number,
				       disk->evidence, &head, file);
	}
	free(paths.items);
	return r;
}

static int
write_disk(struct vr_stage *stage, const struct vr_product_disk *disk)
{
	vr_cleanup(vr_free_p) char *name = vr_format("%s.patches", disk->name);
	FILE *file;
	int r, closed;

	if (!name)
		return vr_fail_memory();
	r = vr_stage_create(stage, name, &file);
	if (r < 0)
		return r;
	r = write_list(file, disk);
	closed = vr_stage_close(stage, name, file);
	return r < 0 ? r : closed;
}

static int
patch_list_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < job->disk_count; i++)
		if (job->disks[i].stretches.count)
			r = write_disk(stage, &job->disks[i]);
	return r;
}

const struct vr_output vr_output_patch_list = {
	.name = "patch_list",
	.write = patch_list_write,
};
