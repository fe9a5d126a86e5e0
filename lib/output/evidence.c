/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The evidence under the names that the descriptors use: a symbolic link each,
 * because readers look for extents beside the descriptor and some drop any path.
 * What nobody stored becomes a sparse file of zeros; a ZERO extent would do, but
 * qemu drops those lines without a word.
 */
#include "output/output.h"

static int
write_part(struct vr_stage *stage, const struct vr_product_part *part)
{
	if (part->evidence)
		return vr_stage_link(stage, part->link, part->evidence);
	return vr_stage_zeros(stage, part->link, part->length);
}

static int
evidence_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r = 0;

	for (size_t i = 0; i < job->disk_count; i++)
		for (size_t j = 0; r == 0 && j < job->disks[i].part_count; j++)
			if (!vr_stage_has(stage, job->disks[i].parts[j].link))
				r = write_part(stage, &job->disks[i].parts[j]);
	return r;
}

const struct vr_output vr_output_evidence = {
	.name = "evidence",
	.write = evidence_write,
};
