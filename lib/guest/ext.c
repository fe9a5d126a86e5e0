/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ext2, ext3, ext4. The primary superblock stands at byte 1024; copies stand at
 * the front of some groups of blocks and bear the number of their group, so that
 * each of them tells where the volume begins.
 *
 * Not all copies do: Linux before 6.0 wrote copies that say "group 0" whenever a
 * mounted volume was grown, as images of clouds and templates are on their first
 * boot. Their place says which group they belong to, once the start is known.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "guest/copies.h"
#include "guest/ext_logged.h"
#include "guest/ext_super.h"
#include "guest/names.h"

extern const struct vr_prober vr_prober_ext;

/* --- bids ----------------------------------------------------------------- */

static enum vr_score
score_of(const struct vr_ext *ext, enum vr_ext_state state)
{
	return vr_ext_has_checksums(ext) && state == VR_EXT_SOUND
		       ? VR_SCORE_CHECKSUM
		       : VR_SCORE_FIELDS;
}

static int
bid(struct vr_bids *bids, const struct vr_ext *ext, enum vr_score score,
    enum vr_head head, uint64_t start, uint64_t evidence)
{
	struct vr_bid b = {
		.prober = &vr_prober_ext,
		.type = vr_ext_type(ext),
		.score = score,
		.head = head,
		.start = start,
		.length = ext->blocks * ext->block_bytes,
		.evidence = evidence,
		.structure = evidence - start == VR_EXT_SUPER_AT
				     ? "superblock"
				     : "superblock copy",
		.block_bytes = ext->block_bytes,
	};

	vr_uuid_plain(ext->uuid, b.uuid);
	vr_label_bytes(ext->raw + 120, 16, b.label);
	return vr_bids_add(bids, &b);
}

/* Where the volume of a superblock at off begins, if it may begin there. */
static bool
start_of(const struct vr_ext *ext, uint64_t group, uint64_t off,
	 uint64_t *ret_start)
{
	uint64_t below = vr_ext_super_off(ext, group);

	if (group >= ext->groups || below > off)
		return false;
	*ret_start = off - below;
	return true;
}

/* --- does a volume stand here? -------------------------------------------- */

enum stands {
	STANDS,
	STANDS_LOST, /* what would tell is lost */
	STANDS_NOT,
};

/* Where the superblock in this group is followed by the first descriptors. */
static bool
first_descriptors(const struct vr_ext *ext, uint64_t group, uint64_t *ret_block)
{
	struct vr_ext_place place;

	for (unsigned n = 0; vr_ext_descriptor_place(ext, 0, n, &place); n++)
		if (place.group == group) {
			*ret_block = place.block;
			return true;
		} else if (place.group > group) {
			break;
		}
	return false;
}

/* The descriptor of group 0, as this group keeps it. */
static int
read_first_group(struct vr_source *space, const struct vr_ext *ext,
		 uint64_t start, uint64_t group, struct vr_ext_group *ret,
		 enum stands *ret_stands)
{
	uint64_t block, off;
	struct vr_window w;
	const uint8_t *d;
	int r;

	*ret_stands = STANDS_NOT;
	if (!first_descriptors(ext, group, &block) ||
	    !vr_add(start, block * ext->block_bytes, &off))
		return 0;
	r = vr_window_read(&w, space, off, ext->descriptor_bytes);
	if (r < 0)
		return r;
	d = vr_window_bytes(&w, 0, ext->descriptor_bytes);
	if (d && vr_ext_group_decode(ext, 0, d, ret))
		*ret_stands = STANDS;
	else if (!d && w.touched_lost)
		*ret_stands = STANDS_LOST;
	vr_window_free(&w);
	return 0;
}

#define ROOT_INODE  2
#define MODE_FORMAT 0xF000
#define MODE_FOLDER 0x4000

/*
 * Journals and files hold superblocks, too. Around the real one lie descriptors
 * that lead to a root directory.
 */
static int
ask_surroundings(struct vr_source *space, const struct vr_ext *ext,
		 uint64_t start, enum stands *ret)
{
	struct vr_ext_group g = {0};
	struct vr_window w;
	uint64_t off;
	uint16_t mode;
	int r = read_first_group(space, ext, start, 0, &g, ret);

	if (r < 0 || *ret != STANDS)
		return r;
	if (!vr_add(start,
		    g.inode_table * ext->block_bytes +
			    (ROOT_INODE - 1) * (uint64_t)ext->inode_bytes,
		    &off))
		return 0;
	r = vr_window_read(&w, space, off, 2);
	if (r < 0)
		return r;
	mode = vr_window_le16(&w, 0);
	if (w.touched_lost)
		*ret = STANDS_LOST;
	else if ((mode & MODE_FORMAT) != MODE_FOLDER)
		*ret = STANDS_NOT;
	vr_window_free(&w);
	return 0;
}

/* --- copies at places that can be reckoned -------------------------------- */

/* What mke2fs makes of 1, 2, 4 and 64 KiB blocks; clusters multiply it. */
static const struct guess {
	uint32_t block_bytes, group_blocks, first_block;
} guesses[] = {
	{4096, 32768, 0},
	{1024, 8192, 1},
	{2048, 16384, 0},
	{65536, 65528, 0},
};

static const uint16_t copy_groups[] = {1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243};

struct search {
	struct vr_source *space;
	uint64_t start, limit;
	enum vr_head head;
	struct vr_bids *bids;
	bool found; /* one that leaves no doubt */
};

/* A copy that says 0 may be the primary of a volume that begins there. */
static int
is_own_primary(struct search *s, const struct vr_ext *ext, uint64_t off,
	       bool *ret)
{
	enum stands stands = STANDS_NOT;
	int r = 0;

	if (ext->block_bytes == 1024)
		r = ask_surroundings(s->space, ext, off - VR_EXT_SUPER_AT,
				     &stands);
	*ret = stands != STANDS_NOT;
	return r;
}

static int
try_copy(struct search *s, uint64_t off)
{
	enum vr_ext_state state;
	struct vr_ext ext;
	uint64_t start, group;
	bool primary = false;
	int r = vr_ext_read(s->space, off, &ext, &state);

	if (r < 0 || state == VR_EXT_LOST || state == VR_EXT_WRONG)
		return r;
	group = ext.group;
	if (group == 0) {
		r = is_own_primary(s, &ext, off, &primary);
		group = (off - s->start) / ext.block_bytes /
			ext.blocks_per_group;
	}
	if (r < 0 || primary || group == 0)
		return r;
	if (!start_of(&ext, group, off, &start) || start != s->start)
		return 0;
	s->found = state == VR_EXT_SOUND;
	return bid(s->bids, &ext, score_of(&ext, state), s->head, start, off);
}

static int
try_guess(struct search *s, const struct guess *g, uint64_t group)
{
	uint64_t off = (g->first_block + group * g->group_blocks) *
		       g->block_bytes;

	if (s->found || !vr_add(s->start, off, &off) || off >= s->limit)
		return 0;
	return try_copy(s, off);
}

/* With sparse_super2 the last group keeps the second copy. */
static int
try_last_group(struct search *s, const struct guess *g)
{
	uint64_t group_bytes = (uint64_t)g->group_blocks * g->block_bytes;
	uint64_t last = (s->limit - s->start - 1) / group_bytes;

	return last > 1 ? try_guess(s, g, last) : 0;
}

static int
search_copies(struct search *s, size_t groups)
{
	size_t n = sizeof(guesses) / sizeof(*guesses);
	int r = 0;

	for (size_t k = 0; r == 0 && k < groups; k++)
		for (size_t i = 0; r == 0 && i < n; i++)
			r = try_guess(s, &guesses[i], copy_groups[k]);
	if (groups == 1)
		return r;
	for (unsigned cluster = 2; r == 0 && cluster <= 1024; cluster *= 2) {
		struct guess g = guesses[0];

		g.group_blocks *= cluster;
		r = try_guess(s, &g, 1);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = try_last_group(s, &guesses[i]);
	return r;
}

/* --- probe ---------------------------------------------------------------- */

/*
 * Where the head is not lost as far as the map knows, but no superblock either,
 * only bytes that look overwritten are worth a search: ciphertext and zeros.
 */
static int
looks_overwritten(struct vr_source *space, uint64_t off, bool *ret)
{
	bool seen[256] = {false};
	unsigned distinct = 0;
	struct vr_window w;
	int r = vr_window_read(&w, space, off, VR_EXT_SUPER_BYTES);

	if (r < 0)
		return r;
	for (size_t i = 0; i < w.length; i++) {
		distinct += !seen[w.bytes[i]];
		seen[w.bytes[i]] = true;
	}
	*ret = w.length > 0 && (distinct == 1 || distinct > 230);
	vr_window_free(&w);
	return 0;
}

/* A superblock that lacks something of its own still has most of it. */
static int
looks_scratched(struct vr_source *space, uint64_t off, bool *ret)
{
	struct vr_window w;
	uint64_t agree;
	int r = vr_window_read(&w, space, off, VR_EXT_SUPER_BYTES);

	if (r < 0)
		return r;
	agree = 2 * (vr_window_le16(&w, 56) == 0xEF53) +
		2 * (vr_window_le32(&w, 32) >= 256 &&
		     vr_window_le32(&w, 32) == vr_window_le32(&w, 36)) +
		(vr_window_le32(&w, 24) <= 6) + (vr_window_le32(&w, 20) <= 1) +
		(vr_window_le32(&w, 76) == 1) +
		(vr_window_le16(&w, 88) == 256 ||
		 vr_window_le16(&w, 88) == 128) +
		(vr_window_le32(&w, 96) > 0 &&
		 vr_window_le32(&w, 96) < 0x40000) +
		(vr_window_le32(&w, 92) < 0x2000 &&
		 vr_window_le32(&w, 100) < 0x40000);
	/* Of all zeros three are true, of noise none. */
	*ret = agree >= 4;
	vr_window_free(&w);
	return 0;
}

static int
probe_without_head(struct search *s, enum vr_ext_state state)
{
	bool overwritten = false, scratched = false;
	uint64_t off = s->start + VR_EXT_SUPER_AT;
	int r = 0;

	if (state == VR_EXT_WRONG) {
		r = looks_overwritten(s->space, off, &overwritten);
		if (r == 0)
			r = looks_scratched(s->space, off, &scratched);
		if (r < 0 || (!overwritten && !scratched))
			return r;
	}
	return search_copies(s, overwritten ? 1
					    : sizeof(copy_groups) /
						      sizeof(*copy_groups));
}

static int
ext_probe(struct vr_source *space, uint64_t start, uint64_t limit,
	  struct vr_bids *bids)
{
	struct search s = {.space = space,
			   .start = start,
			   .limit = vr_min(limit, space->size),
			   .head = VR_HEAD_WRONG,
			   .bids = bids};
	enum vr_ext_state state;
	struct vr_ext ext;
	int r;

	if (start >= s.limit || s.limit - start < VR_EXT_SUPER_AT + 1024)
		return 0;
	r = vr_ext_read(space, start + VR_EXT_SUPER_AT, &ext, &state);
	if (r < 0)
		return r;
	if (state == VR_EXT_SOUND && ext.group == 0)
		return bid(bids, &ext, score_of(&ext, state), VR_HEAD_SOUND,
			   start, start + VR_EXT_SUPER_AT);
	if (state == VR_EXT_CHECKSUM && ext.group == 0)
		r = bid(bids, &ext, VR_SCORE_FIELDS, VR_HEAD_WRONG, start,
			start + VR_EXT_SUPER_AT);
	if (state == VR_EXT_LOST)
		s.head = VR_HEAD_LOST;
	return r == 0 ? probe_without_head(&s, state) : r;
}

/* --- met ------------------------------------------------------------------ */

/* The head of a volume that a copy speaks of. */
static int
look_at_head(struct vr_source *space, const struct vr_ext *copy, uint64_t start,
	     enum vr_head *ret)
{
	enum vr_ext_state state;
	struct vr_ext ext;
	int r = vr_ext_read(space, start + VR_EXT_SUPER_AT, &ext, &state);

	if (r < 0)
		return r;
	*ret = VR_HEAD_WRONG;
	if (state == VR_EXT_LOST)
		*ret = VR_HEAD_LOST;
	if (state == VR_EXT_SOUND && ext.group == 0 &&
	    memcmp(ext.uuid, copy->uuid, sizeof(ext.uuid)) == 0)
		*ret = VR_HEAD_SOUND;
	return 0;
}

static int
met_copy(struct vr_source *space, const struct vr_ext *ext,
	 enum vr_ext_state state, uint64_t group, uint64_t off,
	 struct vr_bids *bids)
{
	enum vr_head head = VR_HEAD_WRONG;
	uint64_t start;
	int r;

	if (!start_of(ext, group, off, &start))
		return 0;
	r = look_at_head(space, ext, start, &head);
	return r == 0 ? bid(bids, ext, score_of(ext, state), head, start, off)
		      : r;
}

/* Does another superblock of the volume stand where this start puts it? */
static int
has_witness(struct vr_source *space, const struct vr_ext *ext, uint64_t start,
	    uint64_t but, bool *ret)
{
	uint64_t group = 0;
	int r = 0;

	*ret = false;
	for (unsigned n = 0; r == 0 && !*ret && n < 6 && group != UINT64_MAX;
	     n++) {
		uint64_t off = start + vr_ext_super_off(ext, group);
		enum vr_ext_state state = VR_EXT_WRONG;
		struct vr_ext other;

		if (group != but)
			r = vr_ext_read(space, off, &other, &state);
		*ret = state == VR_EXT_SOUND &&
		       memcmp(other.uuid, ext->uuid, sizeof(ext->uuid)) == 0;
		group = vr_ext_next_copy(ext, group);
	}
	return r;
}

/* A copy that says 0: its group is one where others bear it out. */
static int
met_unnumbered(struct vr_source *space, const struct vr_ext *ext,
	       enum vr_ext_state state, uint64_t off, struct vr_bids *bids)
{
	uint64_t group = vr_ext_next_copy(ext, 0), start;
	enum stands stands = STANDS_NOT;
	struct vr_ext_group g;
	int r = 0;

	for (unsigned n = 0; r == 0 && n < 16 && group != UINT64_MAX; n++) {
		bool witness = false;

		if (!start_of(ext, group, off, &start))
			return 0;
		r = read_first_group(space, ext, start, group, &g, &stands);
		if (r == 0 && stands != STANDS)
			return 0;
		if (r == 0)
			r = has_witness(space, ext, start, group, &witness);
		if (r == 0 && witness)
			return met_copy(space, ext, state, group, off, bids);
		group = vr_ext_next_copy(ext, group);
	}
	return r;
}

static int
met_primary(struct vr_source *space, const struct vr_ext *ext,
	    enum vr_ext_state state, uint64_t off, struct vr_bids *bids)
{
	enum vr_score score = score_of(ext, state);
	enum stands stands = STANDS_NOT;
	uint64_t start;
	int r;

	if (!start_of(ext, 0, off, &start))
		return met_unnumbered(space, ext, state, off, bids);
	r = ask_surroundings(space, ext, start, &stands);
	if (r < 0)
		return r;
	if (stands == STANDS_LOST)
		score = VR_SCORE_FIELDS;
	if (stands == STANDS_NOT)
		return met_unnumbered(space, ext, state, off, bids);
	return bid(bids, ext, score,
		   state == VR_EXT_SOUND ? VR_HEAD_SOUND : VR_HEAD_WRONG, start,
		   off);
}

static int
ext_met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	enum vr_ext_state state;
	struct vr_ext ext;
	int r = vr_ext_read(space, off, &ext, &state);

	if (r < 0 || state == VR_EXT_LOST || state == VR_EXT_WRONG)
		return r;
	if (ext.group == 0)
		return met_primary(space, &ext, state, off, bids);
	return met_copy(space, &ext, state, ext.group, off, bids);
}

/* --- metadata ------------------------------------------------------------- */

#define RANGES_MOST ((size_t)1 << 20)

struct listing {
	const struct vr_ext *ext;
	const struct vr_ext_groups *groups;
	struct vr_ranges *to;
};

static int
list_blocks(struct listing *l, uint64_t block, uint64_t bytes)
{
	if (l->to->count >= RANGES_MOST)
		return 0;
	return vr_ranges_add(l->to, block * l->ext->block_bytes, bytes);
}

static int
list_descriptors(struct listing *l)
{
	struct vr_ext_place place;
	int r = vr_ranges_add(l->to, VR_EXT_SUPER_AT, VR_EXT_SUPER_BYTES);

	for (uint64_t i = 0; r == 0 && i < vr_ext_descriptor_blocks(l->ext);
	     i++)
		if (vr_ext_descriptor_place(l->ext, i, 0, &place))
			r = list_blocks(l, place.block, l->ext->block_bytes);
	return r;
}

/* The part of the table that has ever been used. */
static uint64_t
table_bytes(const struct vr_ext *ext, const struct vr_ext_group *g)
{
	uint32_t used = ext->inodes_per_group;

	if (ext->ro_compat & (VR_EXT_RO_GDT_CSUM | VR_EXT_RO_METADATA_CSUM)) {
		used -= g->unused_inodes;
		if (g->flags & VR_EXT_GROUP_INODE_UNINIT)
			used = 0;
	}
	return (uint64_t)used * ext->inode_bytes;
}

enum part { BLOCK_BITMAP, INODE_BITMAP, INODE_TABLE, PARTS };

static int
list_part(struct listing *l, const struct vr_ext_group *g, enum part part)
{
	uint32_t block = l->ext->block_bytes;

	if (part == BLOCK_BITMAP)
		return list_blocks(l, g->block_bitmap, block);
	if (part == INODE_BITMAP)
		return list_blocks(l, g->inode_bitmap, block);
	return list_blocks(l, g->inode_table, table_bytes(l->ext, g));
}

/* flex_bg keeps the parts of so many groups together, each kind by itself. */
static int
list_groups(struct listing *l)
{
	uint8_t log = l->ext->incompat & VR_EXT_INCOMPAT_FLEX_BG
			      ? l->ext->raw[372]
			      : 0;
	uint64_t flex = UINT64_C(1) << vr_min(log, 20);
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < l->groups->count; at += flex) {
		uint64_t end = vr_min(at + flex, l->groups->count);

		for (int part = 0; part < PARTS; part++)
			for (uint64_t i = at; r == 0 && i < end; i++)
				if (l->groups->good[i])
					r = list_part(l, &l->groups->items[i],
						      part);
	}
	return r;
}

static int
ext_metadata(struct vr_source *volume, const struct vr_bid *content,
	     struct vr_ranges *ret)
{
	struct vr_ext_groups groups = {0};
	enum vr_ext_state state;
	struct vr_ext ext;
	struct listing l = {&ext, &groups, ret};
	int r = vr_ext_read(volume, content->evidence, &ext, &state);

	if (r < 0 || state == VR_EXT_LOST || state == VR_EXT_WRONG ||
	    ext.groups > VR_EXT_GROUPS_MOST)
		return r;
	r = vr_ext_groups_read(volume, &ext, &groups);
	if (r == 0)
		r = list_descriptors(&l);
	if (r == 0)
		r = list_groups(&l);
	vr_ext_groups_free(&groups);
	return r;
}

/* --- the journal ---------------------------------------------------------- */

static int
ext_search(struct vr_source *volume, struct vr_bids *bids)
{
	struct vr_ext ext;
	uint64_t off;
	int r = vr_ext_logged_super(volume, &ext, &off);

	if (r < 0 || off == 0)
		return r;
	r = bid(bids, &ext, VR_SCORE_FIELDS, VR_HEAD_LOST, 0, off);
	if (r == 0 && bids->count)
		bids->items[bids->count - 1].structure =
			"superblock in the journal";
	return r;
}

/* --- copies --------------------------------------------------------------- */

static int
judge_copy(struct vr_source *space, const struct vr_ext *ext, uint64_t off,
	   enum vr_copy_state *ret)
{
	enum vr_ext_state state;
	struct vr_ext other;
	bool scratched = false;
	int r = vr_ext_read(space, off, &other, &state);

	*ret = VR_COPY_LOST;
	if (r < 0 || state == VR_EXT_LOST)
		return r;
	if (state != VR_EXT_WRONG) {
		*ret = memcmp(other.uuid, ext->uuid, sizeof(ext->uuid)) == 0
			       ? VR_COPY_AGREES
			       : VR_COPY_MISSING;
		return 0;
	}
	r = looks_scratched(space, off, &scratched);
	return r == 0 && !scratched ? vr_copies_judge(space, off, ret) : r;
}

static int
ext_copies(struct vr_source *space, const struct vr_bid *bid,
	   struct vr_copies *ret)
{
	enum vr_ext_state state;
	enum vr_copy_state copy;
	struct vr_ext ext;
	uint64_t group = 0, off;
	int r = vr_ext_read(space, bid->evidence, &ext, &state);

	if (r < 0 || state == VR_EXT_LOST || state == VR_EXT_WRONG)
		return r;
	for (unsigned n = 0; r == 0 && n < VR_COPIES_MOST; n++) {
		uint64_t at = vr_ext_super_off(&ext, group);

		if (!vr_add(bid->start, at, &off) || off >= space->size)
			break;
		r = judge_copy(space, &ext, off, &copy);
		if (r == 0)
			vr_copies_note(ret, at, copy);
		group = vr_ext_next_copy(&ext, group);
		if (group == UINT64_MAX)
			break;
	}
	return r;
}

static const struct vr_magic magics[] = {
	{.at = 56, .length = 2, .bytes = "\x53\xEF"},
	{0},
};

const struct vr_prober vr_prober_ext = {
	.name = "ext",
	.content = VR_CONTENT_FILESYSTEM,
	.magics = magics,
	.mount_type = "ext4",
	.mount_options = "noload",
	.probe = ext_probe,
	.met = ext_met,
	.metadata = ext_metadata,
	.copies = ext_copies,
	.search = ext_search,
};
