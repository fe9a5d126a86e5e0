/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gzip: members one behind the other, each with a CRC-32 and its length at its
 * end (RFC 1952). What follows the last member and is none is left alone, as
 * gzip itself leaves it.
 */
#include <string.h>
#include <zlib.h>

#include "base/error.h"
#include "fs/content.h"

#define WITH_GZIP_HEADER (15 + 16)
#define OUT_BYTES	 ((size_t)256 << 10)

/* Answers of the feeding that are no errors. */
enum { GOES_ON = 0, IS_BROKEN = 1, IS_ENOUGH = 2 };

struct unpacking {
	z_stream z;
	uint8_t *out;
	uint64_t unpacked;
	bool inside; /* of a member */
};

static int
take(void *data, const uint8_t *p, size_t n)
{
	struct unpacking *u = data;

	u->z.next_in = (Bytef *)(uintptr_t)p;
	u->z.avail_in = (uInt)n;
	while (u->z.avail_in > 0) {
		int answer;

		if (!u->inside && *u->z.next_in != 0x1F)
			return IS_ENOUGH;
		u->inside = true;
		u->z.next_out = u->out;
		u->z.avail_out = (uInt)OUT_BYTES;
		answer = inflate(&u->z, Z_NO_FLUSH);
		u->unpacked += OUT_BYTES - u->z.avail_out;
		if (answer == Z_STREAM_END) {
			u->inside = false;
			answer = inflateReset(&u->z);
		}
		if (answer == Z_MEM_ERROR)
			return vr_fail_memory();
		if (answer != Z_OK)
			return IS_BROKEN;
		if (u->unpacked > VR_CONTENT_UNPACKED_MOST)
			return IS_ENOUGH;
	}
	return GOES_ON;
}

static void
conclude(const struct unpacking *u, int answer, enum vr_check *ret,
	 const char **ret_why)
{
	if (u->unpacked > VR_CONTENT_UNPACKED_MOST)
		return;
	*ret = answer == IS_BROKEN || u->inside ? VR_CHECK_BROKEN
						: VR_CHECK_SOUND;
	if (*ret == VR_CHECK_BROKEN)
		*ret_why = "it cannot be unpacked to the end, or not to what "
			   "its checksum says";
}

static int
check(struct vr_source *file, enum vr_check *ret, const char **ret_why)
{
	vr_cleanup(vr_free_p) uint8_t *out = malloc(OUT_BYTES);
	struct unpacking u = {.out = out};
	int r;

	if (!out || inflateInit2(&u.z, WITH_GZIP_HEADER) != Z_OK)
		return vr_fail_memory();
	r = vr_content_feed(file, 0, file->size, take, &u);
	inflateEnd(&u.z);
	if (r < 0)
		return r;
	conclude(&u, r, ret, ret_why);
	return 0;
}

const struct vr_content_row vr_content_gzip = {
	.name = "gzip",
	.checksummed = true,
	.magics = (const struct vr_magic[]){{0, 3, "\x1f\x8b\x08"}, {0}},
	.check = check,
};
