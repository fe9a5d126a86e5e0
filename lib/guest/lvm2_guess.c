/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No text is left: volumes from file systems that begin on extents. */
#include "guest/lvm2_assembler.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/findings.h"
#include "base/text.h"
#include "base/vector.h"

/* What LVM does unless it is told otherwise. */
#define USUAL_DATA   VR_MIB
#define USUAL_EXTENT (4 * VR_MIB)
#define FOUND_MOST   64
#define TRIES_MOST   16384
/* What it costs to look at a place where noise lets all copies be searched. */
#define PROBE_BYTES (10 * VR_MIB)
/* Where the head is lost, copies are searched through all of the place. */
#define LOST_MOST 16

static int
add_guess(struct vr_lvm2_assembler *a, const struct vr_lvm2_place *p,
	  uint64_t off, const struct vr_bid *bid, unsigned number)
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
		vr_lvm2_logical_free(&v);
	return r;
}

static int
tell_guess(struct vr_lvm2_assembler *a, const struct vr_lvm2_place *p,
	   unsigned count)
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
skip_lost(const struct vr_lvm2_place *p, unsigned *lost, uint64_t *off)
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
guess_volumes(struct vr_lvm2_assembler *a, const struct vr_lvm2_place *p)
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

int
vr_lvm2_guess_all(struct vr_lvm2_assembler *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->places.count; i++) {
		const struct vr_lvm2_place *p = &a->places.items[i];

		if (!p->taken && !p->bid && p->node != VR_NO_NODE &&
		    vr_lvm2_may_be_on(p->entry) && !p->has_volumes)
			r = guess_volumes(a, p);
	}
	return r;
}
