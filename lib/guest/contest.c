/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/contest.h"

#include <string.h>

#include "base/checked.h"
#include "guest/copies.h"

/* --- bids for one place --------------------------------------------------- */

static bool
is_other(const struct vr_bid *a, const struct vr_bid *b)
{
	return a->start == b->start && a->score >= VR_SCORE_FIELDS &&
	       strcmp(a->type, b->type) != 0;
}

static bool
has_rivals(const struct vr_bids *bids, const struct vr_bid *best)
{
	for (size_t i = 0; i < bids->count; i++)
		if (is_other(&bids->items[i], best))
			return true;
	return false;
}

/* Without a sound head all that speaks are copies: how do they stand? */
static int
weigh(struct vr_source *space, const struct vr_bids *bids, uint64_t start,
      const struct vr_bid **ret, const char **ret_rival)
{
	struct vr_copies best = {0}, copies;
	int r = 0;

	for (size_t i = 0; r == 0 && i < bids->count; i++) {
		const struct vr_bid *bid = &bids->items[i];

		if (bid->start != start || bid->score < VR_SCORE_FIELDS)
			continue;
		r = vr_copies_of(space, bid, &copies);
		if (r < 0)
			return r;
		if (!*ret || copies.missing < best.missing) {
			best = copies;
			*ret = bid;
			*ret_rival = NULL;
		} else if (copies.missing == best.missing &&
			   is_other(bid, *ret)) {
			*ret_rival = bid->type;
			if (bid->score > (*ret)->score) {
				*ret_rival = (*ret)->type;
				*ret = bid;
			}
		}
	}
	return r;
}

int
vr_contest_bids(struct vr_source *space, const struct vr_bids *bids,
		uint64_t start, const struct vr_bid **ret,
		const char **ret_rival)
{
	const struct vr_bid *best = vr_bids_best(bids, start);

	*ret_rival = NULL;
	if (best && best->score >= VR_SCORE_FIELDS &&
	    best->head != VR_HEAD_SOUND && has_rivals(bids, best)) {
		*ret = NULL;
		return weigh(space, bids, start, ret, ret_rival);
	}
	*ret = best;
	for (size_t i = 0; best && i < bids->count; i++) {
		const struct vr_bid *bid = &bids->items[i];

		if (bid->start == start && bid->score == best->score &&
		    strcmp(bid->type, best->type) != 0)
			*ret_rival = bid->type;
	}
	return 0;
}

/* --- a table against one volume ------------------------------------------- */

#define LOOKED_AT_MOST 16

static int
look_at(struct vr_source *disk, uint64_t start, uint64_t end,
	struct vr_bid *ret, struct vr_copies *ret_copies)
{
	struct vr_bids bids = {0};
	const struct vr_bid *best = NULL;
	const char *rival;
	int r = vr_probe_all(disk, start, end, &bids);

	*ret = (struct vr_bid){0};
	*ret_copies = (struct vr_copies){0};
	if (r == 0)
		r = vr_contest_bids(disk, &bids, start, &best, &rival);
	if (r == 0 && best && best->score >= VR_SCORE_FIELDS) {
		*ret = *best;
		r = vr_copies_of(disk, best, ret_copies);
	}
	vr_bids_free(&bids);
	return r;
}

/* How many of its partitions hold what lives? */
static int
count_living(struct vr_source *disk, const struct vr_table *table,
	     unsigned *ret)
{
	int r = 0;

	*ret = 0;
	for (size_t i = 0;
	     r == 0 && i < table->partitions.count && i < LOOKED_AT_MOST; i++) {
		const struct vr_partition *p = &table->partitions.items[i];
		struct vr_copies copies;
		struct vr_bid bid;
		uint64_t end;

		if (!vr_add(p->start, p->length, &end))
			continue;
		r = look_at(disk, p->start, vr_min(end, disk->size), &bid,
			    &copies);
		*ret += r == 0 && bid.score != VR_SCORE_NONE &&
			bid.length <= p->length && copies.missing == 0;
	}
	return r;
}

int
vr_contest_table(struct vr_source *disk, const struct vr_table *table,
		 struct vr_bid *ret_whole, enum vr_contest *ret)
{
	struct vr_copies copies;
	unsigned living = 0;
	int r;

	*ret = VR_CONTEST_TABLE;
	if (table->head == VR_HEAD_SOUND)
		return 0;
	r = look_at(disk, 0, disk->size, ret_whole, &copies);
	if (r < 0 || ret_whole->score == VR_SCORE_NONE ||
	    vr_copies_refute(&copies))
		return r;
	r = count_living(disk, table, &living);
	if (r < 0)
		return r;
	if (living == 0 && copies.missing == 0)
		*ret = VR_CONTEST_WHOLE;
	else if (copies.missing == 0)
		*ret = VR_CONTEST_OPEN;
	return 0;
}
