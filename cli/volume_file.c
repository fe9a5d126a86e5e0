/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "volume_file.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define SLUG_MOST 40

/* Letters and digits that need no quoting anywhere; all else is one dash. */
static void
slug(const char *text, bool lower, char room[SLUG_MOST + 1])
{
	size_t n = 0;

	for (; text && *text && n < SLUG_MOST; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80 && (isalnum(c) || c == '_' || c == '.'))
			room[n++] = (char)(lower ? tolower(c) : c);
		else if (n > 0 && room[n - 1] != '-')
			room[n++] = '-';
	}
	while (n > 0 && (room[n - 1] == '-' || room[n - 1] == '.'))
		n--;
	room[n] = '\0';
}

/* What a person would call it: "root", "EFI system". */
static const char *
words_of(const struct vr_volume_info *info)
{
	if (info->entry_label && *info->entry_label)
		return info->entry_label;
	if (info->label && *info->label)
		return info->label;
	return info->entry_meaning;
}

/* "1-efi-system-vfat", "v2-ext4", "vg0-root-xfs". */
static void
stem_of(const struct vr_volume_info *info, char *room, size_t n)
{
	char words[SLUG_MOST + 1] = "", type[SLUG_MOST + 1];
	char first[2 * SLUG_MOST];

	slug(info->type, true, type);
	switch (info->slot) {
	case VR_SLOT_PARTITION:
		snprintf(first, sizeof(first), "%u", info->number);
		slug(words_of(info), true, words);
		break;
	case VR_SLOT_FOUND:
		snprintf(first, sizeof(first), "v%u", info->number);
		slug(words_of(info), true, words);
		break;
	case VR_SLOT_DISK:
		snprintf(first, sizeof(first), "whole");
		break;
	case VR_SLOT_LOGICAL:
		slug(info->name, false, first);
		break;
	}
	if (strcmp(words, type) == 0)
		*words = '\0';
	snprintf(room, n, "%s%s%s%s%s", first, *words ? "-" : "", words,
		 *type ? "-" : "", type);
}

bool
volume_file_folder(const struct vr_vm *vm, const struct vr_guest *guest,
		   size_t index, unsigned *ret_disk)
{
	struct vr_volume_info info = {.size = sizeof(info)};

	vr_guest_volume(guest, index, &info);
	/* A disk itself is disk.raw, and a volume where one lies right on it. */
	if (!vr_guest_source(guest, index) ||
	    (info.slot == VR_SLOT_DISK && (!info.type || info.table)))
		return false;
	*ret_disk = info.slot == VR_SLOT_LOGICAL && vr_vm_disks(vm) > 1
			    ? (unsigned)vr_vm_disks(vm)
			    : info.disk;
	return true;
}

/* How many before it would be called the same in the same folder. */
static unsigned
namesakes(const struct vr_vm *vm, const struct vr_guest *guest, size_t index,
	  const char *stem)
{
	unsigned disk = 0, other = 0, count = 0;

	volume_file_folder(vm, guest, index, &disk);
	for (size_t i = 0; i < index; i++) {
		struct vr_volume_info info = {.size = sizeof(info)};
		char same[VOLUME_FILE_MOST];

		if (!volume_file_folder(vm, guest, i, &other) || other != disk)
			continue;
		vr_guest_volume(guest, i, &info);
		stem_of(&info, same, sizeof(same));
		count += strcmp(same, stem) == 0;
	}
	return count;
}

/* Two volumes may bear one label; then the later ones are counted. */
void
volume_file_name(const struct vr_vm *vm, const struct vr_guest *guest,
		 size_t index, char room[VOLUME_FILE_MOST])
{
	struct vr_volume_info info = {.size = sizeof(info)};
	char stem[VOLUME_FILE_MOST - 16];
	unsigned before;

	vr_guest_volume(guest, index, &info);
	stem_of(&info, stem, sizeof(stem));
	before = namesakes(vm, guest, index, stem);
	if (before)
		snprintf(room, VOLUME_FILE_MOST, "%s-%u.raw", stem, before + 1);
	else
		snprintf(room, VOLUME_FILE_MOST, "%s.raw", stem);
}
