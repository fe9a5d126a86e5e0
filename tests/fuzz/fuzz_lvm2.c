/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text, and the same bytes as the head of a physical volume. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "guest/lvm2_area.h"
#include "io/mem.h"

extern const struct vr_prober vr_prober_lvm2;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_stripes(const struct vr_lvm2_vg *vg, const struct vr_lvm2_segment *s)
{
	if (s->stripe_count == 0 ||
	    !vr_inside(s->first_stripe, s->stripe_count, vg->stripes.count) ||
	    s->extents % s->stripe_count != 0)
		abort();
	for (size_t i = 0; i < s->stripe_count; i++) {
		const struct vr_lvm2_stripe *stripe =
			&vg->stripes.items[s->first_stripe + i];

		if (stripe->pv >= vg->pvs.count ||
		    !vr_inside(stripe->extent, s->extents / s->stripe_count,
			       vg->pvs.items[stripe->pv].extents))
			abort();
	}
}

static void
check_group(const struct vr_lvm2_vg *vg)
{
	for (size_t i = 0; i < vg->segments.count; i++)
		check_stripes(vg, &vg->segments.items[i]);
	for (size_t i = 0; i < vg->lvs.count; i++)
		if (!vr_inside(vg->lvs.items[i].first_segment,
			       vg->lvs.items[i].segment_count,
			       vg->segments.count))
			abort();
}

/* What would be written to a disk reads back as the same group. */
static void
check_text(const char *text, size_t n)
{
	struct vr_lvm2_vg vg, again;

	if (vr_lvm2_parse(text, n, &vg) < 0)
		return;
	check_group(&vg);
	if (vr_lvm2_parse(vg.text, strlen(vg.text), &again) < 0)
		abort();
	if (strcmp(vg.uuid, again.uuid) != 0 || vg.number != again.number ||
	    vg.lvs.count != again.lvs.count ||
	    vg.stripes.count != again.stripes.count ||
	    strcmp(vg.text, again.text) != 0)
		abort();
	vr_lvm2_vg_free(&again);
	vr_lvm2_vg_free(&vg);
}

static void
check_volume(const uint8_t *data, size_t size)
{
	struct vr_source *source;
	struct vr_bids bids = {0};
	struct vr_ranges ranges = {0};
	struct vr_lvm2_area area = {.off = 4096, .bytes = VR_MIB};
	struct vr_lvm2_copies copies = {0};

	if (vr_mem_open(data, size, &source) < 0)
		return;
	for (uint64_t at = 0; at < size && at <= 4096; at += 512)
		vr_prober_lvm2.met(source, at, &bids);
	vr_prober_lvm2.probe(source, 0, size, &bids);
	for (size_t i = 0; i < bids.count; i++)
		vr_prober_lvm2.metadata(source, &bids.items[i], &ranges);
	vr_lvm2_read_texts(source, 0, &area, true, &copies);
	vr_lvm2_copies_free(&copies);
	vr_ranges_free(&ranges);
	vr_bids_free(&bids);
	vr_source_free(source);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_text((const char *)data, size);
	check_volume(data, size);
	return 0;
}
