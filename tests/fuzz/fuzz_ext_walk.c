/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any volume as ext2, ext3 or ext4, some of it lost: the walk ends, and what it
 * says of a file fits the file's bytes.
 */
#include "fs/walk.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

static int
take_attribute(void *data, const char *name, const void *value, size_t n)
{
	size_t *sum = data;

	for (size_t i = 0; i < n; i++)
		*sum += ((const uint8_t *)value)[i];
	*sum += strlen(name);
	return 0;
}

static void
check_source(struct vr_source *source, const struct vr_entry_info *info)
{
	struct vr_extent extent;
	uint8_t bytes[512];
	unsigned steps = 0;
	bool lost = false;

	CHECK(source->size == info->length);
	for (uint64_t off = 0; off < source->size && steps < 4096;
	     off += extent.length, steps++) {
		size_t n = (size_t)vr_min(sizeof(bytes), source->size - off);

		CHECK(vr_source_next(source, off, &extent) == 0);
		CHECK(extent.length > 0);
		CHECK(vr_source_read_at(source, bytes, n, off) == 0);
		lost |= (extent.flags &
			 (VR_EXTENT_DAMAGED | VR_EXTENT_SUSPECT)) != 0;
	}
	CHECK(!lost || info->fate != VR_FATE_INTACT);
}

static void
check_entry(struct vr_walk *walk, size_t index)
{
	struct vr_entry_info info = {.size = sizeof(info)};
	struct vr_source *source = NULL;
	char *target = NULL;
	size_t sum = 0;

	vr_walk_entry(walk, index, &info);
	CHECK(vr_walk_xattrs(walk, index, take_attribute, &sum) == 0);
	if (info.kind == VR_FILE_LINK &&
	    vr_walk_link(walk, index, &target) == 0)
		CHECK(target);
	free(target);
	if (info.how && info.kind == VR_FILE_REGULAR &&
	    vr_walk_source(walk, index, 0, &source) == 0) {
		check_source(source, &info);
		vr_source_free(source);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_source *disk = pieces_open(data, size);
	struct vr_walk *walk = NULL;
	struct vr_fs *fs = NULL;

	if (!disk)
		return 0;
	if (vr_fs_open(vr_walker_for("ext4"), disk, &fs) == 0 &&
	    vr_walk_make(fs, NULL, NULL, &walk) == 0)
		for (size_t i = 0; i < vr_walk_entries(walk) && i < 64; i++)
			check_entry(walk, i);
	vr_walk_free(walk);
	vr_source_free(disk);
	return 0;
}
