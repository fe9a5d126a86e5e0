/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The descriptor for readers off the host: qemu, VirtualBox, 7-Zip and hosted
 * VMware products. One line an extent, each ending where the disk did before the
 * attack, so that nothing behind it is taken for the disk's.
 */
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "output/output.h"

static int
write_descriptor(struct vr_stage *stage, const struct vr_product_disk *disk,
		 const struct vr_extent_line *lines)
{
	vr_cleanup(vr_free_p) char *name = vr_format("%s.vmdk", disk->name);
	vr_cleanup(vr_free_p) char *text = NULL;
	struct vr_descriptor_plan plan = disk->plan;
	int r;

	if (!name)
		return vr_fail_memory();
	plan.create_type = "twoGbMaxExtentFlat";
	plan.extents = lines;
	plan.extent_count = disk->part_count;
	r = vr_descriptor_write(&plan, &text);
	return r == 0 ? vr_stage_text(stage, name, text) : r;
}

static int
write_disk(struct vr_stage *stage, const struct vr_product_disk *disk)
{
	struct vr_extent_line *lines =
		calloc(disk->part_count + 1, sizeof(*lines));
	int r;

	if (!lines)
		return vr_fail_memory();
	for (size_t i = 0; i < disk->part_count; i++)
		lines[i] = (struct vr_extent_line){
			.sectors = disk->parts[i].length / VR_SECTOR,
			.offset_sectors = disk->parts[i].off / VR_SECTOR,
			.type = "FLAT",
			.name = disk->parts[i].link,
		};
	r = write_descriptor(stage, disk, lines);
	free(lines);
	return r;
}

static int
composite_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < job->disk_count; i++)
		r = write_disk(stage, &job->disks[i]);
	return r;
}

const struct vr_output vr_output_composite = {
	.name = "composite",
	.write = composite_write,
};
