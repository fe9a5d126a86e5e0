/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/packed.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "io/window.h"

/* The two bytes that begin a zlib stream are a number divisible by 31. */
static bool
begins_stream(const uint8_t *p)
{
	return (p[0] & 15) == Z_DEFLATED && p[0] >> 4 <= 7 &&
	       (p[0] << 8 | p[1]) % 31 == 0;
}

static int
look_along(struct vr_source *file, uint64_t off, struct vr_packed *packed)
{
	struct vr_extent extent;

	for (uint64_t at = 0; at < packed->length; at += extent.length) {
		int r = vr_source_next(file, off + at, &extent);

		if (r < 0)
			return r;
		packed->lost |= (extent.flags & VR_EXTENT_DAMAGED) != 0;
		packed->doubted |= (extent.flags & VR_EXTENT_SUSPECT) != 0;
	}
	return 0;
}

static int
decode_head(struct vr_window *w, uint64_t off, uint64_t room,
	    uint64_t grain_bytes, struct vr_packed *packed)
{
	const uint8_t *p;

	packed->sector = vr_window_le64(w, 0);
	packed->length = vr_window_le32(w, 8);
	p = vr_window_bytes(w, VR_PACKED_HEAD, 2);
	if (w->touched_lost) {
		*packed = (struct vr_packed){.lost = true};
		return 0;
	}
	if (!p || packed->length < 8 || !begins_stream(p) ||
	    packed->length > VR_PACKED_MOST(grain_bytes) ||
	    packed->length + VR_PACKED_HEAD > room)
		return vr_fail(VR_E_FORMAT,
			       "no compressed grain stands at %" PRIu64, off);
	packed->length += VR_PACKED_HEAD;
	return 0;
}

int
vr_packed_look(struct vr_source *file, uint64_t off, uint64_t grain_bytes,
	       struct vr_packed *ret)
{
	struct vr_packed packed = {0};
	struct vr_window w;
	int r;

	if (off >= file->size)
		return vr_fail(VR_E_FORMAT,
			       "no compressed grain stands at %" PRIu64, off);
	r = vr_window_read(&w, file, off, VR_PACKED_HEAD + 2);
	if (r < 0)
		return r;
	r = decode_head(&w, off, file->size - off, grain_bytes, &packed);
	vr_window_free(&w);
	if (r == 0)
		r = look_along(file, off, &packed);
	if (r == 0)
		*ret = packed;
	return r;
}

static int
inflate_bytes(const uint8_t *from, size_t from_bytes, uint8_t *bytes, size_t n,
	      size_t least)
{
	z_stream z = {
		.next_in = (Bytef *)(uintptr_t)from,
		.avail_in = (uInt)from_bytes,
		.next_out = bytes,
		.avail_out = (uInt)n,
	};
	int r;

	if (inflateInit(&z) != Z_OK)
		return vr_fail_memory();
	r = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	if (r == Z_MEM_ERROR)
		return vr_fail_memory();
	if (r != Z_STREAM_END || n - z.avail_out < least)
		return vr_fail(VR_E_FORMAT,
			       "a compressed grain does not inflate");
	memset(bytes + (n - z.avail_out), 0, z.avail_out);
	return 0;
}

int
vr_packed_inflate(struct vr_source *file, uint64_t off,
		  const struct vr_packed *packed, uint8_t *bytes, size_t n,
		  size_t least)
{
	size_t length = (size_t)(packed->length - VR_PACKED_HEAD);
	vr_cleanup(vr_free_p) uint8_t *from = malloc(length + 1);
	int r;

	if (!from)
		return vr_fail_memory();
	r = vr_source_read_at(file, from, length, off + VR_PACKED_HEAD);
	return r == 0 ? inflate_bytes(from, length, bytes, n, least) : r;
}
