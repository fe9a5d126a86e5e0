/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gpt.h"

#include <string.h>
#include <zlib.h>

#include "base/checked.h"

#define MAGIC	     "EFI PART"
#define HEADER_LEAST 92
#define CRC_AT	     16

/* The checksum is taken with its own four bytes as zeros. */
static uint32_t
header_crc(const uint8_t *header, uint32_t n)
{
	static const uint8_t zeros[4];
	uLong crc = crc32(0, header, CRC_AT);

	crc = crc32(crc, zeros, sizeof(zeros));
	return (uint32_t)crc32(crc, header + CRC_AT + 4, n - CRC_AT - 4);
}

static bool
finds_itself(uint64_t lba, uint64_t off, unsigned *ret_block_bytes)
{
	static const unsigned sizes[] = {512, 4096};
	uint64_t place;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		if (vr_mul(lba, sizes[i], &place) && place == off) {
			*ret_block_bytes = sizes[i];
			return true;
		}
	return false;
}

bool
vr_gpt_header(struct vr_window *w, uint64_t at, uint64_t off,
	      struct vr_gpt *ret)
{
	const uint8_t *header = vr_window_bytes(w, at, HEADER_LEAST);
	struct vr_gpt gpt;
	uint32_t n;

	if (!header || memcmp(header, MAGIC, strlen(MAGIC)) != 0)
		return false;
	n = vr_window_le32(w, at + 12);
	if (n < HEADER_LEAST || n > VR_SECTOR || !vr_window_holds(w, at, n))
		return false;
	if (header_crc(header, n) != vr_window_le32(w, at + CRC_AT))
		return false;

	gpt.my_lba = vr_window_le64(w, at + 24);
	gpt.other_lba = vr_window_le64(w, at + 32);
	if (!finds_itself(gpt.my_lba, off, &gpt.block_bytes))
		return false;
	*ret = gpt;
	return true;
}
