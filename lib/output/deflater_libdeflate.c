/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/deflater.h"

#include <libdeflate.h>

#include "base/error.h"

/* Smaller than zlib's fastest level, and in less time; above, gains are small. */
#define LEVEL 2

struct vr_deflater {
	struct libdeflate_compressor *compressor;
};

int
vr_deflater_new(struct vr_deflater **ret)
{
	struct vr_deflater *d = calloc(1, sizeof(*d));

	if (!d)
		return vr_fail_memory();
	d->compressor = libdeflate_alloc_compressor(LEVEL);
	if (!d->compressor) {
		free(d);
		return vr_fail_memory();
	}
	*ret = d;
	return 0;
}

void
vr_deflater_free(struct vr_deflater *d)
{
	if (d)
		libdeflate_free_compressor(d->compressor);
	free(d);
}

int
vr_deflate(struct vr_deflater *d, const uint8_t *bytes, size_t n, uint8_t *to,
	   size_t *ret_length)
{
	size_t length = libdeflate_zlib_compress(d->compressor, bytes, n, to,
						 VR_DEFLATED_MOST(n));

	if (length == 0)
		return vr_fail(VR_E_MEMORY, "%zu bytes did not fit deflated",
			       n);
	*ret_length = length;
	return 0;
}
