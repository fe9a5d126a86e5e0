/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_search.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"
#include "base/vector.h"
#include "fs/btrfs_inode.h"

#define STEP	    ((uint64_t)1 << 20)
#define LEAVES_MOST (1u << 24)

struct search {
	struct vr_btrfs_space *space;
	struct vr_btrfs_leaves *to;
	bool everywhere;
	/* Nodes outside of all known chunks. */
	struct vr_btrfs_chunks loose;
};

/* --- looking -------------------------------------------------------------- */

static bool
stands_at(const struct vr_btrfs_chunk *chunk, uint64_t bytenr, uint64_t at)
{
	for (unsigned i = 0; i < chunk->copies; i++)
		if (chunk->at[i] + (bytenr - chunk->logical) == at)
			return true;
	return false;
}

static int
take_leaf(struct search *s, const struct vr_btrfs_node *node)
{
	const struct vr_btrfs_leaf leaf = {
		.first = vr_btrfs_node_key(node, 0),
		.last = vr_btrfs_node_key(node, node->count - 1),
		.owner = node->owner,
		.generation = node->generation,
		.bytenr = node->bytenr,
	};

	if (vr_btrfs_key_compare(&leaf.first, &leaf.last) > 0 ||
	    leaf.generation > s->space->fs.generation ||
	    s->to->count >= LEAVES_MOST)
		return 0;
	return VR_PUSH(s->to, leaf);
}

/* A node at byte at of the device. */
static int
take_node(struct search *s, struct vr_btrfs_node *node, uint64_t at)
{
	const struct vr_btrfs_chunk *chunk =
		vr_btrfs_chunks_find(&s->space->chunks, node->bytenr);
	int r = 0;

	if (chunk ? !stands_at(chunk, node->bytenr, at) : !s->everywhere)
		return 0;
	if (!chunk)
		r = vr_btrfs_chunks_add(&s->loose, node->bytenr, node->length,
					at, true);
	if (r < 0 || node->level > 0 || node->count == 0)
		return r;
	return take_leaf(s, node);
}

static int
look_through(struct search *s, struct vr_window *w, uint64_t off, uint64_t n)
{
	const struct vr_btrfs *fs = &s->space->fs;
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < n; at += fs->sector_bytes) {
		struct vr_btrfs_node node;

		if (!vr_inside(at, fs->node_bytes, w->length))
			break;
		if (memcmp(w->bytes + at + 32, fs->block_uuid, 16) != 0 ||
		    !vr_window_holds(w, at, fs->node_bytes) ||
		    !vr_btrfs_node_is(fs, w->bytes + at, &node))
			continue;
		node.bytes = w->bytes + at;
		r = take_node(s, &node, off + at);
	}
	return r;
}

/* What is lost, or was never written, has no nodes. */
static uint64_t
barren(const struct search *s, const struct vr_extent *extent)
{
	const unsigned flags = VR_EXTENT_DAMAGED | VR_EXTENT_HOLE |
			       VR_EXTENT_ZERO;

	return extent->flags & flags ? vr_round_down(extent->length,
						     s->space->fs.sector_bytes)
				     : 0;
}

static int
look_at_range(struct search *s, uint64_t start, uint64_t length)
{
	struct vr_source *volume = s->space->volume;
	uint64_t end =
		start +
		vr_min(length, volume->size - vr_min(start, volume->size));
	uint64_t n;

	for (uint64_t at = start; at < end; at += n) {
		struct vr_extent extent;
		struct vr_window w;
		int r = vr_check_cancel();

		if (r == 0)
			r = vr_source_next(volume, at, &extent);
		if (r < 0)
			return r;
		n = barren(s, &extent);
		if (n)
			continue;
		n = vr_min(STEP, end - at);
		/* So that no node is cut. */
		r = vr_window_read(&w, volume, at,
				   (size_t)(n + s->space->fs.node_bytes));
		if (r == 0) {
			r = look_through(s, &w, at, n);
			vr_window_free(&w);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int
look_at_chunks(struct search *s)
{
	const struct vr_btrfs_chunks *chunks = &s->space->chunks;
	int r = 0;

	for (size_t i = 0; r == 0 && i < chunks->count; i++) {
		const struct vr_btrfs_chunk *chunk = &chunks->items[i];

		for (unsigned j = 0;
		     r == 0 && chunk->has_nodes && j < chunk->copies; j++)
			r = look_at_range(s, chunk->at[j], chunk->length);
	}
	return r;
}

/* --- putting in order ----------------------------------------------------- */

static int
compare_leaves(const void *a, const void *b)
{
	const struct vr_btrfs_leaf *x = a, *y = b;
	int order;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	order = vr_btrfs_key_compare(&x->first, &y->first);
	if (order)
		return order;
	if (x->generation != y->generation)
		return x->generation > y->generation ? -1 : 1;
	return (x->bytenr > y->bytenr) - (x->bytenr < y->bytenr);
}

/* A second copy is the same leaf. */
static void
sort_leaves(struct vr_btrfs_leaves *leaves)
{
	size_t kept = 0;

	if (leaves->count)
		qsort(leaves->items, leaves->count, sizeof(*leaves->items),
		      compare_leaves);
	for (size_t i = 0; i < leaves->count; i++)
		if (kept == 0 || compare_leaves(&leaves->items[kept - 1],
						&leaves->items[i]) != 0)
			leaves->items[kept++] = leaves->items[i];
	leaves->count = kept;
}

static int
adopt_loose(struct search *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->loose.count; i++)
		r = VR_PUSH(&s->space->chunks, s->loose.items[i]);
	vr_btrfs_chunks_free(&s->loose);
	vr_btrfs_chunks_settle(&s->space->chunks);
	return r;
}

int
vr_btrfs_search(struct vr_btrfs_space *space, bool everywhere,
		struct vr_btrfs_leaves *ret)
{
	struct search s = {.space = space, .to = ret, .everywhere = everywhere};
	int r = everywhere ? look_at_range(&s, 0, space->volume->size)
			   : look_at_chunks(&s);

	sort_leaves(ret);
	if (r < 0)
		vr_btrfs_chunks_free(&s.loose);
	return r < 0 ? r : adopt_loose(&s);
}

void
vr_btrfs_leaves_free(struct vr_btrfs_leaves *leaves)
{
	free(leaves->items);
	*leaves = (struct vr_btrfs_leaves){0};
}

size_t
vr_btrfs_leaves_from(const struct vr_btrfs_leaves *leaves, uint64_t owner)
{
	return VR_FIRST(leaves->count, i, leaves->items[i].owner >= owner);
}

uint64_t
vr_btrfs_leaves_newest(const struct vr_btrfs_leaves *leaves, uint64_t owner)
{
	uint64_t newest = 0;

	for (size_t i = vr_btrfs_leaves_from(leaves, owner);
	     i < leaves->count && leaves->items[i].owner == owner; i++)
		newest = vr_max(newest, leaves->items[i].generation);
	return newest;
}

/* --- what is in use ------------------------------------------------------- */

#define EXTENT_HEAD    24
#define FLAG_TREE      0x2
#define FLAG_FULL_BACK 0x100
#define REF_OF_TREE    176
#define REF_BYTES      9
#define LEVEL_AND_KEY  18 /* of the older form, before the references */

/* One reference, by a node that the owner itself has, and by it alone. */
static bool
is_of_owner(const struct vr_btrfs_item *item, uint64_t owner)
{
	const uint8_t *p = item->bytes;
	size_t at = EXTENT_HEAD + (item->key.type == VR_BTRFS_EXTENT_ITEM
					   ? LEVEL_AND_KEY
					   : 0);

	return !item->doubted && item->n >= at + REF_BYTES &&
	       vr_load_le64(p) == 1 &&
	       !(vr_load_le64(p + 16) & FLAG_FULL_BACK) &&
	       p[at] == REF_OF_TREE && vr_load_le64(p + at + 1) == owner;
}

static int
take_extent(void *data, const struct vr_btrfs_item *item)
{
	struct vr_btrfs_leaf *leaf = data;

	if (!item->bytes || item->n < EXTENT_HEAD ||
	    vr_load_le64(item->bytes + 8) != leaf->generation ||
	    !(vr_load_le64(item->bytes + 16) & FLAG_TREE))
		return 0;
	leaf->use = is_of_owner(item, leaf->owner) ? VR_BTRFS_OF_OWNER
						   : VR_BTRFS_IN_USE;
	return 0;
}

int
vr_btrfs_leaves_ask(struct vr_btrfs_leaves *leaves,
		    const struct vr_btrfs_space *space,
		    const struct vr_btrfs_tree *extents)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < leaves->count; i++) {
		struct vr_btrfs_leaf *leaf = &leaves->items[i];
		const struct vr_btrfs_key first = {
			.id = leaf->bytenr, .type = VR_BTRFS_EXTENT_ITEM};
		const struct vr_btrfs_key last = {leaf->bytenr, UINT64_MAX,
						  VR_BTRFS_METADATA_ITEM};

		r = vr_check_cancel();
		if (r == 0)
			r = vr_btrfs_tree_each(space, extents, &first, &last,
					       take_extent, leaf);
	}
	return r;
}

/* --- filling -------------------------------------------------------------- */

/*
 * A sweep over all keys. Candidates ascend by their first key; those that began
 * lie in a heap with the newest on top, where one that ended is dropped when it
 * comes up.
 */
struct sweep {
	struct {
		const struct vr_btrfs_leaf **items;
		size_t count, room;
	} candidates, heap;
	size_t next;
	struct vr_btrfs_tree filled;
};

static int
compare_candidates(const void *a, const void *b)
{
	const struct vr_btrfs_leaf *const *x = a, *const *y = b;
	int order = vr_btrfs_key_compare(&(*x)->first, &(*y)->first);

	return order ? order : compare_leaves(*x, *y);
}

/*
 * A generation may have more than one version of a leaf, if memory ran short in
 * between and the first one was written: the last one is in use.
 */
static bool
is_newer(const struct vr_btrfs_leaf *a, const struct vr_btrfs_leaf *b)
{
	bool of_owner = a->use == VR_BTRFS_OF_OWNER;

	if (of_owner != (b->use == VR_BTRFS_OF_OWNER))
		return of_owner;
	if (a->generation != b->generation)
		return a->generation > b->generation;
	return a->use > b->use;
}

static void
swap(const struct vr_btrfs_leaf **a, const struct vr_btrfs_leaf **b)
{
	const struct vr_btrfs_leaf *kept = *a;

	*a = *b;
	*b = kept;
}

static int
heap_push(struct sweep *s, const struct vr_btrfs_leaf *leaf)
{
	int r = VR_PUSH(&s->heap, leaf);
	const struct vr_btrfs_leaf **h = s->heap.items;

	for (size_t i = s->heap.count - 1;
	     r == 0 && i > 0 && is_newer(h[i], h[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&h[i], &h[(i - 1) / 2]);
	return r;
}

static void
heap_pop(struct sweep *s)
{
	const struct vr_btrfs_leaf **h = s->heap.items;
	size_t n = --s->heap.count, i = 0;

	h[0] = h[n];
	for (;;) {
		size_t best = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < n && is_newer(h[child], h[best]))
				best = child;
		if (best == i)
			return;
		swap(&h[i], &h[best]);
		i = best;
	}
}

/* The newest leaf that has key within its bounds, or NULL. */
static int
leaf_for(struct sweep *s, const struct vr_btrfs_key *key,
	 const struct vr_btrfs_leaf **ret)
{
	int r = 0;

	while (r == 0 && s->next < s->candidates.count &&
	       vr_btrfs_key_compare(&s->candidates.items[s->next]->first,
				    key) <= 0)
		r = heap_push(s, s->candidates.items[s->next++]);
	while (s->heap.count &&
	       vr_btrfs_key_compare(&s->heap.items[0]->last, key) < 0)
		heap_pop(s);
	*ret = s->heap.count ? s->heap.items[0] : NULL;
	return r;
}

static int
put_span(struct sweep *s, const struct vr_btrfs_key *low,
	 const struct vr_btrfs_leaf *leaf)
{
	struct vr_btrfs_span span = {
		.low = *low,
		.doubted = !leaf || leaf->use != VR_BTRFS_OF_OWNER ||
			   leaf->owner != s->filled.id,
	};
	const struct vr_btrfs_span *last =
		s->filled.count ? &s->filled.items[s->filled.count - 1] : NULL;

	if (leaf) {
		span.bytenr = leaf->bytenr;
		span.generation = leaf->generation;
	}
	if (last && last->doubted == span.doubted &&
	    last->bytenr == span.bytenr && last->generation == span.generation)
		return 0;
	return vr_btrfs_tree_push(&s->filled, &span);
}

/* Moves *key up to end if that is nearer than what it is moved to; *ret_end. */
static bool
move_to(struct vr_btrfs_key *key, const struct vr_btrfs_key *to,
	const struct vr_btrfs_key *end)
{
	bool ended = end && vr_btrfs_key_compare(to, end) >= 0;

	*key = ended ? *end : *to;
	return !ended;
}

/* From key, to where another leaf may begin to count; false: the gap ends. */
static bool
step(const struct sweep *s, const struct vr_btrfs_leaf *leaf,
     const struct vr_btrfs_key *end, struct vr_btrfs_key *key)
{
	const struct vr_btrfs_key *begin =
		s->next < s->candidates.count
			? &s->candidates.items[s->next]->first
			: NULL;
	struct vr_btrfs_key after;

	if (!leaf)
		return begin && move_to(key, begin, end);
	if (!vr_btrfs_key_after(&leaf->last, &after))
		return false;
	if (begin && vr_btrfs_key_compare(begin, &after) < 0)
		after = *begin;
	return move_to(key, &after, end);
}

static int
fill_gap(struct sweep *s, const struct vr_btrfs_key *low,
	 const struct vr_btrfs_key *end)
{
	struct vr_btrfs_key key = *low;
	const struct vr_btrfs_leaf *leaf;
	int r;

	do {
		r = leaf_for(s, &key, &leaf);
		if (r == 0)
			r = put_span(s, &key, leaf);
	} while (r == 0 && step(s, leaf, end, &key));
	return r;
}

static int
gather(struct sweep *s, const struct vr_btrfs_leaves *leaves,
       const struct vr_btrfs_writer *writer)
{
	int r = 0;

	for (size_t i = vr_btrfs_leaves_from(leaves, writer->owner);
	     r == 0 && i < leaves->count &&
	     leaves->items[i].owner == writer->owner;
	     i++)
		if (leaves->items[i].generation <= writer->newest)
			r = VR_PUSH(&s->candidates, &leaves->items[i]);
	return r;
}

static int
fill_all(struct sweep *s, const struct vr_btrfs_tree *tree)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree->count; i++) {
		const struct vr_btrfs_span *span = &tree->items[i];

		r = span->bytenr ? vr_btrfs_tree_push(&s->filled, span)
				 : fill_gap(s, &span->low,
					    i + 1 < tree->count
						    ? &tree->items[i + 1].low
						    : NULL);
	}
	return r;
}

int
vr_btrfs_tree_fill(struct vr_btrfs_tree *tree,
		   const struct vr_btrfs_leaves *leaves,
		   const struct vr_btrfs_writer *writers, size_t count)
{
	struct sweep s = {.filled = {.id = tree->id}};
	int r = 0;

	for (size_t i = 0; r == 0 && tree->has_gaps && i < count; i++)
		r = gather(&s, leaves, &writers[i]);
	if (r == 0 && s.candidates.count) {
		qsort(s.candidates.items, s.candidates.count,
		      sizeof(*s.candidates.items), compare_candidates);
		r = fill_all(&s, tree);
		if (r == 0) {
			struct vr_btrfs_tree old = *tree;

			*tree = s.filled;
			s.filled = old;
		}
	}
	free(s.candidates.items);
	free(s.heap.items);
	vr_btrfs_tree_free(&s.filled);
	return r;
}
