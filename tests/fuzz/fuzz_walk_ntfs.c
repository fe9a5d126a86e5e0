/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as an NTFS volume, some of them lost: 8 bytes say which, the rest is
 * the volume. The walk ends, and all that it yields can be read to its end.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/checked.h"
#include "fs/walk.h"
#include "io/mem.h"
#include "map/annotate.h"
#include "map/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

/* Sizes from disk may be of holes without end. */
#define READ_MOST (UINT64_C(1) << 20)

static void
read_all(struct vr_source *source)
{
	static uint8_t room[4096];
	uint64_t size = vr_min(vr_source_size(source), READ_MOST);
	struct vr_extent extent;

	for (uint64_t off = 0; off < size; off += extent.length) {
		CHECK(vr_source_next(source, off, &extent) == 0);
		CHECK(extent.length > 0 &&
		      extent.length <= vr_source_size(source) - off);
	}
	for (uint64_t off = 0; off < size; off += sizeof(room))
		CHECK(vr_source_read_at(
			      source, room,
			      (size_t)vr_min(size - off, sizeof(room)),
			      off) == 0);
}

static void
look_at(const struct vr_walk *walk, size_t index)
{
	struct vr_entry_info e = {.size = sizeof(e)};
	char *text = NULL;

	vr_walk_entry(walk, index, &e);
	CHECK(e.path);
	for (unsigned i = 0; i <= e.streams; i++) {
		struct vr_source *source;

		if (i && vr_walk_stream_name(walk, index, i, &text) == 0)
			free(text);
		if (vr_walk_source(walk, index, i, &source) < 0)
			continue;
		read_all(source);
		vr_source_free(source);
	}
	if (vr_walk_link(walk, index, &text) == 0)
		free(text);
}

static void
walk_volume(struct vr_source *volume)
{
	struct vr_walk *walk;
	struct vr_fs *fs;

	if (vr_fs_open(vr_walker_for("ntfs"), volume, &fs) < 0)
		return;
	CHECK(vr_walk_make(fs, NULL, NULL, &walk) == 0);
	for (size_t i = 0; i < vr_walk_entries(walk); i++)
		look_at(walk, i);
	vr_walk_free(walk);
}

static void
mark(struct vr_map *map, const uint8_t *data)
{
	CHECK(vr_map_add_range(map, VR_LAYER_HAND, VR_ENCRYPTED,
			       (uint64_t)data[0] << 8 | data[1],
			       (uint64_t)data[2] << 8 | data[3]) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_source *mem, *volume;
	struct vr_map *map;

	if (size < 9)
		return 0;
	CHECK(vr_mem_open(data + 8, size - 8, &mem) == 0);
	CHECK(vr_map_new(size - 8, &map) == 0);
	mark(map, data);
	mark(map, data + 4);
	CHECK(vr_annotate_open(mem, map, &volume) == 0);
	walk_volume(volume);
	vr_source_free(volume);
	vr_source_free(mem);
	vr_map_free(map);
	return 0;
}
