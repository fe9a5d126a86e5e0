/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_GPT_SIGNS_H
#define VR_GUEST_GPT_SIGNS_H

#include "guest/tree.h"

/* A FAT whose root folder has one named EFI is what UEFI starts from. */
int vr_is_esp(const struct vr_node *node, bool *ret);

/*
 * Both copies of a disk's table are lost: was it a GPT? *ret_why is a phrase,
 * NULL where nothing on the disk speaks for one.
 */
int vr_gpt_signs(const struct vr_tree *tree, size_t disk_node,
		 const char **ret_why);

#endif
