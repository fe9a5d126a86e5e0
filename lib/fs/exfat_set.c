/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/exfat_set.h"

#include <string.h>

#include "base/bytes.h"
#include "base/utf16.h"

#define TYPE_END     0x00
#define TYPE_FILE    0x85
#define TYPE_STREAM  0xC0
#define TYPE_NAME    0xC1

#define UNITS_A_SLOT 15u
#define FLAG_DATA    0x01 /* first cluster and size mean something */
#define FLAG_ROW     0x02 /* no chain: the clusters lie in a row */

/* --- checks ---------------------------------------------------------------- */

static uint16_t
checksum(const uint8_t *p, size_t n)
{
	uint16_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (i != 2 && i != 3)
			sum = (uint16_t)(((uint32_t)sum << 15 | sum >> 1) +
					 p[i]);
	return sum;
}

/*
 * Of the name in capital letters. Those beyond ASCII are told by a table of the
 * volume: with such names the hash is not asked.
 */
static bool
name_holds(const uint8_t *stream, const uint8_t *units)
{
	uint16_t sum = 0;

	for (unsigned i = 0; i < stream[3]; i++) {
		uint8_t low = units[2 * i];

		if (low >= 0x80 || units[2 * i + 1])
			return false;
		if (low >= 'a' && low <= 'z')
			low = (uint8_t)(low - 'a' + 'A');
		sum = (uint16_t)(((uint32_t)sum << 15 | sum >> 1) + low);
		sum = (uint16_t)((uint32_t)sum << 15 | sum >> 1);
	}
	return sum == vr_load_le16(stream + 4);
}

/* --- what a set says ------------------------------------------------------- */

/* Local time, with its distance from UTC in quarters of an hour where known. */
static int64_t
time_at(uint32_t stamp, unsigned hundredths, uint8_t zone)
{
	int64_t at = vr_fat_time(stamp >> 16, stamp & 0xFFFF, hundredths);
	int quarters = zone & 0x7F;

	if (at == VR_NO_TIME || !(zone & 0x80))
		return at;
	if (quarters >= 64)
		quarters -= 128;
	return at - (int64_t)quarters * 15 * 60 * 1000000000;
}

static void
decode_head(const uint8_t *p, struct vr_exfat_entry *ret)
{
	ret->attributes = vr_load_le16(p + 4);
	ret->created = time_at(vr_load_le32(p + 8), p[20], p[22]);
	ret->modified = time_at(vr_load_le32(p + 12), p[21], p[23]);
	ret->accessed = time_at(vr_load_le32(p + 16), 0, p[24]);
}

static void
decode_stream(const uint8_t *p, struct vr_exfat_entry *ret)
{
	if (!(p[1] & FLAG_DATA))
		return;
	ret->unlinked = p[1] & FLAG_ROW;
	ret->written = vr_load_le64(p + 8);
	ret->first = vr_load_le32(p + 20);
	ret->size = vr_load_le64(p + 24);
}

static void
decode_name(const uint8_t *stream, unsigned name_slots,
	    struct vr_exfat_entry *ret)
{
	uint8_t units[17 * UNITS_A_SLOT * 2];

	if (stream[3] == 0 || name_slots * UNITS_A_SLOT < stream[3])
		return;
	for (unsigned i = 0; i < name_slots; i++)
		memcpy(units + 2 * i * UNITS_A_SLOT,
		       stream + (i + 1) * VR_FAT_SLOT + 2, 2 * UNITS_A_SLOT);
	if (ret->whole || name_holds(stream, units))
		ret->name_length = vr_utf8_of_utf16le(
			units, stream[3], ret->name, sizeof(ret->name));
}

/* Without its first two slots nothing is told; sizes must be such as can be. */
static bool
finish(struct vr_exfat_reader *r, struct vr_exfat_entry *ret)
{
	const uint8_t *head = r->slots, *stream = r->slots + VR_FAT_SLOT;
	unsigned have = r->have;

	r->have = 0;
	if (have < 2)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->created = ret->modified = ret->accessed = VR_NO_TIME;
	ret->id = r->id;
	ret->headless = r->headless;
	if (!r->headless) {
		ret->whole = have == r->want &&
			     checksum(head, have * (size_t)VR_FAT_SLOT) ==
				     vr_load_le16(head + 2);
		decode_head(head, ret);
	}
	decode_stream(stream, ret);
	decode_name(stream, have - 2 < 17 ? have - 2 : 17, ret);
	return ret->size <= INT64_MAX && ret->written <= ret->size;
}

/* --- slots ----------------------------------------------------------------- */

static void
begin(struct vr_exfat_reader *r, const uint8_t *slot)
{
	memcpy(r->slots, slot, VR_FAT_SLOT);
	r->have = 1;
	r->want = slot[1] + 1u;
	r->headless = false;
	if (slot[1] < 2 || r->want > VR_EXFAT_SET_MOST)
		r->have = 0;
}

static void
begin_headless(struct vr_exfat_reader *r)
{
	memset(r->slots, 0, VR_FAT_SLOT);
	r->have = 1;
	r->headless = true;
}

static void
append(struct vr_exfat_reader *r, const uint8_t *slot)
{
	memcpy(r->slots + r->have * VR_FAT_SLOT, slot, VR_FAT_SLOT);
	r->have++;
}

/* Does the slot go on with the set that is under way? */
static bool
goes_on(struct vr_exfat_reader *r, const uint8_t *slot, uint64_t at)
{
	if (!slot)
		return false;
	if (slot[0] == TYPE_STREAM && (r->have == 0 || r->have == 1)) {
		if (r->have == 0)
			begin_headless(r);
		if (r->headless)
			r->want = 2 +
				  (slot[3] + UNITS_A_SLOT - 1) / UNITS_A_SLOT;
		r->id = at / VR_FAT_SLOT;
		append(r, slot);
		return true;
	}
	/* Secondary entries of later versions may stand behind the name. */
	if (r->have >= 2 && slot[0] & 0x80 && slot[0] & 0x40 &&
	    slot[0] != TYPE_STREAM) {
		append(r, slot);
		return true;
	}
	return false;
}

enum vr_exfat_slot_kind
vr_exfat_slot(struct vr_exfat_reader *r, const uint8_t *slot, uint64_t at,
	      struct vr_exfat_entry *ret, bool *ret_again)
{
	*ret_again = false;
	if (goes_on(r, slot, at))
		return r->have >= 2 && r->have >= r->want && finish(r, ret)
			       ? VR_EXFAT_SLOT_ENTRY
			       : VR_EXFAT_SLOT_NOTHING;
	if (r->have >= 2) {
		*ret_again = finish(r, ret);
		if (*ret_again)
			return VR_EXFAT_SLOT_ENTRY;
	}
	r->have = 0;
	if (slot && slot[0] == TYPE_FILE)
		begin(r, slot);
	return slot && slot[0] == TYPE_END ? VR_EXFAT_SLOT_END
					   : VR_EXFAT_SLOT_NOTHING;
}
