/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/fat_entry.h"

#include <string.h>

#include "base/bytes.h"
#include "base/utf16.h"

#define DELETED	      0xE5
#define SHORT_E5      0x05 /* stands for a name that begins with 0xE5 */
#define LONG	      0x0F
#define UNITS_A_PIECE 13u
#define LAST_PIECE    0x40
#define LOWER_BASE    0x08
#define LOWER_SUFFIX  0x10

bool
vr_fat_is_dot(const uint8_t *slot, unsigned dots)
{
	return memcmp(slot, dots == 1 ? ".          " : "..         ", 11) ==
		       0 &&
	       slot[11] & VR_FAT_ATTRIBUTE_FOLDER;
}

uint32_t
vr_fat_first_cluster(const uint8_t *slot, bool is_32)
{
	return vr_load_le16(slot + 26) |
	       (is_32 ? (uint32_t)(vr_load_le16(slot + 20) & 0x0FFF) << 16 : 0);
}

/* --- long names ------------------------------------------------------------ */

static uint8_t
checksum(const uint8_t *name)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < 11; i++)
		sum = (uint8_t)((sum << 7 | sum >> 1) + name[i]);
	return sum;
}

/* The last piece stands first. */
static void
take_piece(struct vr_fat_reader *r, const uint8_t *slot)
{
	unsigned number = slot[0] & ~LAST_PIECE;
	uint8_t *to;

	if (slot[0] & LAST_PIECE) {
		r->pieces = r->awaited = number;
		r->sum = slot[13];
	}
	if (r->pieces == 0 || number != r->awaited || number == 0 ||
	    number > 20 || slot[13] != r->sum) {
		r->pieces = 0;
		return;
	}
	to = r->units + 2 * (number - 1) * UNITS_A_PIECE;
	memcpy(to, slot + 1, 10);
	memcpy(to + 10, slot + 14, 12);
	memcpy(to + 22, slot + 28, 4);
	r->awaited--;
}

static bool
long_name(const struct vr_fat_reader *r, const uint8_t *slot,
	  struct vr_fat_entry *ret)
{
	if (r->pieces == 0 || r->awaited != 0 || checksum(slot) != r->sum)
		return false;
	ret->name_length = vr_utf8_of_utf16le(r->units,
					      r->pieces * UNITS_A_PIECE,
					      ret->name, sizeof(ret->name));
	return ret->name_length > 0;
}

/* --- short names ----------------------------------------------------------- */

/* Code page 437 from 0x80 on: what systems take where nothing else is set. */
static const uint16_t page_437[128] = {
	0x00C7, 0x00FC, 0x00E9, 0x00E2, 0x00E4, 0x00E0, 0x00E5, 0x00E7, 0x00EA,
	0x00EB, 0x00E8, 0x00EF, 0x00EE, 0x00EC, 0x00C4, 0x00C5, 0x00C9, 0x00E6,
	0x00C6, 0x00F4, 0x00F6, 0x00F2, 0x00FB, 0x00F9, 0x00FF, 0x00D6, 0x00DC,
	0x00A2, 0x00A3, 0x00A5, 0x20A7, 0x0192, 0x00E1, 0x00ED, 0x00F3, 0x00FA,
	0x00F1, 0x00D1, 0x00AA, 0x00BA, 0x00BF, 0x2310, 0x00AC, 0x00BD, 0x00BC,
	0x00A1, 0x00AB, 0x00BB, 0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561,
	0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255D, 0x255C, 0x255B,
	0x2510, 0x2514, 0x2534, 0x252C, 0x251C, 0x2500, 0x253C, 0x255E, 0x255F,
	0x255A, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256C, 0x2567, 0x2568,
	0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256B, 0x256A, 0x2518,
	0x250C, 0x2588, 0x2584, 0x258C, 0x2590, 0x2580, 0x03B1, 0x00DF, 0x0393,
	0x03C0, 0x03A3, 0x03C3, 0x00B5, 0x03C4, 0x03A6, 0x0398, 0x03A9, 0x03B4,
	0x221E, 0x03C6, 0x03B5, 0x2229, 0x2261, 0x00B1, 0x2265, 0x2264, 0x2320,
	0x2321, 0x00F7, 0x2248, 0x00B0, 0x2219, 0x00B7, 0x221A, 0x207F, 0x00B2,
	0x25A0, 0x00A0,
};

static size_t
put_bytes(const uint8_t *bytes, size_t n, bool lower, char *to)
{
	size_t length = 0;

	while (n > 0 && bytes[n - 1] == ' ')
		n--;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = bytes[i];

		if (lower && c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		length += vr_utf8_put(c < 0x80 ? c : page_437[c - 0x80],
				      to + length);
	}
	return length;
}

static void
short_name(const uint8_t *slot, struct vr_fat_entry *ret)
{
	uint8_t base[8];
	size_t suffix;

	memcpy(base, slot, 8);
	if (base[0] == SHORT_E5)
		base[0] = DELETED;
	ret->name_length = put_bytes(base, 8, slot[12] & LOWER_BASE, ret->name);
	ret->name[ret->name_length] = '.';
	suffix = put_bytes(slot + 8, 3, slot[12] & LOWER_SUFFIX,
			   ret->name + ret->name_length + 1);
	if (suffix)
		ret->name_length += 1 + suffix;
	ret->name[ret->name_length] = '\0';
}

/* What the specification lets into a short name. */
static bool
can_be_short(const uint8_t *slot)
{
	for (unsigned i = 0; i < 11; i++)
		if ((slot[i] < ' ' && !(i == 0 && slot[i] == SHORT_E5)) ||
		    slot[i] == 0x7F || memchr("\"*+,/:;<=>?[\\]|", slot[i], 15))
			return false;
	return slot[0] != ' ';
}

/* --- slots ----------------------------------------------------------------- */

static void
decode(const uint8_t *slot, uint64_t at, bool is_32, struct vr_fat_entry *ret)
{
	ret->id = at / VR_FAT_SLOT;
	ret->first = vr_fat_first_cluster(slot, is_32);
	ret->size = vr_load_le32(slot + 28);
	ret->attributes = slot[11];
	ret->created = vr_fat_time(vr_load_le16(slot + 16),
				   vr_load_le16(slot + 14), slot[13]);
	ret->accessed = vr_fat_time(vr_load_le16(slot + 18), 0, 0);
	ret->modified = vr_fat_time(vr_load_le16(slot + 24),
				    vr_load_le16(slot + 22), 0);
}

static enum vr_fat_slot_kind
entry(struct vr_fat_reader *r, const uint8_t *slot, uint64_t at, bool is_32,
      struct vr_fat_entry *ret)
{
	if (slot[11] & 0xC0 || !can_be_short(slot))
		return VR_FAT_SLOT_WRONG;
	if (slot[11] & VR_FAT_ATTRIBUTE_LABEL)
		return VR_FAT_SLOT_NOTHING;
	decode(slot, at, is_32, ret);
	if (ret->attributes & VR_FAT_ATTRIBUTE_FOLDER && ret->size)
		return VR_FAT_SLOT_WRONG;
	if (!long_name(r, slot, ret))
		short_name(slot, ret);
	return VR_FAT_SLOT_ENTRY;
}

enum vr_fat_slot_kind
vr_fat_slot(struct vr_fat_reader *r, const uint8_t *slot, uint64_t at,
	    bool is_32, struct vr_fat_entry *ret)
{
	enum vr_fat_slot_kind kind = VR_FAT_SLOT_NOTHING;

	if (slot && (slot[11] & 0x3F) == LONG && slot[0] != DELETED &&
	    slot[0] != 0) {
		take_piece(r, slot);
		return kind;
	}
	if (slot && slot[0] == 0)
		kind = VR_FAT_SLOT_END;
	else if (slot && slot[0] != DELETED && !vr_fat_is_dot(slot, 1) &&
		 !vr_fat_is_dot(slot, 2))
		kind = entry(r, slot, at, is_32, ret);
	r->pieces = 0;
	return kind;
}
