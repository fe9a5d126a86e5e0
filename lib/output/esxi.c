/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The descriptor as a host wants it: one VMFS extent without an offset, named
 * as the flat file is on the datastore. In a folder of its own, because it bears
 * the same name as the one for readers off the host.
 */
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "output/output.h"

#define FOLDER "esxi"

static int
write_disk(struct vr_stage *stage, const struct vr_product_disk *disk)
{
	const struct vr_product_part *part = &disk->parts[0];
	vr_cleanup(vr_free_p) char *name =
		vr_format(FOLDER "/%s.vmdk", disk->name);
	vr_cleanup(vr_free_p) char *link = vr_format(FOLDER "/%s", part->link);
	vr_cleanup(vr_free_p) char *text = NULL;
	const struct vr_extent_line line = {
		.sectors = disk->capacity / VR_SECTOR,
		.type = "VMFS",
		.name = part->link,
	};
	struct vr_descriptor_plan plan = disk->plan;
	int r;

	if (!name || !link)
		return vr_fail_memory();
	plan.create_type = "vmfs";
	plan.extents = &line;
	plan.extent_count = 1;
	r = vr_descriptor_write(&plan, &text);
	if (r == 0)
		r = vr_stage_text(stage, name, text);
	return r == 0 && !vr_stage_has(stage, link)
		       ? vr_stage_link(stage, link, part->evidence)
		       : r;
}

static int
esxi_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r;

	if (!job->esxi)
		return 0;
	r = vr_stage_folder(stage, FOLDER);
	for (size_t i = 0; r == 0 && i < job->disk_count; i++)
		if (vr_product_fits_esxi(&job->disks[i]))
			r = write_disk(stage, &job->disks[i]);
	return r;
}

const struct vr_output vr_output_esxi = {
	.name = "esxi",
	.write = esxi_write,
};
