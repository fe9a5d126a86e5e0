/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/fat_table.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "fs/extents.h"

#define CHUNK 4096u

/* --- one table of two ------------------------------------------------------ */

/* Worse bytes have the higher rank. */
static int
rank_at(struct vr_source *volume, uint64_t off, unsigned *ret_rank,
	uint64_t *length)
{
	struct vr_extent extent = {.flags = VR_EXTENT_DAMAGED};
	int r = 0;

	if (off < volume->size) {
		r = vr_source_next(volume, off, &extent);
		*length = vr_min(*length, extent.length);
	}
	*ret_rank = extent.flags & VR_EXTENT_DAMAGED   ? 2
		    : extent.flags & VR_EXTENT_SUSPECT ? 1
						       : 0;
	return r;
}

/* The better one of both, for as long as neither changes. */
static int
choose(struct vr_source *volume, const struct vr_fat_places *p, uint64_t at,
       struct vr_piece_of_file *ret)
{
	unsigned first = 2, second = 2;
	int r;

	*ret = (struct vr_piece_of_file){.off = at, .length = p->bytes - at};
	r = rank_at(volume, p->first + at, &first, &ret->length);
	if (r == 0 && p->second && first > 0)
		r = rank_at(volume, p->second + at, &second, &ret->length);
	ret->at = (second < first ? p->second : p->first) + at;
	ret->kind = first < 2 || second < 2 ? VR_PIECE_DATA : VR_PIECE_LOST;
	return r;
}

int
vr_fat_table_open(struct vr_source *volume, const struct vr_fat_places *places,
		  struct vr_fat_table *table)
{
	struct vr_extents pieces = {0};
	struct vr_piece_of_file piece;
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < places->bytes;
	     at += piece.length) {
		r = choose(volume, places, at, &piece);
		if (r == 0)
			r = vr_extents_add(&pieces, &piece);
	}
	if (r < 0) {
		vr_extents_free(&pieces);
		return r;
	}
	r = vr_extents_open(volume, &pieces, places->bytes, &table->table);
	if (r < 0 || !places->second)
		return r;
	piece = (struct vr_piece_of_file){.length = places->bytes,
					  .at = places->second};
	r = vr_extents_add(&pieces, &piece);
	return r == 0 ? vr_extents_open(volume, &pieces, places->bytes,
					&table->copy)
		      : r;
}

void
vr_fat_table_close(struct vr_fat_table *table)
{
	vr_source_free(table->table);
	vr_source_free(table->copy);
}

/* --- looking --------------------------------------------------------------- */

int
vr_fat_flags(struct vr_source *source, uint64_t off, uint64_t n, unsigned *ret)
{
	uint64_t end = vr_min(source->size, off + n);

	*ret = 0;
	while (off < end) {
		struct vr_extent extent;
		int r = vr_source_next(source, off, &extent);

		if (r < 0)
			return r;
		*ret |= extent.flags;
		off += extent.length;
	}
	return 0;
}

void
vr_fat_cursor_open(const struct vr_fat_table *table, struct vr_fat_cursor *ret)
{
	*ret = (struct vr_fat_cursor){.table = table};
}

void
vr_fat_cursor_close(struct vr_fat_cursor *c)
{
	if (!c->open)
		return;
	vr_window_free(&c->w);
	if (c->table->copy)
		vr_window_free(&c->copy);
	c->open = false;
}

/* A byte more, for FAT12 has entries that lie across. */
static int
load(struct vr_fat_cursor *c, uint64_t at)
{
	int r;

	if (c->open && c->at == at)
		return 0;
	vr_fat_cursor_close(c);
	r = vr_window_read(&c->w, c->table->table, at, CHUNK + 1);
	if (r < 0)
		return r;
	if (c->table->copy)
		r = vr_window_read(&c->copy, c->table->copy, at, CHUNK + 1);
	if (r < 0) {
		vr_window_free(&c->w);
		return r;
	}
	c->open = true;
	c->at = at;
	return vr_fat_flags(c->table->table, at, CHUNK + 1, &c->flags);
}

static uint32_t
decode(struct vr_window *w, uint64_t at, unsigned bits, uint32_t cluster)
{
	switch (bits) {
	case 12:
		return cluster % 2 ? vr_window_le16(w, at) >> 4
				   : vr_window_le16(w, at) & 0xFFF;
	case 16:
		return vr_window_le16(w, at);
	case 28:
		return vr_window_le32(w, at) & 0x0FFFFFFF;
	default:
		return vr_window_le32(w, at);
	}
}

static void
classify(const struct vr_fat_table *table, uint32_t value,
	 struct vr_fat_link *ret)
{
	uint32_t most = (uint32_t)((UINT64_C(1) << table->bits) - 1);

	ret->next = value;
	if (value == 0)
		ret->kind = VR_FAT_FREE;
	else if (value >= 2 && value - 2 < table->clusters)
		ret->kind = VR_FAT_NEXT;
	else if (value >= most - 7)
		ret->kind = VR_FAT_END;
	else
		ret->kind = VR_FAT_WRONG;
}

int
vr_fat_cursor_look(struct vr_fat_cursor *c, uint32_t cluster,
		   struct vr_fat_link *ret)
{
	unsigned bits = c->table->bits;
	uint64_t at = bits == 12   ? (uint64_t)cluster * 3 / 2
		      : bits == 16 ? (uint64_t)cluster * 2
				   : (uint64_t)cluster * 4;
	uint64_t chunk = vr_round_down(at, CHUNK);
	uint32_t value, other;
	int r = load(c, chunk);

	*ret = (struct vr_fat_link){.kind = VR_FAT_LOST};
	if (r < 0)
		return r;
	value = decode(&c->w, at - chunk, bits, cluster);
	if (vr_window_trouble(&c->w))
		return 0;
	classify(c->table, value, ret);
	ret->doubted = c->flags & VR_EXTENT_SUSPECT;
	if (!c->table->copy)
		return 0;
	other = decode(&c->copy, at - chunk, bits, cluster);
	if (!vr_window_trouble(&c->copy) && other != value)
		ret->doubted = true;
	return 0;
}
