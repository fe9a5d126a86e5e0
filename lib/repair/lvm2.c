/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The head of an LVM2 physical volume: label, and metadata areas with the
 * group's text, which the pool has found elsewhere. All fields of the label but
 * the id and the sizes are the same everywhere; those are in the text.
 */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "guest/lvm2_area.h"
#include "io/window.h"
#include "repair/plan.h"

extern const struct vr_prober vr_prober_lvm2;
extern const struct vr_repair vr_repair_lvm2;

/* The label's sector when LVM2 chooses it. */
#define LABEL_SECTOR 1

struct mender {
	struct vr_plan *plan;
	size_t index;
	const struct vr_node *node;
	const struct vr_lvm2_vg *vg;
	const struct vr_lvm2_pv *pv;
	enum vr_risk risk;
};

static int
tell_lost(struct vr_plan *plan, const struct vr_node *node)
{
	return vr_findings_add(
		&plan->findings, VR_LOSS, "lvm-head-lost",
		"%s was an LVM physical volume; its head is lost, and no text "
		"that describes its volume group was found on these disks. Its "
		"data is still there. With a copy of the guest's "
		"/etc/lvm/backup, or with another disk of the group in the "
		"folder, the head can be rebuilt.",
		node->name);
}

/* --- label ----------------------------------------------------------------- */

static int
add_last_area(const struct mender *m, struct vr_lvm2_label *label)
{
	uint64_t last = vr_lvm2_last_area(label->device_bytes);
	struct vr_lvm2_area area = {0};
	int r;

	if (last < label->data_off || last >= m->node->length)
		return 0;
	r = vr_lvm2_read_area(m->node->source, 0, last, &area);
	if (r < 0 || area.header != VR_LVM2_SOUND)
		return r;
	label->areas[label->area_count].off = area.off;
	label->areas[label->area_count++].bytes = area.bytes;
	return 0;
}

/* The first area reaches from the fifth sector group to the first extent. */
static int
make_label(const struct mender *m, struct vr_lvm2_label *ret)
{
	uint64_t end = m->pv->data_bytes;
	struct vr_lvm2_label label = {
		.sector = LABEL_SECTOR,
		.device_bytes = m->pv->bytes ? m->pv->bytes : m->node->length,
		.data_off = m->pv->data_bytes,
		.boot_off = m->pv->boot_off,
		.boot_bytes = m->pv->boot_bytes,
	};
	int r;

	if (m->pv->boot_bytes && m->pv->boot_off < end)
		end = m->pv->boot_off;
	strcpy(label.uuid, m->pv->uuid);
	if (end >= VR_LVM2_AREA_OFF + 8 * VR_SECTOR) {
		label.areas[0].off = VR_LVM2_AREA_OFF;
		label.areas[0].bytes = end - VR_LVM2_AREA_OFF;
		label.area_count = 1;
	}
	r = add_last_area(m, &label);
	if (r == 0)
		*ret = label;
	return r;
}

static int
mend_label(const struct mender *m, struct vr_lvm2_label *ret)
{
	uint8_t sector[VR_SECTOR];
	enum vr_lvm2_state state;
	int r = vr_lvm2_read_label(m->node->source, 0, ret, &state);

	if (r < 0 || state == VR_LVM2_SOUND)
		return r;
	r = make_label(m, ret);
	if (r < 0)
		return r;
	vr_lvm2_write_label(ret, sector);
	r = vr_plan_step(m->plan, &vr_repair_lvm2, m->index, m->risk,
			 "id and sizes in the text of its volume group",
			 "the LVM label of physical volume %s of group '%s'",
			 m->pv->uuid, m->vg->name);
	if (r == 0)
		r = vr_plan_patch(m->plan, ret->sector * VR_SECTOR, sector,
				  sizeof(sector));
	return r;
}

/* --- metadata areas -------------------------------------------------------- */

static bool
is_free(struct vr_window *w, size_t at, size_t n)
{
	for (size_t end = at + n; at < end; at += VR_SECTOR) {
		const uint8_t *p = vr_window_bytes(w, at, VR_SECTOR);

		for (size_t i = 0; p && i < VR_SECTOR; i++)
			if (p[i])
				return false;
	}
	return true;
}

/* Room in the ring that is lost or empty; else its beginning. */
static int
find_room(const struct mender *m, const struct vr_lvm2_area *area, size_t n,
	  uint64_t *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, m->node->source, area->off,
			       (size_t)vr_min(area->bytes, VR_MIB));

	if (r < 0)
		return r;
	*ret = VR_SECTOR;
	for (size_t at = VR_SECTOR; vr_inside(at, n, w.length); at += VR_SECTOR)
		if (is_free(&w, at, n)) {
			*ret = at;
			break;
		}
	vr_window_free(&w);
	return 0;
}

/* The very text may still stand in the ring, only not be pointed to. */
static int
find_text(const struct mender *m, const struct vr_lvm2_area *area,
	  uint64_t *ret)
{
	struct vr_lvm2_copies copies = {0};
	int r = vr_lvm2_read_texts(m->node->source, 0, area, true, &copies);

	*ret = 0;
	for (size_t i = 0; r == 0 && i < copies.count; i++)
		if (strcmp(copies.items[i].vg.text, m->vg->text) == 0)
			*ret = copies.items[i].off;
	vr_lvm2_copies_free(&copies);
	return r;
}

static int
patch_text(const struct mender *m, const struct vr_lvm2_area *area, size_t n)
{
	uint8_t *room = calloc(1, n);
	int r;

	if (!room)
		return vr_fail_memory();
	memcpy(room, m->vg->text, (size_t)area->text_bytes);
	r = vr_plan_patch(m->plan, area->off + area->text_off, room, n);
	free(room);
	return r;
}

static int
mend_area(const struct mender *m, struct vr_lvm2_area *area)
{
	uint8_t sector[VR_SECTOR];
	uint64_t stands;
	size_t n;
	int r;

	area->text_bytes = strlen(m->vg->text) + 1;
	area->text_crc = vr_lvm2_crc(m->vg->text, (size_t)area->text_bytes);
	n = (size_t)vr_div_up(area->text_bytes, VR_SECTOR) * VR_SECTOR;
	if (n > area->bytes - VR_SECTOR)
		return 0;
	r = find_text(m, area, &stands);
	area->text_off = stands;
	if (r == 0 && !stands)
		r = find_room(m, area, n, &area->text_off);
	if (r == 0)
		r = vr_plan_step(m->plan, &vr_repair_lvm2, m->index, m->risk,
				 "the newest sound text of the group",
				 "an LVM metadata area with the text of group "
				 "'%s'",
				 m->vg->name);
	if (r < 0)
		return r;
	vr_lvm2_write_area(area, sector);
	r = vr_plan_patch(m->plan, area->off, sector, sizeof(sector));
	return r == 0 && !stands ? patch_text(m, area, n) : r;
}

static int
mend_areas(const struct mender *m, const struct vr_lvm2_label *label)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < label->area_count; i++) {
		struct vr_lvm2_area area = {0};

		if (!vr_inside(label->areas[i].off, label->areas[i].bytes,
			       m->node->length) ||
		    label->areas[i].bytes < 2 * VR_SECTOR)
			continue;
		r = vr_lvm2_read_area(m->node->source, 0, label->areas[i].off,
				      &area);
		if (r < 0 || (area.header == VR_LVM2_SOUND &&
			      area.text == VR_LVM2_SOUND))
			continue;
		area.off = label->areas[i].off;
		area.bytes = label->areas[i].bytes;
		area.header = area.text = VR_LVM2_ABSENT;
		r = mend_area(m, &area);
	}
	return r;
}

/* --- the whole ------------------------------------------------------------- */

static int
mend(struct mender *m)
{
	struct vr_lvm2_label label = {0};
	int r = 0;

	for (size_t i = 0; i < m->vg->pvs.count; i++)
		if (strcmp(m->vg->pvs.items[i].uuid, m->node->content.uuid) ==
		    0)
			m->pv = &m->vg->pvs.items[i];
	if (!m->pv)
		return 0;
	r = mend_label(m, &label);
	return r == 0 ? mend_areas(m, &label) : r;
}

static int
lvm2_plan(const struct vr_tree *tree, size_t index, struct vr_plan *plan)
{
	const struct vr_node *node = &tree->nodes.items[index];
	struct vr_lvm2_vg vg = {0};
	struct mender m = {
		.plan = plan,
		.index = index,
		.node = node,
		.vg = &vg,
		.risk = node->content.score == VR_SCORE_MAGIC ? VR_RISK_GUESSED
							      : VR_RISK_REBUILT,
	};
	int r;

	if (node->content.score == VR_SCORE_NONE ||
	    node->content.prober != &vr_prober_lvm2 ||
	    node->content.head == VR_HEAD_SOUND)
		return 0;
	if (!node->memo)
		return tell_lost(plan, node);
	r = vr_lvm2_parse(node->memo, strlen(node->memo), &vg);
	if (r == 0)
		r = mend(&m);
	vr_lvm2_vg_free(&vg);
	return r;
}

const struct vr_repair vr_repair_lvm2 = {
	.name = "lvm2",
	.plan = lvm2_plan,
};
