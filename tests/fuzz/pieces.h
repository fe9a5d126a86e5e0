/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_PIECES_H
#define FUZZ_PIECES_H

/*
 * A disk out of a fuzzer's bytes: mostly zeros, pieces of content far apart, some
 * of it lost. A byte tells the size, 1 MiB doubled so many times (modulo 25); then
 * come pieces: u32 sector, u16 length, u8 flags, the bytes. Flag 1: lost; flag 2:
 * suspect. tests/fuzz/pieces.py makes such files out of disks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "io/source.h"

#define PIECES_MOST 512

struct piece {
	uint64_t off, length;
	unsigned flags;
	const uint8_t *bytes;
};

struct pieces {
	struct vr_source source;
	struct piece items[PIECES_MOST];
	size_t count;
};

static int
pieces_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct pieces *p = (struct pieces *)s;

	memset(buf, 0, n);
	for (size_t i = 0; i < p->count; i++) {
		const struct piece *piece = &p->items[i];
		uint64_t a = vr_max(off, piece->off);
		uint64_t b = vr_min(off + n, piece->off + piece->length);

		if (a < b)
			memcpy((uint8_t *)buf + (a - off),
			       piece->bytes + (a - piece->off),
			       (size_t)(b - a));
	}
	return 0;
}

static int
pieces_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct pieces *p = (struct pieces *)s;

	ret->length = s->size - off;
	ret->flags = VR_EXTENT_ZERO;
	for (size_t i = 0; i < p->count; i++) {
		const struct piece *piece = &p->items[i];

		if (off < piece->off) {
			ret->length = vr_min(ret->length, piece->off - off);
		} else if (off - piece->off < piece->length) {
			ret->length = vr_min(ret->length,
					     piece->off + piece->length - off);
			ret->flags &= ~(unsigned)VR_EXTENT_ZERO;
			if (piece->flags & 1)
				ret->flags |= VR_EXTENT_DAMAGED;
			if (piece->flags & 2)
				ret->flags |= VR_EXTENT_SUSPECT;
		}
	}
	return 0;
}

static void
pieces_close(struct vr_source *s)
{
	free(s);
}

static const struct vr_source_ops pieces_ops = {
	.name = "pieces",
	.read_at = pieces_read_at,
	.next = pieces_next,
	.close = pieces_close,
};

/* data must outlive the source. NULL: too short to be a disk. */
static struct vr_source *
pieces_open(const uint8_t *data, size_t size)
{
	struct pieces *p = calloc(1, sizeof(*p));
	size_t at = 1;

	if (!p || size < 1) {
		free(p);
		return NULL;
	}
	vr_source_init(&p->source, &pieces_ops, VR_MIB << data[0] % 25);
	while (p->count < PIECES_MOST && size - at >= 7) {
		struct piece piece = {
			.off = (uint64_t)vr_load_le32(data + at) * VR_SECTOR,
			.length = vr_load_le16(data + at + 4),
			.flags = data[at + 6],
			.bytes = data + at + 7,
		};

		at += 7;
		piece.length = vr_min(piece.length, size - at);
		at += piece.length;
		if (piece.length &&
		    vr_inside(piece.off, piece.length, p->source.size))
			p->items[p->count++] = piece;
	}
	return &p->source;
}

#endif
