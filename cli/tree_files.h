/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_TREE_FILES_H
#define CLI_TREE_FILES_H

#include "tree.h"

/*
 * The guest's own files in a mounted tree: files/VOLUME/..., every file that is
 * left under its name, and what has none under lost+found, as `ls` lists them.
 * A volume is walked when somebody looks into its folder, not before. Devices,
 * pipes and sockets are left out.
 */
int tree_add_files(struct tree *tree, struct node *folder);

/* What is known of it, for an attribute; NULL: it is no file of the guest. */
const char *tree_verdict(const struct node *node);

/* The bytes of a NODE_FILE; free with vr_source_free(). */
int tree_open_file(const struct tree *tree, const struct node *node,
		   struct vr_source **ret);

/* Of tree_free(): the walks that were made. */
void tree_free_walks(struct tree *tree);

#endif
