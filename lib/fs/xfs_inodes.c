/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/xfs_inodes.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/vector.h"
#include "fs/xfs_dir.h"

#define CHUNK	      64u /* inodes that are made and freed together */
#define TREE_MAGIC_V4 UINT32_C(0x49414254) /* IABT */
#define TREE_MAGIC_V5 UINT32_C(0x49414233) /* IAB3 */
#define LEVELS_MOST   9
#define STEP	      ((size_t)1 << 20)
#define STRAYS_MOST   (1u << 22)

/* As a record of the tree tells it; number within its group. */
struct chunk {
	uint32_t first;
	uint16_t holes;	 /* a bit for four inodes that are none */
	uint64_t unused; /* a bit an inode */
};

struct finder {
	struct vr_source *volume;
	const struct vr_xfs *fs;
	struct vr_xfs_inodes *to;
	/* Of the group at hand. */
	uint32_t ag;
	bool whole; /* no part of its tree is missing */
	struct {
		struct chunk *items;
		size_t count, room;
	} chunks;
	bool searched; /* any group */
};

/* --- the tree of a group -------------------------------------------------- */

static unsigned
head_bytes(const struct vr_xfs *fs)
{
	return fs->v5 ? 56 : 16;
}

static bool
is_block(const struct finder *f, struct vr_window *w, uint64_t off,
	 unsigned level)
{
	const struct vr_xfs *fs = f->fs;
	const uint8_t *p = vr_window_bytes(w, 0, fs->block_bytes);

	if (!p || vr_load_be16(p + 4) != level)
		return false;
	if (!fs->v5)
		return vr_load_be32(p) == TREE_MAGIC_V4;
	return vr_load_be32(p) == TREE_MAGIC_V5 &&
	       vr_load_be64(p + 16) == off / 512 &&
	       memcmp(p + 32, fs->block_uuid, 16) == 0 &&
	       vr_load_be32(p + 48) == f->ag &&
	       vr_load_le32(p + 52) == vr_xfs_crc(p, fs->block_bytes, 52);
}

static bool
has_sparse(const struct vr_xfs *fs)
{
	return fs->incompat & VR_XFS_INCOMPAT_SPARSE_INODES;
}

/* Records ascend inside [low, high). */
static int
take_records(struct finder *f, const uint8_t *p, unsigned n, uint64_t low,
	     uint64_t high)
{
	uint64_t inodes = (uint64_t)vr_xfs_ag_length(f->fs, f->ag)
			  << f->fs->inode_log;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++, p += 16) {
		struct chunk chunk = {
			.first = vr_load_be32(p),
			.holes = has_sparse(f->fs) ? vr_load_be16(p + 4) : 0,
			.unused = vr_load_be64(p + 8),
		};

		if (chunk.first < low || chunk.first >= high ||
		    !vr_inside(chunk.first, CHUNK, inodes)) {
			f->whole = false;
			return 0;
		}
		low = (uint64_t)chunk.first + CHUNK;
		r = VR_PUSH(&f->chunks, chunk);
	}
	return r;
}

static int take_block(struct finder *f, uint32_t block, unsigned level,
		      uint64_t low, uint64_t high);

static int
take_children(struct finder *f, const uint8_t *keys, const uint8_t *pointers,
	      unsigned n, unsigned level, uint64_t low, uint64_t high)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n; i++) {
		uint64_t key = vr_load_be32(keys + 4 * i), end = high;

		if (i + 1 < n)
			end = vr_load_be32(keys + 4 * (i + 1));
		/* The first key may lag behind what it leads to. */
		if ((i > 0 && key < low) || key >= end || end > high) {
			f->whole = false;
			return 0;
		}
		r = take_block(f, vr_load_be32(pointers + 4 * i), level - 1,
			       vr_max(key, low), end);
		low = end;
	}
	return r;
}

static int
take_block(struct finder *f, uint32_t block, unsigned level, uint64_t low,
	   uint64_t high)
{
	uint32_t bytes = f->fs->block_bytes;
	unsigned head = head_bytes(f->fs), room = (bytes - head) / 8, n;
	uint64_t off = vr_xfs_ag_off(f->fs, f->ag) +
		       ((uint64_t)block << f->fs->block_log);
	struct vr_window w;
	int r = vr_check_cancel();

	if (r == 0 && block >= vr_xfs_ag_length(f->fs, f->ag))
		f->whole = false;
	if (r < 0 || block >= vr_xfs_ag_length(f->fs, f->ag))
		return r;
	r = vr_window_read(&w, f->volume, off, bytes);
	if (r < 0)
		return r;
	n = is_block(f, &w, off, level) ? vr_load_be16(w.bytes + 6)
					: UINT16_MAX;
	if (level > 0 ? n > room : n > (bytes - head) / 16)
		f->whole = false;
	else if (level == 0)
		r = take_records(f, w.bytes + head, n, low, high);
	else
		r = take_children(f, w.bytes + head,
				  w.bytes + head + 4 * (size_t)room, n, level,
				  low, high);
	vr_window_free(&w);
	return r;
}

/* A header that was put there by a repair leads nowhere. */
static int
is_original(struct vr_source *volume, uint64_t off, bool *ret)
{
	struct vr_extent extent;
	int r;

	*ret = false;
	if (off >= volume->size)
		return 0;
	r = vr_source_next(volume, off, &extent);
	*ret = !(extent.flags & (VR_EXTENT_REPAIRED | VR_EXTENT_DAMAGED));
	return r;
}

static int
read_tree(struct finder *f)
{
	uint64_t off = vr_xfs_ag_off(f->fs, f->ag) + 2 * f->fs->sector_bytes;
	struct vr_xfs_ag head;
	struct vr_window w;
	uint32_t root = 0, level = 0;
	int r = is_original(f->volume, off, &f->whole);

	f->chunks.count = 0;
	if (r < 0 || !f->whole)
		return r;
	r = vr_window_read(&w, f->volume, off, f->fs->sector_bytes);
	if (r < 0)
		return r;
	if (vr_xfs_ag_header(&w, 0, f->fs->sector_bytes, &head) &&
	    head.magic == VR_XFS_MAGIC_AGI && head.number == f->ag &&
	    head.v5 == f->fs->v5 &&
	    (!head.v5 || memcmp(head.uuid, f->fs->block_uuid, 16) == 0)) {
		root = vr_window_be32(&w, 20);
		level = vr_window_be32(&w, 24);
	}
	vr_window_free(&w);
	f->whole = level > 0 && level <= LEVELS_MOST;
	return f->whole ? take_block(f, root, level - 1, 0, UINT32_MAX) : 0;
}

/* --- inodes of a chunk ---------------------------------------------------- */

static uint64_t
number_of(const struct finder *f, uint64_t in_group)
{
	return (uint64_t)f->ag << (f->fs->ag_log + f->fs->inode_log) | in_group;
}

/* Without a link an inode only waits for the log to free it. */
static int
take_inode(struct finder *f, struct vr_window *w, uint64_t at, uint64_t number,
	   bool in_tree)
{
	struct vr_xfs_inode inode;
	struct vr_xfs_known known = {
		.number = number,
		.in_tree = in_tree,
		.live = in_tree,
	};

	if (!vr_xfs_inode_at(w, at, f->fs, number, &inode) || inode.links == 0)
		return 0;
	known.is_folder = vr_xfs_is_folder(&inode);
	return VR_PUSH(f->to, known);
}

static int
take_chunk(struct finder *f, const struct chunk *chunk)
{
	uint32_t bytes = f->fs->inode_bytes;
	uint64_t off = vr_xfs_ag_off(f->fs, f->ag) +
		       (uint64_t)chunk->first * bytes;
	struct vr_window w;
	int r = vr_window_read(&w, f->volume, off, (size_t)CHUNK * bytes);

	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < CHUNK; i++) {
		if (chunk->unused >> i & 1 || chunk->holes >> i / 4 & 1)
			continue;
		r = take_inode(f, &w, (uint64_t)i * bytes,
			       number_of(f, (uint64_t)chunk->first + i), true);
	}
	vr_window_free(&w);
	return r;
}

/* --- the search ----------------------------------------------------------- */

/* Is the inode in a chunk that the tree told? Chunks ascend. */
static bool
is_told(const struct finder *f, uint64_t in_group)
{
	size_t low = 0, high = f->chunks.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((uint64_t)f->chunks.items[middle].first + CHUNK > in_group)
			high = middle;
		else
			low = middle + 1;
	}
	return low < f->chunks.count && f->chunks.items[low].first <= in_group;
}

/* A window of whole blocks, of which the first is first_block of the group. */
static int
search_window(struct finder *f, struct vr_window *w, uint64_t first_block)
{
	const struct vr_xfs *fs = f->fs;
	uint64_t off = vr_xfs_ag_off(fs, f->ag) +
		       (first_block << fs->block_log);
	int r = 0;

	for (uint64_t at = 0; r == 0 && at + fs->inode_bytes <= w->length;
	     at += fs->inode_bytes) {
		uint64_t in_group = (first_block << fs->inode_log) +
				    at / fs->inode_bytes;
		struct vr_xfs_stray stray = {.off = off + at};

		if (!vr_window_holds(w, at, 4))
			continue;
		if (memcmp(w->bytes + at, "IN", 2) == 0 &&
		    !is_told(f, in_group))
			r = take_inode(f, w, at, number_of(f, in_group), false);
		else if (at % fs->block_bytes == 0 &&
			 f->to->strays.count < STRAYS_MOST &&
			 memcmp(w->bytes + at, "XD", 2) == 0 &&
			 vr_xfs_dir_block(w, at, off + at, fs, &stray.owner))
			r = VR_PUSH(&f->to->strays, stray);
	}
	return r;
}

/* Windows overlap by a directory block, so that none is cut. */
static int
search(struct finder *f)
{
	const struct vr_xfs *fs = f->fs;
	uint64_t start = vr_xfs_ag_off(fs, f->ag), n;
	uint64_t end = (uint64_t)vr_xfs_ag_length(fs, f->ag) << fs->block_log;

	f->searched = true;
	for (uint64_t at = 0; at < end; at += n) {
		struct vr_extent extent;
		struct vr_window w;
		int r = vr_check_cancel();

		if (r < 0 || start + at >= f->volume->size)
			return r;
		n = vr_min(STEP, end - at);
		r = vr_source_next(f->volume, start + at, &extent);
		if (r < 0)
			return r;
		if (extent.flags & (VR_EXTENT_DAMAGED | VR_EXTENT_HOLE) &&
		    extent.length >= fs->block_bytes) {
			n = vr_round_down(vr_min(extent.length, end - at),
					  fs->block_bytes);
			n = vr_max(n, fs->block_bytes);
			continue;
		}
		r = vr_window_read(&w, f->volume, start + at, (size_t)n);
		if (r == 0) {
			r = search_window(f, &w, at >> fs->block_log);
			vr_window_free(&w);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- which of them live --------------------------------------------------- */

struct lives {
	struct vr_xfs_inodes *inodes;
	struct {
		size_t *items;
		size_t count, room;
	} queue;
};

static size_t
index_of(const struct vr_xfs_inodes *inodes, uint64_t number)
{
	size_t low = 0, high = inodes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (inodes->items[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < inodes->count && inodes->items[low].number == number
		       ? low
		       : SIZE_MAX;
}

static struct vr_xfs_known *
get(struct vr_xfs_inodes *inodes, uint64_t number)
{
	size_t i = index_of(inodes, number);

	return i == SIZE_MAX ? NULL : &inodes->items[i];
}

const struct vr_xfs_known *
vr_xfs_inodes_get(const struct vr_xfs_inodes *inodes, uint64_t number)
{
	size_t i = index_of(inodes, number);

	return i == SIZE_MAX ? NULL : &inodes->items[i];
}

static int
push_life(struct lives *l, struct vr_xfs_known *known)
{
	size_t index = (size_t)(known - l->inodes->items);

	known->live = true;
	return known->is_folder ? VR_PUSH(&l->queue, index) : 0;
}

static int
follow_entry(void *data, const struct vr_xfs_entry *entry)
{
	struct lives *l = data;
	struct vr_xfs_known *known = get(l->inodes, entry->number);

	if (!known || known->live)
		return 0;
	if (known->is_folder !=
	    (entry->is_parent || entry->kind == VR_FILE_FOLDER))
		return 0;
	return push_life(l, known);
}

static int
read_entries(struct finder *f, uint64_t number, struct lives *l)
{
	struct vr_xfs_inode inode;
	bool found;
	int r = vr_check_cancel();

	if (r == 0)
		r = vr_xfs_inode_read(f->volume, f->fs, number, &inode, &found);
	if (r < 0 || !found)
		return r;
	return vr_xfs_dir_read(f->volume, f->fs, &inode, follow_entry, l);
}

/* From what the trees tell, and from the root, along the directories. */
static int
spread_life(struct finder *f)
{
	struct lives l = {.inodes = f->to};
	struct vr_xfs_known *root = get(f->to, f->fs->root);
	int r = 0;

	if (root && root->is_folder)
		root->live = true;
	for (size_t i = 0; r == 0 && i < f->to->count; i++)
		if (f->to->items[i].live && f->to->items[i].is_folder)
			r = VR_PUSH(&l.queue, i);
	while (r == 0 && l.queue.count > 0) {
		size_t index = l.queue.items[--l.queue.count];

		r = read_entries(f, f->to->items[index].number, &l);
	}
	free(l.queue.items);
	return r;
}

/* --- all of it ------------------------------------------------------------ */

static int
compare_known(const void *a, const void *b)
{
	const struct vr_xfs_known *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int
find_in_group(struct finder *f)
{
	int r = read_tree(f);

	for (size_t i = 0; r == 0 && i < f->chunks.count; i++)
		r = take_chunk(f, &f->chunks.items[i]);
	return r == 0 && !f->whole ? search(f) : r;
}

int
vr_xfs_inodes_find(struct vr_source *volume, const struct vr_xfs *fs,
		   struct vr_xfs_inodes *ret)
{
	struct finder f = {.volume = volume, .fs = fs, .to = ret};
	int r = 0;

	for (f.ag = 0; r == 0 && f.ag < fs->ag_count &&
		       vr_xfs_ag_off(fs, f.ag) < volume->size;
	     f.ag++)
		r = find_in_group(&f);
	if (r == 0 && ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items),
		      compare_known);
	if (r == 0 && f.searched)
		r = spread_life(&f);
	free(f.chunks.items);
	return r;
}

void
vr_xfs_inodes_free(struct vr_xfs_inodes *inodes)
{
	free(inodes->items);
	free(inodes->strays.items);
	*inodes = (struct vr_xfs_inodes){0};
}
