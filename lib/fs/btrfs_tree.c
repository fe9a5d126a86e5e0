/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_tree.h"

#include "base/cancel.h"
#include "base/search.h"
#include "base/vector.h"

static const struct vr_btrfs_key last_key = {UINT64_MAX, UINT64_MAX, UINT8_MAX};

int
vr_btrfs_tree_push(struct vr_btrfs_tree *tree, const struct vr_btrfs_span *span)
{
	const struct vr_btrfs_span *last =
		tree->count ? &tree->items[tree->count - 1] : NULL;

	if (last && last->bytenr == 0 &&
	    (span->bytenr == 0 || tree->count >= VR_BTRFS_SPANS_MOST))
		return 0;
	tree->has_gaps |= span->bytenr == 0;
	tree->has_doubts |= span->doubted;
	return VR_PUSH(tree, *span);
}

static int
push_gap(struct vr_btrfs_tree *tree, const struct vr_btrfs_key *low)
{
	return vr_btrfs_tree_push(tree, &(struct vr_btrfs_span){.low = *low});
}

/* --- following pointers --------------------------------------------------- */

struct walk {
	const struct vr_btrfs_space *space;
	struct vr_btrfs_tree *tree;
};

/* What a pointer promises of the node: keys in [low, high); NULL: no end. */
struct place {
	struct vr_btrfs_root pointer;
	struct vr_btrfs_key low;
	const struct vr_btrfs_key *high;
	bool doubted;
};

static int walk_place(const struct walk *w, const struct place *place);

static bool
is_below(const struct vr_btrfs_key *key, const struct vr_btrfs_key *high)
{
	return !high || vr_btrfs_key_compare(key, high) < 0;
}

/*
 * Pointers whose keys do not ascend within the bounds end the node. As they do,
 * no node is met twice in a tree: its first key is that of its only pointer.
 */
static int
walk_pointers(const struct walk *w, const struct vr_btrfs_node *node,
	      const struct place *place)
{
	struct place child = {
		.low = place->low,
		.doubted = place->doubted || node->doubted,
	};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < node->count; i++) {
		struct vr_btrfs_key next;

		child.pointer = vr_btrfs_node_pointer(node, i);
		child.high = place->high;
		if (i + 1 < node->count) {
			next = vr_btrfs_node_key(node, i + 1);
			if (vr_btrfs_key_compare(&next, &child.low) <= 0 ||
			    !is_below(&next, place->high))
				return push_gap(w->tree, &child.low);
			child.high = &next;
		}
		r = walk_place(w, &child);
		if (child.high)
			child.low = *child.high;
	}
	return r;
}

static int
walk_node(const struct walk *w, const struct vr_btrfs_node *node,
	  const struct place *place)
{
	const struct vr_btrfs_span span = {
		.low = place->low,
		.bytenr = node->bytenr,
		.generation = node->generation,
		.doubted = place->doubted || node->doubted,
	};

	if (node->level > 0)
		return node->count ? walk_pointers(w, node, place)
				   : push_gap(w->tree, &place->low);
	if (w->tree->count >= VR_BTRFS_SPANS_MOST)
		return push_gap(w->tree, &place->low);
	return vr_btrfs_tree_push(w->tree, &span);
}

static int
walk_place(const struct walk *w, const struct place *place)
{
	struct vr_btrfs_node node;
	bool found;
	int r = vr_check_cancel();

	if (r == 0)
		r = vr_btrfs_node_read(w->space, &place->pointer, &node,
				       &found);
	if (r < 0)
		return r;
	if (!found)
		return push_gap(w->tree, &place->low);
	r = walk_node(w, &node, place);
	free(node.bytes);
	return r;
}

int
vr_btrfs_tree_walk(const struct vr_btrfs_space *space,
		   const struct vr_btrfs_root *root, bool doubted,
		   struct vr_btrfs_tree *tree)
{
	const struct walk w = {space, tree};
	const struct place top = {.pointer = *root, .doubted = doubted};

	return walk_place(&w, &top);
}

void
vr_btrfs_tree_free(struct vr_btrfs_tree *tree)
{
	free(tree->items);
	*tree = (struct vr_btrfs_tree){0};
}

/* --- asking --------------------------------------------------------------- */

static size_t
span_of(const struct vr_btrfs_tree *tree, const struct vr_btrfs_key *key)
{
	size_t above =
		VR_FIRST(tree->count, i,
			 vr_btrfs_key_compare(&tree->items[i].low, key) > 0);

	return above ? above - 1 : 0;
}

bool
vr_btrfs_tree_is_sure(const struct vr_btrfs_tree *tree,
		      const struct vr_btrfs_key *key)
{
	const struct vr_btrfs_span *span =
		tree->count ? &tree->items[span_of(tree, key)] : NULL;

	return span && span->bytenr && !span->doubted;
}

struct asked {
	const struct vr_btrfs_key *first, *last;
	vr_btrfs_each each;
	void *data;
};

static const struct vr_btrfs_key *
later_of(const struct vr_btrfs_key *a, const struct vr_btrfs_key *b)
{
	return vr_btrfs_key_compare(a, b) > 0 ? a : b;
}

static int
tell_span_itself(const struct asked *a, const struct vr_btrfs_span *span,
		 const struct vr_btrfs_key *high, bool lost)
{
	const struct vr_btrfs_item all = {
		.key = *later_of(&span->low, a->first),
		.end = high ? *high : last_key,
		.doubted = true,
		.lost = lost,
	};

	return a->each(a->data, &all);
}

static int
tell_items(const struct asked *a, const struct vr_btrfs_node *leaf,
	   const struct vr_btrfs_span *span, const struct vr_btrfs_key *high)
{
	const struct vr_btrfs_key *low = later_of(&span->low, a->first);
	unsigned start = (unsigned)VR_FIRST(
		leaf->count, at, ({
			struct vr_btrfs_key key =
				vr_btrfs_node_key(leaf, (unsigned)at);

			vr_btrfs_key_compare(&key, low) >= 0;
		}));
	int r = 0;

	for (unsigned i = start; r == 0 && i < leaf->count; i++) {
		struct vr_btrfs_item item = {
			.key = vr_btrfs_node_key(leaf, i),
			.doubted = span->doubted || leaf->doubted,
		};

		if (!is_below(&item.key, high) ||
		    vr_btrfs_key_compare(&item.key, a->last) > 0)
			break;
		item.bytes = vr_btrfs_node_item(leaf, i, &item.n);
		if (item.bytes)
			r = a->each(a->data, &item);
	}
	return r;
}

static int
tell_span(const struct vr_btrfs_space *space, const struct asked *a,
	  const struct vr_btrfs_span *span, const struct vr_btrfs_key *high)
{
	const struct vr_btrfs_root pointer = {
		.bytenr = span->bytenr,
		.generation = span->generation,
	};
	struct vr_btrfs_node leaf;
	bool found = false;
	int r = 0;

	if (span->bytenr)
		r = vr_btrfs_node_read(space, &pointer, &leaf, &found);
	if (r < 0)
		return r;
	if (!found)
		return tell_span_itself(a, span, high, true);
	r = tell_items(a, &leaf, span, high);
	if (r == 0 && (span->doubted || leaf.doubted))
		r = tell_span_itself(a, span, high, false);
	free(leaf.bytes);
	return r;
}

int
vr_btrfs_tree_each(const struct vr_btrfs_space *space,
		   const struct vr_btrfs_tree *tree,
		   const struct vr_btrfs_key *first,
		   const struct vr_btrfs_key *last, vr_btrfs_each each,
		   void *data)
{
	const struct asked a = {first, last, each, data};
	int r = 0;

	for (size_t i = span_of(tree, first); r == 0 && i < tree->count; i++) {
		const struct vr_btrfs_span *span = &tree->items[i];

		if (vr_btrfs_key_compare(&span->low, last) > 0)
			break;
		r = tell_span(space, &a, span,
			      i + 1 < tree->count ? &tree->items[i + 1].low
						  : NULL);
	}
	return r;
}

int
vr_btrfs_tree_of(const struct vr_btrfs_space *space,
		 const struct vr_btrfs_tree *tree, uint64_t id, uint8_t type,
		 vr_btrfs_each each, void *data)
{
	const struct vr_btrfs_key first = {.id = id, .type = type};
	const struct vr_btrfs_key last = {id, UINT64_MAX, type};

	return vr_btrfs_tree_each(space, tree, &first, &last, each, data);
}
