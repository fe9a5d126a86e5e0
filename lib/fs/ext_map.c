/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From an inode to the pieces of its data: a tree of extents, or blocks that list
 * blocks. A node that is lost, or that is not what it must be, loses its stretch
 * of the file and nothing else.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "fs/ext_inode.h"

/* More nodes than any file needs that was not made to exhaust us. */
#define NODES_MOST (1u << 20)

struct mapping {
	const struct vr_ext_fs *fs;
	const struct vr_ext_inode *inode;
	struct vr_extents *to;
	uint64_t end; /* blocks of the file */
	unsigned nodes;
};

/* A stretch of the file, in blocks. */
struct stretch {
	uint64_t from, to;
	bool doubted;
};

static int
add(struct mapping *m, uint64_t from, uint64_t to, uint64_t block,
    enum vr_piece_kind kind, bool doubted)
{
	uint32_t bytes = m->fs->ext.block_bytes;
	struct vr_piece_of_file piece = {.kind = kind, .doubted = doubted};

	to = vr_min(to, m->end);
	if (from >= to)
		return 0;
	if (kind == VR_PIECE_DATA &&
	    (block == 0 || !vr_inside(block, to - from, m->fs->ext.blocks))) {
		kind = VR_PIECE_LOST;
		piece.kind = kind;
	}
	if (kind == VR_PIECE_DATA) {
		piece.at = block * bytes;
		piece.doubted |=
			vr_ext_log_is_stale(&m->fs->log, block, to - from);
	}
	piece.off = from * bytes;
	piece.length = (to - from) * bytes;
	return vr_extents_add(m->to, &piece);
}

static int
lose(struct mapping *m, const struct stretch *s)
{
	return add(m, s->from, s->to, 0, VR_PIECE_LOST, false);
}

/* --- extents -------------------------------------------------------------- */

#define HEAD	     12
#define ENTRY	     12
#define EXTENT_MAGIC 0xF30A
#define DEPTH_MOST   5
#define LENGTH_MOST  32768 /* longer ones were reserved, and never written */

static bool
head_agrees(const uint8_t *node, size_t room, unsigned depth)
{
	uint16_t count = vr_load_le16(node + 2), most = vr_load_le16(node + 4);

	return vr_load_le16(node) == EXTENT_MAGIC && count <= most &&
	       most <= (room - HEAD) / ENTRY && vr_load_le16(node + 6) == depth;
}

/* Entries ascend, and stay in the stretch that the node is for. */
static bool
entries_agree(const uint8_t *node, const struct stretch *s)
{
	uint64_t at = s->from;

	for (unsigned i = 0; i < vr_load_le16(node + 2); i++) {
		const uint8_t *e = node + HEAD + i * ENTRY;
		uint64_t first = vr_load_le32(e), length = 1;

		if (vr_load_le16(node + 6) == 0) {
			length = vr_load_le16(e + 4);
			if (length > LENGTH_MOST)
				length -= LENGTH_MOST;
		}
		if (length == 0 || first < at || first >= s->to)
			return false;
		at = first + length;
	}
	return true;
}

static int
map_leaf(struct mapping *m, const uint8_t *node, const struct stretch *s)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < vr_load_le16(node + 2); i++) {
		const uint8_t *e = node + HEAD + i * ENTRY;
		uint64_t first = vr_load_le32(e), n = vr_load_le16(e + 4);
		bool written = n <= LENGTH_MOST;

		if (!written)
			n -= LENGTH_MOST;
		r = add(m, first, first + n,
			vr_load_le32(e + 8) | (uint64_t)vr_load_le16(e + 6)
						      << 32,
			written ? VR_PIECE_DATA : VR_PIECE_ZERO, s->doubted);
	}
	return r;
}

static int map_node(struct mapping *m, const uint8_t *node, size_t room,
		    unsigned depth, const struct stretch *s);

static bool
node_agrees(const struct mapping *m, const uint8_t *node)
{
	size_t tail = HEAD + (size_t)ENTRY * vr_load_le16(node + 4);

	if (!vr_ext_has_checksums(&m->fs->ext))
		return true;
	return tail + 4 <= m->fs->ext.block_bytes &&
	       vr_crc32c(m->inode->seed, node, tail) ==
		       vr_load_le32(node + tail);
}

static int
map_block(struct mapping *m, uint64_t block, unsigned depth, struct stretch *s)
{
	uint32_t bytes = m->fs->ext.block_bytes;
	enum vr_trust trust;
	struct vr_window w;
	const uint8_t *node;
	int r;

	if (block == 0 || block >= m->fs->ext.blocks || ++m->nodes > NODES_MOST)
		return lose(m, s);
	r = vr_ext_block(m->fs, block, &w, &trust);
	if (r < 0)
		return r;
	node = vr_window_bytes(&w, 0, bytes);
	s->doubted |= trust == VR_TRUST_DOUBT;
	if (node && head_agrees(node, bytes, depth) && node_agrees(m, node))
		r = map_node(m, node, bytes, depth, s);
	else
		r = lose(m, s);
	vr_window_free(&w);
	return r;
}

static int
map_index(struct mapping *m, const uint8_t *node, unsigned depth,
	  const struct stretch *s)
{
	unsigned count = vr_load_le16(node + 2);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		const uint8_t *e = node + HEAD + i * ENTRY;
		struct stretch child = {
			.from = vr_load_le32(e),
			.to = i + 1 < count ? vr_load_le32(e + ENTRY) : s->to,
			.doubted = s->doubted,
		};

		r = map_block(m,
			      vr_load_le32(e + 4) |
				      (uint64_t)vr_load_le16(e + 8) << 32,
			      depth - 1, &child);
	}
	return r;
}

static int
map_node(struct mapping *m, const uint8_t *node, size_t room, unsigned depth,
	 const struct stretch *s)
{
	if (!head_agrees(node, room, depth) || !entries_agree(node, s))
		return lose(m, s);
	return depth == 0 ? map_leaf(m, node, s) : map_index(m, node, depth, s);
}

static int
map_extents(struct mapping *m)
{
	const uint8_t *root = m->inode->raw + 40;
	unsigned depth = vr_load_le16(root + 6);
	const struct stretch all = {.to = UINT32_MAX + UINT64_C(1)};

	if (depth > DEPTH_MOST)
		return lose(m, &all);
	return map_node(m, root, 60, depth, &all);
}

/* --- blocks that list blocks ---------------------------------------------- */

static int map_pointer(struct mapping *m, uint32_t block, unsigned level,
		       const struct stretch *s);

static bool
pointers_agree(const struct mapping *m, const uint8_t *node)
{
	for (uint32_t i = 0; i < m->fs->ext.block_bytes; i += 4)
		if (vr_load_le32(node + i) >= m->fs->ext.blocks)
			return false;
	return true;
}

static uint64_t
reach(const struct mapping *m, unsigned level)
{
	uint64_t n = 1;

	while (level-- > 0)
		n *= m->fs->ext.block_bytes / 4;
	return n;
}

static int
map_pointers(struct mapping *m, struct vr_window *w, unsigned level,
	     const struct stretch *s)
{
	uint64_t step = reach(m, level - 1);
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < m->fs->ext.block_bytes / 4; i++) {
		struct stretch child = {
			.from = s->from + i * step,
			.to = s->from + (i + 1) * step,
			.doubted = s->doubted,
		};

		if (child.from >= m->end)
			break;
		/* One lost sector does not lose the pointers beside it. */
		if (vr_window_holds(w, i * 4, 4))
			r = map_pointer(m, vr_window_le32(w, i * 4), level - 1,
					&child);
		else
			r = lose(m, &child);
	}
	return r;
}

/* 0: a hole. Level 0 is data. */
static int
map_pointer(struct mapping *m, uint32_t block, unsigned level,
	    const struct stretch *s)
{
	struct stretch here = *s;
	enum vr_trust trust;
	struct vr_window w;
	int r;

	if (block == 0 || s->from >= m->end)
		return 0;
	if (level == 0)
		return add(m, s->from, s->to, block, VR_PIECE_DATA, s->doubted);
	if (block >= m->fs->ext.blocks || ++m->nodes > NODES_MOST)
		return lose(m, s);
	r = vr_ext_block(m->fs, block, &w, &trust);
	if (r < 0)
		return r;
	here.doubted |= trust == VR_TRUST_DOUBT;
	if (w.lost ||
	    (w.length == m->fs->ext.block_bytes && pointers_agree(m, w.bytes)))
		r = map_pointers(m, &w, level, &here);
	else
		r = lose(m, s);
	vr_window_free(&w);
	return r;
}

#define DIRECT 12

static int
map_blocks(struct mapping *m)
{
	const uint8_t *pointers = m->inode->raw + 40;
	uint64_t at = 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 15; i++) {
		unsigned level = i < DIRECT ? 0 : i - DIRECT + 1;
		struct stretch s = {.from = at, .to = at + reach(m, level)};

		r = map_pointer(m, vr_load_le32(pointers + 4 * i), level, &s);
		at = s.to;
	}
	return r;
}

int
vr_ext_map(const struct vr_ext_fs *fs, const struct vr_ext_inode *inode,
	   struct vr_extents *ret)
{
	struct vr_extents extents = {0};
	struct mapping m = {
		.fs = fs,
		.inode = inode,
		.to = &extents,
		.end = vr_div_up(inode->size, fs->ext.block_bytes),
	};
	int r = inode->flags & VR_EXT_EXTENTS ? map_extents(&m)
					      : map_blocks(&m);

	if (r < 0) {
		vr_extents_free(&extents);
		return r;
	}
	*ret = extents;
	return 0;
}
