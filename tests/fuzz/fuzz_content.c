/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "fs/content.h"
#include "io/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A verdict has its reason, and whoever has no kind has no verdict. */
static void
check_answer(const struct vr_content_info *info)
{
	if ((info->check == VR_CHECK_BROKEN) != (info->why != NULL))
		abort();
	if (info->check != VR_CHECK_NONE && !info->kind)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_content_info info = {.size = sizeof(info)};
	struct vr_source *file;

	if (vr_mem_open(data, size, &file) < 0)
		return 0;
	if (vr_content_check(file, &info) == 0)
		check_answer(&info);
	vr_source_free(file);
	return 0;
}
