/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small FAT or exFAT that never was, laid out by the input: a byte says which, eight
 * tell two ranges that are lost, and records of three bytes and a text put any bytes
 * anywhere behind a boot sector that is sound. exFAT's sets of entries get checksums
 * that agree.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
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

#define SECTOR	512u
#define SECTORS 512u
#define BYTES	(SECTORS * SECTOR)

static const char *const types[] = {"fat12", "fat16", "fat32", "exfat"};

static void
put_fat(uint8_t *p, unsigned kind)
{
	memset(p, 0, SECTOR);
	memcpy(p, "\xEB\x3C\x90", 3);
	vr_store_le16(p + 11, SECTOR);
	p[13] = 1;
	vr_store_le16(p + 14, kind == 2 ? 8 : 1);
	p[16] = 2;
	vr_store_le16(p + 17, kind == 2 ? 0 : 32);
	/* Of FAT16, as many clusters as make it one; they are not there. */
	vr_store_le16(p + 19, kind == 1 ? 5000 : SECTORS);
	p[21] = 0xF8;
	vr_store_le16(p + 22, kind == 2 ? 0 : kind == 1 ? 20 : 2);
	if (kind == 2) {
		vr_store_le32(p + 36, 4);
		vr_store_le32(p + 44, 2);
	}
	vr_store_le16(p + 510, 0xAA55);
}

static void
put_exfat(uint8_t *p)
{
	uint32_t sum = 0;

	memcpy(p,
	       "\xEB\x76\x90"
	       "EXFAT   ",
	       11);
	vr_store_le64(p + 72, SECTORS);
	vr_store_le32(p + 80, 24);
	vr_store_le32(p + 84, 4);
	vr_store_le32(p + 88, 32);
	vr_store_le32(p + 92, SECTORS - 32);
	vr_store_le32(p + 96, 4);
	p[108] = 9;
	p[110] = 1;
	vr_store_le16(p + 510, 0xAA55);
	for (size_t i = 0; i < 11 * SECTOR; i++)
		if (i != 106 && i != 107 && i != 112)
			sum = (sum << 31 | sum >> 1) + p[i];
	for (size_t i = 0; i < SECTOR; i += 4)
		vr_store_le32(p + 11 * SECTOR + i, sum);
}

static void
mend_sets(uint8_t *disk)
{
	for (size_t at = 32 * SECTOR; at < BYTES; at += 32) {
		size_t n = 32 * (disk[at + 1] + (size_t)1);
		uint16_t sum = 0;

		if (disk[at] != 0x85 || n > 19 * 32 || n > BYTES - at)
			continue;
		for (size_t i = 0; i < n; i++)
			if (i != 2 && i != 3)
				sum = (uint16_t)(((uint32_t)sum << 15 |
						  sum >> 1) +
						 disk[at + i]);
		vr_store_le16(disk + at + 2, sum);
	}
}

/* Records: place in units of 8 bytes (two), length (one), and the bytes. */
static void
lay_out(uint8_t *disk, const uint8_t *data, size_t size)
{
	while (size >= 3) {
		size_t at = (size_t)vr_load_le16(data) * 8;
		size_t n = vr_min(data[2], size - 3);

		if (vr_inside(at, n, BYTES))
			memcpy(disk + at, data + 3, n);
		data += 3 + n;
		size -= 3 + n;
	}
}

static void
use_entry(const struct vr_walk *walk, size_t i)
{
	struct vr_entry_info info = {.size = sizeof(info)};
	struct vr_source *source;
	uint8_t byte;

	vr_walk_entry(walk, i, &info);
	CHECK(info.path && strncmp(info.path, "../", 3) != 0);
	if (info.kind != VR_FILE_REGULAR || !info.how ||
	    vr_walk_source(walk, i, 0, &source) < 0)
		return;
	CHECK(vr_source_size(source) == info.length);
	if (vr_source_size(source) > 0)
		CHECK(vr_source_read_at(source, &byte, 1,
					vr_source_size(source) - 1) == 0);
	vr_source_free(source);
}

static void
mark(struct vr_map *map, const uint8_t *data)
{
	CHECK(vr_map_add_range(map, VR_LAYER_HAND, VR_ENCRYPTED,
			       (uint64_t)vr_load_le16(data) * 8,
			       (uint64_t)vr_load_le16(data + 2) * 8) == 0);
}

static void
walk_volume(struct vr_source *volume, const char *type)
{
	struct vr_walk *walk;
	struct vr_fs *fs;

	if (vr_fs_open(vr_walker_for(type), volume, &fs) < 0)
		return;
	CHECK(vr_walk_make(fs, NULL, NULL, &walk) == 0);
	for (size_t i = 0; i < vr_walk_entries(walk); i++)
		use_entry(walk, i);
	vr_walk_free(walk);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_source *disk, *volume;
	struct vr_map *map;
	uint8_t *bytes;

	if (size < 9 || size > 65536)
		return 0;
	bytes = calloc(1, BYTES);
	CHECK(bytes);
	lay_out(bytes, data + 9, size - 9);
	if (data[0] % 4 == 3) {
		memset(bytes, 0, 24 * SECTOR);
		put_exfat(bytes);
		mend_sets(bytes);
	} else {
		put_fat(bytes, data[0] % 4);
	}
	CHECK(vr_mem_open(bytes, BYTES, &disk) == 0);
	CHECK(vr_map_new(BYTES, &map) == 0);
	mark(map, data + 1);
	mark(map, data + 5);
	CHECK(vr_annotate_open(disk, map, &volume) == 0);
	walk_volume(volume, types[data[0] % 4]);
	vr_source_free(volume);
	vr_source_free(disk);
	vr_map_free(map);
	free(bytes);
	return 0;
}
