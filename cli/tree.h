/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <vmdkrescue.h>

/*
 * The files that a mount shows, apart from how they are served: a tree of
 * folders, of files whose bytes come from a source, and of texts.
 *
 * A folder or text may be made when it is first looked at: its make() then adds
 * children or sets the text, once, under the tree's lock. Nodes live as long as
 * the tree. After tree_make() of a node any thread may read it.
 */
enum node_kind {
	NODE_FOLDER,
	NODE_BYTES,
	NODE_TEXT,
	NODE_FILE, /* of the guest: opened by whoever reads it */
	NODE_LINK, /* its target is the text */
};

struct tree;

struct node {
	char *name;
	struct node *parent; /* the root's is itself */
	enum node_kind kind;
	uint64_t number; /* of the inode: the order of their making */
	struct timespec time;

	struct vr_source *bytes;     /* NODE_BYTES: owned */
	uint64_t allocated;	     /* bytes of it that hold data */
	atomic_uint_fast64_t unread; /* of vr_view_unread(), told so far */

	char *text; /* NODE_TEXT, NODE_LINK */
	size_t text_length;

	struct node **children; /* NODE_FOLDER */
	size_t count, room;

	int (*make)(struct tree *tree, struct node *node); /* NULL: made */
	const void *of;					   /* for make() */
	atomic_bool made;

	/* Of the guest's files, see tree_files.h. */
	struct tree_walk *walk; /* NULL: it is none of them */
	size_t entry;		/* of the walk; of a volume, its index */
	enum vr_fate verdict;
	uint64_t size;		   /* NODE_FILE */
	size_t prefix, first, end; /* NODE_FOLDER: see make_folder() */
};

struct tree {
	struct node *root;
	pthread_mutex_t lock;
	uint64_t last_number;
	/* What the sources lie on; not owned. */
	const struct vr_vm *vm;
	const struct vr_guest *guest;
	enum vr_damaged damaged;
	uint64_t size; /* of all disks, for statfs */
	struct tree_walk *walks;
};

/*
 * The tree of a VM: for one disk
 *
 *	disk.raw disk.vmdk damage.map volumes/ files/ report.json volumes.json
 *
 * and for several a folder a disk, with logical volumes, which may span disks,
 * in a volumes/ beside them, and all files/ there, too. vm and guest must outlive it.
 */
int tree_open(const struct vr_vm *vm, const struct vr_guest *guest,
	      enum vr_damaged damaged, struct tree **ret);
void tree_free(struct tree *tree);

/* To be called before the size or the children of a node are asked for. */
int tree_make(struct tree *tree, struct node *node);

/* A child by its name; NULL: none. */
struct node *tree_find(const struct node *folder, const char *name);

/* For make(): -1 and errno where memory ran out; the name is copied. */
struct node *tree_add(struct tree *tree, struct node *folder, const char *name,
		      enum node_kind kind);

#endif
