/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logical volumes, where their segments lie on the disks. */
#include "guest/lvm2_assembler.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/findings.h"
#include "base/vector.h"

/* Where n bytes of a physical volume are; false: not here, or not in one place. */
static bool
locate(const struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g,
       size_t pv, uint64_t off, uint64_t n, struct vr_place *ret)
{
	const struct vr_lvm2_place *p;
	uint64_t here;

	*ret = (struct vr_place){VR_NO_DISK, 0};
	if (g->seats[pv] == VR_LVM2_NOWHERE)
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
append_pieces(const struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g,
	      size_t pv, uint64_t off, uint64_t n, struct vr_logical *v)
{
	const struct vr_place nowhere = {VR_NO_DISK, 0};

	if (g->seats[pv] != VR_LVM2_NOWHERE) {
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
append_segment(const struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g,
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
score_of(const struct vr_lvm2_group *g, const struct vr_lvm2_lv *lv)
{
	const struct vr_lvm2_vg *vg = &g->vg;
	enum vr_score score = g->score;

	for (size_t i = 0; i < lv->segment_count; i++) {
		const struct vr_lvm2_segment *s =
			&vg->segments.items[lv->first_segment + i];

		for (size_t j = 0; j < s->stripe_count; j++) {
			size_t pv = vg->stripes.items[s->first_stripe + j].pv;

			if (g->seats[pv] != VR_LVM2_NOWHERE &&
			    g->seat_scores[pv] < score)
				score = g->seat_scores[pv];
		}
	}
	return score;
}

/* name: of the volume that people know; from: the one with the bytes. */
static int
add_volume(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g,
	   const char *uuid, const char *name, const struct vr_lvm2_lv *from)
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
		vr_lvm2_logical_free(&v);
	return r;
}

static int
tell_odd(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g,
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
add_odd_volume(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g,
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
tell_snapshot(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g,
	      const struct vr_lvm2_lv *store)
{
	return vr_findings_add(
		a->job->findings, VR_NOTE, "lvm-snapshot",
		"Logical volume '%s/%s' is a snapshot. Its origin is put "
		"together here as it is now; the older state is not. For that "
		"give copies of the repaired disks to a Linux system with LVM.",
		g->vg.name, store->name);
}

int
vr_lvm2_add_volumes(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g)
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
