/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/output.h"

static int
report_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r = vr_stage_text(stage, "report.json", job->report);

	return r == 0 && job->volumes
		       ? vr_stage_text(stage, "volumes.json", job->volumes)
		       : r;
}

const struct vr_output vr_output_report = {
	.name = "report",
	.write = report_write,
};
