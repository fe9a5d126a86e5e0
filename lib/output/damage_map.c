/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/text.h"
#include "output/output.h"

static int
write_map(struct vr_stage *stage, const struct vr_product_disk *disk)
{
	vr_cleanup(vr_free_p) char *name = vr_format("%s.map", disk->name);
	bool lines = vr_map_lines(disk->map, VR_OUTPUT_MAP_LINES) <
		     VR_OUTPUT_MAP_LINES;
	FILE *file;
	int r, closed;

	if (!name)
		return vr_fail_memory();
	r = vr_stage_create(stage, name, &file);
	if (r < 0)
		return r;
	r = vr_map_write(disk->map, file, lines);
	closed = vr_stage_close(stage, name, file);
	return r < 0 ? r : closed;
}

static int
damage_map_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < job->disk_count; i++)
		r = write_map(stage, &job->disks[i]);
	return r;
}

const struct vr_output vr_output_damage_map = {
	.name = "damage_map",
	.write = damage_map_write,
};
