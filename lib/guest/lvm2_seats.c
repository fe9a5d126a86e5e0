/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which physical volume lies where: by its id, else by its size and by the file
 * systems that should begin there.
 */
#include "guest/lvm2_assembler.h"

#include <string.h>

#include "base/checked.h"
#include "base/vector.h"

static void
seat(struct vr_lvm2_assembler *a, struct vr_lvm2_group *g, size_t pv,
     size_t place, enum vr_score score)
{
	g->seats[pv] = place;
	g->seat_scores[pv] = score;
	a->places.items[place].taken = true;
}

static void
seat_by_id(struct vr_lvm2_assembler *a, struct vr_lvm2_group *g)
{
	for (size_t i = 0; i < g->vg.pvs.count; i++)
		for (size_t j = 0; j < a->places.count; j++) {
			const struct vr_lvm2_place *p = &a->places.items[j];

			if (!p->taken && p->bid &&
			    strcmp(p->bid->uuid, g->vg.pvs.items[i].uuid) == 0)
				seat(a, g, i, j, VR_SCORE_CHECKSUM);
		}
}

/* Nothing that begins on the physical volume tells more after so many. */
#define WITNESSES_MOST 16

static bool
begins_on(const struct vr_lvm2_vg *vg, const struct vr_lvm2_lv *lv, size_t pv,
	  uint64_t *ret_off)
{
	const struct vr_lvm2_segment *s;
	const struct vr_lvm2_stripe *stripe;

	if (lv->segment_count == 0 || lv->odd_type)
		return false;
	s = &vg->segments.items[lv->first_segment];
	stripe = &vg->stripes.items[s->first_stripe];
	if (stripe->pv != pv)
		return false;
	*ret_off = vg->pvs.items[pv].data_bytes +
		   stripe->extent * vg->extent_bytes;
	return true;
}

/* How many volumes that should begin on the physical volume do begin there. */
static int
count_witnesses(const struct vr_lvm2_vg *vg, size_t pv,
		const struct vr_lvm2_place *p, unsigned *ret)
{
	unsigned tried = 0, count = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < vg->lvs.count; i++) {
		struct vr_bids bids = {0};
		const struct vr_bid *best;
		uint64_t off;

		if (!begins_on(vg, &vg->lvs.items[i], pv, &off) ||
		    off >= p->length || tried++ >= WITNESSES_MOST)
			continue;
		r = vr_probe_all(p->source, off, p->length, &bids);
		best = vr_bids_best(&bids, off);
		count += best && best->score >= VR_SCORE_FIELDS;
		vr_bids_free(&bids);
	}
	*ret = count;
	return r;
}

/* Behind the last partition up to two MiB stay free for a backup table. */
static bool
has_size_of(const struct vr_lvm2_place *p, const struct vr_lvm2_pv *pv)
{
	uint64_t bytes = pv->bytes;

	if (!p->headless || p->taken || (p->bid && *p->bid->uuid) || bytes == 0)
		return false;
	if (p->node == VR_NO_NODE)
		return p->length >= bytes && p->length - bytes <= 2 * VR_MIB;
	return p->length == bytes;
}

int
vr_lvm2_list_pairs(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g,
		   struct vr_lvm2_pairs *ret)
{
	int r = 0;

	for (size_t i = 0; i < g->vg.pvs.count; i++)
		for (size_t j = 0; r == 0 && j < a->places.count; j++) {
			struct vr_lvm2_pair pair = {.pv = i, .place = j};

			if (g->seats[i] != VR_LVM2_NOWHERE ||
			    !has_size_of(&a->places.items[j],
					 &g->vg.pvs.items[i]))
				continue;
			r = count_witnesses(&g->vg, i, &a->places.items[j],
					    &pair.witnesses);
			if (r == 0)
				r = VR_PUSH(ret, pair);
		}
	return r;
}

/* Is there another place for the volume, or another volume for the place? */
static bool
is_rivalled(const struct vr_lvm2_pairs *pairs, const struct vr_lvm2_pair *pair)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const struct vr_lvm2_pair *other = &pairs->items[i];

		if (other != pair && other->witnesses >= pair->witnesses &&
		    (other->pv == pair->pv || other->place == pair->place))
			return true;
	}
	return false;
}

/* The pair that no other rivals, with the most witnesses; pv VR_LVM2_NOWHERE: none. */
int
vr_lvm2_find_pair(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g,
		  struct vr_lvm2_pair *ret, bool *ret_rivals)
{
	struct vr_lvm2_pairs pairs = {0};
	int r = vr_lvm2_list_pairs(a, g, &pairs);

	*ret = (struct vr_lvm2_pair){.pv = VR_LVM2_NOWHERE};
	for (size_t i = 0; r == 0 && i < pairs.count; i++)
		if (!is_rivalled(&pairs, &pairs.items[i]) &&
		    (ret->pv == VR_LVM2_NOWHERE ||
		     pairs.items[i].witnesses > ret->witnesses))
			*ret = pairs.items[i];
	*ret_rivals = pairs.count > 0 && ret->pv == VR_LVM2_NOWHERE;
	free(pairs.items);
	return r;
}

/* A group whose text lies in a member is here; one from a file may be long gone. */
static enum vr_score
score_of_pair(const struct vr_lvm2_group *g, const struct vr_lvm2_pair *pair)
{
	return pair->witnesses || g->score == VR_SCORE_CHECKSUM
		       ? VR_SCORE_FIELDS
		       : VR_SCORE_MAGIC;
}

/* Until no pair is left, or the best ones rival each other. */
static int
seat_by_size(struct vr_lvm2_assembler *a, struct vr_lvm2_group *g)
{
	for (;;) {
		struct vr_lvm2_pair pair;
		bool rivals;
		int r = vr_lvm2_find_pair(a, g, &pair, &rivals);

		if (r < 0 || pair.pv == VR_LVM2_NOWHERE)
			return r;
		seat(a, g, pair.pv, pair.place, score_of_pair(g, &pair));
	}
}

/* A disk that has grown since: the last one that is missing, the only place. */
static int
seat_the_last(struct vr_lvm2_assembler *a, struct vr_lvm2_group *g)
{
	size_t pv = VR_LVM2_NOWHERE, place = VR_LVM2_NOWHERE;
	unsigned witnesses = 0;
	uint64_t least;
	int r;

	for (size_t i = 0; i < g->vg.pvs.count; i++) {
		if (g->seats[i] != VR_LVM2_NOWHERE)
			continue;
		if (pv != VR_LVM2_NOWHERE)
			return 0;
		pv = i;
	}
	if (pv == VR_LVM2_NOWHERE)
		return 0;
	least = g->vg.pvs.items[pv].data_bytes +
		g->vg.pvs.items[pv].extents * g->vg.extent_bytes;
	for (size_t i = 0; i < a->places.count; i++) {
		const struct vr_lvm2_place *p = &a->places.items[i];

		if (p->taken || !p->headless || p->length < least ||
		    p->node == VR_NO_NODE || (p->bid && *p->bid->uuid))
			continue;
		if (place != VR_LVM2_NOWHERE)
			return 0;
		place = i;
	}
	if (place == VR_LVM2_NOWHERE)
		return 0;
	r = count_witnesses(&g->vg, pv, &a->places.items[place], &witnesses);
	if (r == 0 && witnesses)
		seat(a, g, pv, place, VR_SCORE_MAGIC);
	return r;
}

static void
stand_up(struct vr_lvm2_assembler *a)
{
	for (size_t i = 0; i < a->places.count; i++)
		a->places.items[i].taken = false;
	for (size_t i = 0; i < a->groups.count; i++)
		for (size_t j = 0; j < a->groups.items[i].vg.pvs.count; j++)
			a->groups.items[i].seats[j] = VR_LVM2_NOWHERE;
}

/* The surest texts first; of as sure ones the newest. */
static int
compare_groups(const void *a, const void *b)
{
	const struct vr_lvm2_group *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->vg.number < y->vg.number) - (x->vg.number > y->vg.number);
}

int
vr_lvm2_seat_all(struct vr_lvm2_assembler *a)
{
	int r = 0;

	stand_up(a);
	if (a->groups.count)
		qsort(a->groups.items, a->groups.count,
		      sizeof(*a->groups.items), compare_groups);
	for (size_t i = 0; i < a->groups.count; i++)
		seat_by_id(a, &a->groups.items[i]);
	for (size_t i = 0; r == 0 && i < a->groups.count; i++)
		r = seat_by_size(a, &a->groups.items[i]);
	for (size_t i = 0; r == 0 && i < a->groups.count; i++)
		r = seat_the_last(a, &a->groups.items[i]);
	return r;
}
