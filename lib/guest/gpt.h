/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_GPT_H
#define VR_GUEST_GPT_H

#include "io/window.h"

/*
 * A GPT header that checks itself (UEFI Specification, section 5.3.2). It names
 * its own block and that of its twin: the backup lies in the last block of the
 * disk, so a header tells the capacity.
 */
struct vr_gpt {
	uint64_t my_lba, other_lba;
	unsigned block_bytes; /* 512 or 4096 */
};

/*
 * The header at byte off of the disk; at is where that is in the window. False
 * unless magic, sizes, checksum and its own block number all agree.
 */
bool vr_gpt_header(struct vr_window *w, uint64_t at, uint64_t off,
		   struct vr_gpt *ret);

#endif
