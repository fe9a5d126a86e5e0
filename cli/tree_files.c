/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_ROOM 256 /* with its NUL: more no program can ask for */
#define NO_ENTRY  SIZE_MAX

/* A volume's walk, kept as long as the tree. */
struct tree_walk {
	struct tree_walk *next;
	struct vr_walk *walk;
};

/* --- entries of a folder --------------------------------------------------- */

static const char *
path_of(const struct vr_walk *walk, size_t index)
{
	struct vr_entry_info e = {.size = sizeof(e)};

	vr_walk_entry(walk, index, &e);
	return e.path;
}

/* Is it that path, or something below it? */
static bool
is_below(const char *path, const char *top, size_t n)
{
	return strncmp(path, top, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/');
}

/* Entries are ordered so that what lies below a path follows it at once. */
static size_t
end_below(const struct vr_walk *walk, size_t first, size_t end, const char *top,
	  size_t n)
{
	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (is_below(path_of(walk, middle), top, n))
			first = middle + 1;
		else
			end = middle;
	}
	return end;
}

/* --- names ----------------------------------------------------------------- */

/* Names that a kernel would not take, or take for something else. */
static bool
is_odd(const char *name, size_t n)
{
	return n == 0 || n >= NAME_ROOM || (n == 1 && *name == '.') ||
	       (n == 2 && name[0] == '.' && name[1] == '.');
}

/* As it is, or cut, with a number that tells it from all others. */
static void
name_of(const struct node *folder, const char *name, size_t n, size_t index,
	char room[NAME_ROOM])
{
	if (n < NAME_ROOM) {
		memcpy(room, name, n);
		room[n] = '\0';
	}
	if (!is_odd(name, n) &&
	    !(folder->count &&
	      strcmp(folder->children[folder->count - 1]->name, room) == 0))
		return;
	if (n > NAME_ROOM - 32)
		n = NAME_ROOM - 32;
	while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80)
		n--;
	snprintf(room, NAME_ROOM, "%.*s~%zu", (int)n, name, index);
}

/* --- nodes ----------------------------------------------------------------- */

static int make_folder(struct tree *tree, struct node *node);

static struct timespec
time_of(int64_t when, struct timespec otherwise)
{
	struct timespec ts = otherwise;

	if (when != VR_NO_TIME) {
		ts.tv_nsec = ((when % 1000000000) + 1000000000) % 1000000000;
		ts.tv_sec = (when - ts.tv_nsec) / 1000000000;
	}
	return ts;
}

static int
fill_link(struct node *node, const struct vr_walk *walk, size_t index)
{
	int r = vr_walk_link(walk, index, &node->text);

	if (r == 0)
		node->text_length = strlen(node->text);
	return r;
}

/* No devices, pipes and sockets. */
static bool
is_shown(const struct vr_entry_info *e)
{
	return e->kind == VR_FILE_FOLDER || e->kind == VR_FILE_LINK ||
	       e->kind == VR_FILE_REGULAR;
}

static enum node_kind
kind_of(const struct vr_entry_info *e)
{
	if (e->kind == VR_FILE_FOLDER)
		return NODE_FOLDER;
	return e->kind == VR_FILE_LINK ? NODE_LINK : NODE_FILE;
}

static int
fill_node(struct node *node, size_t index, const struct vr_entry_info *e)
{
	int r = VR_E_MISSING;

	node->time = time_of(e->modified, node->time);
	node->size = e->has_length ? e->length : 0;
	node->entry = index;
	node->verdict = e->fate;
	if (node->kind != NODE_LINK)
		return 0;
	if (e->how)
		r = fill_link(node, node->walk->walk, index);
	if (r != VR_E_MISSING)
		return r;
	/* Its target is lost: a link to nowhere. */
	node->text = strdup("");
	return node->text ? 0 : VR_E_MEMORY;
}

/* Where a folder's children stand: entries [first, end) below its path. */
struct below {
	size_t prefix, first, end;
};

static void
fill_folder(struct node *node, const struct below *below)
{
	node->prefix = below->prefix;
	node->first = below->first;
	node->end = below->end;
	node->make = make_folder;
	atomic_store(&node->made, false);
}

static struct node *
add_named(struct tree *tree, struct node *folder, const char *path,
	  size_t length, size_t index, enum node_kind kind)
{
	size_t into = folder->prefix ? folder->prefix + 1 : 0;
	char name[NAME_ROOM];
	struct node *node;

	name_of(folder, path + into, length - into, index, name);
	node = tree_add(tree, folder, name, kind);
	if (node)
		node->walk = folder->walk;
	return node;
}

static int
add_entry(struct tree *tree, struct node *folder, size_t index,
	  const struct below *below)
{
	struct vr_entry_info e = {.size = sizeof(e)};
	struct node *node;

	vr_walk_entry(folder->walk->walk, index, &e);
	if (!is_shown(&e))
		return 0;
	node = add_named(tree, folder, e.path, below->prefix, index,
			 kind_of(&e));
	if (!node)
		return VR_E_MEMORY;
	if (node->kind == NODE_FOLDER)
		fill_folder(node, below);
	return fill_node(node, index, &e);
}

/* A folder that nothing but the paths below it tells of. */
static int
add_untold(struct tree *tree, struct node *folder, const char *path,
	   const struct below *below)
{
	struct node *node = add_named(tree, folder, path, below->prefix,
				      below->first, NODE_FOLDER);

	if (!node)
		return VR_E_MEMORY;
	node->entry = NO_ENTRY;
	fill_folder(node, below);
	return 0;
}

static bool
is_folder(const struct vr_walk *walk, size_t index)
{
	struct vr_entry_info e = {.size = sizeof(e)};

	vr_walk_entry(walk, index, &e);
	return e.kind == VR_FILE_FOLDER;
}

/*
 * Entries [first, end) are the path of that length, or below it. Several may be
 * the path itself; the first folder among them takes what lies below.
 */
static int
add_path(struct tree *tree, struct node *folder, size_t length, size_t first,
	 size_t end)
{
	const struct vr_walk *walk = folder->walk->walk;
	const char *path = path_of(walk, first);
	struct below below = {length, first, end}, none;
	bool taken = false;
	int r = 0;

	while (below.first < end && path_of(walk, below.first)[length] == '\0')
		below.first++;
	none = (struct below){length, end, end};
	for (size_t i = first; r == 0 && i < below.first; i++) {
		bool takes = !taken && is_folder(walk, i);

		r = add_entry(tree, folder, i, takes ? &below : &none);
		taken |= takes;
	}
	if (r == 0 && !taken && below.first < end)
		r = add_untold(tree, folder, path, &below);
	return r;
}

static int
make_folder(struct tree *tree, struct node *folder)
{
	const struct vr_walk *walk = folder->walk->walk;
	size_t into = folder->prefix ? folder->prefix + 1 : 0;
	int r = 0;

	for (size_t i = folder->first; r == 0 && i < folder->end;) {
		const char *path = path_of(walk, i);
		size_t length = into + strcspn(path + into, "/");
		size_t end = end_below(walk, i, folder->end, path, length);

		r = add_path(tree, folder, length, i, end);
		i = end;
	}
	return r;
}

/* --- volumes --------------------------------------------------------------- */

static int
make_volume(struct tree *tree, struct node *node)
{
	struct tree_walk *one = calloc(1, sizeof(*one));
	int r = one ? vr_walk_open(tree->guest, node->entry, NULL, NULL,
				   &one->walk)
		    : VR_E_MEMORY;

	if (r < 0) {
		free(one);
		return r;
	}
	one->next = tree->walks;
	tree->walks = one;
	node->walk = one;
	node->end = vr_walk_entries(one->walk);
	node->first = node->end && *path_of(one->walk, 0) == '\0';
	node->entry = NO_ENTRY;
	return make_folder(tree, node);
}

int
tree_add_files(struct tree *tree, struct node *folder)
{
	struct node *files = NULL;

	for (size_t i = 0; i < vr_guest_volumes(tree->guest); i++) {
		struct vr_volume_info info = {.size = sizeof(info)};
		char name[NAME_ROOM];
		struct node *node;

		vr_guest_volume(tree->guest, i, &info);
		if (!info.has_files)
			continue;
		if (!files)
			files = tree_add(tree, folder, "files", NODE_FOLDER);
		snprintf(name, sizeof(name), "%s", info.name);
		node = files ? tree_add(tree, files, name, NODE_FOLDER) : NULL;
		if (!node)
			return VR_E_MEMORY;
		node->entry = i;
		node->make = make_volume;
		atomic_store(&node->made, false);
	}
	return 0;
}

/* --- for those who serve it ------------------------------------------------- */

const char *
tree_verdict(const struct node *node)
{
	return node->walk && node->entry != NO_ENTRY
		       ? vr_fate_name(node->verdict)
		       : NULL;
}

int
tree_open_file(const struct tree *tree, const struct node *node,
	       struct vr_source **ret)
{
	struct vr_source *lower;
	int r = vr_walk_source(node->walk->walk, node->entry, 0, &lower);

	if (r < 0)
		return r;
	r = vr_view_open(lower, tree->damaged, ret);
	vr_source_free(lower);
	return r;
}

void
tree_free_walks(struct tree *tree)
{
	while (tree->walks) {
		struct tree_walk *one = tree->walks;

		tree->walks = one->next;
		vr_walk_free(one->walk);
		free(one);
	}
}
