/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes that BitLocker encrypts. A block of keys does not say which of the three
 * it is: the volume begins where a second block is found at the place that the
 * first one tells. By the documentation of libbde and dislocker.
 */
#include <string.h>

#include "base/checked.h"
#include "guest/prober.h"

extern const struct vr_prober vr_prober_bitlocker;

#define BLOCKS 3

/* Where the blocks lie, bytes from the volume's start. */
struct places {
	uint64_t blocks[BLOCKS];
};

#define SIGNATURE	"-FVE-FS-"
#define SIGNATURE_BYTES 8
#define BLOCK_BYTES	64
#define BLOCK_OFFSETS	32
#define BLOCK_ALIGN	512u

/* Two kinds of first sectors: of fixed disks, and of BitLocker To Go. */
static const struct {
	unsigned at;
	const char *name;
	unsigned guid, offsets;
} kinds[] = {
	{3, SIGNATURE, 160, 176},
	{3, "MSWIN4.1", 424, 440},
};

/* 4967d63b-2e29-4ad8-8399-f6a339e3d001, as it is written. */
static const uint8_t guid[16] = {0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E,
				 0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3,
				 0x39, 0xE3, 0xD0, 0x01};

static bool
read_places(struct vr_window *w, uint64_t at, struct places *ret)
{
	bool sound = vr_window_holds(w, at, 24);

	for (unsigned i = 0; i < BLOCKS; i++) {
		uint64_t place = vr_window_le64(w, at + 8 * (uint64_t)i);

		ret->blocks[i] = place;
		sound &= place >= BLOCK_ALIGN && place % BLOCK_ALIGN == 0 &&
			 place < INT64_MAX;
	}
	return sound && ret->blocks[0] != ret->blocks[1] &&
	       ret->blocks[1] != ret->blocks[2] &&
	       ret->blocks[0] != ret->blocks[2];
}

static bool
decode_block(struct vr_window *w, struct places *ret)
{
	const uint8_t *p = vr_window_bytes(w, 0, SIGNATURE_BYTES);
	unsigned version = vr_window_le16(w, 10);

	return p && memcmp(p, SIGNATURE, SIGNATURE_BYTES) == 0 &&
	       (version == 1 || version == 2) &&
	       read_places(w, BLOCK_OFFSETS, ret);
}

static int
read_block(struct vr_source *space, uint64_t off, struct places *ret,
	   bool *ret_found)
{
	struct vr_window w;
	int r = vr_window_read(&w, space, off, BLOCK_BYTES);

	if (r < 0)
		return r;
	*ret_found = decode_block(&w, ret);
	vr_window_free(&w);
	return 0;
}

static bool
decode_head(struct vr_window *w, struct places *ret)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const uint8_t *name = vr_window_bytes(w, kinds[i].at, 8);
		const uint8_t *id = vr_window_bytes(w, kinds[i].guid, 16);

		if (name && id && memcmp(name, kinds[i].name, 8) == 0 &&
		    memcmp(id, guid, sizeof(guid)) == 0 &&
		    read_places(w, kinds[i].offsets, ret))
			return true;
	}
	return false;
}

/* How many blocks of a volume that begins at start tell the same as these. */
static int
count_blocks(struct vr_source *space, uint64_t start,
	     const struct places *wanted, unsigned *ret)
{
	unsigned count = 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < BLOCKS; i++) {
		struct places found;
		bool is = false;
		uint64_t off;

		if (!vr_add(start, wanted->blocks[i], &off) ||
		    !vr_inside(off, BLOCK_BYTES, space->size))
			continue;
		r = read_block(space, off, &found, &is);
		count += is && memcmp(&found, wanted, sizeof(found)) == 0;
	}
	*ret = count;
	return r;
}

static int
add_bid(uint64_t start, uint64_t evidence, bool head, enum vr_score score,
	bool lost, struct vr_bids *bids)
{
	const struct vr_bid bid = {
		.prober = &vr_prober_bitlocker,
		.type = "bitlocker",
		.score = score,
		.head = head   ? VR_HEAD_SOUND
			: lost ? VR_HEAD_LOST
			       : VR_HEAD_WRONG,
		.start = start,
		.evidence = evidence,
		.structure = head ? "volume header" : "block of keys",
	};

	return vr_bids_add(bids, &bid);
}

static int
look_at_head(struct vr_source *space, uint64_t start, struct places *ret,
	     bool *ret_found, bool *ret_lost)
{
	struct vr_window w;
	int r = vr_window_read(&w, space, start, VR_SECTOR);

	if (r < 0)
		return r;
	*ret_found = decode_head(&w, ret);
	*ret_lost = !vr_window_holds(&w, 0, VR_SECTOR);
	vr_window_free(&w);
	return 0;
}

static int
bitlocker_probe(struct vr_source *space, uint64_t start, uint64_t limit,
		struct vr_bids *bids)
{
	struct places told;
	bool found, lost;
	unsigned count = 0;
	int r;

	if (start >= vr_min(limit, space->size))
		return 0;
	r = look_at_head(space, start, &told, &found, &lost);
	if (r < 0 || !found)
		return r;
	r = count_blocks(space, start, &told, &count);
	return r < 0 ? r
		     : add_bid(start, start, true,
			       count ? VR_SCORE_FIELDS : VR_SCORE_MAGIC, false,
			       bids);
}

/* The start that a second block, or the head, agrees with. */
static int
bitlocker_met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct places told, head;
	bool found, sound, lost;
	int r = read_block(space, off, &told, &found);

	if (r == 0 && !found)
		return bitlocker_probe(space, off, space->size, bids);
	for (unsigned i = 0; r == 0 && found && i < BLOCKS; i++) {
		uint64_t start = off - told.blocks[i];
		unsigned count;

		if (told.blocks[i] > off)
			continue;
		r = count_blocks(space, start, &told, &count);
		if (r == 0)
			r = look_at_head(space, start, &head, &sound, &lost);
		if (r < 0)
			return r;
		sound = sound && memcmp(&head, &told, sizeof(head)) == 0;
		if (count >= 2 || sound)
			return add_bid(start, off, sound, VR_SCORE_FIELDS, lost,
				       bids);
	}
	return r;
}

static int
bitlocker_metadata(struct vr_source *volume, const struct vr_bid *bid,
		   struct vr_ranges *ret)
{
	struct places told;
	bool found = false, lost;
	int r = look_at_head(volume, 0, &told, &found, &lost);

	if (r == 0 && !found)
		r = read_block(volume, bid->evidence, &told, &found);
	if (r == 0 && found)
		r = vr_ranges_add(ret, 0, VR_SECTOR);
	for (unsigned i = 0; r == 0 && found && i < BLOCKS; i++)
		if (vr_inside(told.blocks[i], BLOCK_BYTES, volume->size))
			r = vr_ranges_add(ret, told.blocks[i], BLOCK_BYTES);
	return r;
}

static const struct vr_magic magics[] = {
	{0, 8, SIGNATURE},
	{3, 8, SIGNATURE},
	{0, 0, NULL},
};

const struct vr_prober vr_prober_bitlocker = {
	.name = "bitlocker",
	.content = VR_CONTENT_ENCRYPTED,
	.magics = magics,
	.probe = bitlocker_probe,
	.met = bitlocker_met,
	.metadata = bitlocker_metadata,
};
