/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_inode.h"

#include "base/bytes.h"
#include "base/checked.h"

#define INODE_BYTES   160
#define ENTRY_HEAD    30
#define REF_HEAD      10
#define EXTREF_HEAD   18
#define PIECE_HEAD    21
#define PIECE_REGULAR 53

static int64_t
time_at(const uint8_t *p)
{
	int64_t seconds = (int64_t)vr_load_le64(p), ret;
	uint32_t nanoseconds = vr_load_le32(p + 8);

	if (nanoseconds >= 1000000000 ||
	    __builtin_mul_overflow(seconds, INT64_C(1000000000), &ret) ||
	    __builtin_add_overflow(ret, nanoseconds, &ret))
		return VR_NO_TIME;
	return ret;
}

bool
vr_btrfs_inode(const struct vr_btrfs_item *item, struct vr_btrfs_inode *ret)
{
	const uint8_t *p = item->bytes;

	if (!p || item->n < INODE_BYTES || vr_load_le64(p + 16) > INT64_MAX)
		return false;
	*ret = (struct vr_btrfs_inode){
		.size = vr_load_le64(p + 16),
		.links = vr_load_le32(p + 40),
		.uid = vr_load_le32(p + 44),
		.gid = vr_load_le32(p + 48),
		.mode = vr_load_le32(p + 52),
		.device = vr_load_le64(p + 56),
		.flags = vr_load_le64(p + 64),
		.accessed = time_at(p + 112),
		.changed = time_at(p + 124),
		.modified = time_at(p + 136),
		/* Zero: not kept when it was made. */
		.created = vr_load_le64(p + 148) ? time_at(p + 148)
						 : VR_NO_TIME,
	};
	return true;
}

bool
vr_btrfs_entry_next(const struct vr_btrfs_item *item, size_t *at,
		    struct vr_btrfs_entry *ret)
{
	const uint8_t *p = item->bytes + *at;
	size_t room = item->n - *at, value, length;

	if (room < ENTRY_HEAD)
		return false;
	value = vr_load_le16(p + 25);
	length = vr_load_le16(p + 27);
	if (value + length > room - ENTRY_HEAD)
		return false;
	*ret = (struct vr_btrfs_entry){
		.target = vr_btrfs_key_at(p),
		.name = (const char *)p + ENTRY_HEAD,
		.length = length,
		.value = p + ENTRY_HEAD + length,
		.value_bytes = value,
		.kind = p[29],
	};
	*at += ENTRY_HEAD + length + value;
	return true;
}

bool
vr_btrfs_back_next(const struct vr_btrfs_item *item, size_t *at,
		   struct vr_btrfs_back *ret)
{
	bool long_form = item->key.type == VR_BTRFS_INODE_EXTREF;
	size_t head = long_form ? EXTREF_HEAD : REF_HEAD;
	const uint8_t *p = item->bytes + *at;
	size_t room = item->n - *at, length;

	if (room < head)
		return false;
	length = vr_load_le16(p + head - 2);
	if (length > room - head)
		return false;
	*ret = (struct vr_btrfs_back){
		.parent = long_form ? vr_load_le64(p) : item->key.offset,
		.name = (const char *)p + head,
		.length = length,
	};
	*at += head + length;
	return true;
}

bool
vr_btrfs_back_of_root(const struct vr_btrfs_item *item,
		      struct vr_btrfs_back *ret)
{
	const uint8_t *p = item->bytes;
	size_t length;

	if (item->n < EXTREF_HEAD)
		return false;
	length = vr_load_le16(p + 16);
	if (length > item->n - EXTREF_HEAD)
		return false;
	*ret = (struct vr_btrfs_back){
		.parent = vr_load_le64(p),
		.name = (const char *)p + EXTREF_HEAD,
		.length = length,
	};
	return true;
}

/* What is encrypted, or encoded in ways unknown, is not read: method. */
bool
vr_btrfs_piece(const struct vr_btrfs_item *item, struct vr_btrfs_piece *ret)
{
	const uint8_t *p = item->bytes;
	uint64_t end;

	if (item->n < PIECE_HEAD || p[20] > VR_BTRFS_RESERVED)
		return false;
	*ret = (struct vr_btrfs_piece){
		.unpacked = vr_load_le64(p + 8),
		.method = p[17] || vr_load_le16(p + 18) ? UINT8_MAX : p[16],
		.kind = p[20],
	};
	if (ret->kind == VR_BTRFS_INLINE) {
		ret->bytes = p + PIECE_HEAD;
		ret->n = item->n - PIECE_HEAD;
		ret->length = ret->unpacked;
		return vr_add(item->key.offset, ret->length, &end);
	}
	if (item->n < PIECE_REGULAR)
		return false;
	ret->at = vr_load_le64(p + 21);
	ret->stored = vr_load_le64(p + 29);
	ret->from = vr_load_le64(p + 37);
	ret->length = vr_load_le64(p + 45);
	return vr_add(item->key.offset, ret->length, &end) &&
	       (ret->at == 0 ||
		vr_inside(ret->from, ret->length,
			  ret->method ? ret->unpacked : ret->stored));
}
