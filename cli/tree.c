/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree_files.h"
#include "volume_file.h"

/* --- nodes ---------------------------------------------------------------- */

static void
node_free(struct node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->count; i++)
		node_free(node->children[i]);
	free(node->children);
	vr_source_free(node->bytes);
	free(node->text);
	free(node->name);
	free(node);
}

static struct node *
node_new(struct tree *tree, struct node *parent, const char *name,
	 enum node_kind kind)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->name = strdup(name);
	if (!node->name) {
		free(node);
		return NULL;
	}
	node->kind = kind;
	node->parent = parent ? parent : node;
	node->number = ++tree->last_number;
	if (parent)
		node->time = parent->time;
	atomic_init(&node->made, true);
	return node;
}

struct node *
tree_find(const struct node *folder, const char *name)
{
	for (size_t i = 0; i < folder->count; i++)
		if (strcmp(folder->children[i]->name, name) == 0)
			return folder->children[i];
	return NULL;
}

static bool
grow(struct node *folder)
{
	size_t room = folder->room ? 2 * folder->room : 8;
	struct node **more;

	if (folder->count < folder->room)
		return true;
	more = realloc(folder->children, room * sizeof(*more));
	if (!more)
		return false;
	folder->children = more;
	folder->room = room;
	return true;
}

struct node *
tree_add(struct tree *tree, struct node *folder, const char *name,
	 enum node_kind kind)
{
	struct node *node;

	if (!grow(folder))
		return NULL;
	node = node_new(tree, folder, name, kind);
	if (node)
		folder->children[folder->count++] = node;
	return node;
}

/* A text or folder that is made when somebody looks at it. */
static int
add_later(struct tree *tree, struct node *folder, const char *name,
	  enum node_kind kind, int (*make)(struct tree *, struct node *),
	  const void *of)
{
	struct node *node = tree_add(tree, folder, name, kind);

	if (!node)
		return VR_E_MEMORY;
	node->make = make;
	node->of = of;
	atomic_init(&node->made, false);
	return 0;
}

int
tree_make(struct tree *tree, struct node *node)
{
	int r = 0;

	if (atomic_load_explicit(&node->made, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&tree->lock);
	if (!atomic_load_explicit(&node->made, memory_order_relaxed)) {
		r = node->make(tree, node);
		if (r == 0)
			atomic_store_explicit(&node->made, true,
					      memory_order_release);
	}
	pthread_mutex_unlock(&tree->lock);
	return r;
}

/* --- bytes ---------------------------------------------------------------- */

/* A walk over this many extents takes milliseconds; what is behind is data. */
#define WALK_MOST 2000

/* For st_blocks, which tells du and cp whether a search for holes pays. */
static uint64_t
allocated_bytes(struct vr_source *source)
{
	uint64_t size = vr_source_size(source), off = 0, holes = 0;
	struct vr_extent extent;

	for (unsigned i = 0; off < size && i < WALK_MOST; i++) {
		if (vr_source_next(source, off, &extent) < 0)
			break;
		if (extent.flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO))
			holes += extent.length;
		off += extent.length;
	}
	return size - holes;
}

static int
add_bytes(struct tree *tree, struct node *folder, const char *name,
	  struct vr_source *lower)
{
	struct vr_source *view;
	struct node *node;
	int r = vr_view_open(lower, tree->damaged, &view);

	if (r < 0)
		return r;
	node = tree_add(tree, folder, name, NODE_BYTES);
	if (!node) {
		vr_source_free(view);
		return VR_E_MEMORY;
	}
	node->bytes = view;
	node->allocated = allocated_bytes(view);
	return 0;
}

/* --- texts ---------------------------------------------------------------- */

static int
make_descriptor(struct tree *tree, struct node *node)
{
	int r = vr_disk_descriptor(node->of, "disk.raw", &node->text);

	(void)tree;
	if (r == 0)
		node->text_length = strlen(node->text);
	return r;
}

static int
make_report(struct tree *tree, struct node *node)
{
	int r = vr_vm_report(tree->vm, &node->text);

	if (r == 0)
		node->text_length = strlen(node->text);
	return r;
}

static int
make_volumes_report(struct tree *tree, struct node *node)
{
	int r = vr_guest_report(tree->guest, &node->text);

	if (r == 0)
		node->text_length = strlen(node->text);
	return r;
}

/* Above that the runs in the comments say it all, and memory stays small. */
#define MAP_LINES_MOST 250000

static int
make_map(struct tree *tree, struct node *node)
{
	const struct vr_map *map = vr_disk_map(node->of);
	bool lines = vr_map_lines(map, MAP_LINES_MOST) < MAP_LINES_MOST;
	FILE *to = open_memstream(&node->text, &node->text_length);
	int r;

	(void)tree;
	if (!to)
		return VR_E_MEMORY;
	r = vr_map_write(map, to, lines);
	if (fclose(to) != 0 && r == 0)
		r = VR_E_MEMORY;
	if (r < 0) {
		free(node->text);
		node->text = NULL;
	}
	return r;
}

/* --- folders --------------------------------------------------------------- */

/* disk at the number of disks: volumes that may span them. */
static int
add_volumes(struct tree *tree, struct node *folder, unsigned disk)
{
	struct node *volumes = tree_add(tree, folder, "volumes", NODE_FOLDER);
	int r = volumes ? 0 : VR_E_MEMORY;

	for (size_t i = 0; r == 0 && i < vr_guest_volumes(tree->guest); i++) {
		char name[VOLUME_FILE_MOST];
		unsigned where;

		if (!volume_file_folder(tree->vm, tree->guest, i, &where) ||
		    where != disk)
			continue;
		volume_file_name(tree->vm, tree->guest, i, name);
		r = add_bytes(tree, volumes, name,
			      vr_guest_source(tree->guest, i));
	}
	return r;
}

static struct vr_source *
repaired_disk(const struct tree *tree, unsigned disk)
{
	for (size_t i = 0; i < vr_guest_volumes(tree->guest); i++) {
		struct vr_volume_info info = {.size = sizeof(info)};

		vr_guest_volume(tree->guest, i, &info);
		if (info.slot == VR_SLOT_DISK && info.disk == disk)
			return vr_guest_source(tree->guest, i);
	}
	return vr_disk_source(vr_vm_disk(tree->vm, disk));
}

static bool
is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec
				      : a->tv_nsec > b->tv_nsec;
}

/* The evidence's own time, so that copies of the files bear it, too. */
static struct timespec
time_of(const struct vr_disk *disk)
{
	struct vr_disk_info info = {.size = sizeof(info)};
	struct timespec last = {0};

	vr_disk_info(disk, &info);
	for (size_t i = 0; i < info.files; i++) {
		struct vr_file_info file = {.size = sizeof(file)};
		struct stat st;

		vr_disk_file(disk, i, &file);
		if (stat(file.path, &st) == 0 && is_later(&st.st_mtim, &last))
			last = st.st_mtim;
	}
	return last;
}

static int
fill_disk(struct tree *tree, struct node *folder, unsigned index)
{
	const struct vr_disk *disk = vr_vm_disk(tree->vm, index);
	struct vr_source *source = repaired_disk(tree, index);
	int r;

	folder->time = time_of(disk);
	tree->size += vr_source_size(source);
	r = add_bytes(tree, folder, "disk.raw", source);
	if (r == 0)
		r = add_later(tree, folder, "disk.vmdk", NODE_TEXT,
			      make_descriptor, disk);
	if (r == 0)
		r = add_later(tree, folder, "damage.map", NODE_TEXT, make_map,
			      disk);
	return r == 0 ? add_volumes(tree, folder, index) : r;
}

static int
add_disk(struct tree *tree, unsigned index)
{
	char *product, name[NAME_MAX + 1];
	struct node *folder;
	int r = vr_vm_product(tree->vm, index, &product);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "%s", product);
	for (unsigned i = 2; tree_find(tree->root, name); i++)
		snprintf(name, sizeof(name), "%.200s-%u", product, i);
	free(product);
	folder = tree_add(tree, tree->root, name, NODE_FOLDER);
	return folder ? fill_disk(tree, folder, index) : VR_E_MEMORY;
}

static int
add_reports(struct tree *tree)
{
	int r = add_later(tree, tree->root, "report.json", NODE_TEXT,
			  make_report, NULL);

	return r == 0 ? add_later(tree, tree->root, "volumes.json", NODE_TEXT,
				  make_volumes_report, NULL)
		      : r;
}

/* The tree's own names come first; a disk of such a name is told apart. */
static int
fill_several(struct tree *tree)
{
	unsigned count = (unsigned)vr_vm_disks(tree->vm);
	int r = add_reports(tree);

	if (r == 0)
		r = add_volumes(tree, tree->root, count);
	if (r == 0)
		r = tree_add_files(tree, tree->root);
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = add_disk(tree, i);
	return r;
}

static int
fill_single(struct tree *tree)
{
	int r = fill_disk(tree, tree->root, 0);

	if (r == 0)
		r = tree_add_files(tree, tree->root);
	return r == 0 ? add_reports(tree) : r;
}

static int
fill(struct tree *tree)
{
	tree->root = node_new(tree, NULL, "", NODE_FOLDER);
	if (!tree->root)
		return VR_E_MEMORY;
	tree->root->time = time_of(vr_vm_disk(tree->vm, 0));
	return vr_vm_disks(tree->vm) == 1 ? fill_single(tree)
					  : fill_several(tree);
}

int
tree_open(const struct vr_vm *vm, const struct vr_guest *guest,
	  enum vr_damaged damaged, struct tree **ret)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	int r;

	if (!tree)
		return VR_E_MEMORY;
	pthread_mutex_init(&tree->lock, NULL);
	tree->vm = vm;
	tree->guest = guest;
	tree->damaged = damaged;
	r = fill(tree);
	if (r < 0) {
		tree_free(tree);
		return r;
	}
	*ret = tree;
	return 0;
}

void
tree_free(struct tree *tree)
{
	if (!tree)
		return;
	node_free(tree->root);
	tree_free_walks(tree);
	pthread_mutex_destroy(&tree->lock);
	free(tree);
}
