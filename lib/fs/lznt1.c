/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/lznt1.h"

#include <string.h>

#include "base/bytes.h"

#define CHUNK	   4096u
#define COMPRESSED 0x8000u

struct chunk {
	const uint8_t *from, *from_end;
	uint8_t *start, *to, *end;
};

/* The further in the chunk, the more bits of a pair tell how far back. */
static unsigned
length_bits(size_t done)
{
	unsigned bits = 12;

	for (size_t reach = 16; done > reach && bits > 4; reach <<= 1)
		bits--;
	return bits;
}

static bool
copy_back(struct chunk *c)
{
	unsigned bits, pair;
	size_t back, n;

	if (c->from_end - c->from < 2 || c->to == c->start)
		return false;
	pair = vr_load_le16(c->from);
	c->from += 2;
	bits = length_bits((size_t)(c->to - c->start));
	back = (pair >> bits) + 1;
	n = (pair & ((1u << bits) - 1)) + 3;
	if (back > (size_t)(c->to - c->start) || n > (size_t)(c->end - c->to))
		return false;
	for (; n > 0; n--, c->to++)
		*c->to = *(c->to - back);
	return true;
}

/* A flag byte, and what its eight bits announce: a byte, or a pair. */
static bool
unpack_group(struct chunk *c)
{
	unsigned flags = *c->from++;

	for (unsigned i = 0; i < 8 && c->from < c->from_end; i++, flags >>= 1) {
		if (flags & 1) {
			if (!copy_back(c))
				return false;
			continue;
		}
		if (c->to == c->end)
			return false;
		*c->to++ = *c->from++;
	}
	return true;
}

static bool
unpack_chunk(const uint8_t *from, size_t n, uint8_t *to, size_t room,
	     size_t *ret)
{
	struct chunk c = {from, from + n, to, to, to + room};

	while (c.from < c.from_end)
		if (!unpack_group(&c))
			return false;
	*ret = (size_t)(c.to - c.start);
	return true;
}

bool
vr_lznt1(const uint8_t *from, size_t n, uint8_t *to, size_t room)
{
	size_t at = 0, done = 0;

	memset(to, 0, room);
	while (done < room && n - at >= 2) {
		unsigned head = vr_load_le16(from + at);
		size_t bytes = (head & 0xFFF) + 1, here = room - done, made;

		if (head == 0)
			return true;
		here = here < CHUNK ? here : CHUNK;
		at += 2;
		if (bytes > n - at)
			return false;
		made = bytes;
		if (!(head & COMPRESSED) && bytes > here)
			return false;
		if (!(head & COMPRESSED))
			memcpy(to + done, from + at, bytes);
		else if (!unpack_chunk(from + at, bytes, to + done, here,
				       &made))
			return false;
		at += bytes;
		/* Only the last chunk may be short; a gap would be no end. */
		done += made < here ? here : made;
	}
	return true;
}
