/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/prober.h"

#include <stdlib.h>

#include "base/cancel.h"
#include "base/vector.h"

#define VR_ROW(name) extern const struct vr_prober vr_prober_##name;
#include "prober_rows.h"
#undef VR_ROW

static const struct vr_prober *const rows[] = {
#define VR_ROW(name) &vr_prober_##name,
#include "prober_rows.h"
#undef VR_ROW
	NULL,
};

const struct vr_prober *
vr_prober_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

int
vr_probe_all(struct vr_source *space, uint64_t start, uint64_t limit,
	     struct vr_bids *bids)
{
	int r = 0;

	for (size_t i = 0; r == 0 && vr_prober_row(i); i++) {
		r = vr_check_cancel();
		if (r == 0)
			r = vr_prober_row(i)->probe(space, start, limit, bids);
	}
	return r;
}

int
vr_bids_add(struct vr_bids *bids, const struct vr_bid *bid)
{
	if (bids->count >= VR_BIDS_MOST)
		return 0;
	return VR_PUSH(bids, *bid);
}

void
vr_bids_free(struct vr_bids *bids)
{
	free(bids->items);
	*bids = (struct vr_bids){0};
}

/* Of equals a sound head wins, then the one that was bid first. */
static bool
is_better(const struct vr_bid *a, const struct vr_bid *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	return a->head == VR_HEAD_SOUND && b->head != VR_HEAD_SOUND;
}

const struct vr_bid *
vr_bids_best(const struct vr_bids *bids, uint64_t start)
{
	const struct vr_bid *best = NULL;

	for (size_t i = 0; i < bids->count; i++) {
		const struct vr_bid *bid = &bids->items[i];

		if (bid->start == start && (!best || is_better(bid, best)))
			best = bid;
	}
	return best;
}

int
vr_ranges_add(struct vr_ranges *ranges, uint64_t off, uint64_t length)
{
	if (ranges->count > 0 && length > 0) {
		__typeof__(ranges->items) last =
			&ranges->items[ranges->count - 1];

		if (last->off + last->length == off) {
			last->length += length;
			return 0;
		}
	}
	return length ? VR_PUSH(ranges, {off, length}) : 0;
}

void
vr_ranges_free(struct vr_ranges *ranges)
{
	free(ranges->items);
	*ranges = (struct vr_ranges){0};
}
