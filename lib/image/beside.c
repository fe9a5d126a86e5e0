/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The descriptor of a disk that is one raw file. Every reader takes it: the one
 * extent begins at offset 0, so that it does not matter whether a reader counts
 * offsets in sectors or, as libvmdk does, in bytes; and of the types with FLAT
 * extents this is the one that libvmdk's tools know.
 */
#include <string.h>

#include "base/checked.h"
#include "format/descriptor_write.h"
#include "image/disk.h"

int
vr_disk_descriptor(const struct vr_disk *disk, const char *raw, char **ret)
{
	const struct vr_identity *id = &disk->identity;
	const struct vr_extent_line line = {
		.sectors = disk->capacity / VR_SECTOR,
		.type = "FLAT",
		.name = raw,
	};
	struct vr_descriptor_plan plan = {
		.create_type = "twoGbMaxExtentFlat",
		.extents = &line,
		.extent_count = 1,
		.adapter = id->adapter,
		.cid = id->cid,
		.uuid = id->uuid,
		.hardware_version = id->hardware_version,
		.thin = id->thin,
	};

	memcpy(plan.long_content_id, id->long_content_id,
	       sizeof(plan.long_content_id));
	return vr_descriptor_write(&plan, ret);
}
