/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/names.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"

struct label {
	char *bytes;
	size_t length;
};

/* Whole characters only; what does not fit any more is left off. */
static void
append(struct label *l, const char *character, size_t n)
{
	if (l->length + n >= VR_LABEL_ROOM)
		return;
	memcpy(l->bytes + l->length, character, n);
	l->length += n;
}

static void
finish(struct label *l)
{
	while (l->length > 0 && l->bytes[l->length - 1] == ' ')
		l->length--;
	l->bytes[l->length] = '\0';
}

static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 ||
	       c == 0x2029;
}

/* The length of the character at the front; 0: it is none, or not for people. */
static size_t
character(const char *s, size_t n)
{
	size_t length = 1;

	while (length < n && length < 4 && !vr_is_utf8(s, length))
		length++;
	if (!vr_is_utf8(s, length) || is_control((uint8_t)*s))
		return 0;
	if (length == 2 && (uint8_t)s[0] == 0xC2 && (uint8_t)s[1] < 0xA0)
		return 0;
	return length;
}

void
vr_label_bytes(const uint8_t *bytes, size_t n, char ret[VR_LABEL_ROOM])
{
	const char *s = (const char *)bytes;
	struct label l = {.bytes = ret};

	n = strnlen(s, n);
	for (size_t i = 0; i < n;) {
		size_t length = character(s + i, n - i);

		append(&l, length ? s + i : "?", length ? length : 1);
		i += length ? length : 1;
	}
	finish(&l);
}

static void
append_code(struct label *l, uint32_t c)
{
	char s[4];

	if (is_control(c) || (c >= 0xD800 && c < 0xE000)) {
		append(l, "?", 1);
	} else if (c < 0x80) {
		s[0] = (char)c;
		append(l, s, 1);
	} else if (c < 0x800) {
		s[0] = (char)(0xC0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3F));
		append(l, s, 2);
	} else if (c < 0x10000) {
		s[0] = (char)(0xE0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3F));
		s[2] = (char)(0x80 | (c & 0x3F));
		append(l, s, 3);
	} else {
		s[0] = (char)(0xF0 | c >> 18);
		s[1] = (char)(0x80 | (c >> 12 & 0x3F));
		s[2] = (char)(0x80 | (c >> 6 & 0x3F));
		s[3] = (char)(0x80 | (c & 0x3F));
		append(l, s, 4);
	}
}

void
vr_label_utf16(const uint8_t *bytes, size_t units, char ret[VR_LABEL_ROOM])
{
	struct label l = {.bytes = ret};

	for (size_t i = 0; i < units; i++) {
		uint32_t c = vr_load_le16(bytes + 2 * i), low = 0;

		if (c == 0)
			break;
		if (c >= 0xD800 && c < 0xDC00 && i + 1 < units)
			low = vr_load_le16(bytes + 2 * i + 2);
		if (low >= 0xDC00 && low < 0xE000) {
			c = 0x10000 + ((c & 0x3FF) << 10 | (low & 0x3FF));
			i++;
		}
		append_code(&l, c);
	}
	finish(&l);
}

static void
print_uuid(const uint8_t bytes[16], const uint8_t order[16],
	   char ret[VR_UUID_ROOM])
{
	char *to = ret;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		snprintf(to, 3, "%02x", bytes[order[i]]);
		to += 2;
	}
}

void
vr_uuid_plain(const uint8_t bytes[16], char ret[VR_UUID_ROOM])
{
	static const uint8_t order[16] = {0, 1, 2,  3,	4,  5,	6,  7,
					  8, 9, 10, 11, 12, 13, 14, 15};

	print_uuid(bytes, order, ret);
}

void
vr_uuid_mixed(const uint8_t bytes[16], char ret[VR_UUID_ROOM])
{
	static const uint8_t order[16] = {3, 2, 1,  0,	5,  4,	7,  6,
					  8, 9, 10, 11, 12, 13, 14, 15};

	print_uuid(bytes, order, ret);
}
