/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/pieces.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "guest/copies.h"

/* Found volumes may share the end of a track with the next one. */
#define OVERLAP_MOST VR_MIB

static bool
is_filesystem(const struct vr_node *n)
{
	return n->content.score != VR_SCORE_NONE &&
	       n->content.prober->content == VR_CONTENT_FILESYSTEM;
}

static bool
is_cut(const struct vr_tree *tree, const struct vr_node *n)
{
	bool at_end = n->slot == VR_SLOT_LOGICAL ||
		      n->start + n->length == tree->disks[n->disk]->size;
	uint64_t past = n->content.length -
			vr_min(n->content.length, n->length);

	return past > (at_end ? 0 : OVERLAP_MOST);
}

static char *
say_cut(const struct vr_node *n)
{
	char a[32], b[32];

	return vr_format("it is %s long, and its place ends after %s",
			 vr_human_size(n->content.length, a),
			 vr_human_size(n->length, b));
}

static char *
say_broken(const struct vr_copies *c)
{
	return vr_format("%u of the copies that it keeps of its own structures "
			 "are not where they must be, from its byte %" PRIu64
			 " on, though nothing is lost there",
			 c->lead + c->tail, c->lead ? c->lead_at : c->tail_at);
}

static int
tell(struct vr_tree *tree, const struct vr_node *n, const char *why)
{
	return vr_findings_add(
		&tree->findings, VR_WARNING, "volume-piece",
		"%s (%s) is not whole where it lies: %s. It may be a piece of "
		"a logical volume or of an array that lies on several disks "
		"and whose description is lost, what is left of an older file "
		"system, or its disk was cut short. Nothing is repaired in it. "
		"Neither mount it nor let a program check or repair it, also "
		"not on a copy that you want to keep: the rest of it would "
		"look like damage to them. \"vmdk-rescue ls\" and \"copy\" "
		"read what can be reached. For the whole, put all disks of the "
		"VM into one folder, or look for the guest's /etc/lvm/backup "
		"in a backup.",
		n->name, n->content.type, why);
}

static int
mark(struct vr_tree *tree, struct vr_node *n)
{
	vr_cleanup(vr_free_p) char *why = NULL;
	struct vr_copies copies = {0};
	int r = 0;

	n->piece = is_cut(tree, n);
	if (!n->piece)
		r = vr_copies_of(n->source, &n->content, &copies);
	if (r < 0 || !(n->piece || vr_copies_break(&copies)))
		return r;
	why = n->piece ? say_cut(n) : say_broken(&copies);
	n->piece = true;
	return why ? tell(tree, n, why) : vr_fail_memory();
}

int
vr_pieces_mark(struct vr_tree *tree)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree->nodes.count; i++)
		if (is_filesystem(&tree->nodes.items[i]) &&
		    !tree->nodes.items[i].piece)
			r = mark(tree, &tree->nodes.items[i]);
	return r;
}
