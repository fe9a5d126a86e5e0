/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_unpack.h"

#include <string.h>
#include <zlib.h>
#ifdef VR_HAVE_ZSTD
#include <zstd.h>
#endif

static bool
unpack_zlib(const uint8_t *packed, size_t n, uint8_t *to, size_t room)
{
	z_stream z = {.avail_in = (uInt)n, .avail_out = (uInt)room};
	int r;

	z.next_in = (z_const Bytef *)(uintptr_t)packed;
	z.next_out = to;
	if (inflateInit(&z) != Z_OK)
		return false;
	r = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return r == Z_STREAM_END || (r == Z_BUF_ERROR && z.avail_out == 0);
}

#ifdef VR_HAVE_ZSTD
#define WINDOW_LOG 17 /* btrfs packs no more at once */

static bool
inflate_zstd(ZSTD_DCtx *context, ZSTD_inBuffer *in, ZSTD_outBuffer *out)
{
	size_t left = 1;

	while (left != 0 && out->pos < out->size) {
		size_t before = in->pos + out->pos;

		left = ZSTD_decompressStream(context, out, in);
		if (ZSTD_isError(left))
			return false;
		if (left != 0 && in->pos + out->pos == before)
			return false;
	}
	return true;
}

static bool
unpack_zstd(const uint8_t *packed, size_t n, uint8_t *to, size_t room)
{
	ZSTD_inBuffer in = {packed, n, 0};
	ZSTD_outBuffer out = {to, room, 0};
	ZSTD_DCtx *context = ZSTD_createDCtx();
	bool good = context &&
		    !ZSTD_isError(ZSTD_DCtx_setParameter(
			    context, ZSTD_d_windowLogMax, WINDOW_LOG)) &&
		    inflate_zstd(context, &in, &out);

	ZSTD_freeDCtx(context);
	return good;
}
#endif

bool
vr_btrfs_unpack(unsigned method, const uint8_t *packed, size_t n, uint8_t *to,
		size_t room)
{
	memset(to, 0, room);
	switch (method) {
	case VR_BTRFS_PLAIN:
		if (n > room)
			return false;
		memcpy(to, packed, n);
		return true;
	case VR_BTRFS_ZLIB:
		return unpack_zlib(packed, n, to, room);
#ifdef VR_HAVE_ZSTD
	case VR_BTRFS_ZSTD:
		return unpack_zstd(packed, n, to, room);
#endif
	default:
		return false;
	}
}
