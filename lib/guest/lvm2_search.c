/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/lvm2_search.h"

#include <string.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"
#include "io/window.h"

#define CHUNK ((size_t)4 << 20)
/* A file of more describes thousands of volumes; it would not lie in one piece. */
#define FILE_MOST ((size_t)1 << 20)
/* A guest keeps some dozens of texts. */
#define TEXTS_MOST    1024
#define FAILURES_MOST 1024
/* Holes and stripes that are stepped over: a large disk has millions of them. */
#define EXTENTS_MOST 65536

struct searcher {
	struct vr_source *disk;
	struct vr_lvm2_copies *copies;
	unsigned failures;
	uint64_t left; /* bytes that may still be read */
	bool unread;
	uint8_t *chunk;
};

static size_t
bytes_until_loss(const struct vr_window *w)
{
	size_t n = 0;

	if (!w->lost)
		return w->length;
	while (n < w->length && !(w->lost[n / 8] & 1 << n % 8))
		n++;
	return n;
}

static int
take_text(struct searcher *s, uint64_t off)
{
	struct vr_window w;
	struct vr_lvm2_vg vg;
	int r = vr_window_read(&w, s->disk, off, FILE_MOST);

	if (r < 0)
		return r;
	r = vr_lvm2_parse((const char *)w.bytes, bytes_until_loss(&w), &vg);
	vr_window_free(&w);
	if (r == VR_E_FORMAT) {
		s->failures++;
		return 0;
	}
	if (r == 0)
		r = VR_PUSH(s->copies, {.vg = vg, .off = off});
	if (r < 0)
		vr_lvm2_vg_free(&vg);
	return r;
}

static int
search_chunk(struct searcher *s, const uint8_t *bytes, size_t n, uint64_t off)
{
	static const char mark[] = VR_LVM2_CONTENTS;
	const uint8_t *p = bytes, *end = bytes + n;
	int r = 0;

	while (r == 0 && s->failures < FAILURES_MOST &&
	       s->copies->count < TEXTS_MOST) {
		p = memmem(p, (size_t)(end - p), mark, sizeof(mark) - 1);
		if (!p)
			break;
		r = take_text(s, off + (uint64_t)(p - bytes));
		p++;
	}
	return r;
}

/* A stretch without damage. Chunks overlap by what a mark needs. */
static int
search_stretch(struct searcher *s, uint64_t off, uint64_t end)
{
	const uint64_t overlap = sizeof(VR_LVM2_CONTENTS) - 2;

	while (off < end) {
		size_t n = (size_t)vr_min(CHUNK, end - off);
		int r = vr_check_cancel();

		if (s->left < n) {
			s->unread = true;
			return r;
		}
		s->left -= n;
		if (r == 0)
			r = vr_source_read_at(s->disk, s->chunk, n, off);
		if (r == 0)
			r = search_chunk(s, s->chunk, n, off);
		else if (r == VR_E_IO)
			r = 0;
		if (r < 0)
			return r;
		off += n;
		if (off < end)
			off -= overlap;
	}
	return 0;
}

static bool
is_worth_reading(const struct vr_extent *e)
{
	return !(e->flags &
		 (VR_EXTENT_HOLE | VR_EXTENT_ZERO | VR_EXTENT_DAMAGED));
}

static int
search_disk(struct searcher *s, uint64_t extents_most)
{
	uint64_t off = 0, start = 0;
	struct vr_extent e;
	int r = 0;

	for (; r == 0 && !s->unread && off < s->disk->size; off += e.length) {
		if (extents_most-- == 0) {
			s->unread = true;
			break;
		}
		r = vr_source_next(s->disk, off, &e);
		if (r < 0 || is_worth_reading(&e))
			continue;
		r = search_stretch(s, start, off);
		start = off + e.length;
	}
	return r == 0 ? search_stretch(s, start, off) : r;
}

int
vr_lvm2_search(struct vr_source *disk, uint64_t most,
	       struct vr_lvm2_copies *ret, bool *ret_unread)
{
	struct searcher s = {.disk = disk, .copies = ret, .left = most};
	int r;

	s.chunk = malloc(CHUNK);
	if (!s.chunk)
		return vr_fail_memory();
	/* Who asked for all of a disk gets all of it. */
	r = search_disk(&s, most < disk->size ? EXTENTS_MOST : UINT64_MAX);
	free(s.chunk);
	*ret_unread |= s.unread;
	return r;
}
