/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The evidence under the names that the descriptors use: a symbolic link each,
 * because readers look for extents beside the descriptor and some drop any path.
 * What nobody stored becomes a sparse file of zeros; a ZERO extent would do, but
 * qemu drops those lines without a word. No descriptor can say which grains of a
 * sparse disk are lost, nor where its tables would have led: such a disk is
 * written out, as a sparse file again.
 */
#include "output/output.h"
#include "output/sparse_file.h"

static int
write_out(struct vr_stage *stage, const struct vr_product_part *part,
	  const struct vr_product_job *job)
{
	vr_cleanup(vr_source_free_p) struct vr_source *view = NULL;
	const struct vr_sparse_how how = {
		.doing = "writing the disk out, MiB",
		.progress = job->progress,
		.progress_data = job->progress_data,
	};
	FILE *file;
	int r, closed;

	r = vr_view_open(part->source, VR_DAMAGED_ZERO, &view);
	if (r == 0)
		r = vr_stage_create(stage, part->link, &file);
	if (r < 0)
		return r;
	r = vr_sparse_write(view, fileno(file), &how);
	closed = vr_stage_close(stage, part->link, file);
	return r < 0 ? r : closed;
}

static int
write_part(struct vr_stage *stage, const struct vr_product_part *part,
	   const struct vr_product_job *job)
{
	if (part->evidence)
		return vr_stage_link(stage, part->link, part->evidence);
	if (part->source)
		return write_out(stage, part, job);
	return vr_stage_zeros(stage, part->link, part->length);
}

static int
evidence_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r = 0;

	for (size_t i = 0; i < job->disk_count; i++)
		for (size_t j = 0; r == 0 && j < job->disks[i].part_count; j++)
			if (!vr_stage_has(stage, job->disks[i].parts[j].link))
				r = write_part(stage, &job->disks[i].parts[j],
					       job);
	return r;
}

const struct vr_output vr_output_evidence = {
	.name = "evidence",
	.write = evidence_write,
};
