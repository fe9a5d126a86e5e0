/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/mbr_sector.h"

#include <string.h>

#include "base/checked.h"

#define ENTRY_BYTES 16
#define MARK_AT	    510
#define MARK	    0xAA55

/* Andries Brouwer's list of partition identifiers, what is met in VMs. */
static const struct {
	uint8_t type;
	const char *meaning;
} types[] = {
	{0x01, "FAT12"},
	{0x04, "FAT16"},
	{0x05, "extended"},
	{0x06, "FAT16"},
	{0x07, "NTFS or exFAT"},
	{0x0B, "FAT32"},
	{0x0C, "FAT32"},
	{0x0E, "FAT16"},
	{0x0F, "extended"},
	{0x11, "FAT12, hidden"},
	{0x14, "FAT16, hidden"},
	{0x16, "FAT16, hidden"},
	{0x17, "NTFS, hidden"},
	{0x1B, "FAT32, hidden"},
	{0x1C, "FAT32, hidden"},
	{0x1E, "FAT16, hidden"},
	{0x27, "Windows recovery"},
	{0x42, "Windows dynamic disk"},
	{0x63, "Unix System V"},
	{0x82, "Linux swap"},
	{0x83, "Linux"},
	{0x85, "extended"},
	{0x8E, "Linux LVM"},
	{0xA5, "FreeBSD"},
	{0xA6, "OpenBSD"},
	{0xA8, "Apple UFS"},
	{0xA9, "NetBSD"},
	{0xAB, "Apple boot"},
	{0xAF, "Apple HFS+"},
	{0xBE, "Solaris boot"},
	{0xBF, "Solaris"},
	{0xEA, "Linux boot"},
	{0xEE, "a GPT's protection"},
	{0xEF, "EFI system"},
	{0xFB, "VMware VMFS"},
	{0xFC, "VMware swap"},
	{0xFD, "Linux RAID"},
};

const char *
vr_mbr_type_meaning(uint8_t type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].type == type)
			return types[i].meaning;
	return NULL;
}

bool
vr_mbr_is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0F || type == 0x85;
}

bool
vr_mbr_is_used(const struct vr_mbr_entry *entry)
{
	return entry->type != 0 && entry->count != 0;
}

static struct vr_mbr_entry
decode_entry(struct vr_window *w, uint64_t at)
{
	return (struct vr_mbr_entry){
		.status = vr_window_u8(w, at),
		.type = vr_window_u8(w, at + 4),
		.first = vr_window_le32(w, at + 8),
		.count = vr_window_le32(w, at + 12),
	};
}

static bool
entry_can_be(const struct vr_mbr_entry *entry)
{
	if (entry->status != 0 && entry->status != 0x80)
		return false;
	return !vr_mbr_is_used(entry) || entry->first > 0;
}

/* --- boot sectors of filesystems ------------------------------------------ */

static bool
is_power_of_two(unsigned n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* FAT's parameters, as every driver of it checks them. */
static bool
is_fat(struct vr_window *w, uint64_t at)
{
	unsigned sector = vr_window_le16(w, at + 11);
	unsigned fats = vr_window_u8(w, at + 16);

	return sector >= 512 && sector <= 4096 && is_power_of_two(sector) &&
	       is_power_of_two(vr_window_u8(w, at + 13)) &&
	       vr_window_le16(w, at + 14) != 0 && (fats == 1 || fats == 2) &&
	       vr_window_u8(w, at + 21) >= 0xF0;
}

static bool
is_boot_sector(struct vr_window *w, uint64_t at)
{
	static const char *const names[] = {"NTFS    ", "EXFAT   ", "-FVE-FS-",
					    "ReFS\0\0\0\0"};
	unsigned jump = vr_window_u8(w, at);
	const uint8_t *name = vr_window_bytes(w, at + 3, 8);

	for (size_t i = 0; name && i < sizeof(names) / sizeof(*names); i++)
		if (memcmp(name, names[i], 8) == 0)
			return true;
	return (jump == 0xEB || jump == 0xE9) && is_fat(w, at);
}

/* --- MBR ------------------------------------------------------------------ */

bool
vr_mbr_decode(struct vr_window *w, uint64_t at, struct vr_mbr *ret)
{
	struct vr_mbr mbr;
	bool used = false;

	if (!vr_window_holds(w, at, VR_SECTOR) ||
	    vr_window_le16(w, at + MARK_AT) != MARK || is_boot_sector(w, at))
		return false;
	mbr.signature = vr_window_le32(w, at + VR_MBR_SIGNATURE_AT);
	for (unsigned i = 0; i < VR_MBR_ENTRIES; i++) {
		mbr.entries[i] = decode_entry(
			w, at + VR_MBR_TABLE_AT + (uint64_t)i * ENTRY_BYTES);
		if (!entry_can_be(&mbr.entries[i]))
			return false;
		used |= vr_mbr_is_used(&mbr.entries[i]);
	}
	if (used)
		*ret = mbr;
	return used;
}

static unsigned
count_entries(const struct vr_mbr *mbr, bool protective)
{
	unsigned count = 0;

	for (unsigned i = 0; i < VR_MBR_ENTRIES; i++) {
		const struct vr_mbr_entry *e = &mbr->entries[i];

		count += vr_mbr_is_used(e) &&
			 (e->type == VR_MBR_PROTECTIVE) == protective;
	}
	return count;
}

bool
vr_mbr_is_protective(const struct vr_mbr *mbr)
{
	return count_entries(mbr, true) && !count_entries(mbr, false);
}

bool
vr_mbr_is_hybrid(const struct vr_mbr *mbr)
{
	return count_entries(mbr, true) && count_entries(mbr, false);
}

/* --- EBR ------------------------------------------------------------------ */

static bool
is_zero(struct vr_window *w, uint64_t at, unsigned n)
{
	const uint8_t *bytes = vr_window_bytes(w, at, n);

	for (unsigned i = 0; bytes && i < n; i++)
		if (bytes[i] != 0)
			return false;
	return bytes != NULL;
}

static bool
link_can_be(const struct vr_mbr_entry *link, bool strict)
{
	if (link->type == 0)
		return !strict || (link->first == 0 && link->count == 0);
	/* One to the extended partition's start is a loop, for its reader. */
	return vr_mbr_is_extended(link->type) && link->count > 0 &&
	       (link->first > 0 || !strict);
}

bool
vr_ebr_decode(struct vr_window *w, uint64_t at, bool strict, struct vr_ebr *ret)
{
	uint64_t table = at + VR_MBR_TABLE_AT;
	struct vr_mbr_entry logical, link;

	if (!vr_window_holds(w, at, VR_SECTOR) ||
	    vr_window_le16(w, at + MARK_AT) != MARK)
		return false;
	if (strict && (!is_zero(w, at, VR_MBR_TABLE_AT) ||
		       !is_zero(w, table + 2 * ENTRY_BYTES, 2 * ENTRY_BYTES)))
		return false;
	logical = decode_entry(w, table);
	link = decode_entry(w, table + ENTRY_BYTES);
	if (!entry_can_be(&logical) || !link_can_be(&link, strict) ||
	    vr_mbr_is_extended(logical.type))
		return false;
	if (strict && !vr_mbr_is_used(&logical))
		return false;
	*ret = (struct vr_ebr){
		.type = logical.type,
		.status = logical.status,
		.first = logical.first,
		.count = vr_mbr_is_used(&logical) ? logical.count : 0,
		.link_first = link.type ? link.first : 0,
		.link_count = link.type ? link.count : 0,
	};
	return true;
}
