/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directories: inside the inode, in one block that has its index in its tail, or
 * in blocks with the index elsewhere. The index is only for speed and not read.
 */
#include "fs/xfs_dir.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"

#define INDEX_AT     (UINT64_C(32) << 30) /* of the file: behind all names */
#define UNUSED	     0xffff
#define MAGIC_BLOCK4 UINT32_C(0x58443242) /* XD2B */
#define MAGIC_DATA4  UINT32_C(0x58443244) /* XD2D */
#define MAGIC_BLOCK5 UINT32_C(0x58444233) /* XDB3 */
#define MAGIC_DATA5  UINT32_C(0x58444433) /* XDD3 */
#define BLOCKS_MOST  (UINT64_C(1) << 22)

struct job {
	const struct vr_xfs *fs;
	uint64_t owner;
	vr_xfs_entry_each each;
	void *data;
};

static enum vr_file_kind
kind_of(unsigned type)
{
	static const enum vr_file_kind kinds[] = {
		VR_FILE_OTHER,	     VR_FILE_REGULAR,	   VR_FILE_FOLDER,
		VR_FILE_CHAR_DEVICE, VR_FILE_BLOCK_DEVICE, VR_FILE_FIFO,
		VR_FILE_SOCKET,	     VR_FILE_LINK,
	};

	return type < sizeof(kinds) / sizeof(*kinds) ? kinds[type]
						     : VR_FILE_OTHER;
}

static int
tell(struct job *job, const uint8_t *name, size_t length, uint64_t number,
     unsigned type)
{
	struct vr_xfs_entry entry = {
		.name = (const char *)name,
		.length = length,
		.number = number,
		.kind = kind_of(type),
	};
	uint64_t off;

	if (length == 1 && name[0] == '.')
		return 0;
	entry.is_parent = length == 2 && memcmp(name, "..", 2) == 0;
	if (!vr_xfs_inode_off(job->fs, number, &off))
		return 0;
	return job->each(job->data, &entry);
}

/* --- inside the inode ----------------------------------------------------- */

static uint64_t
number_at(const uint8_t *p, bool wide)
{
	return wide ? vr_load_be64(p) & UINT64_C(0xffffffffffffff)
		    : vr_load_be32(p);
}

static int
read_short(struct job *job, const struct vr_xfs_inode *inode)
{
	const uint8_t *p = inode->bytes + inode->data.at;
	size_t room = (size_t)vr_min(inode->data.length, inode->size);
	bool wide = room > 1 && p[1] != 0;
	size_t number_bytes = wide ? 8 : 4, at = 2 + number_bytes;
	unsigned count = room > 1 ? (wide ? p[1] : p[0]) : 0;
	int r;

	if (room < at)
		return 0;
	r = tell(job, (const uint8_t *)"..", 2, number_at(p + 2, wide), 2);
	for (unsigned i = 0; r == 0 && i < count; i++) {
		size_t length = room - at >= 3 ? p[at] : 0, end;
		unsigned type = 0;

		end = at + 3 + length + job->fs->has_ftype;
		if (length == 0 || end + number_bytes > room)
			break;
		if (job->fs->has_ftype)
			type = p[end - 1];
		r = tell(job, p + at + 3, length, number_at(p + end, wide),
			 type);
		at = end + number_bytes;
	}
	return r;
}

/* --- blocks --------------------------------------------------------------- */

static bool
checks_itself(struct vr_window *w, uint64_t at, const struct vr_xfs *fs)
{
	const uint8_t *p = vr_window_bytes(w, at, fs->dir_bytes);
	uint32_t magic = p ? vr_load_be32(p) : 0;

	if (!fs->v5)
		return magic == MAGIC_BLOCK4 || magic == MAGIC_DATA4;
	return (magic == MAGIC_BLOCK5 || magic == MAGIC_DATA5) &&
	       memcmp(p + 24, fs->block_uuid, 16) == 0 &&
	       vr_load_le32(p + 4) == vr_xfs_crc(p, fs->dir_bytes, 4);
}

/* Where the names end: a lone block has its index behind them. */
static size_t
end_of_names(const uint8_t *p, size_t bytes)
{
	uint32_t magic = vr_load_be32(p);
	uint64_t index;

	if (magic != MAGIC_BLOCK4 && magic != MAGIC_BLOCK5)
		return bytes;
	index = 8 + 8 * (uint64_t)vr_load_be32(p + bytes - 8);
	return index < bytes ? bytes - (size_t)index : 0;
}

/* The place of an entry stands at its end once more. */
static int
read_names(struct job *job, const uint8_t *p)
{
	size_t at = job->fs->v5 ? 64 : 16, length;
	size_t end = end_of_names(p, job->fs->dir_bytes);
	int r = 0;

	for (; r == 0 && at + 16 <= end; at += length) {
		if (vr_load_be16(p + at) == UNUSED) {
			length = vr_load_be16(p + at + 2);
			if (length < 8 || length % 8 || length > end - at)
				break;
			continue;
		}
		length = 8 + 1 + (size_t)p[at + 8] + job->fs->has_ftype + 2;
		length = vr_div_up(length, 8) * 8;
		if (p[at + 8] == 0 || length > end - at ||
		    vr_load_be16(p + at + length - 2) != (uint16_t)at)
			break;
		r = tell(job, p + at + 9, p[at + 8],
			 vr_load_be64(p + at) & UINT64_C(0xffffffffffffff),
			 job->fs->has_ftype ? p[at + 9 + p[at + 8]] : 0);
	}
	return r;
}

static int
read_block(struct job *job, struct vr_source *source, uint64_t off)
{
	struct vr_window w;
	int r = vr_window_read(&w, source, off, job->fs->dir_bytes);

	if (r < 0)
		return r;
	if (checks_itself(&w, 0, job->fs) &&
	    (!job->fs->v5 || vr_load_be64(w.bytes + 40) == job->owner))
		r = read_names(job, w.bytes);
	vr_window_free(&w);
	return r;
}

/* Holes are passed over as a whole: a size may be any number. */
static int
read_blocks(struct job *job, struct vr_source *source)
{
	uint64_t step = job->fs->dir_bytes, blocks = 0;
	int r = 0;

	for (uint64_t off = 0; r == 0 && off < source->size;) {
		struct vr_extent extent;

		r = vr_source_next(source, off, &extent);
		if (r == 0)
			r = vr_check_cancel();
		if (r < 0 || blocks > BLOCKS_MOST)
			break;
		if (extent.flags & (VR_EXTENT_HOLE | VR_EXTENT_DAMAGED) &&
		    extent.length >= step) {
			off += vr_round_down(extent.length, step);
			continue;
		}
		r = read_block(job, source, off);
		off += step;
		blocks++;
	}
	return r;
}

static int
read_long(struct job *job, struct vr_source *volume,
	  const struct vr_xfs_inode *inode)
{
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	struct vr_extents extents = {0};
	int r = vr_xfs_fork_pieces(volume, job->fs, inode, &inode->data,
				   &extents);

	if (r < 0) {
		vr_extents_free(&extents);
		return r == VR_E_LIMIT ? 0 : r;
	}
	r = vr_extents_open(
		volume, &extents,
		vr_min(vr_round_down(inode->size, job->fs->dir_bytes),
		       INDEX_AT),
		&source);
	return r < 0 ? r : read_blocks(job, source);
}

int
vr_xfs_dir_read(struct vr_source *volume, const struct vr_xfs *fs,
		const struct vr_xfs_inode *inode, vr_xfs_entry_each each,
		void *data)
{
	struct job job = {fs, inode->number, each, data};

	if (!vr_xfs_is_folder(inode))
		return 0;
	if (inode->data.format == VR_XFS_LOCAL)
		return read_short(&job, inode);
	return read_long(&job, volume, inode);
}

bool
vr_xfs_dir_block(struct vr_window *w, uint64_t at, uint64_t off,
		 const struct vr_xfs *fs, uint64_t *ret_owner)
{
	if (!fs->v5 || !checks_itself(w, at, fs) ||
	    vr_load_be64(w->bytes + at + 8) != off / 512)
		return false;
	*ret_owner = vr_load_be64(w->bytes + at + 40);
	return true;
}

int
vr_xfs_dir_block_read(struct vr_source *volume, const struct vr_xfs *fs,
		      uint64_t off, uint64_t owner, vr_xfs_entry_each each,
		      void *data)
{
	struct job job = {fs, owner, each, data};

	return read_block(&job, volume, off);
}
