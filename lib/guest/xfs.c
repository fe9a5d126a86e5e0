/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XFS. The superblock at the start has a copy in each allocation group, which
 * does not say of which group it is; the header behind it does. Version 5 blocks
 * tell their address. So any of these proves where the volume begins, and mkfs
 * makes four groups of most disks, whose places follow from the size.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/copies.h"
#include "guest/names.h"
#include "guest/noise.h"
#include "guest/xfs_log.h"
#include "guest/xfs_super.h"

#define HEAD_BYTES ((size_t)64 << 10)

/* A volume may end this much before the limit: tables, alignment. */
#define SLACK	   (2 * VR_MIB)
#define SELF_BYTES ((size_t)1 << 20)

struct look {
	struct vr_source *space;
	uint64_t start, limit;
	struct vr_bids *bids;
	bool done;
};

/* --- bids ----------------------------------------------------------------- */

static struct vr_bid
bid_of(const struct vr_xfs *fs, uint64_t start)
{
	struct vr_bid bid = {
		.prober = &vr_prober_xfs,
		.type = "xfs",
		.start = start,
		.length = fs->blocks << fs->block_log,
		.block_bytes = fs->block_bytes,
		.structure = "superblock",
		.evidence = start,
	};

	vr_uuid_plain(fs->uuid, bid.uuid);
	vr_label_bytes(fs->label, sizeof(fs->label), bid.label);
	return bid;
}

/* Does the header behind a superblock agree with it? Its group, too. */
static bool
find_group(struct vr_window *w, uint64_t at, const struct vr_xfs *fs,
	   uint32_t *ret)
{
	for (unsigned i = 1; i <= 2; i++) {
		struct vr_xfs_ag ag;

		if (!vr_xfs_ag_header(w, at + i * fs->sector_bytes,
				      fs->sector_bytes, &ag))
			continue;
		if (fs->v5 && (!ag.v5 || memcmp(ag.uuid, fs->block_uuid,
						sizeof(ag.uuid)) != 0))
			continue;
		if (ag.length != vr_xfs_ag_length(fs, ag.number))
			continue;
		*ret = ag.number;
		return true;
	}
	return false;
}

/* The superblock that begins the window, which begins a volume. */
static enum vr_head
judge_head(struct vr_window *w, struct vr_xfs *ret, enum vr_score *ret_score)
{
	uint32_t group;
	bool named;

	*ret_score = VR_SCORE_NONE;
	if (!vr_xfs_super(w, 0, ret))
		return vr_window_holds(w, 0, VR_SECTOR) ? VR_HEAD_WRONG
							: VR_HEAD_LOST;
	named = find_group(w, 0, ret, &group);
	if (ret->in_progress || (named && group != 0))
		return VR_HEAD_WRONG;
	*ret_score = VR_SCORE_FIELDS;
	if (ret->v5 && !ret->checked)
		return vr_window_holds(w, 0, ret->sector_bytes) ? VR_HEAD_WRONG
								: VR_HEAD_LOST;
	if (ret->checked || named)
		*ret_score = VR_SCORE_CHECKSUM;
	return VR_HEAD_SOUND;
}

/* What something elsewhere says, unless the head itself speaks. */
static int
add_bid(struct vr_source *space, struct vr_bid *bid, struct vr_bids *bids)
{
	struct vr_window w;
	struct vr_xfs fs;
	enum vr_score score;
	int r = vr_window_read(&w, space, bid->start, HEAD_BYTES);

	if (r < 0)
		return r;
	bid->head = judge_head(&w, &fs, &score);
	vr_window_free(&w);
	if (bid->head == VR_HEAD_SOUND) {
		struct vr_bid own = bid_of(&fs, bid->start);

		own.score = score;
		return vr_bids_add(bids, &own);
	}
	return vr_bids_add(bids, bid);
}

/* --- copies --------------------------------------------------------------- */

/* A superblock of any group at a place of the window, which begins at off. */
static bool
copy_at(struct vr_window *w, uint64_t at, uint64_t off, struct vr_bid *ret)
{
	struct vr_xfs fs;
	uint32_t group;
	uint64_t before;

	if (!vr_xfs_super(w, at, &fs) || (fs.v5 && !fs.checked) ||
	    !find_group(w, at, &fs, &group))
		return false;
	before = vr_xfs_ag_off(&fs, group);
	if (before > off + at)
		return false;
	*ret = bid_of(&fs, off + at - before);
	ret->evidence = off + at;
	ret->score = fs.checked ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS;
	if (group > 0)
		ret->structure = "superblock copy";
	return true;
}

static int
look_for_copy(struct look *l, uint64_t off, size_t n)
{
	struct vr_window w;
	struct vr_bid bid;
	int r = vr_window_read(&w, l->space, off, n);

	if (r < 0)
		return r;
	for (uint64_t at = 0; !l->done && at < w.length; at += VR_SECTOR)
		if (copy_at(&w, at, off, &bid) && bid.start == l->start) {
			l->done = true;
			r = add_bid(l->space, &bid, l->bids);
		}
	vr_window_free(&w);
	return r;
}

/* Groups are quarters of the volume, but no larger than a TiB. */
static int
look_at_quarters(struct look *l)
{
	static const unsigned quarters[] = {2, 1, 3};
	uint64_t room = l->limit - l->start;
	int r = 0;

	for (size_t i = 0; r == 0 && !l->done && i < 3; i++) {
		uint64_t slack = SLACK / 4 * quarters[i];
		uint64_t off = vr_round_down(room / 4, 4096) * quarters[i];

		off -= vr_min(off, slack);
		r = look_for_copy(l, l->start + off,
				  (size_t)slack + 2 * HEAD_BYTES);
	}
	if (r == 0 && !l->done && room > UINT64_C(1) << 40)
		r = look_for_copy(l, l->start + (UINT64_C(1) << 40),
				  HEAD_BYTES);
	return r;
}

/* The first group's headers are there: where does the second one begin? */
static int
look_behind_group(struct look *l, const struct vr_xfs_ag *ag)
{
	static const unsigned sizes[] = {4096, 1024, 2048, 512, 16384, 65536};
	int r = 0;

	for (size_t i = 0; r == 0 && !l->done && i < 6; i++) {
		uint64_t off = (uint64_t)ag->length * sizes[i];

		if (off < l->limit - l->start)
			r = look_for_copy(l, l->start + off, HEAD_BYTES);
	}
	return r;
}

static int
look_where_said(struct look *l, const struct vr_xfs *fs)
{
	int r = 0;

	for (uint32_t i = 1; r == 0 && !l->done && i < fs->ag_count && i < 4;
	     i++) {
		uint64_t off = vr_xfs_ag_off(fs, i);

		if (off < l->limit - l->start)
			r = look_for_copy(l, l->start + off, HEAD_BYTES);
	}
	return r;
}

/* --- blocks that know their address --------------------------------------- */

static bool
self_at(struct vr_window *w, uint64_t at, uint64_t off, struct vr_bid *ret)
{
	struct vr_xfs_self self;

	if (!vr_xfs_self(w, at, 0, &self) && !vr_xfs_self_inode(w, at, &self))
		return false;
	if (self.off > off + at)
		return false;
	*ret = (struct vr_bid){
		.prober = &vr_prober_xfs,
		.type = "xfs",
		.score = VR_SCORE_CHECKSUM,
		.start = off + at - self.off,
		.evidence = off + at,
		.structure = self.what,
		.block_bytes = self.is_tree ? self.bytes : 0,
	};
	vr_uuid_plain(self.uuid, ret->uuid);
	return true;
}

/* The first bytes from off on that are not lost; the limit if all are. */
static int
skip_lost(struct look *l, uint64_t *off)
{
	for (struct vr_extent extent; *off < l->limit; *off += extent.length) {
		int r = vr_source_next(l->space, *off, &extent);

		if (r < 0 || !(extent.flags & VR_EXTENT_DAMAGED))
			return r;
	}
	*off = l->limit;
	return 0;
}

static int
look_for_self(struct look *l, uint64_t off)
{
	struct vr_window w;
	struct vr_bid bid;
	int r = skip_lost(l, &off);

	if (r < 0 || off >= l->limit)
		return r;
	off = l->start + vr_round_down(off - l->start, VR_SECTOR);
	r = vr_window_read(&w, l->space, off, SELF_BYTES);
	if (r < 0)
		return r;
	for (uint64_t at = 0; !l->done && at < w.length; at += VR_SECTOR)
		if (self_at(&w, at, off, &bid) && bid.start == l->start) {
			l->done = true;
			r = add_bid(l->space, &bid, l->bids);
		}
	vr_window_free(&w);
	return r;
}

/* Metadata stands thickest where groups begin. */
static int
look_at_selves(struct look *l)
{
	uint64_t quarter = (l->limit - l->start) / 4;
	int r = 0;

	for (unsigned i = 0; r == 0 && !l->done && i < 4; i++)
		r = look_for_self(l,
				  l->start + vr_round_down(quarter, 4096) * i);
	return r;
}

/* --- the log -------------------------------------------------------------- */

static int
look_at_log(struct look *l)
{
	struct vr_xfs fs;
	struct vr_bid bid;
	uint64_t off;
	int r = vr_xfs_logged_super(l->space, l->start, l->limit, &fs, &off,
				    &l->done);

	if (r < 0 || !l->done)
		return r;
	bid = bid_of(&fs, l->start);
	bid.score = VR_SCORE_FIELDS;
	bid.evidence = off;
	bid.structure = "superblock in the log";
	return add_bid(l->space, &bid, l->bids);
}

/* --- probing -------------------------------------------------------------- */

/* The head does not answer. Is there reason to ask further? */
static bool
is_worth_more(struct vr_window *w, enum vr_head head, enum vr_score score,
	      struct vr_xfs_ag *ret_ag)
{
	static const unsigned sectors[] = {512, 4096};
	const uint8_t *p = vr_window_bytes(w, 0, VR_SECTOR);

	*ret_ag = (struct vr_xfs_ag){0};
	for (size_t i = 0; i < 2; i++)
		for (unsigned j = 1; j <= 2; j++) {
			struct vr_xfs_ag ag;

			if (vr_xfs_ag_header(w, j * sectors[i], 0, &ag) &&
			    ag.number == 0)
				*ret_ag = ag;
		}
	return head == VR_HEAD_LOST || score != VR_SCORE_NONE ||
	       ret_ag->length ||
	       (p && (vr_load_be32(p) == VR_XFS_MAGIC_SUPER || vr_is_noise(p)));
}

static int
look_further(struct look *l, enum vr_score score, const struct vr_xfs *fs,
	     const struct vr_xfs_ag *ag)
{
	int r = 0;

	if (score != VR_SCORE_NONE)
		r = look_where_said(l, fs);
	if (r == 0 && !l->done && ag->length)
		r = look_behind_group(l, ag);
	if (r == 0 && !l->done)
		r = look_at_quarters(l);
	if (r == 0 && !l->done)
		r = look_at_log(l);
	if (r == 0 && !l->done)
		r = look_at_selves(l);
	return r;
}

static int
probe(struct vr_source *space, uint64_t start, uint64_t limit,
      struct vr_bids *bids)
{
	struct look l = {space, start, vr_min(limit, space->size), bids, false};
	struct vr_window w;
	struct vr_xfs fs;
	struct vr_xfs_ag ag;
	enum vr_score score;
	enum vr_head head;
	struct vr_bid bid;
	bool more;
	int r;

	if (start >= l.limit)
		return 0;
	r = vr_window_read(&w, space, start, HEAD_BYTES);
	if (r < 0)
		return r;
	head = judge_head(&w, &fs, &score);
	more = head != VR_HEAD_SOUND && is_worth_more(&w, head, score, &ag);
	vr_window_free(&w);
	if (more)
		r = look_further(&l, score, &fs, &ag);
	if (r < 0 || score == VR_SCORE_NONE || l.done)
		return r;
	bid = bid_of(&fs, start);
	bid.score = score;
	bid.head = head;
	return vr_bids_add(bids, &bid);
}

/* --- scanning ------------------------------------------------------------- */

static bool
group_at(struct vr_window *w, uint64_t off, struct vr_bid *ret)
{
	struct vr_xfs_ag ag;
	uint64_t before;

	if (!vr_xfs_ag_header(w, 0, 0, &ag) || ag.number != 0)
		return false;
	before = (ag.magic == VR_XFS_MAGIC_AGF ? 1 : 2) *
		 (ag.v5 ? ag.sector_bytes : VR_SECTOR);
	if (before > off)
		return false;
	*ret = (struct vr_bid){
		.prober = &vr_prober_xfs,
		.type = "xfs",
		.score = ag.v5 ? VR_SCORE_CHECKSUM : VR_SCORE_MAGIC,
		.start = off - before,
		.evidence = off,
		.structure = "header of the first group",
	};
	if (ag.v5)
		vr_uuid_plain(ag.uuid, ret->uuid);
	return true;
}

static int
met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_window w;
	struct vr_xfs fs;
	struct vr_bid bid;
	bool found;
	int r = vr_window_read(&w, space, off, HEAD_BYTES);

	if (r < 0)
		return r;
	found = copy_at(&w, 0, off, &bid) || group_at(&w, off, &bid) ||
		self_at(&w, 0, off, &bid);
	if (!found && vr_xfs_super(&w, 0, &fs) && !fs.in_progress) {
		bid = bid_of(&fs, off);
		bid.score = VR_SCORE_FIELDS;
		found = true;
	}
	vr_window_free(&w);
	return found ? add_bid(space, &bid, bids) : 0;
}

/* --- what is metadata ----------------------------------------------------- */

/* Behind the headers mkfs puts the roots of the group's trees. */
#define HEADER_BLOCKS 8
#define GROUPS_MOST   65536

static int
group_ranges(const struct vr_xfs *fs, struct vr_ranges *ret)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < fs->ag_count && i < GROUPS_MOST; i++)
		r = vr_ranges_add(ret, vr_xfs_ag_off(fs, i),
				  (uint64_t)HEADER_BLOCKS << fs->block_log);
	return r;
}

static int
metadata(struct vr_source *volume, const struct vr_bid *bid,
	 struct vr_ranges *ret)
{
	uint64_t off = bid->head == VR_HEAD_SOUND ? 0 : bid->evidence, log;
	struct vr_window w;
	struct vr_xfs fs;
	bool known;
	int r = vr_window_read(&w, volume, off, VR_XFS_SECTOR_MOST);

	if (r < 0)
		return r;
	known = vr_xfs_super(&w, 0, &fs);
	vr_window_free(&w);
	if (!known)
		return 0;
	r = group_ranges(&fs, ret);
	if (r == 0 && fs.log_start && vr_xfs_block_off(&fs, fs.log_start, &log))
		r = vr_ranges_add(ret, log,
				  (uint64_t)fs.log_blocks << fs.block_log);
	return r;
}

/* --- copies --------------------------------------------------------------- */

static bool
is_of(struct vr_window *w, const struct vr_xfs *fs, uint32_t group)
{
	struct vr_xfs other;
	uint32_t named;

	if (vr_xfs_super(w, 0, &other) &&
	    memcmp(other.block_uuid, fs->block_uuid, sizeof(fs->block_uuid)) ==
		    0)
		return true;
	return find_group(w, 0, fs, &named) && named == group;
}

/* What still bears one of their names was a header, whatever came over it. */
static bool
was_header(struct vr_window *w, const struct vr_xfs *fs)
{
	uint32_t first = vr_window_be32(w, 0);
	uint32_t second = vr_window_be32(w, fs->sector_bytes);

	return first == VR_XFS_MAGIC_SUPER || second == VR_XFS_MAGIC_AGF ||
	       vr_window_be32(w, 2 * fs->sector_bytes) == VR_XFS_MAGIC_AGI;
}

static int
judge_group(struct vr_source *space, const struct vr_xfs *fs, uint32_t group,
	    uint64_t off, enum vr_copy_state *ret)
{
	struct vr_window w;
	size_t n = 3 * (size_t)fs->sector_bytes;
	bool lost;
	int r = vr_window_read(&w, space, off, n);

	if (r < 0)
		return r;
	lost = !vr_window_holds(&w, 0, n);
	*ret = is_of(&w, fs, group) ? VR_COPY_AGREES : VR_COPY_LOST;
	if (*ret == VR_COPY_LOST && !lost && !was_header(&w, fs))
		r = vr_copies_judge(space, off, ret);
	vr_window_free(&w);
	return r;
}

static int
copies(struct vr_source *space, const struct vr_bid *bid, struct vr_copies *ret)
{
	struct vr_window w;
	struct vr_xfs fs;
	bool known;
	int r = vr_window_read(&w, space, bid->evidence, VR_XFS_SECTOR_MOST);

	if (r < 0)
		return r;
	known = vr_xfs_super(&w, 0, &fs);
	vr_window_free(&w);
	for (uint32_t i = 0;
	     r == 0 && known && i < fs.ag_count && i < VR_COPIES_MOST; i++) {
		uint64_t at = vr_xfs_ag_off(&fs, i), off;
		enum vr_copy_state state;

		if (!vr_add(bid->start, at, &off) || off >= space->size)
			break;
		r = judge_group(space, &fs, i, off, &state);
		if (r == 0)
			vr_copies_note(ret, at, state);
	}
	return r;
}

static const struct vr_magic magics[] = {
	{0, 4, "XFSB"},
	{0, 4, "XAGF"},
	{0, 4, "XAGI"},
	{0, 4, "AB3B"},
	{0, 4, "AB3C"},
	{0, 4, "IAB3"},
	{0, 4, "FIB3"},
	{0, 4, "RMB3"},
	{0, 4, "R3FC"},
	{0, 4, "BMA3"},
	{0, 4, "XDB3"},
	{0, 4, "XDD3"},
	{0},
};

const struct vr_prober vr_prober_xfs = {
	.name = "xfs",
	.content = VR_CONTENT_FILESYSTEM,
	.magics = magics,
	.mount_type = "xfs",
	.mount_options = "norecovery,nouuid",
	.probe = probe,
	.met = met,
	.metadata = metadata,
	.copies = copies,
};
