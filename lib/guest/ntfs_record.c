/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/ntfs_record.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"

/* Every 512 bytes, whatever the sector. */
#define STRIDE	 512u

#define END_MARK UINT32_MAX

/* --- records -------------------------------------------------------------- */

static bool
is_of_one_piece(const uint8_t *bytes, size_t n, size_t at, size_t count)
{
	if (at < 8 || at % 2 || n % STRIDE || count != n / STRIDE + 1 ||
	    at + 2 * count > STRIDE - 2)
		return false;
	for (size_t i = STRIDE; i <= n; i += STRIDE)
		if (memcmp(bytes + i - 2, bytes + at, 2) != 0)
			return false;
	return true;
}

bool
vr_ntfs_fixup(uint8_t *bytes, size_t n, const char magic[4])
{
	size_t at, count;

	if (n < STRIDE || n > VR_NTFS_RECORD_MOST ||
	    memcmp(bytes, magic, 4) != 0)
		return false;
	at = vr_load_le16(bytes + 4);
	count = vr_load_le16(bytes + 6);
	if (!is_of_one_piece(bytes, n, at, count))
		return false;
	for (size_t i = 1; i < count; i++)
		memcpy(bytes + i * STRIDE - 2, bytes + at + 2 * i, 2);
	return true;
}

bool
vr_ntfs_record(uint8_t *bytes, size_t n, struct vr_ntfs_record *ret)
{
	uint16_t kept_aside_at;
	uint32_t used;

	if (n < STRIDE || vr_load_le32(bytes + 0x1C) != n)
		return false;
	used = vr_load_le32(bytes + 0x18);
	kept_aside_at = vr_load_le16(bytes + 4);
	if (used < 0x30 || used > n || !vr_ntfs_fixup(bytes, n, "FILE"))
		return false;
	*ret = (struct vr_ntfs_record){
		.w = {.bytes = bytes, .length = used},
		.numbered = kept_aside_at >= 0x30,
		.sequence = vr_load_le16(bytes + 0x10),
		.links = vr_load_le16(bytes + 0x12),
		.first_attr = vr_load_le16(bytes + 0x14),
		.flags = vr_load_le16(bytes + 0x16),
		.allocated = (uint32_t)n,
		.base = vr_load_le64(bytes + 0x20),
	};
	if (ret->numbered)
		ret->number = vr_load_le32(bytes + 0x2C);
	return ret->first_attr >= 0x28 && ret->first_attr % 8 == 0 &&
	       ret->first_attr < used;
}

/* --- attributes ----------------------------------------------------------- */

static bool
is_inside(const struct vr_ntfs_attr *a, uint64_t off, uint64_t n)
{
	return vr_inside(off, n, a->length);
}

static bool
decode_resident(struct vr_window *w, struct vr_ntfs_attr *a)
{
	uint32_t off = vr_window_le16(w, a->at + 0x14);

	a->value_bytes = vr_window_le32(w, a->at + 0x10);
	a->value_at = a->at + off;
	return is_inside(a, off, a->value_bytes);
}

static bool
decode_nonresident(struct vr_window *w, struct vr_ntfs_attr *a)
{
	uint32_t off = vr_window_le16(w, a->at + 0x20);

	a->first_vcn = vr_window_le64(w, a->at + 0x10);
	a->last_vcn = vr_window_le64(w, a->at + 0x18);
	a->unit_shift = vr_window_u8(w, a->at + 0x22);
	a->allocated = vr_window_le64(w, a->at + 0x28);
	a->size = vr_window_le64(w, a->at + 0x30);
	a->initialised = vr_window_le64(w, a->at + 0x38);
	a->runs_at = a->at + off;
	/* An empty attribute's last cluster is number -1. */
	return off >= 0x40 && off < a->length && a->unit_shift <= 16 &&
	       a->first_vcn <= INT64_MAX && a->last_vcn + 1 >= a->first_vcn &&
	       a->last_vcn + 1 <= INT64_MAX;
}

static bool
decode_attr(struct vr_ntfs_record *r, struct vr_ntfs_attr *a)
{
	struct vr_window *w = &r->w;
	uint32_t name_off = vr_window_le16(w, a->at + 0x0A);
	unsigned form = vr_window_u8(w, a->at + 8);

	a->length = vr_window_le32(w, a->at + 4);
	a->name_units = vr_window_u8(w, a->at + 9);
	a->name_at = a->at + name_off;
	a->flags = vr_window_le16(w, a->at + 0x0C);
	a->id = vr_window_le16(w, a->at + 0x0E);
	a->resident = form == 0;
	if (form > 1 || a->length < 0x18 || a->length % 8 ||
	    !vr_inside(a->at, a->length, w->length))
		return false;
	if (a->name_units && !is_inside(a, name_off, 2 * a->name_units))
		return false;
	if (a->resident)
		return decode_resident(w, a);
	return a->length >= 0x40 && decode_nonresident(w, a);
}

bool
vr_ntfs_attr_next(struct vr_ntfs_record *r, uint32_t *at,
		  struct vr_ntfs_attr *ret)
{
	struct vr_ntfs_attr a = {.at = *at ? *at : r->first_attr};

	a.type = vr_window_le32(&r->w, a.at);
	if (a.type == END_MARK)
		return false;
	if (a.type == 0 || !decode_attr(r, &a) || vr_window_trouble(&r->w)) {
		r->odd = true;
		return false;
	}
	*at = a.at + a.length;
	*ret = a;
	return true;
}

bool
vr_ntfs_attr_named(struct vr_ntfs_record *r, const struct vr_ntfs_attr *a,
		   const char *name)
{
	size_t n = name ? strlen(name) : 0;

	if (a->name_units != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (vr_window_le16(&r->w, a->name_at + 2 * i) !=
		    (unsigned char)name[i])
			return false;
	return true;
}

bool
vr_ntfs_attr_find(struct vr_ntfs_record *r, uint32_t type, const char *name,
		  struct vr_ntfs_attr *ret)
{
	struct vr_ntfs_attr a;
	uint32_t at = 0;

	while (vr_ntfs_attr_next(r, &at, &a))
		if (a.type == type && vr_ntfs_attr_named(r, &a, name)) {
			*ret = a;
			return true;
		}
	return false;
}

/* --- runs ----------------------------------------------------------------- */

/* n bytes, little-endian; n is at most 8. */
static uint64_t
load_short(const uint8_t *p, unsigned n, bool is_signed)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < n; i++)
		value |= (uint64_t)p[i] << 8 * i;
	if (is_signed && n > 0 && n < 8 && p[n - 1] & 0x80)
		value |= UINT64_MAX << 8 * n;
	return value;
}

static bool
decode_run(const uint8_t *p, unsigned length_bytes, unsigned lcn_bytes,
	   struct vr_ntfs_cursor *c, struct vr_ntfs_run *ret)
{
	uint64_t lcn = VR_NTFS_HOLE;
	uint64_t clusters = load_short(p, length_bytes, true);

	if (clusters == 0 || clusters > INT64_MAX)
		return false;
	if (lcn_bytes > 0) {
		c->lcn += load_short(p + length_bytes, lcn_bytes, true);
		lcn = c->lcn;
		if (lcn > INT64_MAX)
			return false;
	}
	*ret = (struct vr_ntfs_run){c->vcn, clusters, lcn};
	return vr_add(c->vcn, clusters, &c->vcn) && c->vcn <= INT64_MAX;
}

static bool
is_end(struct vr_ntfs_record *r, const struct vr_ntfs_attr *a,
       struct vr_ntfs_cursor *c)
{
	if (c->at == 0) {
		c->at = a->runs_at;
		c->vcn = a->first_vcn;
	}
	return c->at >= a->at + a->length || vr_window_u8(&r->w, c->at) == 0;
}

bool
vr_ntfs_run_next(struct vr_ntfs_record *r, const struct vr_ntfs_attr *a,
		 struct vr_ntfs_cursor *c, struct vr_ntfs_run *ret)
{
	unsigned head, length_bytes, lcn_bytes;
	const uint8_t *p;

	if (c->bad || a->resident)
		return false;
	if (is_end(r, a, c)) {
		/* Less or more clusters than the attribute says it has. */
		c->bad = c->vcn != a->last_vcn + 1;
		return false;
	}
	head = vr_window_u8(&r->w, c->at);
	length_bytes = head & 15;
	lcn_bytes = head >> 4;
	p = vr_window_bytes(&r->w, c->at + 1, length_bytes + lcn_bytes);
	c->bad = !p || length_bytes == 0 || length_bytes > 8 || lcn_bytes > 8 ||
		 !vr_inside(c->at + 1, length_bytes + lcn_bytes,
			    a->at + a->length) ||
		 !decode_run(p, length_bytes, lcn_bytes, c, ret) ||
		 c->vcn > a->last_vcn + 1;
	c->at += 1 + length_bytes + lcn_bytes;
	return !c->bad;
}
