/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encrypted volumes of Linux. What they hold is told by nothing but the key; the
 * second header of version 2 still tells that they are there.
 */
#include "guest/luks.h"

#include <string.h>

#include "base/checked.h"
#include "guest/noise.h"

static int
add_bid(const struct vr_luks *luks, uint64_t off, enum vr_head head,
	struct vr_bids *bids)
{
	struct vr_bid bid = {
		.prober = &vr_prober_luks,
		.type = luks->version == 1 ? "luks1" : "luks2",
		.score = luks->checked ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS,
		.head = head,
		.start = off - luks->off,
		.evidence = off,
		.structure = luks->second ? "second header" : "header",
	};

	memcpy(bid.uuid, luks->uuid, sizeof(bid.uuid));
	memcpy(bid.label, luks->label, sizeof(bid.label));
	return vr_bids_add(bids, &bid);
}

/* Could the head be a header that is lost? Then the copy is worth a look. */
static int
look_at_head(struct vr_source *space, uint64_t start, bool *ret_lost,
	     bool *ret_suspect)
{
	struct vr_window w;
	int r = vr_window_read(&w, space, start, VR_SECTOR);

	if (r < 0)
		return r;
	*ret_lost = !vr_window_holds(&w, 0, VR_SECTOR);
	*ret_suspect = *ret_lost || vr_is_noise(w.bytes) ||
		       memcmp(w.bytes, "LUKS\xBA\xBE\0\2", 8) == 0;
	vr_window_free(&w);
	return 0;
}

static int
try_copies(struct vr_source *space, uint64_t start, uint64_t limit, bool lost,
	   struct vr_bids *bids)
{
	int r = 0;

	for (uint64_t at = VR_LUKS2_LEAST;
	     r == 0 && at <= VR_LUKS2_MOST && at < limit - start; at *= 2) {
		struct vr_luks luks;
		bool found;

		r = vr_luks_read(space, start + at, &luks, &found);
		if (r == 0 && found && luks.second && luks.off == at)
			return add_bid(&luks, start + at,
				       lost ? VR_HEAD_LOST : VR_HEAD_WRONG,
				       bids);
	}
	return r;
}

static int
luks_probe(struct vr_source *space, uint64_t start, uint64_t limit,
	   struct vr_bids *bids)
{
	struct vr_luks luks = {0};
	bool found, lost, suspect;
	size_t before = bids->count;
	int r;

	limit = vr_min(limit, space->size);
	if (start >= limit || limit - start < VR_SECTOR)
		return 0;
	r = vr_luks_read(space, start, &luks, &found);
	if (r < 0)
		return r;
	found &= !luks.second;
	if (found && (luks.version == 1 || luks.checked))
		return add_bid(&luks, start, VR_HEAD_SOUND, bids);
	r = look_at_head(space, start, &lost, &suspect);
	if (r == 0 && suspect)
		r = try_copies(space, start, limit, lost, bids);
	if (r == 0 && found && bids->count == before)
		r = add_bid(&luks, start, VR_HEAD_WRONG, bids);
	return r;
}

static int
luks_met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_luks luks, first;
	bool found, sound = false, lost, suspect;
	int r = vr_luks_read(space, off, &luks, &found);

	if (r < 0 || !found || luks.off > off)
		return r;
	if (luks.second) {
		r = vr_luks_read(space, off - luks.off, &first, &sound);
		sound = sound && !first.second && first.checked;
	} else {
		sound = luks.version == 1 || luks.checked;
	}
	if (r == 0)
		r = look_at_head(space, off - luks.off, &lost, &suspect);
	if (r < 0)
		return r;
	return add_bid(&luks, off,
		       sound  ? VR_HEAD_SOUND
		       : lost ? VR_HEAD_LOST
			      : VR_HEAD_WRONG,
		       bids);
}

static int
luks_metadata(struct vr_source *volume, const struct vr_bid *bid,
	      struct vr_ranges *ret)
{
	struct vr_luks luks;
	bool found;
	int r = vr_luks_read(volume, bid->evidence, &luks, &found);

	if (r < 0 || !found)
		return r;
	r = vr_ranges_add(ret, 0, vr_min(luks.head_bytes, volume->size));
	for (unsigned i = 0; r == 0 && i < luks.slot_count; i++)
		if (luks.version == 2 &&
		    vr_inside(luks.slots[i].off, luks.slots[i].length,
			      volume->size))
			r = vr_ranges_add(ret, luks.slots[i].off,
					  luks.slots[i].length);
	return r;
}

static const struct vr_magic magics[] = {
	{0, 8, "LUKS\xBA\xBE\0\1"},
	{0, 8, "LUKS\xBA\xBE\0\2"},
	{0, 8, "SKUL\xBA\xBE\0\2"},
	{0, 0, NULL},
};

const struct vr_prober vr_prober_luks = {
	.name = "luks",
	.content = VR_CONTENT_ENCRYPTED,
	.magics = magics,
	.probe = luks_probe,
	.met = luks_met,
	.metadata = luks_metadata,
};
