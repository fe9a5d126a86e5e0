/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/btrfs_super.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"

#define MAGIC	      "_BHRfS_M"
#define SUM_BYTES     32
#define METADATA_UUID 0x400 /* of the incompatible features */
#define BACKUPS_AT    2859
#define BACKUP_BYTES  168
#define BACKUPS	      4

uint64_t
vr_btrfs_mirror(unsigned number)
{
	static const uint64_t places[VR_BTRFS_MIRRORS] = {
		VR_BTRFS_SUPER_AT, UINT64_C(64) << 20, UINT64_C(256) << 30};

	return places[number];
}

static bool
is_mirror(uint64_t place)
{
	for (unsigned i = 0; i < VR_BTRFS_MIRRORS; i++)
		if (place == vr_btrfs_mirror(i))
			return true;
	return false;
}

uint32_t
vr_btrfs_crc(const uint8_t *bytes, size_t n)
{
	return ~vr_crc32c(UINT32_MAX, bytes, n);
}

static uint32_t
sum_of(const uint8_t *block, size_t n)
{
	return vr_btrfs_crc(block + SUM_BYTES, n - SUM_BYTES);
}

void
vr_btrfs_set_sum(uint8_t *block, size_t n)
{
	memset(block, 0, SUM_BYTES);
	vr_store_le32(block, sum_of(block, n));
}

static bool
is_size(uint32_t bytes)
{
	return bytes >= 4096 && bytes <= 65536 && (bytes & (bytes - 1)) == 0;
}

static bool
fields_agree(const struct vr_btrfs *fs)
{
	return is_mirror(fs->place) && is_size(fs->sector_bytes) &&
	       is_size(fs->node_bytes) && fs->sum < VR_BTRFS_SUMS &&
	       fs->root_level < 8 && fs->chunk_root_level < 8 &&
	       fs->devices > 0 && fs->device_bytes <= fs->total_bytes &&
	       fs->device_bytes > fs->place && fs->device_bytes <= INT64_MAX &&
	       fs->system_length <= VR_BTRFS_SYSTEM_MOST;
}

static struct vr_btrfs_root
decode_root(const uint8_t *backup, unsigned at, unsigned level_at)
{
	return (struct vr_btrfs_root){
		.bytenr = vr_load_le64(backup + at),
		.generation = vr_load_le64(backup + at + 8),
		.level = backup[level_at],
	};
}

/* The backups tell the tops of trees that else only the tree of roots knows. */
static void
decode_backups(const uint8_t *p, struct vr_btrfs *fs)
{
	for (unsigned i = 0; i < BACKUPS; i++) {
		const uint8_t *backup = p + BACKUPS_AT + i * BACKUP_BYTES;

		if (vr_load_le64(backup) != fs->root ||
		    vr_load_le64(backup + 8) != fs->generation)
			continue;
		fs->extents_root = decode_root(backup, 32, 154);
		fs->files_root = decode_root(backup, 48, 155);
		fs->device_root = decode_root(backup, 64, 156);
		fs->sums_root = decode_root(backup, 80, 157);
	}
}

static void
decode(const uint8_t *p, struct vr_btrfs *fs)
{
	fs->place = vr_load_le64(p + 48);
	fs->generation = vr_load_le64(p + 72);
	fs->root = vr_load_le64(p + 80);
	fs->chunk_root = vr_load_le64(p + 88);
	fs->log_root = vr_load_le64(p + 96);
	fs->total_bytes = vr_load_le64(p + 112);
	fs->devices = vr_load_le64(p + 136);
	fs->sector_bytes = vr_load_le32(p + 144);
	fs->node_bytes = vr_load_le32(p + 148);
	fs->system_length = vr_load_le32(p + 160);
	fs->chunk_root_generation = vr_load_le64(p + 164);
	fs->incompat = vr_load_le64(p + 188);
	fs->sum = vr_load_le16(p + 196);
	fs->root_level = p[198];
	fs->chunk_root_level = p[199];
	fs->log_root_level = p[200];
	fs->device_id = vr_load_le64(p + 201);
	fs->device_bytes = vr_load_le64(p + 209);
	memcpy(fs->uuid, p + 32, sizeof(fs->uuid));
	memcpy(fs->block_uuid, fs->incompat & METADATA_UUID ? p + 571 : p + 32,
	       sizeof(fs->block_uuid));
	memcpy(fs->label, p + 299, sizeof(fs->label));
	memcpy(fs->system, p + 811, VR_BTRFS_SYSTEM_MOST);
	decode_backups(p, fs);
}

bool
vr_btrfs_super(struct vr_window *w, uint64_t at, struct vr_btrfs *ret)
{
	const uint8_t *p = vr_window_bytes(w, at, VR_BTRFS_SUPER_BYTES);
	struct vr_btrfs fs = {0};

	if (!p || memcmp(p + 64, MAGIC, strlen(MAGIC)) != 0)
		return false;
	decode(p, &fs);
	if (!fields_agree(&fs))
		return false;
	fs.checked = fs.sum == VR_BTRFS_CRC32C &&
		     vr_load_le32(p) == sum_of(p, VR_BTRFS_SUPER_BYTES);
	*ret = fs;
	return true;
}
