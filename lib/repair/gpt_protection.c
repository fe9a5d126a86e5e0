/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repair/gpt_protection.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/mbr_sector.h"

/*
 * The last block as cylinder, head and sector, where that can be said. The tools
 * that leave a MiB free in front never say it.
 */
static void
put_last_chs(uint8_t *p, uint64_t last, uint64_t first_usable)
{
	uint64_t cylinder = last / (255 * 63), head = last / 63 % 255;

	memset(p, 0xFF, 3);
	if (cylinder > 1023 || first_usable == 2048)
		return;
	p[0] = (uint8_t)head;
	p[1] = (uint8_t)((last % 63 + 1) | (cylinder >> 8) << 6);
	p[2] = (uint8_t)cylinder;
}

void
vr_gpt_protection(uint8_t mbr[512], uint64_t last_lba, uint64_t first_usable)
{
	uint8_t *entry = mbr + VR_MBR_TABLE_AT;

	entry[2] = 2;
	entry[4] = VR_MBR_PROTECTIVE;
	put_last_chs(entry + 5, last_lba, first_usable);
	vr_store_le32(entry + 8, 1);
	vr_store_le32(entry + 12, (uint32_t)vr_min(last_lba, UINT32_MAX));
	mbr[510] = 0x55;
	mbr[511] = 0xAA;
}
