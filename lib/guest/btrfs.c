/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * btrfs. Its superblock stands at 64 KiB, 64 MiB and 256 GiB of the device, and
 * each copy tells at which of them: so any one proves where the volume begins.
 */
#include <string.h>

#include "base/checked.h"
#include "guest/btrfs_super.h"
#include "guest/copies.h"
#include "guest/names.h"
#include "guest/noise.h"

/* A superblock at off of the space, wherever it says that it stands. */
static int
read_at(struct vr_source *space, uint64_t off, struct vr_btrfs *ret,
	bool *ret_found, enum vr_head *ret_head)
{
	struct vr_window w;
	const uint8_t *p;
	int r = vr_window_read(&w, space, off, VR_BTRFS_SUPER_BYTES);

	if (r < 0)
		return r;
	*ret_found = vr_btrfs_super(&w, 0, ret);
	*ret_head = vr_window_holds(&w, 0, VR_BTRFS_SUPER_BYTES) ? VR_HEAD_WRONG
								 : VR_HEAD_LOST;
	/* Noise may well be ciphertext that the map does not know of. */
	p = vr_window_bytes(&w, 0, VR_SECTOR);
	if (p && !*ret_found && !vr_is_noise(p) &&
	    memcmp(p + 64, "_BHRfS_M", 8) != 0)
		*ret_head = VR_HEAD_SOUND;
	vr_window_free(&w);
	return 0;
}

/* Other sums than CRC-32C are not reckoned: there the fields must do. */
static struct vr_bid
bid_of(const struct vr_btrfs *fs, uint64_t start)
{
	struct vr_bid bid = {
		.prober = &vr_prober_btrfs,
		.type = "btrfs",
		.score = fs->checked ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS,
		.start = start,
		.length = fs->device_bytes,
		.evidence = start + fs->place,
		.structure = fs->place == VR_BTRFS_SUPER_AT ? "superblock"
							    : "superblock copy",
		.block_bytes = fs->sector_bytes,
	};

	vr_uuid_plain(fs->uuid, bid.uuid);
	vr_label_bytes(fs->label, sizeof(fs->label), bid.label);
	return bid;
}

static bool
is_trusted(const struct vr_btrfs *fs)
{
	return fs->checked || fs->sum != VR_BTRFS_CRC32C;
}

/*
 * *ret_head SOUND without *ret_found: something else stands there, and there is
 * no reason to look at the copies.
 */
static int
read_head(struct vr_source *space, uint64_t start, struct vr_btrfs *ret,
	  bool *ret_found, enum vr_head *ret_head)
{
	int r = read_at(space, start + VR_BTRFS_SUPER_AT, ret, ret_found,
			ret_head);

	if (r == 0 && *ret_found && ret->place == VR_BTRFS_SUPER_AT &&
	    is_trusted(ret))
		*ret_head = VR_HEAD_SOUND;
	return r;
}

static int
probe_copies(struct vr_source *space, uint64_t start, uint64_t limit,
	     enum vr_head head, struct vr_bids *bids)
{
	int r = 0;

	for (unsigned i = 1; r == 0 && i < VR_BTRFS_MIRRORS; i++) {
		uint64_t place = vr_btrfs_mirror(i);
		struct vr_btrfs fs;
		struct vr_bid bid;
		enum vr_head ignored;
		bool found;

		if (!vr_inside(place, VR_BTRFS_SUPER_BYTES, limit - start))
			break;
		r = read_at(space, start + place, &fs, &found, &ignored);
		if (r < 0 || !found || fs.place != place || !is_trusted(&fs))
			continue;
		bid = bid_of(&fs, start);
		bid.head = head;
		return vr_bids_add(bids, &bid);
	}
	return r;
}

static int
probe(struct vr_source *space, uint64_t start, uint64_t limit,
      struct vr_bids *bids)
{
	struct vr_btrfs fs;
	enum vr_head head;
	bool found;
	int r;

	limit = vr_min(limit, space->size);
	if (start >= limit || limit - start < VR_BTRFS_SUPER_AT)
		return 0;
	r = read_head(space, start, &fs, &found, &head);
	if (r < 0)
		return r;
	if (found && fs.place == VR_BTRFS_SUPER_AT) {
		struct vr_bid bid = bid_of(&fs, start);

		bid.head = head;
		r = vr_bids_add(bids, &bid);
	}
	if (r < 0 || head == VR_HEAD_SOUND)
		return r;
	return probe_copies(space, start, limit, head, bids);
}

static int
met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_btrfs fs, first;
	struct vr_bid bid;
	enum vr_head head;
	bool found;
	int r = read_at(space, off, &fs, &found, &head);

	if (r < 0 || !found || !is_trusted(&fs) || fs.place > off)
		return r;
	bid = bid_of(&fs, off - fs.place);
	r = read_head(space, bid.start, &first, &found, &head);
	if (r < 0)
		return r;
	bid.head = head;
	if (head == VR_HEAD_SOUND && !found)
		bid.head = VR_HEAD_WRONG;
	if (found && head == VR_HEAD_SOUND)
		bid = bid_of(&first, bid.start);
	return vr_bids_add(bids, &bid);
}

static int
metadata(struct vr_source *volume, const struct vr_bid *bid,
	 struct vr_ranges *ret)
{
	int r = 0;

	(void)volume;
	for (unsigned i = 0; r == 0 && i < VR_BTRFS_MIRRORS; i++)
		if (vr_inside(vr_btrfs_mirror(i), VR_BTRFS_SUPER_BYTES,
			      bid->length))
			r = vr_ranges_add(ret, vr_btrfs_mirror(i),
					  VR_BTRFS_SUPER_BYTES);
	return r;
}

static int
judge_mirror(struct vr_source *space, const struct vr_bid *bid, uint64_t place,
	     enum vr_copy_state *ret)
{
	struct vr_btrfs fs;
	enum vr_head head;
	bool found;
	char uuid[VR_UUID_ROOM];
	int r = read_at(space, bid->start + place, &fs, &found, &head);

	*ret = VR_COPY_LOST;
	if (r < 0 || head == VR_HEAD_LOST)
		return r;
	if (!found)
		return head == VR_HEAD_SOUND
			       ? vr_copies_judge(space, bid->start + place, ret)
			       : 0;
	vr_uuid_plain(fs.uuid, uuid);
	*ret = fs.place == place && strcmp(uuid, bid->uuid) == 0
		       ? VR_COPY_AGREES
		       : VR_COPY_MISSING;
	return 0;
}

static int
copies(struct vr_source *space, const struct vr_bid *bid, struct vr_copies *ret)
{
	uint64_t room = space->size - vr_min(bid->start, space->size);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < VR_BTRFS_MIRRORS; i++) {
		uint64_t place = vr_btrfs_mirror(i);
		enum vr_copy_state state;

		if (!vr_inside(place, VR_BTRFS_SUPER_BYTES, bid->length) ||
		    !vr_inside(place, VR_BTRFS_SUPER_BYTES, room))
			break;
		r = judge_mirror(space, bid, place, &state);
		if (r == 0)
			vr_copies_note(ret, place, state);
	}
	return r;
}

static const struct vr_magic magics[] = {{64, 8, "_BHRfS_M"}, {0}};

const struct vr_prober vr_prober_btrfs = {
	.name = "btrfs",
	.content = VR_CONTENT_FILESYSTEM,
	.magics = magics,
	.mount_type = "btrfs",
	.mount_options = "rescue=all",
	.probe = probe,
	.met = met,
	.metadata = metadata,
	.copies = copies,
};
