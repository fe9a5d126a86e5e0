/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PNG: chunks of length, type, data and a CRC-32 of the latter two, from the
 * signature to IEND (ISO/IEC 15948, section 5). What follows IEND is not the
 * picture's.
 */
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "fs/content.h"

#define SIGNATURE_BYTES 8
#define FRAME_BYTES	12 /* length, type and CRC of a chunk */
#define DATA_MOST	UINT32_C(0x7FFFFFFF)

static int
add_crc(void *data, const uint8_t *p, size_t n)
{
	uLong *crc = data;

	*crc = crc32(*crc, p, (uInt)n);
	return 0;
}

/* The chunk at *off, which moves behind it. False: it does not hold up. */
static int
check_chunk(struct vr_source *file, uint64_t *off, bool *ret_holds,
	    bool *ret_last)
{
	uint64_t left = file->size - *off;
	uLong crc = crc32(0, NULL, 0);
	uint8_t head[8], tail[4];
	uint64_t n;
	int r;

	*ret_holds = *ret_last = false;
	if (left < FRAME_BYTES)
		return 0;
	r = vr_source_read_at(file, head, sizeof(head), *off);
	if (r < 0)
		return r;
	n = vr_load_be32(head);
	if (n > DATA_MOST || n > left - FRAME_BYTES)
		return 0;
	r = vr_content_feed(file, *off + 4, *off + 8 + n, add_crc, &crc);
	if (r == 0)
		r = vr_source_read_at(file, tail, sizeof(tail), *off + 8 + n);
	if (r < 0)
		return r;
	*ret_holds = vr_load_be32(tail) == crc;
	*ret_last = memcmp(head + 4, "IEND", 4) == 0;
	*off += FRAME_BYTES + n;
	return 0;
}

static int
check(struct vr_source *file, enum vr_check *ret, const char **ret_why)
{
	uint64_t off = SIGNATURE_BYTES;
	bool holds = true, last = false;
	int r = 0;

	while (r == 0 && holds && !last)
		r = check_chunk(file, &off, &holds, &last);
	*ret = holds ? VR_CHECK_SOUND : VR_CHECK_BROKEN;
	if (!holds)
		*ret_why = "a chunk of the picture does not agree with its "
			   "checksum, or is cut off";
	return r;
}

const struct vr_content_row vr_content_png = {
	.name = "png",
	.checksummed = true,
	.magics = (const struct vr_magic[]){{0, 8, "\x89PNG\r\n\x1a\n"}, {0}},
	.check = check,
};
