/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/xfs_inode.h"

#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"

#define INODE_MAGIC	 0x494e
#define HEAD_V4		 100
#define HEAD_V5		 176
#define FLAG_REALTIME	 0x1
#define FLAG2_BIGTIME	 (UINT64_C(1) << 3)
#define FLAG2_MANY	 (UINT64_C(1) << 4) /* counts of extents are wider */
#define NANOSECONDS	 INT64_C(1000000000)
#define BIGTIME_BEFORE	 (INT64_C(1) << 31) /* seconds from its epoch to 1970 */
#define TREE_MAGIC_V4	 UINT32_C(0x424d4150) /* BMAP */
#define TREE_MAGIC_V5	 UINT32_C(0x424d4133) /* BMA3 */
#define LEVELS_MOST	 9
#define TREE_BLOCKS_MOST 131072
#define FILE_BLOCKS_MOST (UINT64_C(1) << 54)

/* --- inodes --------------------------------------------------------------- */

static int64_t
time_at(const uint8_t *p, bool bigtime)
{
	int64_t seconds = (int32_t)vr_load_be32(p);
	uint64_t big = vr_load_be64(p);

	if (!bigtime)
		return seconds * NANOSECONDS + (int32_t)vr_load_be32(p + 4);
	if (big > INT64_MAX)
		return VR_NO_TIME;
	return (int64_t)big - BIGTIME_BEFORE * NANOSECONDS;
}

static bool
is_kind(uint32_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) ||
	       S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) ||
	       S_ISSOCK(mode);
}

/* Does the format suit the kind, as kernels demand it? */
static bool
suits(uint32_t mode, unsigned format)
{
	if (S_ISREG(mode))
		return format == VR_XFS_EXTENTS || format == VR_XFS_TREE;
	if (S_ISDIR(mode) || S_ISLNK(mode))
		return format >= VR_XFS_LOCAL && format <= VR_XFS_TREE;
	return format == VR_XFS_DEVICE;
}

static bool
checks_itself(struct vr_window *w, uint64_t at, const struct vr_xfs *fs,
	      uint64_t number)
{
	const uint8_t *p = vr_window_bytes(w, at, fs->inode_bytes);

	if (!p || vr_load_be16(p) != INODE_MAGIC)
		return false;
	if (!fs->v5)
		return p[4] == 1 || p[4] == 2;
	return p[4] == 3 && vr_load_be64(p + 152) == number &&
	       memcmp(p + 160, fs->block_uuid, 16) == 0 &&
	       vr_load_le32(p + 100) == vr_xfs_crc(p, fs->inode_bytes, 100);
}

static bool
find_forks(const uint8_t *p, const struct vr_xfs *fs,
	   struct vr_xfs_inode *inode, bool many)
{
	unsigned head = fs->v5 ? HEAD_V5 : HEAD_V4,
		 room = fs->inode_bytes - head;
	unsigned split = p[82] * 8u;

	if (p[5] > VR_XFS_TREE || p[83] > VR_XFS_TREE ||
	    !suits(inode->mode, p[5]) || split >= room)
		return false;
	inode->data = (struct vr_xfs_fork){
		.format = p[5],
		.extents = many ? vr_load_be64(p + 24) : vr_load_be32(p + 76),
		.at = head,
		.length = split ? split : room,
	};
	inode->attributes = (struct vr_xfs_fork){
		.format = p[83],
		.extents = many ? vr_load_be32(p + 76) : vr_load_be16(p + 80),
		.at = head + split,
		.length = split ? room - split : 0,
	};
	return true;
}

bool
vr_xfs_inode_at(struct vr_window *w, uint64_t at, const struct vr_xfs *fs,
		uint64_t number, struct vr_xfs_inode *ret)
{
	const uint8_t *p;
	uint64_t flags2;
	bool bigtime;

	if (!checks_itself(w, at, fs, number))
		return false;
	p = w->bytes + at;
	flags2 = fs->v5 ? vr_load_be64(p + 120) : 0;
	bigtime = flags2 & FLAG2_BIGTIME;
	ret->number = number;
	ret->mode = vr_load_be16(p + 2);
	ret->size = vr_load_be64(p + 56);
	ret->blocks = vr_load_be64(p + 64);
	if (!is_kind(ret->mode) || ret->size > INT64_MAX ||
	    !find_forks(p, fs, ret, flags2 & FLAG2_MANY))
		return false;
	ret->uid = vr_load_be32(p + 8);
	ret->gid = vr_load_be32(p + 12);
	ret->links = p[4] == 1 ? vr_load_be16(p + 6) : vr_load_be32(p + 16);
	ret->realtime = vr_load_be16(p + 90) & FLAG_REALTIME;
	ret->generation = vr_load_be32(p + 92);
	ret->accessed = time_at(p + 32, bigtime);
	ret->modified = time_at(p + 40, bigtime);
	ret->changed = time_at(p + 48, bigtime);
	ret->created = fs->v5 ? time_at(p + 144, bigtime) : VR_NO_TIME;
	memcpy(ret->bytes, p, fs->inode_bytes);
	return true;
}

int
vr_xfs_inode_read(struct vr_source *volume, const struct vr_xfs *fs,
		  uint64_t number, struct vr_xfs_inode *ret, bool *ret_found)
{
	struct vr_window w;
	uint64_t off;
	int r;

	*ret_found = false;
	if (!vr_xfs_inode_off(fs, number, &off))
		return 0;
	r = vr_window_read(&w, volume, off, fs->inode_bytes);
	if (r < 0)
		return r;
	*ret_found = vr_xfs_inode_at(&w, 0, fs, number, ret);
	vr_window_free(&w);
	return 0;
}

bool
vr_xfs_is_folder(const struct vr_xfs_inode *inode)
{
	return S_ISDIR(inode->mode);
}

/* --- extents -------------------------------------------------------------- */

struct job {
	struct vr_source *volume;
	const struct vr_xfs *fs;
	const struct vr_xfs_inode *inode;
	struct vr_extents *to;
	uint64_t records; /* met so far */
	unsigned blocks_left;
};

struct record {
	uint64_t off, block, count; /* in blocks */
	bool unwritten;
};

static struct record
record_at(const uint8_t *p)
{
	uint64_t high = vr_load_be64(p), low = vr_load_be64(p + 8);

	return (struct record){
		.off = (high & INT64_MAX) >> 9,
		.block = (high & 0x1ff) << 43 | low >> 21,
		.count = low & 0x1fffff,
		.unwritten = high >> 63,
	};
}

/* A record inside [low, high) of the file, its blocks in one group. */
static bool
is_sane(const struct vr_xfs *fs, const struct record *r, uint64_t low,
	uint64_t high)
{
	uint64_t off;

	return r->count > 0 && r->off >= low && r->off < high &&
	       r->count <= high - r->off &&
	       vr_xfs_block_off(fs, r->block, &off) &&
	       vr_xfs_block_off(fs, r->block + r->count - 1, &off) &&
	       r->block >> fs->ag_log ==
		       (r->block + r->count - 1) >> fs->ag_log;
}

static int
add_lost(struct job *job, uint64_t low, uint64_t high)
{
	unsigned log = job->fs->block_log;
	uint64_t most = (uint64_t)INT64_MAX >> log;

	low = vr_min(low, most);
	high = vr_min(high, most);
	return vr_extents_add(job->to, &(struct vr_piece_of_file){
					       .off = low << log,
					       .length = (high - low) << log,
					       .kind = VR_PIECE_LOST,
				       });
}

static int
add_record(struct job *job, const struct record *r)
{
	unsigned log = job->fs->block_log;
	struct vr_piece_of_file piece = {
		.off = r->off << log,
		.length = r->count << log,
		.kind = r->unwritten ? VR_PIECE_ZERO : VR_PIECE_DATA,
	};

	if (r->off > (uint64_t)INT64_MAX >> log)
		return 0;
	vr_xfs_block_off(job->fs, r->block, &piece.at);
	return vr_extents_add(job->to, &piece);
}

/* All n records make sense within [low, high), in order, or none is taken. */
static int
add_records(struct job *job, const uint8_t *p, uint64_t n, uint64_t low,
	    uint64_t high)
{
	uint64_t at = low;
	int r = 0;

	for (uint64_t i = 0; i < n; i++) {
		struct record record = record_at(p + 16 * i);

		if (!is_sane(job->fs, &record, at, high))
			return add_lost(job, low, high);
		at = record.off + record.count;
	}
	job->records += n;
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		struct record record = record_at(p + 16 * i);

		r = add_record(job, &record);
	}
	return r;
}

static unsigned
head_bytes(const struct vr_xfs *fs)
{
	return fs->v5 ? 72 : 24;
}

/* A block of the tree, of that level, that belongs to this inode. */
static bool
is_block(struct job *job, struct vr_window *w, uint64_t off, unsigned level)
{
	const struct vr_xfs *fs = job->fs;
	const uint8_t *p = vr_window_bytes(w, 0, fs->block_bytes);

	if (!p || vr_load_be16(p + 4) != level)
		return false;
	if (!fs->v5)
		return vr_load_be32(p) == TREE_MAGIC_V4;
	return vr_load_be32(p) == TREE_MAGIC_V5 &&
	       vr_load_be64(p + 24) == off / 512 &&
	       memcmp(p + 40, fs->block_uuid, 16) == 0 &&
	       vr_load_be64(p + 56) == job->inode->number &&
	       vr_load_le32(p + 64) == vr_xfs_crc(p, fs->block_bytes, 64);
}

static int add_block(struct job *job, uint64_t block, unsigned level,
		     uint64_t low, uint64_t high);

/* Keys ascend inside [low, high): so no block can be met twice for long. */
static int
add_children(struct job *job, const uint8_t *keys, const uint8_t *pointers,
	     uint64_t n, unsigned level, uint64_t low, uint64_t high)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < n; i++) {
		uint64_t key = vr_load_be64(keys + 8 * i), end = high;

		if (i + 1 < n)
			end = vr_load_be64(keys + 8 * (i + 1));
		if (key < low || key >= end || end > high)
			return add_lost(job, low, high);
		r = add_block(job, vr_load_be64(pointers + 8 * i), level - 1,
			      key, end);
		low = end;
	}
	return r;
}

static int
add_of_block(struct job *job, const uint8_t *p, unsigned level, uint64_t low,
	     uint64_t high)
{
	unsigned head = head_bytes(job->fs);
	uint64_t room = (job->fs->block_bytes - head) / 16;
	uint64_t n = vr_load_be16(p + 6);

	if (n == 0 || n > room)
		return add_lost(job, low, high);
	if (level == 0)
		return add_records(job, p + head, n, low, high);
	return add_children(job, p + head, p + head + 8 * room, n, level, low,
			    high);
}

static int
add_block(struct job *job, uint64_t block, unsigned level, uint64_t low,
	  uint64_t high)
{
	struct vr_window w;
	uint64_t off;
	int r = vr_check_cancel();

	if (r < 0)
		return r;
	if (job->blocks_left == 0 || !vr_xfs_block_off(job->fs, block, &off))
		return add_lost(job, low, high);
	job->blocks_left--;
	r = vr_window_read(&w, job->volume, off, job->fs->block_bytes);
	if (r < 0)
		return r;
	if (is_block(job, &w, off, level))
		r = add_of_block(job, w.bytes, level, low, high);
	else
		r = add_lost(job, low, high);
	vr_window_free(&w);
	return r;
}

static int
add_root(struct job *job, const uint8_t *p, unsigned length)
{
	unsigned level = vr_load_be16(p);
	uint64_t n = vr_load_be16(p + 2), room = (length - 4) / 16;

	if (level == 0 || level > LEVELS_MOST || n == 0 || n > room)
		return add_lost(job, 0, FILE_BLOCKS_MOST);
	return add_children(job, p + 4, p + 4 + 8 * room, n, level, 0,
			    FILE_BLOCKS_MOST);
}

int
vr_xfs_fork_pieces(struct vr_source *volume, const struct vr_xfs *fs,
		   const struct vr_xfs_inode *inode,
		   const struct vr_xfs_fork *fork, struct vr_extents *to)
{
	struct job job = {
		.volume = volume,
		.fs = fs,
		.inode = inode,
		.to = to,
		.blocks_left = TREE_BLOCKS_MOST,
	};
	const uint8_t *p = inode->bytes + fork->at;

	if (fork->length == 0)
		return 0;
	if (inode->realtime && fork == &inode->data)
		return add_lost(&job, 0, FILE_BLOCKS_MOST);
	if (fork->format == VR_XFS_TREE && fork->length >= 20)
		return add_root(&job, p, fork->length);
	if (fork->format != VR_XFS_EXTENTS)
		return 0;
	if (fork->extents > fork->length / 16)
		return add_lost(&job, 0, FILE_BLOCKS_MOST);
	return add_records(&job, p, fork->extents, 0, FILE_BLOCKS_MOST);
}
