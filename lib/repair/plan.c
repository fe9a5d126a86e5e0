/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repair/plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"
#include "io/overlay.h"

#define VR_ROW(name) extern const struct vr_repair vr_repair_##name;
#include "repair_rows.h"
#undef VR_ROW

static const struct vr_repair *const rows[] = {
#define VR_ROW(name) &vr_repair_##name,
#include "repair_rows.h"
#undef VR_ROW
	NULL,
};

const struct vr_repair *
vr_repair_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

/* --- for rows ------------------------------------------------------------- */

static int
push_step(struct vr_plan *plan, const struct vr_repair_step *step)
{
	int r = step->what && step->evidence ? VR_PUSH(&plan->steps, *step)
					     : vr_fail_memory();

	if (r < 0) {
		free(step->what);
		free(step->evidence);
	}
	return r;
}

int
vr_plan_step(struct vr_plan *plan, const struct vr_repair *row, size_t node,
	     enum vr_risk risk, const char *evidence, const char *what, ...)
{
	struct vr_repair_step step = {
		.row = row,
		.node = node,
		.risk = risk,
		.evidence = strdup(evidence),
	};
	va_list args;

	va_start(args, what);
	if (vasprintf(&step.what, what, args) < 0)
		step.what = NULL;
	va_end(args);
	return push_step(plan, &step);
}

/* Do these bytes stand there already, all of them to be relied on? */
static int
stands_there(struct vr_source *disk, uint64_t off, const uint8_t *bytes,
	     size_t n, bool *ret)
{
	struct vr_window w;
	const uint8_t *now;
	int r = vr_window_read(&w, disk, off, n);

	if (r < 0)
		return r;
	now = vr_window_bytes(&w, 0, n);
	*ret = now && memcmp(now, bytes, n) == 0;
	vr_window_free(&w);
	return 0;
}

static int
push_patch(struct vr_plan *plan, const struct vr_place *place,
	   const uint8_t *bytes, size_t n)
{
	struct vr_repair_patch patch = {
		.disk = place->disk,
		.off = place->off,
		.length = n,
		.step = plan->steps.count - 1,
		.bytes = malloc(n),
	};
	int r;

	if (!patch.bytes)
		return vr_fail_memory();
	memcpy(patch.bytes, bytes, n);
	r = VR_PUSH(&plan->patches, patch);
	if (r < 0)
		free(patch.bytes);
	return r;
}

/* In pieces of a sector, so that only what differs becomes a patch. */
static int
patch_place(struct vr_plan *plan, const struct vr_place *place,
	    const uint8_t *bytes, uint64_t n)
{
	struct vr_source *disk;
	struct vr_place at = *place;
	int r = 0;

	if (at.disk >= plan->tree->disk_count)
		return 0;
	disk = plan->tree->disks[at.disk];
	if (!vr_inside(at.off, n, disk->size))
		return 0;
	while (r == 0 && n > 0) {
		size_t here = (size_t)vr_min(n, VR_SECTOR - at.off % VR_SECTOR);
		bool same = false;

		r = stands_there(disk, at.off, bytes, here, &same);
		if (r == 0 && !same)
			r = push_patch(plan, &at, bytes, here);
		at.off += here;
		bytes += here;
		n -= here;
	}
	return r;
}

int
vr_plan_patch(struct vr_plan *plan, uint64_t off, const void *bytes, size_t n)
{
	size_t step = plan->steps.count - 1;
	const struct vr_node *node =
		&plan->tree->nodes.items[plan->steps.items[step].node];
	const uint8_t *p = bytes;
	int r = 0;

	if (!vr_inside(off, n, node->layout.size))
		return vr_fail(VR_E_USAGE,
			       "a patch of %zu bytes at %" PRIu64
			       " leaves its volume",
			       n, off);
	while (r == 0 && n > 0) {
		struct vr_place place;
		uint64_t here;

		vr_layout_at(&node->layout, off, &place, &here);
		here = vr_min(here, n);
		r = patch_place(plan, &place, p, here);
		p += here;
		off += here;
		n -= (size_t)here;
	}
	return r;
}

/* --- finishing ------------------------------------------------------------ */

/* By place; of the same place the earlier step first. */
static int
compare_patches(const void *a, const void *b)
{
	const struct vr_repair_patch *x = a, *y = b;

	if (x->disk != y->disk)
		return x->disk < y->disk ? -1 : 1;
	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return (x->step > y->step) - (x->step < y->step);
}

static int
tell_conflict(struct vr_plan *plan, const struct vr_repair_patch *kept,
	      const struct vr_repair_patch *dropped)
{
	return vr_findings_add(
		&plan->findings, VR_WARNING, "repair-conflict",
		"Two repairs want different bytes at byte %" PRIu64
		" of disk %" PRIu32 ": %s, and %s. The first one is made.",
		dropped->off, dropped->disk + 1,
		plan->steps.items[kept->step].what,
		plan->steps.items[dropped->step].what);
}

/* Patches are pieces of single sectors: overlapping ones share a sector. */
static int
drop_overlaps(struct vr_plan *plan)
{
	struct vr_repair_patch *items = plan->patches.items;
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < plan->patches.count; i++) {
		struct vr_repair_patch *p = &items[i], *last = NULL;

		if (kept > 0)
			last = &items[kept - 1];
		if (!last || last->disk != p->disk ||
		    last->off + last->length <= p->off) {
			items[kept++] = *p;
			continue;
		}
		if (last->off != p->off || last->length != p->length ||
		    memcmp(last->bytes, p->bytes, p->length) != 0)
			r = r ? r : tell_conflict(plan, last, p);
		free(p->bytes);
	}
	plan->patches.count = kept;
	return r;
}

static bool
can_join(const struct vr_repair_patch *a, const struct vr_repair_patch *b)
{
	return a->disk == b->disk && a->step == b->step &&
	       a->off + a->length == b->off && a->length + b->length <= VR_MIB;
}

static int
join_neighbours(struct vr_plan *plan)
{
	struct vr_repair_patch *items = plan->patches.items;
	size_t kept = 0;

	for (size_t i = 0; i < plan->patches.count; i++) {
		struct vr_repair_patch *p = &items[i], *last = NULL;
		uint8_t *grown;

		if (kept > 0)
			last = &items[kept - 1];
		if (!last || !can_join(last, p)) {
			items[kept++] = *p;
			continue;
		}
		grown = realloc(last->bytes, last->length + p->length);
		if (grown) {
			last->bytes = grown;
			memcpy(grown + last->length, p->bytes, p->length);
			last->length += p->length;
			free(p->bytes);
		} else {
			items[kept++] = *p;
		}
	}
	plan->patches.count = kept;
	return 0;
}

static bool
step_has_patch(const struct vr_plan *plan, size_t step)
{
	for (size_t i = 0; i < plan->patches.count; i++)
		if (plan->patches.items[i].step == step)
			return true;
	return false;
}

static void
renumber(struct vr_plan *plan, size_t from, size_t to)
{
	for (size_t i = 0; i < plan->patches.count; i++)
		if (plan->patches.items[i].step == from)
			plan->patches.items[i].step = to;
}

static void
drop_idle_steps(struct vr_plan *plan)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->steps.count; i++) {
		struct vr_repair_step *s = &plan->steps.items[i];

		if (!step_has_patch(plan, i)) {
			free(s->what);
			free(s->evidence);
			continue;
		}
		renumber(plan, i, kept);
		plan->steps.items[kept++] = *s;
	}
	plan->steps.count = kept;
}

static int
finish(struct vr_plan *plan)
{
	int r;

	if (plan->patches.count)
		qsort(plan->patches.items, plan->patches.count,
		      sizeof(*plan->patches.items), compare_patches);
	r = drop_overlaps(plan);
	if (r == 0)
		r = join_neighbours(plan);
	drop_idle_steps(plan);
	return r;
}

/* --- making --------------------------------------------------------------- */

static int
ask_rows(struct vr_plan *plan, size_t node)
{
	int r = 0;

	/* What looks like damage in a piece may be its neighbour. */
	if (plan->tree->nodes.items[node].piece)
		return 0;
	for (size_t i = 0; r == 0 && vr_repair_row(i); i++) {
		r = vr_check_cancel();
		if (r == 0)
			r = vr_repair_row(i)->plan(plan->tree, node, plan);
	}
	return r;
}

static bool
is_contested(const struct vr_node *n)
{
	return n->rival && n->content.head != VR_HEAD_SOUND;
}

static int
tell_contested(struct vr_plan *plan, const struct vr_node *n)
{
	return vr_findings_add(
		&plan->findings, VR_WARNING, "volume-rivals",
		"%s may be %s or %s: its head is lost, and copies of both are "
		"all in place, one of them left from former times. What is put "
		"back is a guess; look at the files before you believe it.",
		n->name, n->content.type, n->rival);
}

/* What rests on one of two claims that weigh the same is guessed. */
static int
lower_contested(struct vr_plan *plan)
{
	const struct vr_node *nodes = plan->tree->nodes.items;
	int r = 0;

	for (size_t i = 0; i < plan->steps.count; i++)
		if (is_contested(&nodes[plan->steps.items[i].node]))
			plan->steps.items[i].risk = VR_RISK_GUESSED;
	for (size_t i = 0; r == 0 && i < plan->tree->nodes.count; i++)
		if (is_contested(&nodes[i]))
			r = tell_contested(plan, &nodes[i]);
	return r;
}

int
vr_plan_make(const struct vr_tree *tree, struct vr_plan **ret)
{
	vr_cleanup(vr_plan_free_p) struct vr_plan *plan =
		calloc(1, sizeof(*plan));
	int r = 0;

	if (!plan)
		return vr_fail_memory();
	plan->tree = tree;
	for (size_t i = 0; r == 0 && i < tree->nodes.count; i++)
		r = ask_rows(plan, i);
	if (r == 0)
		r = lower_contested(plan);
	if (r == 0)
		r = finish(plan);
	if (r == 0)
		*ret = vr_steal(plan);
	return r;
}

void
vr_plan_free(struct vr_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->steps.count; i++) {
		free(plan->steps.items[i].what);
		free(plan->steps.items[i].evidence);
	}
	for (size_t i = 0; i < plan->patches.count; i++)
		free(plan->patches.items[i].bytes);
	free(plan->steps.items);
	free(plan->patches.items);
	vr_findings_free(&plan->findings);
	free(plan);
}

int
vr_plan_overlay(const struct vr_plan *plan, uint32_t disk,
		struct vr_source *lower, struct vr_source **ret)
{
	struct vr_overlay_patch *patches =
		calloc(plan->patches.count + 1, sizeof(*patches));
	size_t count = 0;
	int r;

	if (!patches)
		return vr_fail_memory();
	for (size_t i = 0; i < plan->patches.count; i++) {
		const struct vr_repair_patch *p = &plan->patches.items[i];

		if (p->disk == disk)
			patches[count++] = (struct vr_overlay_patch){
				p->off, p->length, p->bytes};
	}
	r = vr_overlay_open(lower, patches, count, ret);
	free(patches);
	return r;
}
