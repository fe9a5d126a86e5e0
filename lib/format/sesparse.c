/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Known by its magic, so that it can be called by its name. */
#include "base/error.h"
#include "format/container.h"

static int
sesparse_read(struct vr_source *file, struct vr_container *ret)
{
	(void)file;
	(void)ret;
	return vr_fail(VR_E_UNSUPPORTED,
		       "is an SEsparse snapshot, as ESXi makes them on VMFS 6, "
		       "which this version does not read. Keep it: qemu-img "
		       "reads one that was not encrypted");
}

const struct vr_container_row vr_container_sesparse = {
	.name = "sesparse",
	.title = "an SEsparse snapshot",
	.magic = "\xBE\xBA\xFE\xCA\0\0\0\0",
	.magic_bytes = 8,
	.read = sesparse_read,
};
