/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/ext_super.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"

#define MAGIC		   0xEF53
#define CHECKSUM_AT	   1020
#define GROUP_BLOCKS_LEAST 256 /* mke2fs makes no smaller groups */

/* Beyond ext3's own; what has one of them is ext4. */
#define EXT3_INCOMPAT                                                          \
	(VR_EXT_INCOMPAT_FTYPE | VR_EXT_INCOMPAT_RECOVER |                     \
	 VR_EXT_INCOMPAT_META_BG)
#define EXT3_RO_COMPAT 0x0007

/* --- superblock ----------------------------------------------------------- */

static bool
is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

static uint32_t
low_field(const uint8_t *raw, unsigned at)
{
	return vr_load_le32(raw + at);
}

static void
decode_sizes(const uint8_t *raw, struct vr_ext *ext)
{
	bool dynamic = low_field(raw, 76) > 0; /* revision 0 has no more */

	ext->inode_bytes = dynamic ? vr_load_le16(raw + 88) : 128;
	ext->group = dynamic ? vr_load_le16(raw + 90) : 0;
	ext->compat = dynamic ? low_field(raw, 92) : 0;
	ext->incompat = dynamic ? low_field(raw, 96) : 0;
	ext->ro_compat = dynamic ? low_field(raw, 100) : 0;
	ext->descriptor_bytes = 32;
	if (ext->incompat & VR_EXT_INCOMPAT_64BIT) {
		ext->descriptor_bytes = vr_load_le16(raw + 254);
		ext->blocks |= (uint64_t)low_field(raw, 336) << 32;
	}
}

static void
decode_rest(const uint8_t *raw, struct vr_ext *ext)
{
	memcpy(ext->uuid, raw + 104, sizeof(ext->uuid));
	memcpy(ext->raw, raw, sizeof(ext->raw));
	ext->reserved_descriptor_blocks = vr_load_le16(raw + 206);
	ext->journal_inode = low_field(raw, 224);
	ext->first_meta_bg = low_field(raw, 260);
	ext->made = low_field(raw, 264);
	ext->written = low_field(raw, 48);
	ext->backup_groups[0] = low_field(raw, 588);
	ext->backup_groups[1] = low_field(raw, 592);
	ext->seed = ext->incompat & VR_EXT_INCOMPAT_SEED
			    ? low_field(raw, 624)
			    : vr_crc32c(~UINT32_C(0), ext->uuid, 16);
}

/* Powers and ratios: what all later arithmetic rests on. */
static bool
decode_units(const uint8_t *raw, struct vr_ext *ext)
{
	uint32_t block_log = low_field(raw, 24), cluster_log;

	if (vr_load_le16(raw + 56) != MAGIC || block_log > 6)
		return false;
	ext->block_bytes = 1024u << block_log;
	ext->cluster_blocks = 1;
	cluster_log = low_field(raw, 28);
	if (ext->ro_compat & VR_EXT_RO_BIGALLOC) {
		if (cluster_log < block_log || cluster_log - block_log > 16)
			return false;
		ext->cluster_blocks = 1u << (cluster_log - block_log);
	}
	return true;
}

static bool
sizes_agree(const struct vr_ext *ext)
{
	uint32_t clusters = ext->blocks_per_group / ext->cluster_blocks;

	return is_power_of_two(ext->inode_bytes) && ext->inode_bytes >= 128 &&
	       ext->inode_bytes <= ext->block_bytes &&
	       is_power_of_two(ext->descriptor_bytes) &&
	       ext->descriptor_bytes >= 32 &&
	       ext->descriptor_bytes <= VR_EXT_DESCRIPTOR_MOST &&
	       ext->blocks_per_group >= GROUP_BLOCKS_LEAST &&
	       ext->blocks_per_group % ext->cluster_blocks == 0 &&
	       clusters <= 8 * ext->block_bytes && ext->inodes_per_group > 0 &&
	       ext->inodes_per_group <= 8 * ext->block_bytes;
}

/* The sums that mke2fs and resize2fs keep. */
static bool
counts_agree(struct vr_ext *ext)
{
	uint64_t most = (UINT64_C(1) << 60) / ext->block_bytes;

	if (ext->blocks > most || ext->blocks <= ext->first_block)
		return false;
	if (ext->first_block > (ext->block_bytes == 1024))
		return false;
	ext->groups = vr_div_up(ext->blocks - ext->first_block,
				ext->blocks_per_group);
	return ext->groups <= UINT32_MAX &&
	       ext->groups * ext->inodes_per_group == ext->inodes;
}

static uint32_t
super_checksum(const uint8_t *raw)
{
	return vr_crc32c(~UINT32_C(0), raw, CHECKSUM_AT);
}

enum vr_ext_state
vr_ext_decode(const uint8_t raw[VR_EXT_SUPER_BYTES], struct vr_ext *ret)
{
	struct vr_ext ext = {
		.inodes = low_field(raw, 0),
		.blocks = low_field(raw, 4),
		.first_block = low_field(raw, 20),
		.blocks_per_group = low_field(raw, 32),
		.inodes_per_group = low_field(raw, 40),
	};

	decode_sizes(raw, &ext);
	if (!decode_units(raw, &ext) || !sizes_agree(&ext) ||
	    !counts_agree(&ext))
		return VR_EXT_WRONG;
	if (ext.incompat & VR_EXT_INCOMPAT_DEVICE || low_field(raw, 76) > 1)
		return VR_EXT_WRONG;
	decode_rest(raw, &ext);
	*ret = ext;
	return !vr_ext_has_checksums(&ext) ||
			       super_checksum(raw) ==
				       low_field(raw, CHECKSUM_AT)
		       ? VR_EXT_SOUND
		       : VR_EXT_CHECKSUM;
}

int
vr_ext_read(struct vr_source *source, uint64_t off, struct vr_ext *ret,
	    enum vr_ext_state *ret_state)
{
	struct vr_window w;
	const uint8_t *raw;
	int r = vr_window_read(&w, source, off, VR_EXT_SUPER_BYTES);

	if (r < 0)
		return r;
	raw = vr_window_bytes(&w, 0, VR_EXT_SUPER_BYTES);
	if (raw)
		*ret_state = vr_ext_decode(raw, ret);
	else
		*ret_state = w.touched_lost ? VR_EXT_LOST : VR_EXT_WRONG;
	vr_window_free(&w);
	return 0;
}

void
vr_ext_seal(uint8_t raw[VR_EXT_SUPER_BYTES])
{
	if (low_field(raw, 76) > 0 &&
	    low_field(raw, 100) & VR_EXT_RO_METADATA_CSUM)
		vr_store_le32(raw + CHECKSUM_AT, super_checksum(raw));
}

const char *
vr_ext_type(const struct vr_ext *ext)
{
	if (ext->incompat & ~(uint32_t)EXT3_INCOMPAT ||
	    ext->ro_compat & ~(uint32_t)EXT3_RO_COMPAT)
		return "ext4";
	return ext->compat & VR_EXT_COMPAT_JOURNAL ? "ext3" : "ext2";
}

/* --- places --------------------------------------------------------------- */

static bool
is_power_of(uint64_t n, unsigned base)
{
	while (n > 1 && n % base == 0)
		n /= base;
	return n == 1;
}

bool
vr_ext_group_has_copy(const struct vr_ext *ext, uint64_t group)
{
	if (group == 0)
		return true;
	if (group >= ext->groups)
		return false;
	if (ext->compat & VR_EXT_COMPAT_SPARSE2)
		return group == ext->backup_groups[0] ||
		       group == ext->backup_groups[1];
	if (group == 1 || !(ext->ro_compat & VR_EXT_RO_SPARSE))
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) ||
	       is_power_of(group, 7);
}

static uint64_t
next_power(uint64_t above, unsigned base)
{
	uint64_t n = 1;

	while (n <= above)
		n *= base;
	return n;
}

uint64_t
vr_ext_next_copy(const struct vr_ext *ext, uint64_t group)
{
	uint64_t next = UINT64_MAX;

	if (ext->compat & VR_EXT_COMPAT_SPARSE2) {
		for (unsigned i = 0; i < 2; i++)
			if (ext->backup_groups[i] > group)
				next = vr_min(next, ext->backup_groups[i]);
	} else if (group == 0 || !(ext->ro_compat & VR_EXT_RO_SPARSE)) {
		next = group + 1;
	} else if (group < UINT32_MAX) {
		next = vr_min(next_power(group, 3), next_power(group, 5));
		next = vr_min(next, next_power(group, 7));
	}
	return next < ext->groups ? next : UINT64_MAX;
}

uint64_t
vr_ext_group_block(const struct vr_ext *ext, uint64_t group)
{
	return ext->first_block + group * ext->blocks_per_group;
}

/* Byte 1024 is block 1 of volumes with blocks of 1 KiB, whatever is first. */
static uint64_t
super_block(const struct vr_ext *ext, uint64_t group)
{
	if (group == 0)
		return ext->block_bytes == 1024;
	return vr_ext_group_block(ext, group);
}

uint64_t
vr_ext_super_off(const struct vr_ext *ext, uint64_t group)
{
	if (group == 0)
		return VR_EXT_SUPER_AT;
	return super_block(ext, group) * ext->block_bytes;
}

uint32_t
vr_ext_blocks_in(const struct vr_ext *ext, uint64_t group)
{
	return (uint32_t)vr_min(ext->blocks_per_group,
				ext->blocks - vr_ext_group_block(ext, group));
}

uint64_t
vr_ext_table_blocks(const struct vr_ext *ext)
{
	return vr_div_up((uint64_t)ext->inodes_per_group * ext->inode_bytes,
			 ext->block_bytes);
}

static uint64_t
descriptors_in_block(const struct vr_ext *ext)
{
	return ext->block_bytes / ext->descriptor_bytes;
}

uint64_t
vr_ext_descriptor_blocks(const struct vr_ext *ext)
{
	return vr_div_up(ext->groups, descriptors_in_block(ext));
}

/* A block of descriptors keeps to the groups that it describes. */
static bool
meta_place(const struct vr_ext *ext, uint64_t index, unsigned n,
	   struct vr_ext_place *ret)
{
	uint64_t set = descriptors_in_block(ext), group = index * set;

	if (n == 1)
		group += 1;
	if (n == 2)
		group += set - 1;
	if (n > 2 || n >= set || group >= ext->groups)
		return false;
	ret->group = group;
	ret->block = vr_ext_group_has_copy(ext, group)
			     ? super_block(ext, group) + 1
			     : vr_ext_group_block(ext, group);
	return true;
}

bool
vr_ext_descriptor_place(const struct vr_ext *ext, uint64_t index, unsigned n,
			struct vr_ext_place *ret)
{
	uint64_t group = 0;

	if (ext->incompat & VR_EXT_INCOMPAT_META_BG &&
	    index >= ext->first_meta_bg)
		return meta_place(ext, index, n, ret);
	for (; n > 0 && group != UINT64_MAX; n--)
		group = vr_ext_next_copy(ext, group);
	if (group == UINT64_MAX)
		return false;
	ret->group = group;
	ret->block = super_block(ext, group) + 1 + index;
	return true;
}

/* With extents and one level, as mke2fs makes it, the first entry tells. */
uint64_t
vr_ext_journal_block(const struct vr_ext *ext)
{
	const uint8_t *pointers = ext->raw + 268;
	uint64_t block;

	if (!(ext->compat & VR_EXT_COMPAT_JOURNAL) || ext->raw[253] != 1)
		return 0;
	if (vr_load_le16(pointers) != 0xF30A)
		return vr_load_le32(pointers);
	if (vr_load_le16(pointers + 2) == 0 || vr_load_le16(pointers + 6) != 0)
		return 0;
	block = vr_load_le32(pointers + 12 + 8) |
		(uint64_t)vr_load_le16(pointers + 12 + 6) << 32;
	return block;
}

/* --- group descriptors ---------------------------------------------------- */

/* The checksum of ext4 before metadata_csum: CRC-16 with polynomial 0xA001. */
static uint16_t
crc16(uint16_t crc, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0xA001
						 : crc >> 1);
	}
	return crc;
}

#define GROUP_SUM_AT 0x1E
#define GROUP_HIGH   0x20

static uint16_t
new_group_checksum(const struct vr_ext *ext, const uint8_t number[4],
		   const uint8_t *descriptor)
{
	static const uint8_t zeros[2];
	uint32_t crc = vr_crc32c(ext->seed, number, 4);

	crc = vr_crc32c(crc, descriptor, GROUP_SUM_AT);
	crc = vr_crc32c(crc, zeros, sizeof(zeros));
	return (uint16_t)vr_crc32c(crc, descriptor + GROUP_HIGH,
				   ext->descriptor_bytes - GROUP_HIGH);
}

static uint16_t
old_group_checksum(const struct vr_ext *ext, const uint8_t number[4],
		   const uint8_t *descriptor)
{
	uint16_t crc = crc16(UINT16_MAX, ext->uuid, sizeof(ext->uuid));

	crc = crc16(crc, number, 4);
	crc = crc16(crc, descriptor, GROUP_SUM_AT);
	return crc16(crc, descriptor + GROUP_HIGH,
		     ext->descriptor_bytes - GROUP_HIGH);
}

/* False: this volume has none. */
static bool
group_checksum(const struct vr_ext *ext, uint64_t group,
	       const uint8_t *descriptor, uint16_t *ret)
{
	uint8_t number[4];

	vr_store_le32(number, (uint32_t)group);
	if (vr_ext_has_checksums(ext))
		*ret = new_group_checksum(ext, number, descriptor);
	else if (ext->ro_compat & VR_EXT_RO_GDT_CSUM)
		*ret = old_group_checksum(ext, number, descriptor);
	else
		return false;
	return true;
}

static uint64_t
wide(const struct vr_ext *ext, const uint8_t *descriptor, unsigned low,
     unsigned high)
{
	uint64_t value = vr_load_le32(descriptor + low);

	if (ext->descriptor_bytes >= 64)
		value |= (uint64_t)vr_load_le32(descriptor + high) << 32;
	return value;
}

static uint32_t
half(const struct vr_ext *ext, const uint8_t *descriptor, unsigned low,
     unsigned high)
{
	uint32_t value = vr_load_le16(descriptor + low);

	if (ext->descriptor_bytes >= 64)
		value |= (uint32_t)vr_load_le16(descriptor + high) << 16;
	return value;
}

/* Only flex_bg lets a group keep its own elsewhere. */
static bool
at_home(const struct vr_ext *ext, uint64_t group, const struct vr_ext_group *g)
{
	uint64_t first = vr_ext_group_block(ext, group);
	uint64_t end = first + vr_ext_blocks_in(ext, group);

	if (ext->incompat & VR_EXT_INCOMPAT_FLEX_BG)
		return true;
	return g->block_bitmap >= first && g->block_bitmap < end &&
	       g->inode_bitmap >= first && g->inode_bitmap < end &&
	       g->inode_table >= first && g->inode_table < end;
}

static bool
places_agree(const struct vr_ext *ext, const struct vr_ext_group *g)
{
	uint64_t first = ext->first_block;

	return g->block_bitmap > first && g->block_bitmap < ext->blocks &&
	       g->inode_bitmap > first && g->inode_bitmap < ext->blocks &&
	       g->inode_table > first &&
	       vr_inside(g->inode_table, vr_ext_table_blocks(ext),
			 ext->blocks) &&
	       g->block_bitmap != g->inode_bitmap &&
	       g->free_clusters <= ext->blocks_per_group &&
	       g->free_inodes <= ext->inodes_per_group &&
	       g->unused_inodes <= ext->inodes_per_group;
}

bool
vr_ext_group_decode(const struct vr_ext *ext, uint64_t group,
		    const uint8_t *descriptor, struct vr_ext_group *ret)
{
	const struct vr_ext_group g = {
		.block_bitmap = wide(ext, descriptor, 0x00, 0x20),
		.inode_bitmap = wide(ext, descriptor, 0x04, 0x24),
		.inode_table = wide(ext, descriptor, 0x08, 0x28),
		.free_clusters = half(ext, descriptor, 0x0C, 0x2C),
		.free_inodes = half(ext, descriptor, 0x0E, 0x2E),
		.directories = half(ext, descriptor, 0x10, 0x30),
		.unused_inodes = half(ext, descriptor, 0x1C, 0x32),
		.flags = vr_load_le16(descriptor + 0x12),
	};
	uint16_t sum;

	if (!places_agree(ext, &g) || !at_home(ext, group, &g))
		return false;
	if (group_checksum(ext, group, descriptor, &sum) &&
	    sum != vr_load_le16(descriptor + GROUP_SUM_AT))
		return false;
	*ret = g;
	return true;
}

void
vr_ext_group_seal(const struct vr_ext *ext, uint64_t group, uint8_t *descriptor)
{
	uint16_t sum;

	if (group_checksum(ext, group, descriptor, &sum))
		vr_store_le16(descriptor + GROUP_SUM_AT, sum);
}

/* --- reading descriptors -------------------------------------------------- */

int
vr_ext_group_read(struct vr_source *volume, const struct vr_ext *ext,
		  uint64_t group, struct vr_ext_group *ret, bool *ret_good)
{
	uint64_t per_block = descriptors_in_block(ext);
	struct vr_ext_place place;
	struct vr_window w;
	const uint8_t *bytes;
	int r;

	*ret_good = false;
	if (group >= ext->groups ||
	    !vr_ext_descriptor_place(ext, group / per_block, 0, &place))
		return 0;
	r = vr_window_read(&w, volume,
			   place.block * ext->block_bytes +
				   group % per_block * ext->descriptor_bytes,
			   ext->descriptor_bytes);
	if (r < 0)
		return r;
	bytes = vr_window_bytes(&w, 0, ext->descriptor_bytes);
	*ret_good = bytes && vr_ext_group_decode(ext, group, bytes, ret);
	vr_window_free(&w);
	return 0;
}

/* What one copy of a block of descriptors adds; *ret_gaps: still missing. */
static int
take_copy(struct vr_source *volume, const struct vr_ext *ext, uint64_t index,
	  uint64_t block, struct vr_ext_groups *to, uint64_t *ret_gaps)
{
	uint64_t per_block = descriptors_in_block(ext);
	uint64_t first = index * per_block;
	uint64_t n = vr_min(per_block, to->count - first);
	struct vr_window w;
	int r = vr_window_read(&w, volume, block * ext->block_bytes,
			       ext->block_bytes);

	if (r < 0)
		return r;
	*ret_gaps = 0;
	for (uint64_t i = 0; i < n; i++) {
		const uint8_t *d = vr_window_bytes(
			&w, i * ext->descriptor_bytes, ext->descriptor_bytes);

		if (!to->good[first + i] && d)
			to->good[first + i] = vr_ext_group_decode(
				ext, first + i, d, &to->items[first + i]);
		*ret_gaps += !to->good[first + i];
	}
	vr_window_free(&w);
	return 0;
}

#define COPIES_MOST 24

static int
read_block(struct vr_source *volume, const struct vr_ext *ext, uint64_t index,
	   struct vr_ext_groups *to)
{
	struct vr_ext_place place;
	uint64_t gaps = 1;
	int r = vr_check_cancel();

	for (unsigned n = 0; r == 0 && gaps && n < COPIES_MOST &&
			     vr_ext_descriptor_place(ext, index, n, &place);
	     n++)
		r = take_copy(volume, ext, index, place.block, to, &gaps);
	return r;
}

int
vr_ext_groups_read(struct vr_source *volume, const struct vr_ext *ext,
		   struct vr_ext_groups *ret)
{
	struct vr_ext_groups groups = {.count = ext->groups};
	int r = 0;

	if (ext->groups > VR_EXT_GROUPS_MOST)
		return vr_fail(VR_E_LIMIT,
			       "%" PRIu64 " groups are more than are looked at",
			       ext->groups);
	groups.items = calloc(ext->groups, sizeof(*groups.items));
	groups.good = calloc(ext->groups, sizeof(*groups.good));
	if (!groups.items || !groups.good)
		r = vr_fail_memory();
	for (uint64_t i = 0; r == 0 && i < vr_ext_descriptor_blocks(ext); i++)
		r = read_block(volume, ext, i, &groups);
	if (r < 0) {
		vr_ext_groups_free(&groups);
		return r;
	}
	*ret = groups;
	return 0;
}

void
vr_ext_groups_free(struct vr_ext_groups *groups)
{
	free(groups->items);
	free(groups->good);
	*groups = (struct vr_ext_groups){0};
}
