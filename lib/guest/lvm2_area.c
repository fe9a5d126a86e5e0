/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Public source: the headers that "pvck --dump headers" prints, pvck(8). */
#include "guest/lvm2_area.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"
#include "io/window.h"

#define LABEL_SECTORS 4
#define LABEL_TYPE    "LVM2 001"
#define CRC_START     0xF597A6CFu
#define ID_LENGTH     32
#define LOCATION      16
#define TEXT_LEAST    64
/* Rings that look like a text in every sector are made to keep us busy. */
#define FAILURES_MOST 64

/* zlib turns the register over on its way in and out, LVM2 does not. */
uint32_t
vr_lvm2_crc(const void *bytes, size_t n)
{
	return ~(uint32_t)crc32(~CRC_START, bytes, (uInt)n);
}

/* --- the label ------------------------------------------------------------- */

/* On the disk without the dashes of xxxxxx-xxxx-xxxx-xxxx-xxxx-xxxx-xxxxxx. */
static bool
dash_id(const uint8_t *id, char *ret)
{
	char *to = ret;

	for (unsigned i = 0; i < ID_LENGTH; i++) {
		if (i >= 6 && i <= 26 && (i - 6) % 4 == 0)
			*to++ = '-';
		if (id[i] < '!' || id[i] > '~')
			return false;
		*to++ = (char)id[i];
	}
	*to = '\0';
	return true;
}

static void
undash_id(const char *id, uint8_t *ret)
{
	for (unsigned n = 0; *id && n < ID_LENGTH; id++)
		if (*id != '-')
			ret[n++] = (uint8_t)*id;
}

/* A list of {offset, size} that ends with zeros; at moves behind that. */
static size_t
read_locations(struct vr_window *w, uint64_t *at, uint64_t end,
	       uint64_t (*ret)[2], size_t most)
{
	size_t count = 0;

	while (*at + LOCATION <= end) {
		uint64_t off = vr_window_le64(w, *at);
		uint64_t bytes = vr_window_le64(w, *at + 8);

		*at += LOCATION;
		if (off == 0)
			break;
		if (count < most) {
			ret[count][0] = off;
			ret[count++][1] = bytes;
		}
	}
	return count;
}

static void
read_extension(struct vr_window *w, uint64_t at, uint64_t end,
	       struct vr_lvm2_label *label)
{
	uint64_t boot[1][2];

	if (at + 8 > end || vr_window_le32(w, at) < 1)
		return;
	at += 8;
	if (read_locations(w, &at, end, boot, 1)) {
		label->boot_off = boot[0][0];
		label->boot_bytes = boot[0][1];
	}
}

static bool
decode_label(struct vr_window *w, unsigned sector, struct vr_lvm2_label *ret)
{
	uint64_t base = sector * VR_SECTOR, end = base + VR_SECTOR;
	struct vr_lvm2_label label = {.sector = sector};
	const uint8_t *p = vr_window_bytes(w, base, VR_SECTOR);
	uint64_t at, data[1][2], areas[VR_LVM2_AREAS_MOST][2];

	if (!p || memcmp(p, VR_LVM2_LABEL_MAGIC, 8) != 0 ||
	    memcmp(p + 24, LABEL_TYPE, 8) != 0 ||
	    vr_window_le64(w, base + 8) != sector ||
	    vr_window_le32(w, base + 16) != vr_lvm2_crc(p + 20, VR_SECTOR - 20))
		return false;
	at = base + vr_window_le32(w, base + 20);
	if (at > end - 2 * LOCATION - ID_LENGTH ||
	    !dash_id(w->bytes + at, label.uuid))
		return false;
	label.device_bytes = vr_window_le64(w, at + ID_LENGTH);
	at += ID_LENGTH + 8;
	if (read_locations(w, &at, end, data, 1))
		label.data_off = data[0][0];
	label.area_count =
		read_locations(w, &at, end, areas, VR_LVM2_AREAS_MOST);
	for (size_t i = 0; i < label.area_count; i++) {
		label.areas[i].off = areas[i][0];
		label.areas[i].bytes = areas[i][1];
	}
	read_extension(w, at, end, &label);
	*ret = label;
	return true;
}

int
vr_lvm2_read_label(struct vr_source *space, uint64_t start,
		   struct vr_lvm2_label *ret, enum vr_lvm2_state *ret_state)
{
	struct vr_window w;
	enum vr_lvm2_state state = VR_LVM2_ABSENT;
	int r = vr_window_read(&w, space, start, LABEL_SECTORS * VR_SECTOR);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < LABEL_SECTORS && state == VR_LVM2_ABSENT; i++)
		if (decode_label(&w, i, ret))
			state = VR_LVM2_SOUND;
	/* Nearly always in the second sector. */
	if (state == VR_LVM2_ABSENT && !vr_window_holds(&w, VR_SECTOR, 512))
		state = VR_LVM2_LOST;
	vr_window_free(&w);
	*ret_state = state;
	return 0;
}

static void
put_le(uint8_t *p, uint64_t value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static size_t
put_location(uint8_t *sector, size_t at, uint64_t off, uint64_t bytes)
{
	put_le(sector + at, off, 8);
	put_le(sector + at + 8, bytes, 8);
	return at + LOCATION;
}

/* The extension's flag says that the device is in use by a group. */
void
vr_lvm2_write_label(const struct vr_lvm2_label *label, uint8_t *sector)
{
	size_t at = 32;

	memset(sector, 0, VR_SECTOR);
	memcpy(sector, VR_LVM2_LABEL_MAGIC, 8);
	put_le(sector + 8, label->sector, 8);
	put_le(sector + 20, at, 4);
	memcpy(sector + 24, LABEL_TYPE, 8);
	undash_id(label->uuid, sector + at);
	put_le(sector + at + ID_LENGTH, label->device_bytes, 8);
	at = put_location(sector, at + ID_LENGTH + 8, label->data_off, 0);
	at += LOCATION;
	for (size_t i = 0; i < label->area_count; i++)
		at = put_location(sector, at, label->areas[i].off,
				  label->areas[i].bytes);
	at += LOCATION;
	put_le(sector + at, 2, 4);
	put_le(sector + at + 4, 1, 4);
	if (label->boot_bytes)
		put_location(sector, at + 8, label->boot_off,
			     label->boot_bytes);
	put_le(sector + 16, vr_lvm2_crc(sector + 20, VR_SECTOR - 20), 4);
}

/* --- areas ----------------------------------------------------------------- */

uint64_t
vr_lvm2_last_area(uint64_t device_bytes)
{
	return device_bytes < 4 * VR_MIB
		       ? 0
		       : vr_round_down(device_bytes - VR_MIB, VR_MIB);
}

static bool
decode_area(struct vr_window *w, uint64_t off, struct vr_lvm2_area *ret)
{
	const uint8_t *p = vr_window_bytes(w, 0, VR_SECTOR);
	struct vr_lvm2_area area = {.header = VR_LVM2_SOUND};

	if (!p || memcmp(p + 4, VR_LVM2_AREA_MAGIC, 16) != 0 ||
	    vr_window_le32(w, 0) != vr_lvm2_crc(p + 4, VR_SECTOR - 4) ||
	    vr_window_le32(w, 20) != 1)
		return false;
	area.off = vr_window_le64(w, 24);
	area.bytes = vr_window_le64(w, 32);
	area.text_off = vr_window_le64(w, 40);
	area.text_bytes = vr_window_le64(w, 48);
	area.text_crc = vr_window_le32(w, 56);
	if (area.off != off || area.bytes < 2 * VR_SECTOR ||
	    area.bytes > UINT64_MAX - off)
		return false;
	if (area.text_off == 0)
		area.text_bytes = 0;
	if (area.text_bytes &&
	    (area.text_off < VR_SECTOR || area.text_off >= area.bytes ||
	     area.text_bytes > area.bytes - VR_SECTOR))
		return false;
	*ret = area;
	return true;
}

/* A text that reaches the area's end goes on behind the header. */
static int
read_text(struct vr_source *space, uint64_t base,
	  const struct vr_lvm2_area *area, struct vr_window *ret, bool *ret_all)
{
	uint64_t first = vr_min(area->text_bytes, area->bytes - area->text_off);
	struct vr_window head, rest;
	int r;

	r = vr_window_read(&head, space, base + area->text_off, (size_t)first);
	*ret_all = r == 0 && vr_window_holds(&head, 0, first);
	if (r < 0 || first == area->text_bytes) {
		*ret = head;
		return r;
	}
	r = vr_window_read(&rest, space, base + VR_SECTOR,
			   (size_t)(area->text_bytes - first));
	if (r == 0) {
		uint8_t *whole = realloc(head.bytes, area->text_bytes + 1);

		*ret_all &= vr_window_holds(&rest, 0, area->text_bytes - first);
		if (!whole)
			r = vr_fail_memory();
		else
			head.bytes = whole;
		if (r == 0 && *ret_all) {
			memcpy(whole + first, rest.bytes, rest.length);
			head.length = (size_t)area->text_bytes;
		}
		vr_window_free(&rest);
	}
	if (r < 0)
		vr_window_free(&head);
	else
		*ret = head;
	return r;
}

static int
check_text(struct vr_source *space, uint64_t base, struct vr_lvm2_area *area)
{
	struct vr_window w = {0};
	bool all;
	int r;

	area->text = VR_LVM2_SOUND;
	if (area->text_bytes == 0)
		return 0;
	area->text = VR_LVM2_ABSENT;
	if (area->text_bytes > VR_LVM2_TEXT_MOST)
		return 0;
	r = read_text(space, base, area, &w, &all);
	if (r < 0)
		return r;
	if (!all)
		area->text = VR_LVM2_LOST;
	else if (vr_lvm2_crc(w.bytes, w.length) == area->text_crc)
		area->text = VR_LVM2_SOUND;
	vr_window_free(&w);
	return 0;
}

int
vr_lvm2_read_area(struct vr_source *space, uint64_t start, uint64_t off,
		  struct vr_lvm2_area *ret)
{
	struct vr_lvm2_area area = {.header = VR_LVM2_ABSENT};
	struct vr_window w;
	uint64_t base;
	int r;

	if (!vr_add(start, off, &base)) {
		*ret = area;
		return 0;
	}
	r = vr_window_read(&w, space, base, VR_SECTOR);
	if (r < 0)
		return r;
	if (!vr_window_holds(&w, 0, VR_SECTOR))
		area.header = VR_LVM2_LOST;
	else if (decode_area(&w, off, &area))
		r = check_text(space, base, &area);
	vr_window_free(&w);
	if (r == 0)
		*ret = area;
	return r;
}

void
vr_lvm2_write_area(const struct vr_lvm2_area *area, uint8_t *sector)
{
	memset(sector, 0, VR_SECTOR);
	memcpy(sector + 4, VR_LVM2_AREA_MAGIC, 16);
	put_le(sector + 20, 1, 4);
	put_le(sector + 24, area->off, 8);
	put_le(sector + 32, area->bytes, 8);
	put_le(sector + 40, area->text_off, 8);
	put_le(sector + 48, area->text_bytes, 8);
	put_le(sector + 56, area->text_crc, 4);
	put_le(sector, vr_lvm2_crc(sector + 4, VR_SECTOR - 4), 4);
}

/* --- texts ----------------------------------------------------------------- */

/* Takes vg over. */
static int
push_copy(struct vr_lvm2_copies *to, struct vr_lvm2_vg *vg, uint64_t off,
	  bool current)
{
	int r = VR_PUSH(to, {.vg = *vg, .off = off, .current = current});

	if (r < 0)
		vr_lvm2_vg_free(vg);
	return r;
}

static int
parse_copy(const uint8_t *bytes, size_t n, uint64_t off, bool current,
	   struct vr_lvm2_copies *to)
{
	struct vr_lvm2_vg vg;
	int r = vr_lvm2_parse((const char *)bytes, n, &vg);

	if (r == VR_E_FORMAT)
		return 0;
	return r == 0 ? push_copy(to, &vg, off, current) : r;
}

static int
read_current(struct vr_source *space, uint64_t base,
	     const struct vr_lvm2_area *area, struct vr_lvm2_copies *to)
{
	struct vr_window w = {0};
	bool all;
	int r = read_text(space, base, area, &w, &all);

	if (r == 0 && all)
		r = parse_copy(w.bytes, w.length, area->text_off, true, to);
	vr_window_free(&w);
	return r;
}

/* "name {\nid = " at the beginning of a sector. */
static bool
looks_like_text(const uint8_t *p, size_t n)
{
	static const char follows[] = " {\nid = \"";
	size_t i = 0;

	while (i < n && i < 128 && p[i] > ' ' && p[i] < 127 && p[i] != '{')
		i++;
	return i > 0 && n - i > sizeof(follows) &&
	       memcmp(p + i, follows, sizeof(follows) - 1) == 0;
}

/* How many bytes from at on are not lost. */
static size_t
unlost(struct vr_window *w, size_t at)
{
	size_t n = at;

	if (!w->lost)
		return w->length - at;
	while (n < w->length && !(w->lost[n / 8] & 1 << n % 8))
		n++;
	return n - at;
}

/* Each text begins in a sector of its own. Wrapped ones are given up. */
static int
search_ring(struct vr_source *space, uint64_t base,
	    const struct vr_lvm2_area *area, struct vr_lvm2_copies *to)
{
	struct vr_window w;
	size_t n = (size_t)vr_min(area->bytes, VR_WINDOW_MOST);
	int r = vr_window_read(&w, space, base, n);

	if (r < 0)
		return r;
	for (size_t at = VR_SECTOR, failures = 0;
	     r == 0 && at + TEXT_LEAST < w.length && failures < FAILURES_MOST;
	     at += VR_SECTOR) {
		size_t here = unlost(&w, at), count = to->count;

		if (!looks_like_text(w.bytes + at, here))
			continue;
		r = parse_copy(w.bytes + at, here, at, false, to);
		if (to->count > count)
			at += to->items[count].vg.length / VR_SECTOR *
			      VR_SECTOR;
		else
			failures++;
	}
	vr_window_free(&w);
	return r;
}

int
vr_lvm2_read_texts(struct vr_source *space, uint64_t start,
		   const struct vr_lvm2_area *area, bool all,
		   struct vr_lvm2_copies *ret)
{
	size_t before = ret->count;
	uint64_t base;
	int r = 0;

	if (!vr_add(start, area->off, &base))
		return 0;
	if (area->header == VR_LVM2_SOUND && area->text == VR_LVM2_SOUND &&
	    area->text_bytes)
		r = read_current(space, base, area, ret);
	if (r == 0 && (all || ret->count == before))
		r = search_ring(space, base, area, ret);
	return r;
}

void
vr_lvm2_copies_free(struct vr_lvm2_copies *copies)
{
	for (size_t i = 0; i < copies->count; i++)
		vr_lvm2_vg_free(&copies->items[i].vg);
	free(copies->items);
	*copies = (struct vr_lvm2_copies){0};
}
