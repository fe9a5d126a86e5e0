/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members, and places whose head is lost and which may be members. */
#include "guest/lvm2_assembler.h"

#include <string.h>

#include "base/checked.h"
#include "base/vector.h"
#include "guest/lvm2_area.h"
#include "io/window.h"

int
vr_lvm2_add_members(struct vr_lvm2_assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->job->member_count; i++) {
		const struct vr_member *m = &a->job->members[i];
		struct vr_lvm2_place p = {.node = m->node,
					  .length = m->source->size,
					  .layout = m->layout,
					  .source = m->source,
					  .bid = m->bid,
					  .headless = m->bid->head !=
						      VR_HEAD_SOUND};

		if (m->bid->prober != &vr_prober_lvm2)
			continue;
		p.disk = m->layout->places.items[0].disk;
		r = VR_PUSH(&a->places, p);
	}
	return r;
}

/* Zeros that nobody harmed never were a physical volume. */
static int
look_at_head(struct vr_source *source, struct vr_lvm2_place *p)
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

int
vr_lvm2_add_vacancies(struct vr_lvm2_assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->job->vacancy_count; i++) {
		const struct vr_vacancy *v = &a->job->vacancies[i];
		struct vr_lvm2_place p = {.node = v->node,
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
bool
vr_lvm2_may_be_on(const struct vr_partition *entry)
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
