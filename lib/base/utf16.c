/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/utf16.h"

#include <string.h>

#include "base/bytes.h"

#define REPLACEMENT 0xFFFD

size_t
vr_utf8_put(uint32_t c, char *to)
{
	static const uint8_t marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--) {
		to[i] = (char)(0x80 | (c & 0x3F));
		c >>= 6;
	}
	to[0] = (char)(marks[n] | c);
	return n;
}

/* One character and the units it takes. */
static uint32_t
next_character(const uint8_t *units, size_t count, size_t *ret_units)
{
	uint16_t high = vr_load_le16(units), low;

	*ret_units = 1;
	if (high < 0xD800 || high > 0xDFFF)
		return high;
	if (high > 0xDBFF || count < 2)
		return REPLACEMENT;
	low = vr_load_le16(units + 2);
	if (low < 0xDC00 || low > 0xDFFF)
		return REPLACEMENT;
	*ret_units = 2;
	return 0x10000 + ((uint32_t)(high & 0x3FF) << 10) + (low & 0x3FF);
}

size_t
vr_utf8_of_utf16le(const uint8_t *units, size_t count, char *to, size_t room)
{
	size_t length = 0, step;

	for (size_t i = 0; i < count; i += step) {
		uint32_t c = next_character(units + 2 * i, count - i, &step);
		char bytes[4];
		size_t n;

		if (c == 0)
			break;
		n = vr_utf8_put(c, bytes);
		if (n >= room - length)
			break;
		memcpy(to + length, bytes, n);
		length += n;
	}
	to[length] = '\0';
	return length;
}
