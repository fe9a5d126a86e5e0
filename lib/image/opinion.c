/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/opinion.h"

#include <string.h>

#include "base/error.h"

/* Where the two have different names for one thing. */
static const struct {
	const char *ours, *theirs;
} names[] = {
	{"fat12", "vfat"},	     {"fat16", "vfat"},
	{"fat32", "vfat"},	     {"luks1", "crypto_LUKS"},
	{"luks2", "crypto_LUKS"},    {"bitlocker", "BitLocker"},
	{"md", "linux_raid_member"},
};

static const char *
name_of(const char *ours)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i].ours, ours) == 0)
			return names[i].theirs;
	return ours;
}

/* A table's disk is no volume, and a piece shows what it is a piece of. */
static bool
is_asked_about(const struct vr_guest *g, size_t index)
{
	const struct vr_node *node = &g->tree->nodes.items[index];
	bool has_more = index + 1 < g->tree->nodes.count &&
			node[1].parent == index;

	return !node->piece && node->source &&
	       (node->slot != VR_SLOT_DISK || (!node->table && !has_more));
}

static int
tell(struct vr_guest *g, const struct vr_node *node, const char *said)
{
	const struct vr_bid *content = &node->content;

	if (content->score == VR_SCORE_NONE)
		return vr_findings_add(
			&g->plan->findings, VR_NOTE, "second-opinion",
			"%s: libblkid takes it for '%s', of which this program "
			"found nothing sound, or which it does not know.",
			node->name, said);
	return vr_findings_add(
		&g->plan->findings, VR_NOTE, "second-opinion",
		"%s: this program takes it for '%s', by its %s; libblkid %s%s%s. "
		"Look at it before you write to it.",
		node->name, content->type, content->structure,
		*said ? "takes it for '" : "knows nothing of it", said,
		*said ? "'" : "");
}

static int
compare(struct vr_guest *g, size_t index)
{
	const struct vr_node *node = &g->tree->nodes.items[index];
	const char *said = g->opinions[index];
	bool known = node->content.score != VR_SCORE_NONE;

	if (!*said)
		return known && g->heads[index] == VR_HEAD_SOUND
			       ? tell(g, node, said)
			       : 0;
	if (known && strcmp(name_of(node->content.type), said) == 0)
		return 0;
	return tell(g, node, said);
}

static int
ask(struct vr_guest *g, size_t index)
{
	const struct vr_bid *content = &g->tree->nodes.items[index].content;
	struct vr_ranges also = {0};
	int r = 0;

	if (content->score != VR_SCORE_NONE && content->prober->metadata)
		r = content->prober->metadata(g->sources[index], content,
					      &also);
	if (r == 0)
		r = vr_blkid_ask(g->sources[index], &also, g->opinions[index]);
	vr_ranges_free(&also);
	return r;
}

int
vr_opinions_ask(struct vr_guest *g)
{
	size_t count = g->tree->nodes.count;
	int r = 0;

	g->opinions = calloc(count + 1, sizeof(*g->opinions));
	if (!g->opinions)
		return vr_fail_memory();
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (!is_asked_about(g, i))
			continue;
		r = ask(g, i);
		if (r == 0 && vr_blkid_is_there())
			r = compare(g, i);
	}
	return r;
}
