/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/deflater.h"

#include <zlib.h>

#include "base/error.h"

#define LEVEL 1

/* zlib keeps nothing between two streams that would be worth it. */
struct vr_deflater {
	char nothing;
};

int
vr_deflater_new(struct vr_deflater **ret)
{
	struct vr_deflater *d = calloc(1, sizeof(*d));

	if (!d)
		return vr_fail_memory();
	*ret = d;
	return 0;
}

void
vr_deflater_free(struct vr_deflater *d)
{
	free(d);
}

int
vr_deflate(struct vr_deflater *d, const uint8_t *bytes, size_t n, uint8_t *to,
	   size_t *ret_length)
{
	uLongf length = VR_DEFLATED_MOST(n);

	(void)d;
	if (compress2(to, &length, bytes, n, LEVEL) != Z_OK)
		return vr_fail_memory();
	*ret_length = length;
	return 0;
}
