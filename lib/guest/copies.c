/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/copies.h"

#include "base/checked.h"
#include "guest/noise.h"

void
vr_copies_note(struct vr_copies *c, uint64_t at, enum vr_copy_state state)
{
	bool first = c->agree + c->lost + c->missing == 0;

	if (state == VR_COPY_LOST) {
		c->lost++;
		return;
	}
	if (state == VR_COPY_AGREES) {
		c->agree++;
		c->tail = 0;
		return;
	}
	c->missing++;
	if (c->agree > 0 && c->tail++ == 0)
		c->tail_at = at;
	if (c->agree == 0 && !first && c->lead++ == 0)
		c->lead_at = at;
}

int
vr_copies_judge(struct vr_source *space, uint64_t off, enum vr_copy_state *ret)
{
	struct vr_window w;
	const uint8_t *p;
	int r = vr_window_read(&w, space, off, VR_SECTOR);

	if (r < 0)
		return r;
	p = vr_window_bytes(&w, 0, VR_SECTOR);
	*ret = !p || vr_is_noise(p) ? VR_COPY_LOST : VR_COPY_MISSING;
	vr_window_free(&w);
	return 0;
}

int
vr_copies_of(struct vr_source *space, const struct vr_bid *bid,
	     struct vr_copies *ret)
{
	struct vr_copies copies = {0};
	int r = 0;

	if (bid->score != VR_SCORE_NONE && bid->prober->copies)
		r = bid->prober->copies(space, bid, &copies);
	if (r == 0)
		*ret = copies;
	return r;
}
