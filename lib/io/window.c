/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/window.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

static int
mark_lost(struct vr_window *w, uint64_t start, uint64_t end)
{
	if (!w->lost)
		w->lost = calloc(1, w->length / 8 + 1);
	if (!w->lost)
		return vr_fail_memory();
	for (uint64_t i = start; i < end; i++)
		w->lost[i / 8] |= (uint8_t)(1 << i % 8);
	return 0;
}

/* A bad sector must not cost the window around it. */
static int
read_by_sectors(struct vr_window *w, struct vr_source *source, uint64_t off)
{
	for (size_t at = 0, n; at < w->length; at += n) {
		int r;

		n = (size_t)vr_min(VR_SECTOR - (off + at) % VR_SECTOR,
				   w->length - at);
		r = vr_source_read_at(source, w->bytes + at, n, off + at);
		if (r == VR_E_IO) {
			memset(w->bytes + at, 0, n);
			r = mark_lost(w, at, at + n);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int
mark_damage(struct vr_window *w, struct vr_source *source, uint64_t off)
{
	struct vr_extent extent;

	for (uint64_t at = 0; at < w->length; at += extent.length) {
		int r = vr_source_next(source, off + at, &extent);

		if (r < 0)
			return r;
		extent.length = vr_min(extent.length, w->length - at);
		if (!(extent.flags & VR_EXTENT_DAMAGED))
			continue;
		r = mark_lost(w, at, at + extent.length);
		if (r < 0)
			return r;
	}
	return 0;
}

int
vr_window_read(struct vr_window *w, struct vr_source *source, uint64_t off,
	       size_t n)
{
	struct vr_window fresh = {0};
	int r;

	if (n > VR_WINDOW_MOST)
		return vr_fail(VR_E_LIMIT, "a window of %zu bytes is too large",
			       n);
	if (off < source->size)
		fresh.length = (size_t)vr_min(n, source->size - off);
	fresh.bytes = calloc(1, fresh.length + 1);
	if (!fresh.bytes)
		return vr_fail_memory();

	r = vr_source_read_at(source, fresh.bytes, fresh.length,
			      fresh.length ? off : 0);
	if (r == VR_E_IO)
		r = read_by_sectors(&fresh, source, off);
	if (r == 0)
		r = mark_damage(&fresh, source, off);
	if (r < 0) {
		vr_window_free(&fresh);
		return r;
	}
	*w = fresh;
	return 0;
}

void
vr_window_free(struct vr_window *w)
{
	free(w->bytes);
	free(w->lost);
	*w = (struct vr_window){0};
}

bool
vr_window_holds(struct vr_window *w, uint64_t off, uint64_t n)
{
	if (!vr_inside(off, n, w->length)) {
		w->touched_end = true;
		return false;
	}
	for (uint64_t i = off; w->lost && i < off + n; i++)
		if (w->lost[i / 8] & 1 << i % 8) {
			w->touched_lost = true;
			return false;
		}
	return true;
}

const uint8_t *
vr_window_bytes(struct vr_window *w, uint64_t off, uint64_t n)
{
	return vr_window_holds(w, off, n) ? w->bytes + off : NULL;
}

uint8_t
vr_window_u8(struct vr_window *w, uint64_t off)
{
	return vr_window_holds(w, off, 1) ? w->bytes[off] : 0;
}

uint16_t
vr_window_le16(struct vr_window *w, uint64_t off)
{
	return vr_window_holds(w, off, 2) ? vr_load_le16(w->bytes + off) : 0;
}

uint32_t
vr_window_le32(struct vr_window *w, uint64_t off)
{
	return vr_window_holds(w, off, 4) ? vr_load_le32(w->bytes + off) : 0;
}

uint64_t
vr_window_le64(struct vr_window *w, uint64_t off)
{
	return vr_window_holds(w, off, 8) ? vr_load_le64(w->bytes + off) : 0;
}

uint16_t
vr_window_be16(struct vr_window *w, uint64_t off)
{
	return vr_window_holds(w, off, 2) ? vr_load_be16(w->bytes + off) : 0;
}

uint32_t
vr_window_be32(struct vr_window *w, uint64_t off)
{
	return vr_window_holds(w, off, 4) ? vr_load_be32(w->bytes + off) : 0;
}

uint64_t
vr_window_be64(struct vr_window *w, uint64_t off)
{
	return vr_window_holds(w, off, 8) ? vr_load_be64(w->bytes + off) : 0;
}

bool
vr_window_trouble(struct vr_window *w)
{
	bool trouble = w->touched_end || w->touched_lost;

	w->touched_end = w->touched_lost = false;
	return trouble;
}
