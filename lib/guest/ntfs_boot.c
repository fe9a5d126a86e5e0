/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/ntfs.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"

/* Sectors a cluster; above 0x80 it is the power of two, negated. */
static uint64_t
cluster_bytes(uint32_t sector_bytes, unsigned code)
{
	if (code <= 0x80)
		return (uint64_t)sector_bytes * code;
	return code >= 0xE0 ? (uint64_t)sector_bytes << (256 - code) : 0;
}

/* Clusters a record; if negative, the power of two in bytes. */
static uint64_t
record_bytes(uint64_t cluster, unsigned code)
{
	if (code < 0x80)
		return cluster * code;
	return code >= 0xE0 ? UINT64_C(1) << (256 - code) : 0;
}

bool
vr_ntfs_boot_can_be(const struct vr_ntfs_boot *b)
{
	uint64_t bytes, clusters;

	if (!vr_ntfs_is_power(b->sector_bytes, 256, 4096) ||
	    !vr_ntfs_is_power(b->cluster_bytes, b->sector_bytes,
			      VR_NTFS_CLUSTER_MOST) ||
	    !vr_ntfs_is_power(b->record_bytes, 512, VR_NTFS_RECORD_MOST) ||
	    !vr_ntfs_is_power(b->index_bytes, 512, VR_NTFS_RECORD_MOST))
		return false;
	if (b->total_sectors == UINT64_MAX ||
	    !vr_mul(b->total_sectors + 1, b->sector_bytes, &bytes) ||
	    bytes > INT64_MAX)
		return false;
	clusters = b->total_sectors * b->sector_bytes / b->cluster_bytes;
	return b->mft_cluster < clusters && b->mirror_cluster < clusters &&
	       b->mft_cluster > 0 && b->mirror_cluster > 0;
}

/* What FAT keeps there is zero in NTFS. */
static bool
is_no_fat(struct vr_window *w, uint64_t at)
{
	return vr_window_le16(w, at + 14) == 0 &&
	       vr_window_u8(w, at + 16) == 0 &&
	       vr_window_le32(w, at + 17) == 0 &&
	       vr_window_le16(w, at + 22) == 0 &&
	       vr_window_le32(w, at + 32) == 0;
}

bool
vr_ntfs_boot(struct vr_window *w, uint64_t at, struct vr_ntfs_boot *ret)
{
	const uint8_t *p = vr_window_bytes(w, at, VR_NTFS_BOOT_BYTES);
	struct vr_ntfs_boot b;

	if (!p || memcmp(p + 3, VR_NTFS_SIGNATURE, 8) != 0 ||
	    vr_load_le16(p + 510) != 0xAA55 || !is_no_fat(w, at))
		return false;
	b = (struct vr_ntfs_boot){
		.sector_bytes = vr_load_le16(p + 11),
		.hidden_sectors = vr_load_le32(p + 28),
		.total_sectors = vr_load_le64(p + 40),
		.mft_cluster = vr_load_le64(p + 48),
		.mirror_cluster = vr_load_le64(p + 56),
		.serial = vr_load_le64(p + 72),
	};
	b.cluster_bytes = (uint32_t)vr_min(cluster_bytes(b.sector_bytes, p[13]),
					   UINT32_MAX);
	b.record_bytes = (uint32_t)vr_min(record_bytes(b.cluster_bytes, p[64]),
					  UINT32_MAX);
	b.index_bytes = (uint32_t)vr_min(record_bytes(b.cluster_bytes, p[68]),
					 UINT32_MAX);
	if (!vr_ntfs_boot_can_be(&b))
		return false;
	*ret = b;
	return true;
}

static unsigned
log2_of(uint64_t n)
{
	return (unsigned)__builtin_ctzll(n);
}

static uint8_t
record_code(uint32_t bytes, uint32_t cluster)
{
	return (uint8_t)(bytes >= cluster ? bytes / cluster
					  : 256 - log2_of(bytes));
}

void
vr_ntfs_boot_write(const struct vr_ntfs_boot *boot,
		   uint8_t ret[VR_NTFS_BOOT_BYTES])
{
	uint32_t sectors = boot->cluster_bytes / boot->sector_bytes;

	memset(ret, 0, VR_NTFS_BOOT_BYTES);
	memcpy(ret, "\xEB\x52\x90" VR_NTFS_SIGNATURE, 11);
	vr_store_le16(ret + 11, (uint16_t)boot->sector_bytes);
	ret[13] = (uint8_t)(sectors <= 0x80 ? sectors : 256 - log2_of(sectors));
	ret[21] = 0xF8;
	/* The geometry of all large disks; nothing reads it any more. */
	vr_store_le16(ret + 24, 63);
	vr_store_le16(ret + 26, 255);
	vr_store_le32(ret + 28, boot->hidden_sectors);
	vr_store_le32(ret + 36, 0x00800080);
	vr_store_le64(ret + 40, boot->total_sectors);
	vr_store_le64(ret + 48, boot->mft_cluster);
	vr_store_le64(ret + 56, boot->mirror_cluster);
	ret[64] = record_code(boot->record_bytes, boot->cluster_bytes);
	ret[68] = record_code(boot->index_bytes, boot->cluster_bytes);
	vr_store_le64(ret + 72, boot->serial);
	vr_store_le16(ret + 510, 0xAA55);
}

uint64_t
vr_ntfs_volume_bytes(const struct vr_ntfs_boot *boot)
{
	uint64_t bytes;

	if (boot->total_sectors == UINT64_MAX ||
	    !vr_mul(boot->total_sectors + 1, boot->sector_bytes, &bytes))
		return 0;
	return bytes;
}
