/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/vacancy.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/vector.h"

/* A pool's member of less would hold nothing. */
#define LEAST (8 * VR_MIB)

void
vr_vacancies_free(struct vr_vacancies *vacancies)
{
	for (size_t i = 0; i < vacancies->count; i++) {
		vr_layout_free(&vacancies->items[i].layout);
		vr_source_free(vacancies->items[i].source);
	}
	free(vacancies->items);
	*vacancies = (struct vr_vacancies){0};
}

static int
add(struct vr_vacancies *to, const struct vr_tree *tree,
    const struct vr_vacancy *what)
{
	const struct vr_place place = {what->disk, what->start};
	struct vr_vacancy v = *what;
	int r;

	if (v.length < LEAST)
		return 0;
	r = vr_layout_append(&v.layout, v.length, &place, 1, 0);
	if (r == 0)
		r = vr_layout_open(&v.layout, tree->disks, tree->disk_count,
				   &v.source);
	if (r == 0)
		r = VR_PUSH(to, v);
	if (r < 0) {
		vr_layout_free(&v.layout);
		vr_source_free(v.source);
	}
	return r;
}

static bool
is_without_table(const struct vr_node *node)
{
	return node->slot == VR_SLOT_DISK &&
	       node->content.score == VR_SCORE_NONE &&
	       (!node->table || node->table->partial);
}

static bool
is_empty_slot(const struct vr_node *node)
{
	return node->content.score == VR_SCORE_NONE &&
	       (node->slot == VR_SLOT_PARTITION ||
		(node->slot == VR_SLOT_DISK && !node->table));
}

/*
 * Behind each volume of a disk whose table is gone, from the next MiB to the
 * disk's end: what was found there may lie in a member that was not.
 */
static int
add_gaps(struct vr_vacancies *to, const struct vr_tree *tree, size_t disk_node)
{
	const struct vr_node *items = tree->nodes.items;
	const struct vr_node *disk = &items[disk_node];
	int r = 0;

	for (size_t i = disk_node + 1;
	     r == 0 && i < tree->nodes.count && items[i].parent == disk_node;
	     i++) {
		uint64_t start =
			vr_div_up(items[i].start + items[i].length, VR_MIB) *
			VR_MIB;

		if (start < disk->length)
			r = add(to, tree,
				&(struct vr_vacancy){.node = VR_NO_NODE,
						     .disk = disk->disk,
						     .start = start,
						     .length = disk->length -
							       start});
	}
	return r;
}

static bool
has_volumes(const struct vr_tree *tree, size_t node)
{
	return node + 1 < tree->nodes.count &&
	       tree->nodes.items[node + 1].parent == node;
}

int
vr_vacancies_collect(const struct vr_tree *tree, struct vr_vacancies *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree->nodes.count; i++) {
		const struct vr_node *node = &tree->nodes.items[i];

		if (is_without_table(node))
			r = add_gaps(ret, tree, i);
		if (r < 0 || !is_empty_slot(node))
			continue;
		r = add(ret, tree,
			&(struct vr_vacancy){
				.node = i,
				.disk = node->disk,
				.start = node->start,
				.length = node->length,
				.entry = node->entry,
				.has_volumes = has_volumes(tree, i)});
	}
	return r;
}
