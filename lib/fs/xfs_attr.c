/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/xfs_attr.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#define FLAG_LOCAL	0x01 /* the value stands beside the name */
#define FLAG_ROOT	0x02
#define FLAG_SECURE	0x04
#define FLAG_PARENT	0x08
#define FLAG_INCOMPLETE 0x80
#define LEAF_MAGIC_V4	0xfbee
#define LEAF_MAGIC_V5	0x3bee
#define BLOCKS_MOST	4096

struct job {
	vr_xattr_each each;
	void *data;
};

static int
tell(const struct job *job, unsigned flags, const uint8_t *name, size_t length,
     const uint8_t *value, size_t n)
{
	const char *space = flags & FLAG_ROOT	  ? "trusted"
			    : flags & FLAG_SECURE ? "security"
						  : "user";
	char full[300];

	if (flags & (FLAG_INCOMPLETE | FLAG_PARENT) || length == 0 ||
	    memchr(name, 0, length))
		return 0;
	snprintf(full, sizeof(full), "%s.%.*s", space, (int)length,
		 (const char *)name);
	return job->each(job->data, full, value, n);
}

static int
read_short(const struct job *job, const struct vr_xfs_inode *inode)
{
	const uint8_t *p = inode->bytes + inode->attributes.at;
	size_t room = inode->attributes.length, at = 4;
	unsigned count = room > 4 ? p[2] : 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count && room - at >= 3; i++) {
		size_t length = p[at], n = p[at + 1];

		if (length + n > room - at - 3)
			break;
		r = tell(job, p[at + 2], p + at + 3, length,
			 p + at + 3 + length, n);
		at += 3 + length + n;
	}
	return r;
}

static bool
is_leaf(const struct vr_xfs *fs, const struct vr_xfs_inode *inode,
	const uint8_t *p)
{
	if (!fs->v5)
		return vr_load_be16(p + 8) == LEAF_MAGIC_V4;
	return vr_load_be16(p + 8) == LEAF_MAGIC_V5 &&
	       memcmp(p + 32, fs->block_uuid, 16) == 0 &&
	       vr_load_be64(p + 48) == inode->number &&
	       vr_load_le32(p + 12) == vr_xfs_crc(p, fs->block_bytes, 12);
}

static int
read_leaf(const struct job *job, const struct vr_xfs *fs, const uint8_t *p)
{
	size_t head = fs->v5 ? 80 : 32, bytes = fs->block_bytes;
	unsigned count = vr_load_be16(p + (fs->v5 ? 56 : 12));
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		size_t entry = head + 8 * (size_t)i, at, length, n;

		if (entry + 8 > bytes)
			break;
		at = vr_load_be16(p + entry + 4);
		if (!(p[entry + 6] & FLAG_LOCAL) || at + 3 > bytes)
			continue;
		n = vr_load_be16(p + at);
		length = p[at + 2];
		if (length + n <= bytes - at - 3)
			r = tell(job, p[entry + 6], p + at + 3, length,
				 p + at + 3 + length, n);
	}
	return r;
}

static int
read_long(const struct job *job, struct vr_source *volume,
	  const struct vr_xfs *fs, const struct vr_xfs_inode *inode)
{
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	struct vr_extents extents = {0};
	int r = vr_xfs_fork_pieces(volume, fs, inode, &inode->attributes,
				   &extents);

	if (r < 0) {
		vr_extents_free(&extents);
		return r == VR_E_LIMIT ? 0 : r;
	}
	r = vr_extents_open(volume, &extents,
			    (uint64_t)BLOCKS_MOST * fs->block_bytes, &source);
	for (uint64_t off = 0; r == 0 && off < source->size;) {
		struct vr_extent extent;
		struct vr_window w;
		const uint8_t *p;

		r = vr_source_next(source, off, &extent);
		if (r < 0)
			break;
		if (extent.flags & (VR_EXTENT_HOLE | VR_EXTENT_DAMAGED)) {
			off += vr_max(
				vr_round_down(extent.length, fs->block_bytes),
				fs->block_bytes);
			continue;
		}
		r = vr_window_read(&w, source, off, fs->block_bytes);
		if (r < 0)
			break;
		p = vr_window_bytes(&w, 0, fs->block_bytes);
		if (p && is_leaf(fs, inode, p))
			r = read_leaf(job, fs, p);
		vr_window_free(&w);
		off += fs->block_bytes;
	}
	return r;
}

int
vr_xfs_attr_read(struct vr_source *volume, const struct vr_xfs *fs,
		 const struct vr_xfs_inode *inode, vr_xattr_each each,
		 void *data)
{
	struct job job = {each, data};

	if (inode->attributes.length == 0)
		return 0;
	if (inode->attributes.format == VR_XFS_LOCAL)
		return read_short(&job, inode);
	return read_long(&job, volume, fs, inode);
}
