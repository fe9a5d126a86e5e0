/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/deep.h"

#include "base/cancel.h"
#include "base/checked.h"
#include "guest/contest.h"
#include "io/lost.h"

#define HEAD_BYTES ((uint64_t)64 << 10)
/* A table that names more such volumes is not worth the reading. */
#define SEARCHED_MOST 16

static int
ask_all(struct vr_node *n)
{
	struct vr_bids bids = {0};
	const struct vr_bid *best = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && vr_prober_row(i); i++) {
		r = vr_check_cancel();
		if (r == 0 && vr_prober_row(i)->search)
			r = vr_prober_row(i)->search(n->source, &bids);
	}
	if (r == 0)
		r = vr_contest_bids(n->source, &bids, 0, &best, &n->rival);
	if (r == 0 && best)
		n->content = *best;
	vr_bids_free(&bids);
	return r;
}

static bool
has_children(const struct vr_tree *tree, size_t node)
{
	return node + 1 < tree->nodes.count &&
	       tree->nodes.items[node + 1].parent == node;
}

int
vr_deep_search(struct vr_tree *tree)
{
	unsigned searched = 0;
	int r = 0;

	for (size_t i = 0;
	     r == 0 && i < tree->nodes.count && searched < SEARCHED_MOST; i++) {
		struct vr_node *n = &tree->nodes.items[i];
		uint64_t lost;

		if (n->content.score != VR_SCORE_NONE || n->table ||
		    has_children(tree, i))
			continue;
		r = vr_lost_bytes(n->source, 0, vr_min(HEAD_BYTES, n->length),
				  &lost);
		if (r == 0 && lost) {
			searched++;
			r = ask_all(n);
		}
	}
	return r;
}
