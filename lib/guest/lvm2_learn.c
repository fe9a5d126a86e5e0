/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts of groups: of each the newest that is sound. */
#include "guest/lvm2_assembler.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "guest/lvm2_area.h"
#include "guest/lvm2_search.h"

/* Takes vg and how over. */
static int
push_group(struct vr_lvm2_assembler *a, struct vr_lvm2_vg *vg,
	   enum vr_score score, char *how)
{
	struct vr_lvm2_group g = {.vg = *vg, .score = score, .how = how};
	int r;

	*vg = (struct vr_lvm2_vg){0};
	g.seats = calloc(g.vg.pvs.count + 1, sizeof(*g.seats));
	g.seat_scores = calloc(g.vg.pvs.count + 1, sizeof(*g.seat_scores));
	r = g.how && g.seats && g.seat_scores ? VR_PUSH(&a->groups, g)
					      : vr_fail_memory();
	if (r < 0) {
		vr_lvm2_group_free(&g);
		return r;
	}
	for (size_t i = 0; i < g.vg.pvs.count; i++)
		g.seats[i] = VR_LVM2_NOWHERE;
	return 0;
}

static bool
is_better(const struct vr_lvm2_vg *vg, enum vr_score score,
	  const struct vr_lvm2_group *than)
{
	if (vg->number != than->vg.number)
		return vg->number > than->vg.number;
	return score > than->score;
}

/* Takes what vg holds, if it is news. */
static int
learn(struct vr_lvm2_assembler *a, struct vr_lvm2_vg *vg, enum vr_score score,
      const char *where, uint32_t disk)
{
	char *how;

	for (size_t i = 0; i < a->groups.count; i++) {
		struct vr_lvm2_group *g = &a->groups.items[i];

		if (strcmp(g->vg.uuid, vg->uuid) != 0)
			continue;
		if (!is_better(vg, score, g))
			return 0;
		vr_lvm2_group_free(g);
		*g = a->groups.items[--a->groups.count];
		break;
	}
	how = vr_format("LVM text number %" PRIu64 " in %s of disk %" PRIu32,
			vg->number, where, disk + 1);
	return push_group(a, vg, score, how);
}

static int
learn_copies(struct vr_lvm2_assembler *a, struct vr_lvm2_copies *copies,
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
learn_area(struct vr_lvm2_assembler *a, const struct vr_lvm2_place *p,
	   uint64_t off)
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

int
vr_lvm2_learn_member(struct vr_lvm2_assembler *a, const struct vr_lvm2_place *p)
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

int
vr_lvm2_learn_files(struct vr_lvm2_assembler *a)
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
