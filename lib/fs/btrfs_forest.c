/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_forest.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/search.h"
#include "base/vector.h"
#include "fs/btrfs_inode.h"
#include "io/cache.h"

#define CACHE_BYTES ((size_t)8 << 20)
#define CHUNK_TREE  3
#define EXTENT_TREE 2
#define DEVICE_TREE 4
#define ROOT_TREE   1
#define SUM_TREE    7
#define LOG_TREE    (UINT64_MAX - 5)
#define ROOT_BYTES  239 /* of older kernels; later ones append the rest */
#define ROOT_LONG   311
#define LINE_MOST   64 /* snapshots of snapshots of ... */
#define LOGGED_MOST (1u << 22)

struct opener {
	struct vr_btrfs_forest *f;
	struct vr_btrfs_leaves leaves;
	bool searched;
	bool doubted_only; /* of the roots */
	struct vr_btrfs_root sums, extents;
};

static const struct vr_btrfs_key first_key = {0};
static const struct vr_btrfs_key last_key = {UINT64_MAX, UINT64_MAX, UINT8_MAX};

static int
each_of_all(const struct vr_btrfs_space *space,
	    const struct vr_btrfs_tree *tree, vr_btrfs_each each, void *data)
{
	return vr_btrfs_tree_each(space, tree, &first_key, &last_key, each,
				  data);
}

static int
push_gap(struct vr_btrfs_tree *tree)
{
	return vr_btrfs_tree_push(tree, &(struct vr_btrfs_span){.bytenr = 0});
}

static int
search_once(struct opener *o, bool everywhere)
{
	if (o->searched)
		return 0;
	o->searched = true;
	return vr_btrfs_search(&o->f->space, everywhere, &o->leaves);
}

static int
fill(struct opener *o, struct vr_btrfs_tree *tree)
{
	const struct vr_btrfs_writer writer = {tree->id,
					       o->f->space.fs.generation};

	return vr_btrfs_tree_fill(tree, &o->leaves, &writer, 1);
}

/* --- chunks --------------------------------------------------------------- */

static int
take_chunk(void *data, const struct vr_btrfs_item *item)
{
	struct vr_btrfs_space *space = data;

	if (!item->bytes || item->key.type != VR_BTRFS_CHUNK_ITEM)
		return 0;
	return vr_btrfs_chunks_take(&space->chunks, &space->fs,
				    item->key.offset, item->bytes, item->n,
				    item->doubted);
}

/* While its items are added the tree itself is still read by settled chunks. */
static int
take_chunks(struct vr_btrfs_space *space, const struct vr_btrfs_tree *tree)
{
	struct vr_btrfs_space more = {.fs = space->fs};
	int r = each_of_all(space, tree, take_chunk, &more);

	for (size_t i = 0; r == 0 && i < more.chunks.count; i++)
		r = VR_PUSH(&space->chunks, more.chunks.items[i]);
	vr_btrfs_chunks_free(&more.chunks);
	vr_btrfs_chunks_settle(&space->chunks);
	return r;
}

/* The device's own list of what lies where on it. */
static int
take_device_extent(void *data, const struct vr_btrfs_item *item)
{
	struct vr_btrfs_space *space = data;
	uint64_t length;

	if (!item->bytes || item->key.type != VR_BTRFS_DEV_EXTENT ||
	    item->key.id != space->fs.device_id || item->n < 32)
		return 0;
	length = vr_load_le64(item->bytes + 24);
	if (!vr_inside(item->key.offset, length, space->fs.device_bytes))
		return 0;
	return vr_btrfs_chunks_add(&space->chunks,
				   vr_load_le64(item->bytes + 16), length,
				   item->key.offset, false);
}

static int
take_device_tree(struct opener *o)
{
	struct vr_btrfs_space *space = &o->f->space, more = {.fs = space->fs};
	struct vr_btrfs_tree tree = {.id = DEVICE_TREE};
	int r = vr_btrfs_tree_walk(space, &space->fs.device_root, true, &tree);

	if (r == 0)
		r = fill(o, &tree);
	if (r == 0)
		r = each_of_all(space, &tree, take_device_extent, &more);
	for (size_t i = 0; r == 0 && i < more.chunks.count; i++)
		r = VR_PUSH(&space->chunks, more.chunks.items[i]);
	vr_btrfs_chunks_settle(&space->chunks);
	vr_btrfs_chunks_free(&more.chunks);
	vr_btrfs_tree_free(&tree);
	return r;
}

/* Leaves of the tree of chunks, wherever they stand; then the device's list. */
static int
mend_chunks(struct opener *o, struct vr_btrfs_tree *tree)
{
	struct vr_btrfs_space *space = &o->f->space;
	int r = search_once(o, true);

	if (r == 0)
		r = fill(o, tree);
	if (r == 0)
		r = take_chunks(space, tree);
	return r == 0 ? take_device_tree(o) : r;
}

static int
find_chunks(struct opener *o)
{
	struct vr_btrfs_space *space = &o->f->space;
	const struct vr_btrfs_root root = {
		.bytenr = space->fs.chunk_root,
		.generation = space->fs.chunk_root_generation,
		.level = space->fs.chunk_root_level,
	};
	struct vr_btrfs_tree tree = {.id = CHUNK_TREE};
	int r = vr_btrfs_chunks_take_system(&space->chunks, &space->fs);

	vr_btrfs_chunks_settle(&space->chunks);
	if (r == 0)
		r = vr_btrfs_tree_walk(space, &root, false, &tree);
	if (r == 0)
		r = take_chunks(space, &tree);
	if (r == 0 && tree.has_gaps)
		r = mend_chunks(o, &tree);
	vr_btrfs_tree_free(&tree);
	return r;
}

/* --- roots ---------------------------------------------------------------- */

static bool
is_subvolume(uint64_t id)
{
	return id == VR_BTRFS_FILES ||
	       (id >= VR_BTRFS_FIRST && id < VR_BTRFS_LAST);
}

static size_t
index_of(const struct vr_btrfs_forest *f, uint64_t id)
{
	return VR_FIRST(f->subvolumes.count, i,
			f->subvolumes.items[i].tree.id >= id);
}

static struct vr_btrfs_subvolume *
get(const struct vr_btrfs_forest *f, uint64_t id)
{
	size_t i = index_of(f, id);

	return i < f->subvolumes.count && f->subvolumes.items[i].tree.id == id
		       ? &f->subvolumes.items[i]
		       : NULL;
}

const struct vr_btrfs_subvolume *
vr_btrfs_forest_get(const struct vr_btrfs_forest *f, uint64_t id)
{
	return get(f, id);
}

/* In its place by id; one of that id that is there is replaced. */
static int
put_subvolume(struct vr_btrfs_forest *f, const struct vr_btrfs_subvolume *sub)
{
	size_t at = index_of(f, sub->tree.id);
	int r;

	if (at < f->subvolumes.count &&
	    f->subvolumes.items[at].tree.id == sub->tree.id) {
		f->subvolumes.items[at] = *sub;
		return 0;
	}
	if (f->subvolumes.count >= VR_BTRFS_TREES_MOST)
		return 0;
	r = VR_PUSH(&f->subvolumes, *sub);
	if (r < 0)
		return r;
	memmove(&f->subvolumes.items[at + 1], &f->subvolumes.items[at],
		(f->subvolumes.count - 1 - at) * sizeof(*sub));
	f->subvolumes.items[at] = *sub;
	return 0;
}

static struct vr_btrfs_root
root_at(const uint8_t *item)
{
	return (struct vr_btrfs_root){
		.bytenr = vr_load_le64(item + 176),
		.generation = vr_load_le64(item + 160),
		.level = item[238],
	};
}

static bool
is_root(const struct vr_btrfs_item *item)
{
	return item->bytes && item->key.type == VR_BTRFS_ROOT_ITEM &&
	       item->n >= ROOT_BYTES;
}

/* Without references: it was deleted, and is being taken apart. */
static bool
is_deleted(const struct vr_btrfs_item *item)
{
	return vr_load_le32(item->bytes + 216) == 0;
}

/* Walked already, or told by what is beyond doubt. */
static bool
is_known(const struct opener *o, const struct vr_btrfs_item *item)
{
	const struct vr_btrfs_subvolume *sub = get(o->f, item->key.id);

	return sub && (item->doubted || sub->tree.count);
}

static int
take_root(void *data, const struct vr_btrfs_item *item)
{
	struct opener *o = data;
	struct vr_btrfs_subvolume sub = {
		.tree.id = item->key.id,
		.doubted = item->doubted,
	};

	if (!is_root(item) || is_deleted(item) ||
	    item->doubted != o->doubted_only)
		return 0;
	if (item->key.id == SUM_TREE && !item->doubted)
		o->sums = root_at(item->bytes);
	if (item->key.id == EXTENT_TREE && !item->doubted)
		o->extents = root_at(item->bytes);
	if (!is_subvolume(item->key.id) || is_known(o, item))
		return 0;
	sub.root = root_at(item->bytes);
	if (item->n >= ROOT_LONG) {
		memcpy(sub.uuid, item->bytes + 247, sizeof(sub.uuid));
		memcpy(sub.parent, item->bytes + 263, sizeof(sub.parent));
		sub.born = vr_load_le64(item->bytes + 303);
	}
	return put_subvolume(o->f, &sub);
}

static int
take_roots(struct opener *o, bool doubted)
{
	o->doubted_only = doubted;
	return each_of_all(&o->f->space, &o->f->roots, take_root, o);
}

/* What the tree of roots lost, and the superblock knows as well. */
static int
take_backups(struct opener *o)
{
	const struct vr_btrfs *fs = &o->f->space.fs;
	const struct vr_btrfs_subvolume files = {
		.tree.id = VR_BTRFS_FILES,
		.root = fs->files_root,
	};

	if (!o->f->roots.has_gaps)
		return 0;
	if (o->sums.bytenr == 0)
		o->sums = fs->sums_root;
	if (o->extents.bytenr == 0)
		o->extents = fs->extents_root;
	if (fs->files_root.bytenr == 0 || get(o->f, VR_BTRFS_FILES))
		return 0;
	return put_subvolume(o->f, &files);
}

/* --- trees ---------------------------------------------------------------- */

static int
walk_sums(struct opener *o)
{
	struct vr_btrfs_forest *f = o->f;

	f->sums.id = SUM_TREE;
	return o->sums.bytenr ? vr_btrfs_tree_walk(&f->space, &o->sums, false,
						   &f->sums)
			      : push_gap(&f->sums);
}

/*
 * Older news of a root is good where the tree did not change since; where it
 * did, its newest leaves tell more than where it once began.
 */
static bool
is_outdated(const struct opener *o, const struct vr_btrfs_subvolume *sub)
{
	return sub->doubted &&
	       vr_btrfs_leaves_newest(&o->leaves, sub->tree.id) >
		       sub->root.generation;
}

static int
walk_subvolumes(struct opener *o)
{
	struct vr_btrfs_forest *f = o->f;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->subvolumes.count; i++) {
		struct vr_btrfs_subvolume *sub = &f->subvolumes.items[i];

		if (sub->tree.count)
			continue;
		r = sub->root.bytenr == 0 || is_outdated(o, sub)
			    ? push_gap(&sub->tree)
			    : vr_btrfs_tree_walk(&f->space, &sub->root,
						 sub->doubted, &sub->tree);
	}
	return r;
}

static bool
has_gaps(const struct vr_btrfs_forest *f)
{
	bool gaps = f->roots.has_gaps || f->sums.has_gaps;

	for (size_t i = 0; !gaps && i < f->subvolumes.count; i++)
		gaps = f->subvolumes.items[i].tree.has_gaps;
	return gaps;
}

/* --- mending -------------------------------------------------------------- */

/* Trees that nothing is left of but leaves, unless they are known deleted. */
static int
take_strangers(struct opener *o)
{
	const struct vr_btrfs_leaves *leaves = &o->leaves;
	size_t i = 0;
	int r = 0;

	while (r == 0 && i < leaves->count) {
		const struct vr_btrfs_subvolume sub = {
			.tree.id = leaves->items[i].owner,
			.doubted = true,
		};
		const struct vr_btrfs_key key = {.id = sub.tree.id,
						 .type = VR_BTRFS_ROOT_ITEM};

		if (is_subvolume(sub.tree.id) && !get(o->f, sub.tree.id) &&
		    !vr_btrfs_tree_is_sure(&o->f->roots, &key))
			r = put_subvolume(o->f, &sub);
		i = sub.tree.id == UINT64_MAX
			    ? leaves->count
			    : vr_btrfs_leaves_from(leaves, sub.tree.id + 1);
	}
	return r;
}

static const struct vr_btrfs_subvolume *
parent_of(const struct vr_btrfs_forest *f, const struct vr_btrfs_subvolume *sub)
{
	static const uint8_t none[16];

	if (memcmp(sub->parent, none, sizeof(none)) == 0)
		return NULL;
	for (size_t i = 0; i < f->subvolumes.count; i++)
		if (memcmp(f->subvolumes.items[i].uuid, sub->parent,
			   sizeof(sub->parent)) == 0)
			return &f->subvolumes.items[i];
	return NULL;
}

/* A snapshot has the leaves of what it was made of, up to then. */
static int
fill_subvolume(struct opener *o, struct vr_btrfs_subvolume *sub)
{
	struct vr_btrfs_writer writers[LINE_MOST] = {
		{sub->tree.id, o->f->space.fs.generation}};
	const struct vr_btrfs_subvolume *at = sub;
	size_t count = 1;

	while (count < LINE_MOST) {
		uint64_t newest = vr_min(at->born, writers[count - 1].newest);

		at = parent_of(o->f, at);
		if (!at)
			break;
		writers[count++] =
			(struct vr_btrfs_writer){at->tree.id, newest};
	}
	return vr_btrfs_tree_fill(&sub->tree, &o->leaves, writers, count);
}

static int
ask_extents(struct opener *o)
{
	struct vr_btrfs_space *space = &o->f->space;
	struct vr_btrfs_tree tree = {.id = EXTENT_TREE};
	int r;

	if (o->extents.bytenr == 0)
		return 0;
	r = vr_btrfs_tree_walk(space, &o->extents, false, &tree);
	if (r == 0)
		r = vr_btrfs_leaves_ask(&o->leaves, space, &tree);
	vr_btrfs_tree_free(&tree);
	return r;
}

/* The tree of roots first: it may lead to more than the superblock knew. */
static int
mend_roots(struct opener *o)
{
	struct vr_btrfs_forest *f = o->f;
	bool had_sums = o->sums.bytenr != 0;
	int r = fill(o, &f->roots);

	if (r == 0)
		r = take_roots(o, false);
	if (r == 0)
		r = take_roots(o, true);
	if (r == 0 && !had_sums) {
		vr_btrfs_tree_free(&f->sums);
		r = walk_sums(o);
	}
	return r;
}

static int
mend(struct opener *o)
{
	struct vr_btrfs_forest *f = o->f;
	int r = search_once(o, false);

	if (r == 0)
		r = ask_extents(o);
	if (r == 0)
		r = mend_roots(o);
	if (r == 0)
		r = take_strangers(o);
	if (r == 0)
		r = walk_subvolumes(o);
	if (r == 0)
		r = fill(o, &f->sums);
	for (size_t i = 0; r == 0 && i < f->subvolumes.count; i++)
		if (f->subvolumes.items[i].tree.has_gaps)
			r = fill_subvolume(o, &f->subvolumes.items[i]);
	return r;
}

/* --- the log -------------------------------------------------------------- */

struct log {
	struct vr_btrfs_forest *f;
	uint64_t tree;
};

static int
take_logged(void *data, const struct vr_btrfs_item *item)
{
	struct log *log = data;
	struct vr_btrfs_forest *f = log->f;
	const struct vr_btrfs_logged *last =
		f->logged.count ? &f->logged.items[f->logged.count - 1] : NULL;

	if (item->lost || f->logged.count >= LOGGED_MOST)
		f->log_lost = true;
	else if (item->bytes &&
		 (!last || last->tree != log->tree || last->id != item->key.id))
		return VR_PUSH(&f->logged, {log->tree, item->key.id});
	return 0;
}

static int
take_log(void *data, const struct vr_btrfs_item *item)
{
	struct vr_btrfs_forest *f = data;
	struct log log = {f, item->key.offset};
	struct vr_btrfs_tree tree = {.id = LOG_TREE};
	struct vr_btrfs_root root;
	int r;

	f->log_lost |= item->lost;
	if (!is_root(item))
		return 0;
	root = root_at(item->bytes);
	r = vr_btrfs_tree_walk(&f->space, &root, false, &tree);
	if (r == 0)
		r = each_of_all(&f->space, &tree, take_logged, &log);
	vr_btrfs_tree_free(&tree);
	return r;
}

static int
compare_logged(const void *a, const void *b)
{
	const struct vr_btrfs_logged *x = a, *y = b;

	if (x->tree != y->tree)
		return x->tree < y->tree ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* What was synced after the last commit: a tree of roots of its own. */
static int
read_log(struct vr_btrfs_forest *f)
{
	const struct vr_btrfs_root root = {
		.bytenr = f->space.fs.log_root,
		.generation = f->space.fs.generation + 1,
		.level = f->space.fs.log_root_level,
	};
	struct vr_btrfs_tree tree = {.id = LOG_TREE};
	int r;

	if (root.bytenr == 0)
		return 0;
	r = vr_btrfs_tree_walk(&f->space, &root, false, &tree);
	if (r == 0)
		r = each_of_all(&f->space, &tree, take_log, f);
	if (f->logged.count)
		qsort(f->logged.items, f->logged.count,
		      sizeof(*f->logged.items), compare_logged);
	vr_btrfs_tree_free(&tree);
	return r;
}

bool
vr_btrfs_forest_is_logged(const struct vr_btrfs_forest *f, uint64_t tree,
			  uint64_t id)
{
	const struct vr_btrfs_logged wanted = {tree, id};
	size_t at = VR_FIRST(f->logged.count, i,
			     compare_logged(&f->logged.items[i], &wanted) >= 0);

	return f->log_lost ||
	       (at < f->logged.count &&
		compare_logged(&f->logged.items[at], &wanted) == 0);
}

/* --- all of it ------------------------------------------------------------ */

static int
open_trees(struct opener *o)
{
	struct vr_btrfs_forest *f = o->f;
	const struct vr_btrfs_root root = {
		.bytenr = f->space.fs.root,
		.generation = f->space.fs.generation,
		.level = f->space.fs.root_level,
	};
	int r = find_chunks(o);

	f->roots.id = ROOT_TREE;
	if (r == 0)
		r = vr_btrfs_tree_walk(&f->space, &root, false, &f->roots);
	if (r == 0)
		r = take_roots(o, false);
	if (r == 0)
		r = take_backups(o);
	if (r == 0)
		r = walk_sums(o);
	if (r == 0)
		r = walk_subvolumes(o);
	if (r == 0 && has_gaps(f))
		r = mend(o);
	return r == 0 ? read_log(f) : r;
}

int
vr_btrfs_forest_open(struct vr_source *volume, const struct vr_btrfs *fs,
		     struct vr_btrfs_forest *ret)
{
	struct vr_btrfs_forest f = {.space = {.fs = *fs}};
	struct opener o = {.f = &f};
	int r = vr_cache_open(volume, CACHE_BYTES, &f.space.volume);

	if (r == 0)
		r = open_trees(&o);
	vr_btrfs_leaves_free(&o.leaves);
	if (r < 0)
		vr_btrfs_forest_free(&f);
	else
		*ret = f;
	return r;
}

void
vr_btrfs_forest_free(struct vr_btrfs_forest *f)
{
	for (size_t i = 0; i < f->subvolumes.count; i++)
		vr_btrfs_tree_free(&f->subvolumes.items[i].tree);
	free(f->subvolumes.items);
	free(f->logged.items);
	vr_btrfs_tree_free(&f->roots);
	vr_btrfs_tree_free(&f->sums);
	vr_btrfs_chunks_free(&f->space.chunks);
	vr_source_free(f->space.volume);
	*f = (struct vr_btrfs_forest){0};
}
