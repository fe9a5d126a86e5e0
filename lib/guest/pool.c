/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/pool.h"

#include <stdlib.h>

#define VR_ROW(name) extern const struct vr_pool_row vr_pool_##name;
#include "pool_rows.h"
#undef VR_ROW

static const struct vr_pool_row *const rows[] = {
#define VR_ROW(name) &vr_pool_##name,
#include "pool_rows.h"
#undef VR_ROW
	NULL,
};

const struct vr_pool_row *
vr_pool_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

void
vr_pool_job_free(struct vr_pool_job *job)
{
	for (size_t i = 0; i < job->volumes.count; i++) {
		struct vr_logical *v = &job->volumes.items[i];

		free(v->pool);
		free(v->name);
		free(v->how);
		vr_layout_free(&v->layout);
	}
	free(job->volumes.items);
	for (size_t i = 0; i < job->claims.count; i++)
		free(job->claims.items[i].memo);
	free(job->claims.items);
	free(job->doubts.items);
	*job = (struct vr_pool_job){0};
}
