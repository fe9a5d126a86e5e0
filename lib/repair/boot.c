/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Will the guest start? The first MiB of a disk holds the boot code of BIOS
 * machines, which is in no other place of the disk; loaders of UEFI are files.
 * Nothing is patched: boot code belongs to the guest's system, whose own tools
 * put it back from a rescue medium.
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "guest/gpt_signs.h"
#include "guest/gpt_types.h"
#include "repair/plan.h"

/* What a disk has to start from, and what of that is lost. */
struct boot {
	uint32_t number;
	bool head_lost; /* sector 0, or the gap behind it */
	bool mbr; /* partitions as BIOS machines know them, or none known */
	bool uefi, uefi_lost;
	bool grub_partition, grub_lost;
	bool has_windows, has_linux;
	bool has_pieces; /* as a disk that LVM has whole: it starts nothing */
};

static int
is_lost(struct vr_source *disk, uint64_t off, uint64_t n, bool *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, disk, off, (size_t)vr_min(n, VR_MIB));

	if (r < 0)
		return r;
	*ret = !vr_window_holds(&w, 0, w.length);
	vr_window_free(&w);
	return 0;
}

static bool
is_type(const struct vr_node *n, const char *gpt, const char *mbr)
{
	return n->entry && (strcmp(n->entry->type, gpt) == 0 ||
			    strcmp(n->entry->type, mbr) == 0);
}

static bool
begins(const struct vr_node *n, const char *type)
{
	return n->content.score != VR_SCORE_NONE &&
	       strncmp(n->content.type, type, strlen(type)) == 0;
}

static int
look_at(struct vr_source *disk, const struct vr_node *n, struct boot *b)
{
	bool esp = false;
	int r = n->entry ? 0 : vr_is_esp(n, &esp);

	b->has_pieces |= n->piece;
	b->has_windows |= begins(n, "ntfs") || begins(n, "refs");
	b->has_linux |= begins(n, "ext") || begins(n, "xfs") ||
			begins(n, "btrfs") || begins(n, "lvm");
	if (r == 0 && (esp || is_type(n, VR_GPT_TYPE_ESP, "ef"))) {
		b->uefi = true;
		return is_lost(disk, n->start, n->length, &b->uefi_lost);
	}
	if (is_type(n, VR_GPT_TYPE_BIOS, "-")) {
		b->grub_partition = true;
		return is_lost(disk, n->start, n->length, &b->grub_lost);
	}
	return r;
}

static int
look_at_disk(const struct vr_tree *tree, size_t node, struct boot *b)
{
	const struct vr_node *n = &tree->nodes.items[node];
	struct vr_source *disk = tree->disks[n->disk];
	int r = is_lost(disk, 0, VR_MIB, &b->head_lost);

	b->number = n->disk + 1;
	b->mbr = !n->table || strcmp(n->table->row->name, "mbr") == 0;
	for (size_t i = node + 1; r == 0 && i < tree->nodes.count; i++)
		if (tree->nodes.items[i].parent == node)
			r = look_at(disk, &tree->nodes.items[i], b);
	return r;
}

/* --- telling -------------------------------------------------------------- */

static int
tell_uefi(const struct boot *b, struct vr_findings *to)
{
	if (b->uefi_lost)
		return vr_findings_add(
			to, VR_WARNING, "boot-uefi-damaged",
			"Disk %" PRIu32
			" starts by UEFI, and the beginning of its EFI system "
			"partition is damaged. If the guest does not start, put "
			"the loader back from a rescue medium: bcdboot for "
			"Windows, grub-install for Linux.",
			b->number);
	return vr_findings_add(
		to, VR_NOTE, "boot-uefi",
		"Disk %" PRIu32 " starts by UEFI: its loaders are files in the "
		"EFI system partition, which comes back with the "
		"partition table.",
		b->number);
}

static int
tell_windows(const struct boot *b, struct vr_findings *to)
{
	return vr_findings_add(
		to, VR_WARNING, "boot-bios-windows",
		"The boot code of disk %" PRIu32
		" is lost: a Windows that starts by BIOS from it does not start. "
		"From its installation medium run \"bootrec /fixmbr\" and "
		"\"bootsect /nt60 SYS /mbr\", and \"bootrec /rebuildbcd\" if "
		"that is not enough. The data is not affected.",
		b->number);
}

static int
tell_linux(const struct boot *b, struct vr_findings *to)
{
	return vr_findings_add(
		to, VR_WARNING, "boot-bios-linux",
		"The boot code of disk %" PRIu32
		" is lost%s: a Linux that starts by BIOS from it does not start. "
		"From a rescue system, in the guest's root, run \"grub-install\" "
		"(on Red Hat and SUSE \"grub2-install\") on this disk. The data "
		"is not affected.",
		b->number,
		b->grub_partition && !b->grub_lost
			? ", though GRUB's core in the BIOS boot partition is not"
			: ", and GRUB's core with it");
}

/* Data disks have no boot code to lose; who cannot tell says nothing. */
static int
boot_plan(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	struct boot b = {0};
	int r = 0;

	if (tree->nodes.items[node].slot != VR_SLOT_DISK ||
	    tree->nodes.items[node].content.score != VR_SCORE_NONE)
		return 0;
	r = look_at_disk(tree, node, &b);
	if (r < 0 || !b.head_lost || b.has_pieces)
		return r;
	if (b.uefi)
		return tell_uefi(&b, &plan->findings);
	if (b.has_windows && b.mbr)
		r = tell_windows(&b, &plan->findings);
	if (r == 0 && (b.has_linux || b.grub_partition) &&
	    (b.mbr || b.grub_partition))
		r = tell_linux(&b, &plan->findings);
	return r;
}

const struct vr_repair vr_repair_boot = {
	.name = "boot",
	.plan = boot_plan,
};
