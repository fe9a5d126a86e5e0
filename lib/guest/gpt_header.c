/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gpt_header.h"

#include <string.h>
#include <zlib.h>

#include "base/checked.h"

#define HEADER_LEAST	 92
#define ENTRY_LEAST	 128
#define ARRAY_BYTES_MOST (UINT64_C(4) << 20)

/* The checksum is taken with its own four bytes as zeros. */
uint32_t
vr_gpt_header_crc(const uint8_t *header, uint32_t n)
{
	static const uint8_t zeros[4];
	uLong crc = crc32(0, header, VR_GPT_CRC_AT);

	crc = crc32(crc, zeros, sizeof(zeros));
	return (uint32_t)crc32(crc, header + VR_GPT_CRC_AT + 4,
			       n - VR_GPT_CRC_AT - 4);
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

static void
decode_rest(struct vr_window *w, uint64_t at, struct vr_gpt *gpt)
{
	const uint8_t *guid = vr_window_bytes(w, at + 56, sizeof(gpt->guid));

	gpt->first_usable = vr_window_le64(w, at + 40);
	gpt->last_usable = vr_window_le64(w, at + 48);
	gpt->entries_lba = vr_window_le64(w, at + VR_GPT_ENTRIES_AT);
	gpt->entry_count = vr_window_le32(w, at + 80);
	gpt->entry_bytes = vr_window_le32(w, at + 84);
	gpt->entries_crc = vr_window_le32(w, at + 88);
	if (guid)
		memcpy(gpt->guid, guid, sizeof(gpt->guid));
}

bool
vr_gpt_header(struct vr_window *w, uint64_t at, uint64_t off,
	      struct vr_gpt *ret)
{
	const uint8_t *header = vr_window_bytes(w, at, HEADER_LEAST);
	struct vr_gpt gpt = {0};
	uint32_t n;

	if (!header || memcmp(header, VR_GPT_MAGIC, strlen(VR_GPT_MAGIC)) != 0)
		return false;
	n = vr_window_le32(w, at + 12);
	if (n < HEADER_LEAST || n > VR_SECTOR || !vr_window_holds(w, at, n))
		return false;
	if (vr_gpt_header_crc(header, n) !=
	    vr_window_le32(w, at + VR_GPT_CRC_AT))
		return false;

	gpt.header_bytes = n;
	gpt.my_lba = vr_window_le64(w, at + VR_GPT_MY_AT);
	gpt.other_lba = vr_window_le64(w, at + VR_GPT_OTHER_AT);
	if (!finds_itself(gpt.my_lba, off, &gpt.block_bytes))
		return false;
	decode_rest(w, at, &gpt);
	*ret = gpt;
	return true;
}

uint32_t
vr_gpt_array_bytes(const struct vr_gpt *gpt)
{
	uint64_t bytes = (uint64_t)gpt->entry_count * gpt->entry_bytes;

	if (gpt->entry_bytes < ENTRY_LEAST || gpt->entry_bytes % 8 != 0 ||
	    bytes > ARRAY_BYTES_MOST)
		return 0;
	return (uint32_t)bytes;
}

uint64_t
vr_gpt_array_blocks(const struct vr_gpt *gpt)
{
	return vr_div_up(vr_gpt_array_bytes(gpt), gpt->block_bytes);
}
