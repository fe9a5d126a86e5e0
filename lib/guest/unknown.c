/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/unknown.h"

#include <string.h>

#include "base/checked.h"
#include "guest/gpt_types.h"

/* What every kind of volume has told of itself by then. */
#define HEAD_BYTES ((size_t)68 << 10)
/* Below this there is room for a boot loader, not for a volume. */
#define LEAST (2 * VR_MIB)

/* Partitions that hold no volume and never did. */
static const char *const bare_types[] = {
	VR_GPT_TYPE_MSR,
	VR_GPT_TYPE_BIOS,
	/* The database of Windows' dynamic disks. */
	"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
};

/* What may have been there, by the type that the table gives. */
static const struct {
	const char *mbr, *gpt, *words;
} kinds[] = {
	{"82", "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
	 "It was swap space, which holds nothing to be missed: the guest starts "
	 "without it, or run mkswap -U with the UUID in its /etc/fstab."},
	{"8e", "e6d6d379-f507-44c2-a23c-238f2a3df928",
	 "It was a physical volume of LVM. Its description may stand in the "
	 "guest's /etc/lvm/backup: --scan searches the whole disk for it, and a "
	 "backup of the guest may have it."},
	{"fd", "a19d880f-05fc-4d3b-a006-743f0f84911e",
	 "It was a member of a RAID. Put all disks of the VM into one folder: "
	 "the other members know what this one was."},
	{"ef", VR_GPT_TYPE_ESP,
	 "It was the EFI system partition, which holds only loaders: format it "
	 "as FAT32 on a copy, and let bcdboot (Windows) or grub-install (Linux) "
	 "fill it from a rescue system."},
	{"07", "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
	 "It may have been NTFS, exFAT or BitLocker. --scan reads the whole disk "
	 "for what is left of them; a program that carves files needs none of "
	 "it."},
};

#define ANY_WORDS                                                               \
	"It may have been a small file system all of whose copies are lost, "   \
	"a physical volume of LVM, the member of a RAID, swap space, or LUKS, " \
	"which is gone for good unless somebody kept its header "               \
	"(cryptsetup luksHeaderBackup). Volumes on other disks of the VM may "  \
	"go on here. The guest's /etc/fstab and /etc/lvm/backup tell what it "  \
	"was. A program that carves files needs no file system."

static bool
is_bare(const struct vr_node *n)
{
	size_t count = sizeof(bare_types) / sizeof(*bare_types);

	for (size_t i = 0; n->entry && i < count; i++)
		if (strcmp(n->entry->type, bare_types[i]) == 0)
			return true;
	return n->length < LEAST;
}

static const char *
words_for(const struct vr_node *n)
{
	for (size_t i = 0; n->entry && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(n->entry->type, kinds[i].mbr) == 0 ||
		    strcmp(n->entry->type, kinds[i].gpt) == 0)
			return kinds[i].words;
	return ANY_WORDS;
}

static int
tell(struct vr_tree *tree, const struct vr_node *n, bool lost)
{
	const char *scan = tree->scanned ? ""
					 : " --scan reads the whole disk for "
					   "what is left of a volume.";

	/* A table says that something was there; a bare disk may be unused. */
	if (lost)
		return vr_findings_add(
			&tree->findings, n->entry ? VR_LOSS : VR_WARNING,
			"volume-unknown",
			"%s: the beginning is lost, and nothing else on it "
			"tells what it was, so that it cannot be opened. %s%s",
			n->name, words_for(n), scan);
	return vr_findings_add(
		&tree->findings, VR_NOTE, "volume-unknown",
		"%s holds something that is not known here, though its "
		"beginning is not lost: perhaps the raw space of a database, "
		"or of a kind of volume that this version does not read.",
		n->name);
}

static int
look_at(struct vr_tree *tree, const struct vr_node *n)
{
	struct vr_window w;
	bool lost, zero = true;
	int r = vr_window_read(&w, n->source, 0,
			       (size_t)vr_min(HEAD_BYTES, n->length));

	if (r < 0)
		return r;
	lost = !vr_window_holds(&w, 0, w.length);
	for (size_t i = 0; i < w.length && zero; i++)
		zero = w.bytes[i] == 0;
	vr_window_free(&w);
	return lost || !zero ? tell(tree, n, lost) : 0;
}

static bool
has_children(const struct vr_tree *tree, size_t node)
{
	return node + 1 < tree->nodes.count &&
	       tree->nodes.items[node + 1].parent == node;
}

static bool
is_unknown(const struct vr_tree *tree, size_t node)
{
	const struct vr_node *n = &tree->nodes.items[node];

	if (n->content.score != VR_SCORE_NONE || is_bare(n))
		return false;
	return n->slot == VR_SLOT_DISK ? !n->table && !has_children(tree, node)
				       : true;
}

int
vr_unknown_tell(struct vr_tree *tree)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree->nodes.count; i++)
		if (is_unknown(tree, i))
			r = look_at(tree, &tree->nodes.items[i]);
	return r;
}
