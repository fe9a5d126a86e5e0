/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gpt_signs.h"

#include <string.h>

#include "base/checked.h"
#include "guest/fat.h"
#include "io/lost.h"

#define HEAD_BYTES  (2 * VR_SECTOR)
#define ROOT_BYTES  ((size_t)16 << 10)
#define ENTRY_BYTES 32
#define FOLDER	    0x10

static uint64_t
root_of(const struct vr_fat_boot *b)
{
	if (b->bits != 32)
		return b->root_sector * b->sector_bytes;
	return b->data_sector * b->sector_bytes +
	       (uint64_t)(b->root_cluster - 2) * b->cluster_bytes;
}

static int
has_efi_folder(struct vr_source *volume, const struct vr_fat_boot *b, bool *ret)
{
	struct vr_window w;
	int r = vr_window_read(
		&w, volume, root_of(b),
		b->bits == 32 ? (size_t)vr_min(b->cluster_bytes, ROOT_BYTES)
			      : ROOT_BYTES);

	if (r < 0)
		return r;
	for (uint64_t at = 0; at + ENTRY_BYTES <= w.length; at += ENTRY_BYTES) {
		const uint8_t *p = vr_window_bytes(&w, at, ENTRY_BYTES);

		*ret |= p && memcmp(p, "EFI        ", 11) == 0 &&
			p[11] & FOLDER;
	}
	vr_window_free(&w);
	return 0;
}

int
vr_is_esp(const struct vr_node *node, bool *ret)
{
	struct vr_fat_boot boot;
	struct vr_window w;
	bool known;
	int r;

	*ret = false;
	if (node->content.score == VR_SCORE_NONE ||
	    strcmp(node->content.prober->name, "fat") != 0)
		return 0;
	r = vr_window_read(&w, node->source, node->content.evidence, VR_SECTOR);
	if (r < 0)
		return r;
	known = vr_fat_boot(&w, 0, &boot);
	vr_window_free(&w);
	return known ? has_efi_folder(node->source, &boot, ret) : 0;
}

int
vr_gpt_signs(const struct vr_tree *tree, size_t disk_node, const char **ret_why)
{
	const struct vr_node *disk = &tree->nodes.items[disk_node];
	bool esp = false;
	uint64_t lost;
	int r;

	*ret_why = NULL;
	if (disk->slot != VR_SLOT_DISK || disk->table ||
	    disk->content.score != VR_SCORE_NONE)
		return 0;
	r = vr_lost_bytes(disk->source, 0, vr_min(HEAD_BYTES, disk->length),
			  &lost);
	if (r < 0 || !lost)
		return r;
	for (size_t i = disk_node + 1; r == 0 && i < tree->nodes.count; i++) {
		const struct vr_node *n = &tree->nodes.items[i];

		if (n->parent != disk_node)
			continue;
		if ((n->start + n->length) / VR_SECTOR > UINT32_MAX)
			*ret_why = "volumes lie where no MBR reaches";
		if (!esp)
			r = vr_is_esp(n, &esp);
	}
	if (esp)
		*ret_why = "an EFI system partition was found";
	return r;
}
