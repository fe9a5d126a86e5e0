/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_REPAIR_GPT_PROTECTION_H
#define VR_REPAIR_GPT_PROTECTION_H

#include <stdint.h>

/*
 * The protective MBR of a disk with a GPT (UEFI Specification, section 5.2.3),
 * without boot code, into a sector of zeros. last_lba: of the disk.
 */
void vr_gpt_protection(uint8_t mbr[512], uint64_t last_lba,
		       uint64_t first_usable);

#endif
