/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/ntfs_compressed.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "fs/lznt1.h"

struct compressed {
	struct vr_source source, *stored;
	size_t count;
	struct vr_piece_of_file *pieces; /* ascending: what is no hole */
	uint32_t unit;
	uint64_t initialised;
};

/* What is known of a unit before it is read. */
struct unit {
	uint64_t start;
	size_t stored; /* bytes before the hole */
	unsigned flags;
	bool packed, hole, broken;
};

static size_t
piece_ending_above(const struct compressed *c, uint64_t off)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->pieces[middle].off + c->pieces[middle].length > off)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Clusters that are stored stand in front, then a hole to the unit's end. */
static void
measure(const struct compressed *c, struct unit *u, uint64_t end)
{
	uint64_t reached = u->start;

	for (size_t i = piece_ending_above(c, u->start);
	     i < c->count && c->pieces[i].off < end; i++) {
		uint64_t from = vr_max(c->pieces[i].off, u->start);

		u->broken |= from != reached;
		reached = vr_min(c->pieces[i].off + c->pieces[i].length, end);
	}
	u->stored = (size_t)(reached - u->start);
	u->hole = u->stored == 0 && !u->broken;
	u->packed = reached < end && !u->hole;
}

static int
look_at(struct compressed *c, uint64_t start, struct unit *ret)
{
	struct unit u = {.start = start};
	struct vr_extent extent;

	measure(c, &u, start + vr_min(c->unit, c->stored->size - start));
	for (uint64_t at = start; at < start + u.stored; at += extent.length) {
		int r = vr_source_next(c->stored, at, &extent);

		if (r < 0)
			return r;
		u.flags |= extent.flags &
			   (VR_EXTENT_DAMAGED | VR_EXTENT_SUSPECT);
	}
	*ret = u;
	return 0;
}

/* The unit's bytes; *ret_good false where they do not unpack. */
static int
unpack(struct compressed *c, const struct unit *u, uint8_t *to, bool *ret_good)
{
	vr_cleanup(vr_free_p) uint8_t *packed = NULL;
	int r;

	*ret_good = !u->broken;
	memset(to, 0, c->unit);
	if (u->hole || u->broken)
		return 0;
	if (!u->packed)
		return vr_source_read_at(c->stored, to, u->stored, u->start);
	packed = malloc(u->stored);
	if (!packed)
		return vr_fail_memory();
	r = vr_source_read_at(c->stored, packed, u->stored, u->start);
	if (r == 0)
		*ret_good = vr_lznt1(packed, u->stored, to, c->unit);
	return r;
}

static int
read_unit(struct compressed *c, uint64_t start, uint8_t *to)
{
	struct unit u;
	bool good;
	int r;

	memset(to, 0, c->unit);
	if (start >= c->stored->size)
		return 0;
	r = look_at(c, start, &u);
	if (r == 0)
		r = unpack(c, &u, to, &good);
	if (r == 0 && start + c->unit > c->initialised) {
		uint64_t valid = c->initialised - vr_min(c->initialised, start);

		memset(to + valid, 0, c->unit - (size_t)valid);
	}
	return r;
}

static int
compressed_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct compressed *c = (struct compressed *)s;
	vr_cleanup(vr_free_p) uint8_t *room = malloc(c->unit);
	uint8_t *to = buf;

	if (!room)
		return vr_fail_memory();
	while (n > 0) {
		uint64_t start = vr_round_down(off, c->unit);
		size_t here = (size_t)vr_min(n, start + c->unit - off);
		int r = read_unit(c, start, room);

		if (r < 0)
			return r;
		memcpy(to, room + (off - start), here);
		to += here;
		n -= here;
		off += here;
	}
	return 0;
}

/* Only unpacking shows whether a packed unit is what it should be. */
static int
next_in_unit(struct compressed *c, const struct unit *u, struct vr_extent *ret)
{
	vr_cleanup(vr_free_p) uint8_t *room = NULL;
	bool good = true;
	int r = 0;

	ret->flags = u->flags;
	if (u->broken)
		ret->flags |= VR_EXTENT_DAMAGED;
	if (u->hole)
		ret->flags = VR_EXTENT_HOLE | VR_EXTENT_ZERO;
	if (!u->packed || ret->flags & VR_EXTENT_DAMAGED)
		return 0;
	room = malloc(c->unit);
	if (!room)
		return vr_fail_memory();
	r = unpack(c, u, room, &good);
	if (r == VR_E_IO || (r == 0 && !good)) {
		ret->flags |= VR_EXTENT_DAMAGED;
		r = 0;
	}
	return r;
}

static int
compressed_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct compressed *c = (struct compressed *)s;
	uint64_t start = vr_round_down(off, c->unit);
	struct unit u;
	int r;

	*ret = (struct vr_extent){
		.length = vr_min(start + c->unit, s->size) - off,
		.flags = VR_EXTENT_ZERO,
	};
	if (off >= c->initialised)
		ret->length = s->size - off;
	if (off >= c->initialised || start >= c->stored->size)
		return 0;
	ret->length = vr_min(ret->length, c->initialised - off);
	r = look_at(c, start, &u);
	if (r < 0)
		return r;
	if (u.packed || u.broken || u.hole)
		return next_in_unit(c, &u, ret);
	r = vr_source_next(c->stored, off, ret);
	ret->length = vr_min(
		ret->length,
		vr_min(start + c->unit, vr_min(s->size, c->initialised)) - off);
	return r;
}

static void
compressed_close(struct vr_source *s)
{
	struct compressed *c = (struct compressed *)s;

	vr_source_free(c->stored);
	free(c->pieces);
	free(c);
}

static const struct vr_source_ops compressed_ops = {
	.name = "ntfs-compressed",
	.read_at = compressed_read_at,
	.next = compressed_next,
	.close = compressed_close,
};

int
vr_ntfs_compressed_open(struct vr_source *stored,
			const struct vr_extents *pieces, uint32_t unit_bytes,
			uint64_t size, uint64_t initialised,
			struct vr_source **ret)
{
	struct compressed *c = calloc(1, sizeof(*c));

	if (!c)
		return vr_fail_memory();
	vr_source_init(&c->source, &compressed_ops, size);
	c->stored = vr_source_ref(stored);
	c->count = pieces->count;
	c->pieces = calloc(pieces->count + 1, sizeof(*c->pieces));
	if (!c->pieces) {
		compressed_close(&c->source);
		return vr_fail_memory();
	}
	if (pieces->count)
		memcpy(c->pieces, pieces->items,
		       pieces->count * sizeof(*c->pieces));
	c->unit = unit_bytes;
	c->initialised = vr_min(initialised, size);
	*ret = &c->source;
	return 0;
}
