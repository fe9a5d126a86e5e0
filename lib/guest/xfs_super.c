/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/xfs_super.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"

#define SUPER_BYTES	264
#define SUPER_CRC_AT	224
#define VERSION_ALIGN	0x0080
#define VERSION_DIRV2	0x2000
#define VERSION_MORE	0x8000
#define FEATURES2_TYPE	0x0200

#define AG_BLOCKS_LEAST 64

uint32_t
vr_xfs_crc(const uint8_t *bytes, size_t n, size_t crc_at)
{
	static const uint8_t zeros[4];
	uint32_t crc = vr_crc32c(UINT32_MAX, bytes, crc_at);

	crc = vr_crc32c(crc, zeros, sizeof(zeros));
	return ~vr_crc32c(crc, bytes + crc_at + 4, n - crc_at - 4);
}

/* Do n bytes from at on agree with their checksum? False if one is lost. */
static bool
crc_agrees(struct vr_window *w, uint64_t at, size_t n, size_t crc_at)
{
	const uint8_t *bytes = vr_window_bytes(w, at, n);

	return bytes && crc_at + 4 <= n &&
	       vr_xfs_crc(bytes, n, crc_at) == vr_load_le32(bytes + crc_at);
}

/* --- superblocks ---------------------------------------------------------- */

static bool
is_power(uint64_t value, unsigned log)
{
	return log < 32 && value == UINT64_C(1) << log;
}

static unsigned
log_above(uint32_t value)
{
	unsigned log = 0;

	while (log < 32 && UINT64_C(1) << log < value)
		log++;
	return log;
}

static bool
sizes_agree(const uint8_t *p, const struct vr_xfs *fs)
{
	if (!is_power(fs->block_bytes, fs->block_log) || fs->block_log < 9 ||
	    fs->block_log > 16)
		return false;
	if (!is_power(fs->sector_bytes, p[121]) || p[121] < 9 ||
	    fs->sector_bytes > VR_XFS_SECTOR_MOST ||
	    fs->sector_bytes > fs->block_bytes)
		return false;
	if (!is_power(fs->inode_bytes, p[122]) || p[122] < 8 || p[122] > 11)
		return false;
	return p[192] <= 7 && fs->block_log + p[192] <= 16 &&
	       fs->inode_log == fs->block_log - p[122] &&
	       vr_load_be16(p + 106) == 1u << fs->inode_log;
}

static bool
counts_agree(const struct vr_xfs *fs)
{
	uint64_t most = (uint64_t)fs->ag_blocks * fs->ag_count;

	if (fs->ag_blocks < AG_BLOCKS_LEAST || fs->ag_count == 0 ||
	    fs->ag_log != log_above(fs->ag_blocks))
		return false;
	return fs->blocks <= most && fs->blocks > most - fs->ag_blocks &&
	       fs->blocks <= UINT64_MAX >> fs->block_log;
}

static void
decode_features(const uint8_t *p, struct vr_xfs *fs)
{
	uint16_t version = vr_load_be16(p + 100);

	fs->v5 = (version & 0xf) == 5;
	fs->aligned_inodes = fs->v5 || version & VERSION_ALIGN;
	fs->inode_align = vr_load_be32(p + 180);
	fs->stripe_unit = vr_load_be32(p + 184);
	if (fs->v5) {
		fs->ro_compat = vr_load_be32(p + 212);
		fs->incompat = vr_load_be32(p + 216);
	}
	fs->has_ftype = fs->incompat & VR_XFS_INCOMPAT_FTYPE ||
			(!fs->v5 && version & VERSION_MORE &&
			 vr_load_be32(p + 200) & FEATURES2_TYPE);
	memcpy(fs->uuid, p + 32, sizeof(fs->uuid));
	memcpy(fs->block_uuid,
	       fs->incompat & VR_XFS_INCOMPAT_META_UUID ? p + 248 : p + 32,
	       sizeof(fs->block_uuid));
	memcpy(fs->label, p + 108, sizeof(fs->label));
}

static bool
is_known_version(const uint8_t *p)
{
	uint16_t version = vr_load_be16(p + 100);

	return (version & 0xf) == 5 ||
	       ((version & 0xf) == 4 && version & VERSION_DIRV2);
}

bool
vr_xfs_super(struct vr_window *w, uint64_t at, struct vr_xfs *ret)
{
	const uint8_t *p = vr_window_bytes(w, at, SUPER_BYTES);
	struct vr_xfs fs = {0};

	if (!p || vr_load_be32(p) != VR_XFS_MAGIC_SUPER || !is_known_version(p))
		return false;
	fs.block_bytes = vr_load_be32(p + 4);
	fs.blocks = vr_load_be64(p + 8);
	fs.log_start = vr_load_be64(p + 48);
	fs.root = vr_load_be64(p + 56);
	fs.bitmap_inode = vr_load_be64(p + 64);
	fs.summary_inode = vr_load_be64(p + 72);
	fs.ag_blocks = vr_load_be32(p + 84);
	fs.ag_count = vr_load_be32(p + 88);
	fs.log_blocks = vr_load_be32(p + 96);
	fs.sector_bytes = vr_load_be16(p + 102);
	fs.inode_bytes = vr_load_be16(p + 104);
	fs.block_log = p[120];
	fs.inode_log = p[123];
	fs.ag_log = p[124];
	fs.in_progress = p[126] != 0;
	if (!sizes_agree(p, &fs) || !counts_agree(&fs))
		return false;
	fs.dir_bytes = fs.block_bytes << p[192];
	decode_features(p, &fs);
	fs.checked = fs.v5 && crc_agrees(w, at, fs.sector_bytes, SUPER_CRC_AT);
	*ret = fs;
	return true;
}

/* --- places --------------------------------------------------------------- */

uint32_t
vr_xfs_ag_length(const struct vr_xfs *fs, uint32_t ag)
{
	if (ag >= fs->ag_count)
		return 0;
	return (uint32_t)vr_min(fs->ag_blocks,
				fs->blocks - (uint64_t)ag * fs->ag_blocks);
}

uint64_t
vr_xfs_ag_off(const struct vr_xfs *fs, uint32_t ag)
{
	return (uint64_t)ag * fs->ag_blocks << fs->block_log;
}

bool
vr_xfs_block_off(const struct vr_xfs *fs, uint64_t packed, uint64_t *ret)
{
	uint64_t ag = packed >> fs->ag_log;
	uint64_t block = packed - (ag << fs->ag_log);

	if (ag >= fs->ag_count || block >= vr_xfs_ag_length(fs, (uint32_t)ag))
		return false;
	*ret = vr_xfs_ag_off(fs, (uint32_t)ag) + (block << fs->block_log);
	return true;
}

bool
vr_xfs_inode_off(const struct vr_xfs *fs, uint64_t number, uint64_t *ret)
{
	uint64_t off;

	if (!vr_xfs_block_off(fs, number >> fs->inode_log, &off))
		return false;
	number &= (UINT64_C(1) << fs->inode_log) - 1;
	*ret = off + number * fs->inode_bytes;
	return true;
}

/* --- headers of groups ---------------------------------------------------- */

static const unsigned sector_sizes[] = {512,  4096,  1024, 2048,
					8192, 16384, 32768};

#define ITEMS(array) (sizeof(array) / sizeof(*(array)))

static void
find_ag_crc(struct vr_window *w, uint64_t at, unsigned sector_bytes,
	    struct vr_xfs_ag *ag)
{
	bool is_agf = ag->magic == VR_XFS_MAGIC_AGF;

	for (size_t i = 0; !ag->v5 && i < ITEMS(sector_sizes); i++) {
		if (sector_bytes && sector_sizes[i] != sector_bytes)
			continue;
		if (!crc_agrees(w, at, sector_sizes[i], is_agf ? 216 : 312))
			continue;
		ag->v5 = true;
		ag->sector_bytes = sector_sizes[i];
		memcpy(ag->uuid, w->bytes + at + (is_agf ? 64 : 296),
		       sizeof(ag->uuid));
	}
}

bool
vr_xfs_ag_header(struct vr_window *w, uint64_t at, unsigned sector_bytes,
		 struct vr_xfs_ag *ret)
{
	const uint8_t *p = vr_window_bytes(w, at, 16);
	struct vr_xfs_ag ag = {0};

	if (!p)
		return false;
	ag.magic = vr_load_be32(p);
	if (ag.magic != VR_XFS_MAGIC_AGF && ag.magic != VR_XFS_MAGIC_AGI)
		return false;
	if (vr_load_be32(p + 4) != 1)
		return false;
	ag.number = vr_load_be32(p + 8);
	ag.length = vr_load_be32(p + 12);
	if (ag.length < AG_BLOCKS_LEAST || ag.length == UINT32_MAX)
		return false;
	find_ag_crc(w, at, sector_bytes, &ag);
	*ret = ag;
	return true;
}

/* --- blocks that know their address --------------------------------------- */

static const struct kind {
	char magic[5];
	uint8_t magic_at, address_at, uuid_at, crc_at;
	bool is_tree, is_short;
	const char *what;
} kinds[] = {
	{"AB3B", 0, 16, 32, 52, true, true, "tree of free space"},
	{"AB3C", 0, 16, 32, 52, true, true, "tree of free space"},
	{"IAB3", 0, 16, 32, 52, true, true, "tree of inodes"},
	{"FIB3", 0, 16, 32, 52, true, true, "tree of inodes"},
	{"RMB3", 0, 16, 32, 52, true, true, "tree of owners"},
	{"R3FC", 0, 16, 32, 52, true, true, "tree of shared blocks"},
	{"BMA3", 0, 24, 40, 64, true, false, "tree of a file's extents"},
	{"XDB3", 0, 8, 24, 4, false, false, "directory block"},
	{"XDD3", 0, 8, 24, 4, false, false, "directory block"},
	{"XDF3", 0, 8, 24, 4, false, false, "directory block"},
	{"\x3d\xf1", 8, 16, 32, 12, false, false, "directory index"},
	{"\x3d\xff", 8, 16, 32, 12, false, false, "directory index"},
	{"\x3e\xbe", 8, 16, 32, 12, false, false, "directory index"},
	{"\x3b\xee", 8, 16, 32, 12, false, false, "attribute block"},
};

static const struct kind *
kind_of(const uint8_t *p)
{
	for (size_t i = 0; i < ITEMS(kinds); i++) {
		const struct kind *k = &kinds[i];

		if (memcmp(p + k->magic_at, k->magic, strlen(k->magic)) == 0)
			return k;
	}
	return NULL;
}

/* Most file systems have blocks of 4096 bytes. */
static uint32_t
find_size(struct vr_window *w, uint64_t at, uint32_t bytes, size_t crc_at)
{
	static const uint32_t sizes[] = {4096, 1024,  2048,  512,
					 8192, 16384, 32768, 65536};

	for (size_t i = 0; i < ITEMS(sizes); i++)
		if ((bytes == 0 || sizes[i] == bytes) &&
		    crc_agrees(w, at, sizes[i], crc_at))
			return sizes[i];
	return 0;
}

bool
vr_xfs_self(struct vr_window *w, uint64_t at, uint32_t bytes,
	    struct vr_xfs_self *ret)
{
	const uint8_t *p = vr_window_bytes(w, at, 72);
	const struct kind *k = p ? kind_of(p) : NULL;
	struct vr_xfs_self self = {0};

	if (!k || !vr_mul(vr_load_be64(p + k->address_at), 512, &self.off))
		return false;
	self.bytes = find_size(w, at, bytes, k->crc_at);
	if (self.bytes == 0)
		return false;
	self.magic = vr_load_be32(p);
	self.is_tree = k->is_tree;
	self.what = k->what;
	memcpy(self.uuid, p + k->uuid_at, sizeof(self.uuid));
	if (k->is_tree)
		self.level = vr_load_be16(p + 4);
	self.is_root = k->is_short && vr_load_be32(p + 8) == VR_XFS_NO_BLOCK &&
		       vr_load_be32(p + 12) == VR_XFS_NO_BLOCK;
	*ret = self;
	return true;
}

/* No group is smaller than 16 MiB. */
#define FIRST_GROUP_LEAST (16 * VR_MIB)
#define INODE_CRC_AT	  100
#define INODE_NUMBER_AT	  152
#define INODE_UUID_AT	  160

bool
vr_xfs_self_inode(struct vr_window *w, uint64_t at, struct vr_xfs_self *ret)
{
	static const unsigned sizes[] = {512, 1024, 2048};
	const uint8_t *p = vr_window_bytes(w, at, 176);
	struct vr_xfs_self self = {.what = "inode"};

	if (!p || memcmp(p, "IN", 2) != 0 || p[4] != 3)
		return false;
	self.magic = vr_load_be32(p);
	for (size_t i = 0; self.bytes == 0 && i < ITEMS(sizes); i++)
		if (crc_agrees(w, at, sizes[i], INODE_CRC_AT))
			self.bytes = sizes[i];
	if (self.bytes == 0 ||
	    !vr_mul(vr_load_be64(p + INODE_NUMBER_AT), self.bytes, &self.off) ||
	    self.off >= FIRST_GROUP_LEAST)
		return false;
	memcpy(self.uuid, p + INODE_UUID_AT, sizeof(self.uuid));
	*ret = self;
	return true;
}
