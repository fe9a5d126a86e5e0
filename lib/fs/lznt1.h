/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_LZNT1_H
#define VR_FS_LZNT1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Unpacks LZNT1, NTFS's compression, as documented in Microsoft's MS-XCA: chunks
 * of up to 4 KiB, each with a header. What the input does not fill of to stays
 * zero. False where the input is no such thing.
 */
bool vr_lznt1(const uint8_t *from, size_t n, uint8_t *to, size_t room);

#endif
