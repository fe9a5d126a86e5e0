/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_UTF16_H
#define VR_BASE_UTF16_H

#include <stddef.h>
#include <stdint.h>

/*
 * Up to count units of UTF-16 (little-endian, at any alignment) as UTF-8 in
 * room, which is above 0 and has space for the NUL. Ends at a NUL unit, or before
 * a character that has no room. A surrogate without its other half becomes
 * U+FFFD. Returns the length.
 */
size_t vr_utf8_of_utf16le(const uint8_t *units, size_t count, char *to,
			  size_t room);

/* Writes up to four bytes to to; returns how many. */
size_t vr_utf8_put(uint32_t character, char *to);

#endif
