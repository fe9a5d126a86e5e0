/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_GPT_HEADER_H
#define VR_GUEST_GPT_HEADER_H

#include "io/window.h"

/*
 * A GPT header that checks itself (UEFI Specification, section 5.3.2). It names
 * its own block and that of its twin: the backup lies in the last block of the
 * disk, so a header tells the capacity. Other fields are as they stand there.
 */
struct vr_gpt {
	uint64_t my_lba, other_lba, first_usable, last_usable, entries_lba;
	uint32_t header_bytes, entry_count, entry_bytes, entries_crc;
	unsigned block_bytes; /* 512 or 4096 */
	uint8_t guid[16];
};

/* Byte offsets in a header, and what every one begins with. */
#define VR_GPT_MAGIC	  "EFI PART"
#define VR_GPT_CRC_AT	  16
#define VR_GPT_MY_AT	  24
#define VR_GPT_OTHER_AT	  32
#define VR_GPT_ENTRIES_AT 72

/*
 * The header at byte off of the disk; at is where that is in the window. False
 * unless magic, sizes, checksum and its own block number all agree.
 */
bool vr_gpt_header(struct vr_window *w, uint64_t at, uint64_t off,
		   struct vr_gpt *ret);

/* Its checksum, over n bytes; 92 at least. */
uint32_t vr_gpt_header_crc(const uint8_t *header, uint32_t n);

/* Bytes of the entries together; 0 where they are absurd, or more than 4 MiB. */
uint32_t vr_gpt_array_bytes(const struct vr_gpt *gpt);

/* The blocks that they fill. */
uint64_t vr_gpt_array_blocks(const struct vr_gpt *gpt);

#endif
