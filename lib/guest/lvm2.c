/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LVM2's physical volumes. Label and first metadata area fill the first MiB, so
 * whatever takes that takes all the volume says of itself, unless it was made
 * with a second area at the end.
 */
#include <string.h>

#include "base/checked.h"
#include "guest/lvm2_area.h"
#include "io/window.h"

#define TYPE "LVM2_member"

extern const struct vr_prober vr_prober_lvm2;

/* Some metadata areas may be lost, as long as one is whole. */
static int
look_at_areas(struct vr_source *space, uint64_t start,
	      const struct vr_lvm2_label *label, struct vr_bid *bid)
{
	bool sound = label->area_count == 0, lost = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < label->area_count; i++) {
		struct vr_lvm2_area area;

		r = vr_lvm2_read_area(space, start, label->areas[i].off, &area);
		if (r < 0)
			break;
		sound |= area.header == VR_LVM2_SOUND &&
			 area.text == VR_LVM2_SOUND;
		lost |= area.header == VR_LVM2_LOST ||
			area.text == VR_LVM2_LOST;
	}
	bid->head = sound ? VR_HEAD_SOUND : lost ? VR_HEAD_LOST : VR_HEAD_WRONG;
	return r;
}

static int
bid_by_label(struct vr_source *space, uint64_t start,
	     const struct vr_lvm2_label *label, struct vr_bids *bids)
{
	struct vr_bid bid = {
		.prober = &vr_prober_lvm2,
		.type = TYPE,
		.score = VR_SCORE_CHECKSUM,
		.start = start,
		.length = label->device_bytes,
		.evidence = start + label->sector * VR_SECTOR,
		.structure = "label",
	};
	int r;

	strcpy(bid.uuid, label->uuid);
	r = look_at_areas(space, start, label, &bid);
	return r == 0 ? vr_bids_add(bids, &bid) : r;
}

/* length: 0 where the place does not tell it. */
static int
bid_by_area(uint64_t start, uint64_t off, uint64_t length,
	    enum vr_lvm2_state label, struct vr_bids *bids)
{
	const struct vr_bid bid = {
		.prober = &vr_prober_lvm2,
		.type = TYPE,
		.score = VR_SCORE_CHECKSUM,
		.head = label == VR_LVM2_LOST ? VR_HEAD_LOST : VR_HEAD_WRONG,
		.start = start,
		.length = length,
		.evidence = start + off,
		.structure = "metadata area",
	};

	return vr_bids_add(bids, &bid);
}

/* Is anything left of the first MiB, of which the label is gone? */
static int
is_ring_left(struct vr_source *space, uint64_t start, bool *ret)
{
	uint64_t at = start + VR_LVM2_AREA_OFF, end = start + VR_MIB;

	while (at < end && at < space->size) {
		struct vr_extent extent;
		int r = vr_source_next(space, at, &extent);

		if (r < 0)
			return r;
		if (!(extent.flags & VR_EXTENT_DAMAGED)) {
			*ret = true;
			return 0;
		}
		at += extent.length;
	}
	*ret = false;
	return 0;
}

static int
bid_by_ring(struct vr_source *space, uint64_t start, struct vr_bids *bids)
{
	const struct vr_lvm2_area area = {
		.off = VR_LVM2_AREA_OFF,
		.bytes = VR_MIB - VR_LVM2_AREA_OFF,
	};
	struct vr_bid bid = {
		.prober = &vr_prober_lvm2,
		.type = TYPE,
		.score = VR_SCORE_FIELDS,
		.head = VR_HEAD_LOST,
		.start = start,
		.structure = "metadata text",
	};
	struct vr_lvm2_copies copies = {0};
	bool left;
	int r = is_ring_left(space, start, &left);

	if (r == 0 && left)
		r = vr_lvm2_read_texts(space, start, &area, false, &copies);
	if (r == 0 && copies.count) {
		bid.evidence = start + area.off + copies.items[0].off;
		r = vr_bids_add(bids, &bid);
	}
	vr_lvm2_copies_free(&copies);
	return r;
}

static int
probe_area(struct vr_source *space, uint64_t start, uint64_t off,
	   uint64_t length, enum vr_lvm2_state label, struct vr_bids *bids)
{
	struct vr_lvm2_area area = {0};
	int r = vr_lvm2_read_area(space, start, off, &area);

	if (r < 0 || area.header != VR_LVM2_SOUND)
		return r;
	if (length && area.off + area.bytes != length)
		length = 0;
	return bid_by_area(start, off, length, label, bids);
}

static int
lvm2_probe(struct vr_source *space, uint64_t start, uint64_t limit,
	   struct vr_bids *bids)
{
	struct vr_lvm2_label label;
	enum vr_lvm2_state state;
	size_t before = bids->count;
	uint64_t last = vr_lvm2_last_area(limit - start);
	int r = vr_lvm2_read_label(space, start, &label, &state);

	if (r == 0 && state == VR_LVM2_SOUND)
		return bid_by_label(space, start, &label, bids);
	if (r == 0)
		r = probe_area(space, start, VR_LVM2_AREA_OFF, 0, state, bids);
	if (r == 0 && bids->count == before && last)
		r = probe_area(space, start, last, limit - start, state, bids);
	if (r == 0 && bids->count == before && state == VR_LVM2_LOST)
		r = bid_by_ring(space, start, bids);
	return r;
}

/* A label says in which sector of its volume it lies, */
static int
met_label(struct vr_source *space, uint64_t off, struct vr_window *w,
	  struct vr_bids *bids)
{
	uint64_t sector = vr_window_le64(w, 8);
	struct vr_lvm2_label label;
	enum vr_lvm2_state state;
	int r;

	if (sector > 3 || sector * VR_SECTOR > off)
		return 0;
	off -= sector * VR_SECTOR;
	r = vr_lvm2_read_label(space, off, &label, &state);
	if (r < 0 || state != VR_LVM2_SOUND)
		return r;
	return bid_by_label(space, off, &label, bids);
}

/* an area how far from the beginning it is. */
static int
met_area(struct vr_source *space, uint64_t off, struct vr_window *w,
	 struct vr_bids *bids)
{
	uint64_t into = vr_window_le64(w, 24);

	if (into > off || into % VR_SECTOR)
		return 0;
	return probe_area(space, off - into, into, 0, VR_LVM2_ABSENT, bids);
}

static int
lvm2_met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_window w;
	const uint8_t *p;
	int r = vr_window_read(&w, space, off, VR_SECTOR);

	if (r < 0)
		return r;
	p = vr_window_bytes(&w, 0, VR_SECTOR);
	if (p && memcmp(p, VR_LVM2_LABEL_MAGIC, 8) == 0)
		r = met_label(space, off, &w, bids);
	else if (p && memcmp(p + 4, VR_LVM2_AREA_MAGIC, 16) == 0)
		r = met_area(space, off, &w, bids);
	vr_window_free(&w);
	return r;
}

static int
lvm2_metadata(struct vr_source *volume, const struct vr_bid *bid,
	      struct vr_ranges *ret)
{
	struct vr_lvm2_label label;
	enum vr_lvm2_state state;
	int r = vr_lvm2_read_label(volume, 0, &label, &state);

	(void)bid;
	if (r < 0 || state != VR_LVM2_SOUND)
		return r == 0 ? vr_ranges_add(ret, 0, VR_MIB) : r;
	r = vr_ranges_add(ret, 0, VR_LVM2_AREA_OFF);
	for (size_t i = 0; r == 0 && i < label.area_count; i++) {
		uint64_t off = label.areas[i].off;
		struct vr_lvm2_area area = {0};

		r = vr_lvm2_read_area(volume, 0, off, &area);
		if (r == 0)
			r = vr_ranges_add(ret, off, VR_SECTOR);
		if (r == 0 && area.header == VR_LVM2_SOUND)
			r = vr_ranges_add(ret, off + area.text_off,
					  vr_min(area.text_bytes,
						 area.bytes - area.text_off));
	}
	return r;
}

static const struct vr_magic magics[] = {
	{0, 8, VR_LVM2_LABEL_MAGIC},
	{4, 16, VR_LVM2_AREA_MAGIC},
	{0},
};

const struct vr_prober vr_prober_lvm2 = {
	.name = "lvm2",
	.content = VR_CONTENT_MEMBER,
	.magics = magics,
	.probe = lvm2_probe,
	.met = lvm2_met,
	.metadata = lvm2_metadata,
};
