/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From physical volumes to logical ones, without device mapper.
 *
 * A text tells all of a group: which physical volumes, how large, and where each
 * logical volume lies. Of the texts of a group the newest sound one wins, from
 * metadata areas or from files of the guest. Its physical volumes are then
 * seated: on members that bear their id, else on places whose head is lost and
 * whose size is theirs. Where several would do, the file systems that should
 * begin there decide, and where those do not tell either, nothing is guessed.
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/findings.h"
#include "base/text.h"
#include "base/vector.h"
#include "guest/lvm2_area.h"
#include "guest/lvm2_search.h"
#include "guest/pool.h"
#include "io/window.h"

extern const struct vr_prober vr_prober_lvm2;
extern const struct vr_pool_row vr_pool_lvm2;

/* The newest text of a group. */
struct group {
	struct vr_lvm2_vg vg;
	enum vr_score score;
	char *how;
	size_t *seats; /* by physical volume: index of a place, or NOWHERE */
	enum vr_score *seat_scores;
};
#define NOWHERE SIZE_MAX

/* Where a physical volume is, or may be. */
struct place {
	size_t node;
	uint32_t disk;
	uint64_t start, length;
	const struct vr_layout *layout;
	struct vr_source *source;
	const struct vr_bid *bid; /* NULL: a vacancy */
	const struct vr_partition *entry;
	bool has_volumes;
	bool headless; /* its head is lost, or not what it should be: */
	bool lost;
	bool taken;
};

struct assembler {
	struct vr_pool_job *job;
	struct {
		struct group *items;
		size_t count, room;
	} groups;
	struct {
		struct place *items;
		size_t count, room;
	} places;
	bool unread; /* a search for texts left bytes of a disk unread */
};

static void
free_group(struct group *g)
{
	vr_lvm2_vg_free(&g->vg);
	free(g->how);
	free(g->seats);
	free(g->seat_scores);
}

static void
free_assembler(struct assembler *a)
{
	for (size_t i = 0; i < a->groups.count; i++)
		free_group(&a->groups.items[i]);
	free(a->groups.items);
	free(a->places.items);
}

/* --- texts ----------------------------------------------------------------- */

/* Takes vg and how over. */
static int
push_group(struct assembler *a, struct vr_lvm2_vg *vg, enum vr_score score,
	   char *how)
{
	struct group g = {.vg = *vg, .score = score, .how = how};
	int r;

	*vg = (struct vr_lvm2_vg){0};
	g.seats = calloc(g.vg.pvs.count + 1, sizeof(*g.seats));
	g.seat_scores = calloc(g.vg.pvs.count + 1, sizeof(*g.seat_scores));
	r = g.how && g.seats && g.seat_scores ? VR_PUSH(&a->groups, g)
					      : vr_fail_memory();
	if (r < 0) {
		free_group(&g);
		return r;
	}
	for (size_t i = 0; i < g.vg.pvs.count; i++)
		g.seats[i] = NOWHERE;
	return 0;
}

static bool
is_better(const struct vr_lvm2_vg *vg, enum vr_score score,
	  const struct group *than)
{
	if (vg->number != than->vg.number)
		return vg->number > than->vg.number;
	return score > than->score;
}

/* Takes what vg holds, if it is news. */
static int
learn(struct assembler *a, struct vr_lvm2_vg *vg, enum vr_score score,
      const char *where, uint32_t disk)
{
	char *how;

	for (size_t i = 0; i < a->groups.count; i++) {
		struct group *g = &a->groups.items[i];

		if (strcmp(g->vg.uuid, vg->uuid) != 0)
			continue;
		if (!is_better(vg, score, g))
			return 0;
		free_group(g);
		*g = a->groups.items[--a->groups.count];
		break;
	}
	how = vr_format("LVM text number %" PRIu64 " in %s of disk %" PRIu32,
			vg->number, where, disk + 1);
	return push_group(a, vg, score, how);
}

static int
learn_copies(struct assembler *a, struct vr_lvm2_copies *copies,
	     const char *where, uint32_t disk)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < copies->count; i++)
		r = learn(a, &copies->items[i].vg,
			  copies->items[i].current ? VR_SCORE_CHECKSUM
						   : VR_SCORE_FIELDS,
			  where, disk);
	return r;
}

static int
learn_area(struct assembler *a, const struct place *p, uint64_t off)
{
	struct vr_lvm2_area area = {0};
	struct vr_lvm2_copies copies = {0};
	int r = vr_lvm2_read_area(p->source, 0, off, &area);

	if (r < 0)
		return r;
	/* Made but never used: a header that is sound and names no text. */
	if (area.header == VR_LVM2_SOUND && area.text_bytes == 0)
		return 0;
	if (area.header != VR_LVM2_SOUND) {
		area.off = off;
		area.bytes = off == VR_LVM2_AREA_OFF ? VR_MIB - off
			     : off < p->source->size ? p->source->size - off
						     : 0;
	}
	r = vr_lvm2_read_texts(p->source, 0, &area, false, &copies);
	if (r == 0)
		r = learn_copies(a, &copies, "the metadata area", p->disk);
	vr_lvm2_copies_free(&copies);
	return r;
}

static int
learn_member(struct assembler *a, const struct place *p)
{
	uint64_t last = vr_lvm2_last_area(p->length);
	struct vr_lvm2_label label = {0};
	enum vr_lvm2_state state;
	int r = vr_lvm2_read_label(p->source, 0, &label, &state);

	if (r < 0)
		return r;
	if (state != VR_LVM2_SOUND) {
		r = learn_area(a, p, VR_LVM2_AREA_OFF);
		return r == 0 && last ? learn_area(a, p, last) : r;
	}
	for (size_t i = 0; r == 0 && i < label.area_count; i++)
		r = learn_area(a, p, label.areas[i].off);
	return r;
}

static int
learn_files(struct assembler *a)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < a->job->disk_count; i++) {
		struct vr_lvm2_copies copies = {0};

		r = vr_lvm2_search(a->job->disks[i], a->job->read_most, &copies,
				   &a->unread);
		if (r == 0)
			r = learn_copies(a, &copies, "a file", i);
		vr_lvm2_copies_free(&copies);
	}
	return r;
}

/* --- places ---------------------------------------------------------------- */

static int
add_members(struct assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->job->member_count; i++) {
		const struct vr_member *m = &a->job->members[i];
		struct place p = {.node = m->node,
				  .length = m->source->size,
				  .layout = m->layout,
				  .source = m->source,
				  .bid = m->bid,
				  .headless = m->bid->head != VR_HEAD_SOUND};

		if (m->bid->prober != &vr_prober_lvm2)
			continue;
		p.disk = m->layout->places.items[0].disk;
		r = VR_PUSH(&a->places, p);
	}
	return r;
}

/* Zeros that nobody harmed never were a physical volume. */
static int
look_at_head(struct vr_source *source, struct place *p)
{
	struct vr_window w;
	int r = vr_window_read(&w, source, 0, VR_LVM2_AREA_OFF + VR_SECTOR);

	if (r < 0)
		return r;
	p->lost = p->headless = !vr_window_holds(&w, 0, w.length);
	for (size_t i = 0; !p->headless && i < w.length; i++)
		p->headless = w.bytes[i] != 0;
	vr_window_free(&w);
	return 0;
}

static int
add_vacancies(struct assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->job->vacancy_count; i++) {
		const struct vr_vacancy *v = &a->job->vacancies[i];
		struct place p = {.node = v->node,
				  .disk = v->disk,
				  .start = v->start,
				  .length = v->length,
				  .layout = &v->layout,
				  .source = v->source,
				  .entry = v->entry,
				  .has_volumes = v->has_volumes};

		r = look_at_head(v->source, &p);
		if (r == 0 && p.headless)
			r = VR_PUSH(&a->places, p);
	}
	return r;
}

/* Types that a partition with a physical volume has in practice. */
static bool
may_hold_lvm(const struct vr_partition *entry)
{
	static const char *const types[] = {
		"8e",
		"83",
		"e6d6d379-f507-44c2-a23c-238f2a3df928",
		"0fc63daf-8483-4772-8e79-3d69d8477de4",
	};

	for (size_t i = 0; entry && i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(entry->type, types[i]) == 0)
			return true;
	return !entry;
}

/* --- seats ----------------------------------------------------------------- */

static void
seat(struct assembler *a, struct group *g, size_t pv, size_t place,
     enum vr_score score)
{
	g->seats[pv] = place;
	g->seat_scores[pv] = score;
	a->places.items[place].taken = true;
}

static void
seat_by_id(struct assembler *a, struct group *g)
{
	for (size_t i = 0; i < g->vg.pvs.count; i++)
		for (size_t j = 0; j < a->places.count; j++) {
			const struct place *p = &a->places.items[j];

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
count_witnesses(const struct vr_lvm2_vg *vg, size_t pv, const struct place *p,
		unsigned *ret)
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
has_size_of(const struct place *p, const struct vr_lvm2_pv *pv)
{
	uint64_t bytes = pv->bytes;

	if (!p->headless || p->taken || (p->bid && *p->bid->uuid) || bytes == 0)
		return false;
	if (p->node == VR_NO_NODE)
		return p->length >= bytes && p->length - bytes <= 2 * VR_MIB;
	return p->length == bytes;
}

struct pair {
	size_t pv, place;
	unsigned witnesses;
};

struct pairs {
	struct pair *items;
	size_t count, room;
};

static int
list_pairs(struct assembler *a, const struct group *g, struct pairs *ret)
{
	int r = 0;

	for (size_t i = 0; i < g->vg.pvs.count; i++)
		for (size_t j = 0; r == 0 && j < a->places.count; j++) {
			struct pair pair = {.pv = i, .place = j};

			if (g->seats[i] != NOWHERE ||
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
is_rivalled(const struct pairs *pairs, const struct pair *pair)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const struct pair *other = &pairs->items[i];

		if (other != pair && other->witnesses >= pair->witnesses &&
		    (other->pv == pair->pv || other->place == pair->place))
			return true;
	}
	return false;
}

/* The pair that no other rivals, with the most witnesses; pv NOWHERE: none. */
static int
find_pair(struct assembler *a, const struct group *g, struct pair *ret,
	  bool *ret_rivals)
{
	struct pairs pairs = {0};
	int r = list_pairs(a, g, &pairs);

	*ret = (struct pair){.pv = NOWHERE};
	for (size_t i = 0; r == 0 && i < pairs.count; i++)
		if (!is_rivalled(&pairs, &pairs.items[i]) &&
		    (ret->pv == NOWHERE ||
		     pairs.items[i].witnesses > ret->witnesses))
			*ret = pairs.items[i];
	*ret_rivals = pairs.count > 0 && ret->pv == NOWHERE;
	free(pairs.items);
	return r;
}

/* A group whose text lies in a member is here; one from a file may be long gone. */
static enum vr_score
score_of_pair(const struct group *g, const struct pair *pair)
{
	return pair->witnesses || g->score == VR_SCORE_CHECKSUM
		       ? VR_SCORE_FIELDS
		       : VR_SCORE_MAGIC;
}

/* Until no pair is left, or the best ones rival each other. */
static int
seat_by_size(struct assembler *a, struct group *g)
{
	for (;;) {
		struct pair pair;
		bool rivals;
		int r = find_pair(a, g, &pair, &rivals);

		if (r < 0 || pair.pv == NOWHERE)
			return r;
		seat(a, g, pair.pv, pair.place, score_of_pair(g, &pair));
	}
}

/* A disk that has grown since: the last one that is missing, the only place. */
static int
seat_the_last(struct assembler *a, struct group *g)
{
	size_t pv = NOWHERE, place = NOWHERE;
	unsigned witnesses = 0;
	uint64_t least;
	int r;

	for (size_t i = 0; i < g->vg.pvs.count; i++) {
		if (g->seats[i] != NOWHERE)
			continue;
		if (pv != NOWHERE)
			return 0;
		pv = i;
	}
	if (pv == NOWHERE)
		return 0;
	least = g->vg.pvs.items[pv].data_bytes +
		g->vg.pvs.items[pv].extents * g->vg.extent_bytes;
	for (size_t i = 0; i < a->places.count; i++) {
		const struct place *p = &a->places.items[i];

		if (p->taken || !p->headless || p->length < least ||
		    p->node == VR_NO_NODE || (p->bid && *p->bid->uuid))
			continue;
		if (place != NOWHERE)
			return 0;
		place = i;
	}
	if (place == NOWHERE)
		return 0;
	r = count_witnesses(&g->vg, pv, &a->places.items[place], &witnesses);
	if (r == 0 && witnesses)
		seat(a, g, pv, place, VR_SCORE_MAGIC);
	return r;
}

static void
stand_up(struct assembler *a)
{
	for (size_t i = 0; i < a->places.count; i++)
		a->places.items[i].taken = false;
	for (size_t i = 0; i < a->groups.count; i++)
		for (size_t j = 0; j < a->groups.items[i].vg.pvs.count; j++)
			a->groups.items[i].seats[j] = NOWHERE;
}

/* The surest texts first; of as sure ones the newest. */
static int
compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->vg.number < y->vg.number) - (x->vg.number > y->vg.number);
}

static int
seat_all(struct assembler *a)
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

static bool
is_here(const struct group *g)
{
	for (size_t i = 0; i < g->vg.pvs.count; i++)
		if (g->seats[i] != NOWHERE)
			return true;
	return false;
}

/* --- logical volumes ------------------------------------------------------- */

/* Where n bytes of a physical volume are; false: not here, or not in one place. */
static bool
locate(const struct assembler *a, const struct group *g, size_t pv,
       uint64_t off, uint64_t n, struct vr_place *ret)
{
	const struct place *p;
	uint64_t here;

	*ret = (struct vr_place){VR_NO_DISK, 0};
	if (g->seats[pv] == NOWHERE)
		return false;
	p = &a->places.items[g->seats[pv]];
	if (!vr_inside(off, n, p->layout->size))
		return false;
	vr_layout_at(p->layout, off, ret, &here);
	if (here >= n)
		return true;
	*ret = (struct vr_place){VR_NO_DISK, 0};
	return false;
}

/* On a physical volume that itself lies in pieces, as on a striped array. */
static int
append_pieces(const struct assembler *a, const struct group *g, size_t pv,
	      uint64_t off, uint64_t n, struct vr_logical *v)
{
	const struct vr_place nowhere = {VR_NO_DISK, 0};

	if (g->seats[pv] != NOWHERE) {
		const struct vr_layout *layout =
			a->places.items[g->seats[pv]].layout;

		if (vr_inside(off, n, layout->size))
			return vr_layout_append_slice(&v->layout, layout, off,
						      n);
	}
	v->missing = true;
	return vr_layout_append(&v->layout, n, &nowhere, 1, 0);
}

static int
append_segment(const struct assembler *a, const struct group *g,
	       const struct vr_lvm2_segment *s, struct vr_logical *v)
{
	const struct vr_lvm2_vg *vg = &g->vg;
	const struct vr_lvm2_stripe *stripes =
		&vg->stripes.items[s->first_stripe];
	uint64_t length = s->extents * vg->extent_bytes;
	vr_cleanup(vr_free_p) struct vr_place *places =
		calloc(s->stripe_count, sizeof(*places));
	bool whole = true;

	if (!places)
		return vr_fail_memory();
	for (size_t i = 0; i < s->stripe_count; i++) {
		uint64_t off = vg->pvs.items[stripes[i].pv].data_bytes +
			       stripes[i].extent * vg->extent_bytes;

		if (s->stripe_count == 1 &&
		    !locate(a, g, stripes[i].pv, off, length, &places[i]))
			return append_pieces(a, g, stripes[i].pv, off, length,
					     v);
		whole &= locate(a, g, stripes[i].pv, off,
				length / s->stripe_count, &places[i]);
	}
	v->missing |= !whole;
	return vr_layout_append(&v->layout, length, places, s->stripe_count,
				s->stripe_bytes);
}

static enum vr_score
score_of(const struct group *g, const struct vr_lvm2_lv *lv)
{
	const struct vr_lvm2_vg *vg = &g->vg;
	enum vr_score score = g->score;

	for (size_t i = 0; i < lv->segment_count; i++) {
		const struct vr_lvm2_segment *s =
			&vg->segments.items[lv->first_segment + i];

		for (size_t j = 0; j < s->stripe_count; j++) {
			size_t pv = vg->stripes.items[s->first_stripe + j].pv;

			if (g->seats[pv] != NOWHERE &&
			    g->seat_scores[pv] < score)
				score = g->seat_scores[pv];
		}
	}
	return score;
}

static void
free_logical(struct vr_logical *v)
{
	vr_layout_free(&v->layout);
	free(v->pool);
	free(v->name);
	free(v->how);
}

/* name: of the volume that people know; from: the one with the bytes. */
static int
add_volume(struct assembler *a, const struct group *g, const char *uuid,
	   const char *name, const struct vr_lvm2_lv *from)
{
	struct vr_logical v = {
		.pool = strdup(g->vg.name),
		.name = strdup(name),
		.score = score_of(g, from),
		.how = strdup(g->how),
	};
	int r = v.pool && v.name && v.how ? 0 : vr_fail_memory();

	strcpy(v.uuid, uuid);
	for (size_t i = 0; r == 0 && i < from->segment_count; i++)
		r = append_segment(
			a, g, &g->vg.segments.items[from->first_segment + i],
			&v);
	if (r == 0)
		r = VR_PUSH(&a->job->volumes, v);
	if (r < 0)
		free_logical(&v);
	return r;
}

static int
tell_odd(struct assembler *a, const struct group *g,
	 const struct vr_lvm2_lv *lv)
{
	return vr_findings_add(
		a->job->findings, VR_WARNING, "lvm-type",
		"Logical volume '%s/%s' is %s, which is not put together here. "
		"Its disks are repaired all the same: give copies of them to a "
		"Linux system with LVM, and activate it there (vgchange -ay "
		"%s).",
		g->vg.name, lv->name, lv->odd_type, g->vg.name);
}

/* A mirror's image holds all of the mirror. */
static int
add_odd_volume(struct assembler *a, const struct group *g,
	       const struct vr_lvm2_lv *lv)
{
	size_t image = lv->other ? vr_lvm2_find_lv(&g->vg, lv->other)
				 : SIZE_MAX;
	const struct vr_lvm2_lv *from;

	if (image == SIZE_MAX || strcmp(lv->odd_type, "snapshot") == 0)
		return tell_odd(a, g, lv);
	from = &g->vg.lvs.items[image];
	if (from->odd_type || from->segment_count == 0)
		return tell_odd(a, g, lv);
	return add_volume(a, g, lv->uuid, lv->name, from);
}

/* Snapshots are hidden; visible is the store of what differs from the origin. */
static const struct vr_lvm2_lv *
snapshot_of(const struct vr_lvm2_vg *vg, const struct vr_lvm2_lv *store)
{
	for (size_t i = 0; i < vg->lvs.count; i++) {
		const struct vr_lvm2_lv *lv = &vg->lvs.items[i];

		if (lv->odd_type && strcmp(lv->odd_type, "snapshot") == 0 &&
		    lv->other && strcmp(lv->other, store->name) == 0)
			return lv;
	}
	return NULL;
}

static int
tell_snapshot(struct assembler *a, const struct group *g,
	      const struct vr_lvm2_lv *store)
{
	return vr_findings_add(
		a->job->findings, VR_NOTE, "lvm-snapshot",
		"Logical volume '%s/%s' is a snapshot. Its origin is put "
		"together here as it is now; the older state is not. For that "
		"give copies of the repaired disks to a Linux system with LVM.",
		g->vg.name, store->name);
}

static int
add_volumes(struct assembler *a, const struct group *g)
{
	bool snapshots = false;
	int r = 0;

	for (size_t i = 0; i < g->vg.lvs.count; i++)
		snapshots |= g->vg.lvs.items[i].odd_type &&
			     strcmp(g->vg.lvs.items[i].odd_type, "snapshot") ==
				     0;
	for (size_t i = 0; r == 0 && i < g->vg.lvs.count; i++) {
		const struct vr_lvm2_lv *lv = &g->vg.lvs.items[i];

		if (!lv->visible)
			continue;
		if (lv->odd_type)
			r = add_odd_volume(a, g, lv);
		else if (snapshots && snapshot_of(&g->vg, lv))
			r = tell_snapshot(a, g, lv);
		else if (lv->segment_count)
			r = add_volume(a, g, lv->uuid, lv->name, lv);
	}
	return r;
}

/* Volumes that were found on such a place may go on at another one. */
static int
doubt_places(struct assembler *a, const struct group *g)
{
	struct pairs pairs = {0};
	int r = list_pairs(a, g, &pairs);

	for (size_t i = 0; r == 0 && i < pairs.count; i++) {
		const struct place *p = &a->places.items[pairs.items[i].place];

		r = VR_PUSH(&a->job->doubts, {p->disk, p->start});
	}
	free(pairs.items);
	return r;
}

static int
tell_rivals(struct assembler *a, const struct group *g)
{
	struct pair pair;
	bool rivals;
	int r = find_pair(a, g, &pair, &rivals);

	if (r == 0 && rivals)
		r = doubt_places(a, g);
	if (r < 0 || !rivals)
		return r;
	return vr_findings_add(
		a->job->findings, VR_WARNING, "lvm-which-disk",
		"Volume group '%s' lies on disks of the same size that lost "
		"their heads, and nothing tells which is which. Its volumes on "
		"them stay missing. If you know their order, give the disks to "
		"a Linux rescue system and restore the heads with pvcreate "
		"--uuid and vgcfgrestore, on copies.",
		g->vg.name);
}

static int
tell_missing(struct assembler *a, const struct group *g)
{
	unsigned count = 0;

	for (size_t i = 0; i < g->vg.pvs.count; i++)
		count += g->seats[i] == NOWHERE;
	if (count == 0)
		return 0;
	return vr_findings_add(
		a->job->findings, VR_WARNING, "lvm-missing",
		"%u of the %zu physical volumes of volume group '%s' are not "
		"on these disks. Look for a disk of the VM that is not in the "
		"folder.",
		count, g->vg.pvs.count, g->vg.name);
}

/* --- claims ---------------------------------------------------------------- */

static int
claim(struct assembler *a, const struct group *g, size_t pv)
{
	const struct vr_lvm2_pv *known = &g->vg.pvs.items[pv];
	const struct place *p = &a->places.items[g->seats[pv]];
	struct vr_claim c = {
		.node = p->node,
		.disk = p->disk,
		.bid = {.prober = &vr_prober_lvm2,
			.type = "LVM2_member",
			.score = g->seat_scores[pv],
			.head = p->lost ? VR_HEAD_LOST : VR_HEAD_WRONG,
			.length = known->bytes ? known->bytes : p->length,
			.structure = "the group's text"},
		.memo = strdup(g->vg.text),
	};
	int r = 0;

	if (p->bid)
		c.bid = *p->bid;
	if (p->node == VR_NO_NODE)
		c.bid.start = p->start;
	strcpy(c.bid.uuid, known->uuid);
	snprintf(c.bid.label, sizeof(c.bid.label), "%s", g->vg.name);
	r = c.memo ? VR_PUSH(&a->job->claims, c) : vr_fail_memory();
	if (r < 0)
		free(c.memo);
	return r;
}

static int
claim_all(struct assembler *a, const struct group *g)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->vg.pvs.count; i++)
		if (g->seats[i] != NOWHERE)
			r = claim(a, g, i);
	return r;
}

/* --- without any text ------------------------------------------------------ */

/* What LVM does unless it is told otherwise. */
#define USUAL_DATA   VR_MIB
#define USUAL_EXTENT (4 * VR_MIB)
#define FOUND_MOST   64
#define TRIES_MOST   16384
/* About what it costs to look at a place. */
#define PROBE_BYTES VR_MIB
/* Where the head is lost, copies are searched through all of the place. */
#define LOST_MOST 16

static int
add_guess(struct assembler *a, const struct place *p, uint64_t off,
	  const struct vr_bid *bid, unsigned number)
{
	uint64_t length = vr_div_up(bid->length, USUAL_EXTENT) * USUAL_EXTENT;
	struct vr_logical v = {
		.pool = vr_format("disk%" PRIu32 "-lvm", p->disk + 1),
		.name = vr_format("%u", number),
		.score = VR_SCORE_MAGIC,
		.how = strdup("a volume that begins where LVM's extents do"),
	};
	int r = v.pool && v.name && v.how ? 0 : vr_fail_memory();

	length = vr_min(length, p->length - off);
	if (r == 0)
		r = vr_layout_append_slice(&v.layout, p->layout, off, length);
	if (r == 0)
		r = VR_PUSH(&a->job->volumes, v);
	if (r < 0)
		free_logical(&v);
	return r;
}

static int
tell_guess(struct assembler *a, const struct place *p, unsigned count)
{
	return vr_findings_add(
		a->job->findings, VR_WARNING, "lvm-guess",
		"Disk %" PRIu32 " looks like an LVM physical volume at byte "
		"%" PRIu64 " whose head and texts are gone. %u volumes are "
		"shown where file systems begin; whatever of them was "
		"extended later lies elsewhere, and their names are made up. "
		"A copy of the guest's /etc/lvm/backup, for example from a "
		"backup of the guest, would tell.",
		p->disk + 1, p->start, count);
}

/* Moves on to the next extent that begins with bytes that are there. */
static int
skip_lost(const struct place *p, unsigned *lost, uint64_t *off)
{
	while (*off < p->length) {
		struct vr_extent extent;
		int r = vr_source_next(p->source, *off, &extent);

		if (r < 0 || !(extent.flags & VR_EXTENT_DAMAGED) ||
		    ++*lost <= LOST_MOST)
			return r;
		extent.length =
			vr_max(vr_round_down(extent.length, USUAL_EXTENT),
			       USUAL_EXTENT);
		*off += vr_min(extent.length, p->length - *off);
	}
	return 0;
}

/* From volume to volume, from extent to extent where none begins. */
static int
guess_volumes(struct assembler *a, const struct place *p)
{
	unsigned count = 0, tries = 0, lost = 0;
	int r = 0;

	for (uint64_t off = USUAL_DATA; r == 0 && off < p->length &&
					count < FOUND_MOST &&
					tries++ < TRIES_MOST;) {
		struct vr_bids bids = {0};
		const struct vr_bid *best;
		uint64_t step = USUAL_EXTENT;

		if (tries > a->job->read_most / PROBE_BYTES)
			break;
		r = skip_lost(p, &lost, &off);
		if (r < 0 || off >= p->length)
			break;
		r = vr_probe_all(p->source, off, p->length, &bids);
		best = vr_bids_best(&bids, off);
		if (r == 0 && best && best->score >= VR_SCORE_FIELDS &&
		    best->length >= USUAL_EXTENT / 2 &&
		    best->length <= p->length - off) {
			r = add_guess(a, p, off, best, ++count);
			step = vr_div_up(best->length, USUAL_EXTENT) *
			       USUAL_EXTENT;
		}
		vr_bids_free(&bids);
		off += vr_min(step, p->length - off);
	}
	return r == 0 && count ? tell_guess(a, p, count) : r;
}

static int
guess_all(struct assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->places.count; i++) {
		const struct place *p = &a->places.items[i];

		if (!p->taken && !p->bid && p->node != VR_NO_NODE &&
		    may_hold_lvm(p->entry) && !p->has_volumes)
			r = guess_volumes(a, p);
	}
	return r;
}

/* --- all ------------------------------------------------------------------- */

/* Would a text help? One of a missing member, or of a place without head. */
static bool
is_wanting(const struct assembler *a)
{
	for (size_t i = 0; i < a->places.count; i++) {
		const struct place *p = &a->places.items[i];

		if (!p->taken && (p->bid || may_hold_lvm(p->entry)) &&
		    p->headless)
			return true;
	}
	return false;
}

static int
learn_all(struct assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->places.count; i++)
		if (a->places.items[i].bid)
			r = learn_member(a, &a->places.items[i]);
	if (r == 0)
		r = seat_all(a);
	if (r < 0 || a->job->read_most == 0 || !is_wanting(a))
		return r;
	r = learn_files(a);
	return r == 0 ? seat_all(a) : r;
}

static int
hand_out(struct assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->groups.count; i++) {
		const struct group *g = &a->groups.items[i];

		if (!is_here(g))
			continue;
		r = tell_missing(a, g);
		if (r == 0)
			r = tell_rivals(a, g);
		if (r == 0)
			r = add_volumes(a, g);
		if (r == 0)
			r = claim_all(a, g);
	}
	return r;
}

/* Most places without head are no physical volumes: a note, no warning. */
static int
tell_unread(struct assembler *a)
{
	return vr_findings_add(
		a->job->findings, VR_NOTE, "lvm-unread",
		"If one of the disks was an LVM physical volume, its "
		"description may stand in a file of the guest. Only the first "
		"%" PRIu64 " GiB of each disk were searched for it; --scan "
		"reads all.",
		a->job->read_most >> 30);
}

static int
lvm2_assemble(struct vr_pool_job *job)
{
	struct assembler a = {.job = job};
	int r = add_members(&a);

	if (r == 0)
		r = add_vacancies(&a);
	if (r == 0)
		r = learn_all(&a);
	if (r == 0)
		r = hand_out(&a);
	if (r == 0 && a.unread && is_wanting(&a))
		r = tell_unread(&a);
	if (r == 0 && job->read_most > 0)
		r = guess_all(&a);
	free_assembler(&a);
	return r;
}

const struct vr_pool_row vr_pool_lvm2 = {
	.name = "lvm2",
	.assemble = lvm2_assemble,
};
