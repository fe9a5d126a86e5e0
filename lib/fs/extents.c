/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/extents.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"
#include "base/vector.h"

struct pieces {
	struct vr_source source, *volume;
	size_t count;
	struct vr_piece_of_file *items;
};

static bool
goes_on(const struct vr_piece_of_file *a, const struct vr_piece_of_file *b)
{
	return a->kind == b->kind && a->doubted == b->doubted &&
	       a->off + a->length == b->off &&
	       (a->kind != VR_PIECE_DATA || a->at + a->length == b->at);
}

int
vr_extents_add(struct vr_extents *extents, const struct vr_piece_of_file *piece)
{
	struct vr_piece_of_file *last = NULL;
	uint64_t end;

	if (piece->length == 0)
		return 0;
	if (extents->count >= VR_EXTENTS_MOST ||
	    !vr_add(piece->off, piece->length, &end) ||
	    !vr_add(piece->at, piece->length, &end))
		return vr_fail(VR_E_LIMIT, "a file in more pieces, or larger, "
					   "than any genuine one");
	if (extents->count)
		last = &extents->items[extents->count - 1];
	if (last && goes_on(last, piece)) {
		last->length += piece->length;
		return 0;
	}
	return VR_PUSH(extents, *piece);
}

void
vr_extents_free(struct vr_extents *extents)
{
	free(extents->items);
	*extents = (struct vr_extents){0};
}

/* --- putting in order ----------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	const struct vr_piece_of_file *x = a, *y = b;

	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return (x->length < y->length) - (x->length > y->length);
}

static bool
is_sorted(const struct vr_extents *e)
{
	for (size_t i = 1; i < e->count; i++)
		if (compare(&e->items[i - 1], &e->items[i]) > 0)
			return false;
	return true;
}

static void
cut_to(struct vr_piece_of_file *p, uint64_t start)
{
	uint64_t cut = start - p->off;

	p->off += cut;
	p->at += cut;
	p->length -= cut;
}

/* Two claims on one range: neither is to be relied on. */
static void
settle(struct vr_extents *e, uint64_t size, uint64_t volume_size)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->count; i++) {
		struct vr_piece_of_file p = e->items[i];
		struct vr_piece_of_file *last = kept ? &e->items[kept - 1]
						     : NULL;

		if (p.off >= size)
			break;
		p.length = vr_min(p.length, size - p.off);
		if (last && p.off < last->off + last->length) {
			uint64_t end = last->off + last->length;

			last->doubted = true;
			if (p.off + p.length <= end)
				continue;
			cut_to(&p, end);
			p.doubted = true;
		}
		if (p.kind == VR_PIECE_DATA &&
		    !vr_inside(p.at, p.length, volume_size))
			p.kind = VR_PIECE_LOST;
		e->items[kept++] = p;
	}
	e->count = kept;
}

/* --- the source ----------------------------------------------------------- */

/* The first piece that ends above off; count when there is none. */
static size_t
piece_ending_above(const struct pieces *p, uint64_t off)
{
	return VR_FIRST(p->count, i,
			p->items[i].off + p->items[i].length > off);
}

static int
pieces_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct pieces *p = (struct pieces *)s;
	size_t i = piece_ending_above(p, off);
	uint8_t *to = buf;

	while (n > 0) {
		const struct vr_piece_of_file *piece =
			i < p->count ? &p->items[i] : NULL;
		size_t here = n;
		int r = 0;

		if (piece && piece->off <= off) {
			uint64_t into = off - piece->off;

			here = (size_t)vr_min(n, piece->length - into);
			i++;
			if (piece->kind == VR_PIECE_DATA)
				r = vr_source_read_at(p->volume, to, here,
						      piece->at + into);
			else
				memset(to, 0, here);
		} else {
			if (piece)
				here = (size_t)vr_min(n, piece->off - off);
			memset(to, 0, here);
		}
		if (r < 0)
			return r;
		to += here;
		n -= here;
		off += here;
	}
	return 0;
}

static int
next_in_piece(struct pieces *p, const struct vr_piece_of_file *piece,
	      uint64_t off, struct vr_extent *ret)
{
	uint64_t into = off - piece->off;
	int r = 0;

	*ret = (struct vr_extent){.length = piece->length - into};
	if (piece->kind == VR_PIECE_DATA) {
		r = vr_source_next(p->volume, piece->at + into, ret);
		ret->length = vr_min(ret->length, piece->length - into);
	} else {
		ret->flags = piece->kind == VR_PIECE_LOST ? VR_EXTENT_DAMAGED
							  : VR_EXTENT_ZERO;
	}
	if (piece->doubted)
		ret->flags |= VR_EXTENT_SUSPECT;
	return r;
}

static int
pieces_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct pieces *p = (struct pieces *)s;
	size_t i = piece_ending_above(p, off);

	if (i < p->count && p->items[i].off <= off)
		return next_in_piece(p, &p->items[i], off, ret);
	*ret = (struct vr_extent){
		.length = (i < p->count ? p->items[i].off : s->size) - off,
		.flags = VR_EXTENT_HOLE | VR_EXTENT_ZERO,
	};
	return 0;
}

static void
pieces_close(struct vr_source *s)
{
	struct pieces *p = (struct pieces *)s;

	vr_source_free(p->volume);
	free(p->items);
	free(p);
}

static const struct vr_source_ops pieces_ops = {
	.name = "extents",
	.read_at = pieces_read_at,
	.next = pieces_next,
	.close = pieces_close,
};

int
vr_extents_open(struct vr_source *volume, struct vr_extents *extents,
		uint64_t size, struct vr_source **ret)
{
	struct pieces *p = calloc(1, sizeof(*p));

	if (!p) {
		vr_extents_free(extents);
		return vr_fail_memory();
	}
	if (extents->count && !is_sorted(extents))
		qsort(extents->items, extents->count, sizeof(*extents->items),
		      compare);
	settle(extents, size, volume->size);
	vr_source_init(&p->source, &pieces_ops, size);
	p->volume = vr_source_ref(volume);
	p->count = extents->count;
	p->items = extents->items;
	*extents = (struct vr_extents){0};
	*ret = &p->source;
	return 0;
}

void
vr_walk_place(const struct vr_source *file, uint64_t off,
	      struct vr_standing *ret)
{
	const struct pieces *p = (const struct pieces *)file;
	const struct vr_piece_of_file *piece;
	size_t i;

	*ret = (struct vr_standing){.length = file->size - off};
	if (file->ops != &pieces_ops)
		return;
	i = piece_ending_above(p, off);
	piece = i < p->count ? &p->items[i] : NULL;
	if (piece && piece->off <= off)
		*ret = (struct vr_standing){
			.length = piece->length - (off - piece->off),
			.placed = piece->kind == VR_PIECE_DATA,
			.at = piece->at + (off - piece->off),
		};
	else if (piece)
		ret->length = piece->off - off;
}
