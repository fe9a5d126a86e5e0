/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each check has at least 64 bits that noise would have to hit by chance, except
 * where it says otherwise. Sources: the UEFI specification for GPT, the kernel's
 * documentation of ext4 and of XFS' self-describing metadata, and Microsoft's and
 * the Linux-NTFS project's of NTFS' update sequences.
 */
#include "measure/structure.h"

#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"

/* --- GPT -------------------------------------------------------------------- */

#define GPT_LEAST 92

/* It names its own block, in either size of blocks, and has a checksum. */
static bool
gpt_holds(const uint8_t *bytes, size_t n, uint64_t off)
{
	static const uint8_t none[4];
	uint32_t length, sum;
	uint64_t lba;

	if (n < VR_SECTOR || memcmp(bytes, "EFI PART", 8) != 0)
		return false;
	length = vr_load_le32(bytes + 12);
	lba = vr_load_le64(bytes + 24);
	if (length < GPT_LEAST || length > VR_SECTOR || lba == 0 ||
	    (off / 512 != lba && off / 4096 != lba))
		return false;
	sum = (uint32_t)crc32(0, bytes, 16);
	sum = (uint32_t)crc32(sum, none, sizeof(none));
	sum = (uint32_t)crc32(sum, bytes + 20, length - 20);
	return sum == vr_load_le32(bytes + 16);
}

/* --- ext4 --------------------------------------------------------------------- */

#define EXT4_SUPER	   1024
#define EXT4_MAGIC	   0xEF53
#define EXT4_METADATA_CSUM 0x400

/* Superblocks, first or backup, of filesystems with checksums: 48 bits. */
static bool
ext4_holds(const uint8_t *bytes, size_t n, uint64_t off)
{
	(void)off;
	if (n < EXT4_SUPER || vr_load_le16(bytes + 56) != EXT4_MAGIC ||
	    !(vr_load_le32(bytes + 100) & EXT4_METADATA_CSUM))
		return false;
	return vr_crc32c(UINT32_MAX, bytes, EXT4_SUPER - 4) ==
	       vr_load_le32(bytes + EXT4_SUPER - 4);
}

/* --- NTFS ----------------------------------------------------------------------- */

#define NTFS_RECORD_MOST 4096

/* The last two bytes of every sector of a record repeat its sequence number. */
static bool
ntfs_holds(const uint8_t *bytes, size_t n, uint64_t off)
{
	unsigned at, count;

	(void)off;
	if (n < VR_SECTOR ||
	    (memcmp(bytes, "FILE", 4) != 0 && memcmp(bytes, "INDX", 4) != 0))
		return false;
	at = vr_load_le16(bytes + 4);
	count = vr_load_le16(bytes + 6);
	if (count < 3 || count > NTFS_RECORD_MOST / VR_SECTOR + 1 || at % 2 ||
	    at < 40 || at + 2 * count > VR_SECTOR ||
	    n < (count - 1) * VR_SECTOR)
		return false;
	for (unsigned i = 1; i < count; i++)
		if (memcmp(bytes + i * VR_SECTOR - 2, bytes + at, 2) != 0)
			return false;
	return true;
}

/* --- XFS ------------------------------------------------------------------------- */

struct xfs_kind {
	char magic[5];
	size_t length, sum_at;
};

/* Blocks of 4 KiB and inodes of 512 bytes, which is what mkfs makes. */
static const struct xfs_kind xfs_kinds[] = {
	{"XFSB", 512, 224}, {"XAGF", 512, 216}, {"XAGI", 512, 312},
	{"AB3B", 4096, 52}, {"AB3C", 4096, 52}, {"IAB3", 4096, 52},
	{"FIB3", 4096, 52}, {"RMB3", 4096, 52}, {"R3FC", 4096, 52},
	{"BMA3", 4096, 64}, {"XDB3", 4096, 4},	{"XDD3", 4096, 4},
};

/* Over all of it, with zeros where the sum itself stands. */
static bool
xfs_sum_holds(const uint8_t *bytes, size_t length, size_t sum_at)
{
	static const uint8_t none[4];
	uint32_t sum = vr_crc32c(UINT32_MAX, bytes, sum_at);

	sum = vr_crc32c(sum, none, sizeof(none));
	sum = vr_crc32c(sum, bytes + sum_at + 4, length - sum_at - 4);
	return ~sum == vr_load_le32(bytes + sum_at);
}

static bool
xfs_inode_holds(const uint8_t *bytes, size_t n)
{
	return n >= 512 && bytes[0] == 'I' && bytes[1] == 'N' &&
	       bytes[4] == 3 && xfs_sum_holds(bytes, 512, 100);
}

/* The first bytes of all kinds: noise has seldom one of them. */
static bool
may_be_xfs(uint8_t first)
{
	return first == 'X' || first == 'A' || first == 'I' || first == 'F' ||
	       first == 'R' || first == 'B';
}

static bool
xfs_holds(const uint8_t *bytes, size_t n, uint64_t off)
{
	(void)off;
	if (!may_be_xfs(bytes[0]))
		return false;
	if (xfs_inode_holds(bytes, n))
		return true;
	for (size_t i = 0; i < sizeof(xfs_kinds) / sizeof(*xfs_kinds); i++) {
		const struct xfs_kind *kind = &xfs_kinds[i];

		if (n >= kind->length && memcmp(bytes, kind->magic, 4) == 0)
			return xfs_sum_holds(bytes, kind->length, kind->sum_at);
	}
	return false;
}

/* --- all of them ---------------------------------------------------------------- */

static const struct vr_structure structures[] = {
	{"GPT header", gpt_holds},
	{"ext4 superblock", ext4_holds},
	{"NTFS record", ntfs_holds},
	{"XFS block", xfs_holds},
};

static const struct vr_structure *
structure_at(const uint8_t *bytes, size_t n, uint64_t off)
{
	for (size_t i = 0; i < sizeof(structures) / sizeof(*structures); i++)
		if (structures[i].holds(bytes, n, off))
			return &structures[i];
	return NULL;
}

const struct vr_structure *
vr_structure_find(const uint8_t *bytes, size_t n, uint64_t off, size_t *ret_at)
{
	size_t at = (size_t)(vr_div_up(off, VR_SECTOR) * VR_SECTOR - off);

	for (; at + VR_SECTOR <= n; at += VR_SECTOR) {
		const struct vr_structure *found =
			structure_at(bytes + at, n - at, off + at);

		if (found && ret_at)
			*ret_at = at;
		if (found)
			return found;
	}
	return NULL;
}
