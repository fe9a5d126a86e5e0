/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "base/checked.h"
#include "repair/patchfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted ascends, stays inside the disk, and is all there. */
static void
check(const struct vr_patchfile *file)
{
	uint64_t reached = 0;

	for (size_t i = 0; i < file->patches.count; i++) {
		const struct vr_patchfile_item *p = &file->patches.items[i];
		unsigned sum = 0;

		if (p->length == 0 || p->off < reached ||
		    !vr_inside(p->off, p->length, file->capacity))
			abort();
		for (size_t j = 0; j < p->length; j++)
			sum += p->old[j] + p->fresh[j] + p->known[j];
		if (sum > 511u * p->length)
			abort();
		reached = p->off + p->length;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_patchfile *file;

	if (vr_patchfile_read((const char *)data, size, &file) < 0)
		return 0;
	check(file);
	vr_patchfile_free(file);
	return 0;
}
