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
#include "guest/lvm2_assembler.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/findings.h"
#include "base/vector.h"

extern const struct vr_pool_row vr_pool_lvm2;

void
vr_lvm2_group_free(struct vr_lvm2_group *g)
{
	vr_lvm2_vg_free(&g->vg);
	free(g->how);
	free(g->seats);
	free(g->seat_scores);
}

static void
free_assembler(struct vr_lvm2_assembler *a)
{
	for (size_t i = 0; i < a->groups.count; i++)
		vr_lvm2_group_free(&a->groups.items[i]);
	free(a->groups.items);
	free(a->places.items);
}

void
vr_lvm2_logical_free(struct vr_logical *v)
{
	vr_layout_free(&v->layout);
	free(v->pool);
	free(v->name);
	free(v->how);
}

/* --- telling --------------------------------------------------------------- */

/* Volumes that were found on such a place may go on at another one. */
static int
doubt_places(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g)
{
	struct vr_lvm2_pairs pairs = {0};
	int r = vr_lvm2_list_pairs(a, g, &pairs);

	for (size_t i = 0; r == 0 && i < pairs.count; i++) {
		const struct vr_lvm2_place *p =
			&a->places.items[pairs.items[i].place];

		r = VR_PUSH(&a->job->doubts, {p->disk, p->start});
	}
	free(pairs.items);
	return r;
}

static int
tell_rivals(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g)
{
	struct vr_lvm2_pair pair;
	bool rivals;
	int r = vr_lvm2_find_pair(a, g, &pair, &rivals);

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
tell_missing(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g)
{
	unsigned count = 0;

	for (size_t i = 0; i < g->vg.pvs.count; i++)
		count += g->seats[i] == VR_LVM2_NOWHERE;
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
claim(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g, size_t pv)
{
	const struct vr_lvm2_pv *known = &g->vg.pvs.items[pv];
	const struct vr_lvm2_place *p = &a->places.items[g->seats[pv]];
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
claim_all(struct vr_lvm2_assembler *a, const struct vr_lvm2_group *g)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->vg.pvs.count; i++)
		if (g->seats[i] != VR_LVM2_NOWHERE)
			r = claim(a, g, i);
	return r;
}

/* --- all ------------------------------------------------------------------- */

/* Would a text help? One of a missing member, or of a place without head. */
static bool
is_wanting(const struct vr_lvm2_assembler *a)
{
	for (size_t i = 0; i < a->places.count; i++) {
		const struct vr_lvm2_place *p = &a->places.items[i];

		if (!p->taken && (p->bid || vr_lvm2_may_be_on(p->entry)) &&
		    p->headless)
			return true;
	}
	return false;
}

static int
learn_all(struct vr_lvm2_assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->places.count; i++)
		if (a->places.items[i].bid)
			r = vr_lvm2_learn_member(a, &a->places.items[i]);
	if (r == 0)
		r = vr_lvm2_seat_all(a);
	if (r < 0 || a->job->read_most == 0 || !is_wanting(a))
		return r;
	r = vr_lvm2_learn_files(a);
	return r == 0 ? vr_lvm2_seat_all(a) : r;
}

static bool
is_here(const struct vr_lvm2_group *g)
{
	for (size_t i = 0; i < g->vg.pvs.count; i++)
		if (g->seats[i] != VR_LVM2_NOWHERE)
			return true;
	return false;
}

static int
hand_out(struct vr_lvm2_assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->groups.count; i++) {
		const struct vr_lvm2_group *g = &a->groups.items[i];

		if (!is_here(g))
			continue;
		r = tell_missing(a, g);
		if (r == 0)
			r = tell_rivals(a, g);
		if (r == 0)
			r = vr_lvm2_add_volumes(a, g);
		if (r == 0)
			r = claim_all(a, g);
	}
	return r;
}

/* Most places without head are no physical volumes: a note, no warning. */
static int
tell_unread(struct vr_lvm2_assembler *a)
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
	struct vr_lvm2_assembler a = {.job = job};
	int r = vr_lvm2_add_members(&a);

	if (r == 0)
		r = vr_lvm2_add_vacancies(&a);
	if (r == 0)
		r = learn_all(&a);
	if (r == 0)
		r = hand_out(&a);
	if (r == 0 && a.unread && is_wanting(&a))
		r = tell_unread(&a);
	if (r == 0 && job->read_most > 0)
		r = vr_lvm2_guess_all(&a);
	free_assembler(&a);
	return r;
}

const struct vr_pool_row vr_pool_lvm2 = {
	.name = "lvm2",
	.assemble = lvm2_assemble,
};
