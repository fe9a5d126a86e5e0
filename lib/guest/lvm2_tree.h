/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_LVM2_TREE_H
#define VR_GUEST_LVM2_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The grammar of LVM2's texts (lvm.conf(5)): sections "name { ... }" and
 * settings "name = value"; a value is a number, a quoted string, or a list of
 * those in brackets; # begins a comment. Words point into the text, which must
 * outlive the tree.
 *
 * Items stand in the order of the text; an item's children follow it, and end is
 * the index behind the last of them.
 */
struct vr_lvm2_item {
	enum vr_lvm2_kind {
		VR_LVM2_SECTION,
		VR_LVM2_LIST,
		VR_LVM2_NUMBER,
		VR_LVM2_STRING,
	} kind;
	const char *key; /* NULL in lists */
	size_t key_length;
	const char
		*word; /* of strings without the quotes, escapes as written */
	size_t word_length;
	uint64_t
		number; /* UINT64_MAX where it is negative, broken, too large */
	size_t parent, end;
	size_t from, to; /* where in the text */
};

struct vr_lvm2_tree {
	struct vr_lvm2_item *items;
	size_t count, room;
};

#define VR_LVM2_NO_ITEM SIZE_MAX

/*
 * Reads items until the text ends or makes no sense; only top-level items that
 * are whole stay. 0, or VR_E_MEMORY.
 */
int vr_lvm2_tree_read(const char *text, size_t n, struct vr_lvm2_tree *ret);
void vr_lvm2_tree_free(struct vr_lvm2_tree *tree);

/* The child of that name; VR_LVM2_NO_ITEM as parent: at the top. */
const struct vr_lvm2_item *vr_lvm2_child(const struct vr_lvm2_tree *tree,
					 size_t parent, const char *key);
/* Its number, or UINT64_MAX. */
uint64_t vr_lvm2_number(const struct vr_lvm2_tree *tree, size_t parent,
			const char *key);

#endif
