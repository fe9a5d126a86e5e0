/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small XFS that never was, laid out by the input: the superblock is sound, and
 * records of three bytes and a text put any bytes anywhere. Inodes, blocks of trees
 * and of directories get checksums that agree; one of the records loses a range.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "fs/walk.h"
#include "guest/xfs_super.h"
#include "io/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

#define BLOCK	  1024u
#define AG_BLOCKS 128u
#define BYTES	  (2 * AG_BLOCKS * BLOCK)
#define UUID	  "0123456789abcdef"

static void
put_head(uint8_t *p, bool v5)
{
	memcpy(p, "XFSB", 4);
	vr_store_be32(p + 4, BLOCK);
	vr_store_be64(p + 8, 2 * AG_BLOCKS);
	memcpy(p + 32, UUID, 16);
	vr_store_be64(p + 56, 64);
	vr_store_be64(p + 64, UINT64_MAX);
	vr_store_be32(p + 84, AG_BLOCKS);
	vr_store_be32(p + 88, 2);
	vr_store_be16(p + 100, v5 ? 0xb4a5 : 0xb4a4);
	vr_store_be16(p + 102, 512);
	vr_store_be16(p + 104, 512);
	vr_store_be16(p + 106, 2);
	p[120] = 10;
	p[121] = p[122] = 9;
	p[123] = 1;
	p[124] = 7;
	vr_store_be32(p + 216, 1 | 2);
	vr_store_le32(p + 224, vr_xfs_crc(p, 512, 224));
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t *agi = p + i * AG_BLOCKS * BLOCK + 1024;

		memcpy(agi, "XAGI", 4);
		vr_store_be32(agi + 4, 1);
		vr_store_be32(agi + 8, i);
		vr_store_be32(agi + 12, AG_BLOCKS);
		vr_store_be32(agi + 20, 3);
		vr_store_be32(agi + 24, 1);
		memcpy(agi + 296, UUID, 16);
		vr_store_le32(agi + 312, vr_xfs_crc(agi, 512, 312));
	}
}

/* Own number, own address, owner and checksum, as what stands there has them. */
static void
mend_sector(uint8_t *disk, uint32_t at)
{
	uint8_t *p = disk + at;
	uint32_t ag = at / (AG_BLOCKS * BLOCK);

	if (memcmp(p, "IN", 2) == 0) {
		uint32_t in_ag = at % (AG_BLOCKS * BLOCK) / 512;

		p[4] = 3;
		vr_store_be64(p + 152, (uint64_t)ag << 8 | in_ag);
		memcpy(p + 160, UUID, 16);
		vr_store_le32(p + 100, vr_xfs_crc(p, 512, 100));
	} else if (at % BLOCK == 0 && memcmp(p, "IAB3", 4) == 0) {
		vr_store_be64(p + 16, at / 512);
		memcpy(p + 32, UUID, 16);
		vr_store_be32(p + 48, ag);
		vr_store_le32(p + 52, vr_xfs_crc(p, BLOCK, 52));
	} else if (at % BLOCK == 0 && memcmp(p, "BMA3", 4) == 0) {
		vr_store_be64(p + 24, at / 512);
		memcpy(p + 40, UUID, 16);
		vr_store_le32(p + 64, vr_xfs_crc(p, BLOCK, 64));
	} else if (at % BLOCK == 0 && memcmp(p, "XD", 2) == 0) {
		vr_store_be64(p + 8, at / 512);
		memcpy(p + 24, UUID, 16);
		vr_store_le32(p + 4, vr_xfs_crc(p, BLOCK, 4));
	}
}

/* Records: place in units of 8 bytes (two), length (one), and the bytes. */
static void
lay_out(uint8_t *disk, const uint8_t *data, size_t size)
{
	while (size >= 3) {
		size_t at = (size_t)vr_load_le16(data) * 8;
		size_t n = vr_min(data[2], size - 3);

		if (at >= 2048 && vr_inside(at, n, BYTES))
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
	char *target;

	vr_walk_entry(walk, i, &info);
	CHECK(info.path && strncmp(info.path, "../", 3) != 0);
	if (info.kind == VR_FILE_LINK && info.how &&
	    vr_walk_link(walk, i, &target) == 0)
		free(target);
	if (info.kind != VR_FILE_REGULAR || !info.how ||
	    vr_walk_source(walk, i, 0, &source) < 0)
		return;
	if (vr_source_size(source) > 0)
		CHECK(vr_source_read_at(source, &byte, 1,
					vr_source_size(source) - 1) == 0);
	vr_source_free(source);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vr_walker *walker = vr_walker_for("xfs");
	struct vr_source *disk;
	struct vr_walk *walk;
	struct vr_fs *fs;
	uint8_t *bytes;

	if (size < 1 || size > 65536)
		return 0;
	bytes = calloc(1, BYTES);
	CHECK(bytes);
	put_head(bytes, data[0] & 1);
	lay_out(bytes, data + 1, size - 1);
	for (uint32_t at = 2048; at < BYTES && data[0] & 1; at += 512)
		mend_sector(bytes, at);
	CHECK(vr_mem_open(bytes, BYTES, &disk) == 0);
	CHECK(vr_fs_open(walker, disk, &fs) == 0);
	CHECK(vr_walk_make(fs, NULL, NULL, &walk) == 0);
	for (size_t i = 0; i < vr_walk_entries(walk); i++)
		use_entry(walk, i);
	vr_walk_free(walk);
	vr_source_free(disk);
	free(bytes);
	return 0;
}
