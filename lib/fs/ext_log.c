/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/ext_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/vector.h"
#include "io/overlay.h"

#define MAGIC	     0xC03B3998u
#define HEADER_BYTES 12

enum kind { DESCRIPTOR = 1, COMMIT = 2, SUPER_1 = 3, SUPER_2 = 4, REVOKE = 5 };

#define FEATURE_64BIT	    0x02
#define FEATURE_CSUM_2	    0x08
#define FEATURE_CSUM_3	    0x10
#define FEATURE_FAST_COMMIT 0x20

#define TAG_ESCAPED	    1
#define TAG_SAME_UUID	    2
#define TAG_LAST	    8

#define COPIES_MOST	    ((size_t)4 << 20)
#define REPLAY_MOST	    ((uint64_t)512 << 20)

static bool
has_checksums(const struct vr_ext_log *log)
{
	return log->features & (FEATURE_CSUM_2 | FEATURE_CSUM_3);
}

/* Sequence numbers wrap. */
static bool
is_later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static uint64_t
place_of(const struct vr_ext_log *log, uint32_t block)
{
	return (uint64_t)block * log->block_bytes;
}

/* The block that is n behind, round the ring. */
static uint32_t
behind(const struct vr_ext_log *log, uint32_t block, uint32_t n)
{
	uint32_t ring = log->blocks - log->first;

	return log->first +
	       (uint32_t)(((uint64_t)block - log->first + n) % ring);
}

/* --- blocks of the journal's own ------------------------------------------ */

static bool
tail_agrees(const struct vr_ext_log *log, const uint8_t *block)
{
	static const uint8_t zeros[4];
	uint32_t crc;

	if (!has_checksums(log))
		return true;
	crc = vr_crc32c(log->seed, block, log->block_bytes - 4);
	crc = vr_crc32c(crc, zeros, sizeof(zeros));
	return crc == vr_load_be32(block + log->block_bytes - 4);
}

static size_t
tag_bytes(const struct vr_ext_log *log)
{
	if (log->features & FEATURE_CSUM_3)
		return 16;
	return 8 + (log->features & FEATURE_CSUM_2 ? 2 : 0) +
	       (log->features & FEATURE_64BIT ? 4 : 0);
}

static uint32_t
read_tag(const struct vr_ext_log *log, const uint8_t *tag,
	 struct vr_ext_log_copy *ret)
{
	uint32_t flags;

	ret->block = vr_load_be32(tag);
	if (log->features & FEATURE_CSUM_3) {
		flags = vr_load_be32(tag + 4);
		ret->checksum = vr_load_be32(tag + 12);
		if (log->features & FEATURE_64BIT)
			ret->block |= (uint64_t)vr_load_be32(tag + 8) << 32;
	} else {
		flags = vr_load_be16(tag + 6);
		ret->checksum = vr_load_be16(tag + 4);
		if (log->features & FEATURE_64BIT)
			ret->block |= (uint64_t)vr_load_be32(tag + 8) << 32;
	}
	ret->escaped = flags & TAG_ESCAPED;
	return flags;
}

/* Of a block of descriptors at this place; *ret_count: blocks behind it. */
static int
read_tags(const struct vr_ext_log *log, const uint8_t *block, uint32_t at,
	  uint32_t sequence, struct vr_ext_log_copies *to, uint32_t *ret_count)
{
	size_t end = log->block_bytes - (has_checksums(log) ? 4 : 0);
	size_t size = tag_bytes(log), off = HEADER_BYTES;
	int r = 0;

	*ret_count = 0;
	while (r == 0 && off + size <= end) {
		struct vr_ext_log_copy copy = {.sequence = sequence};
		uint32_t flags = read_tag(log, block + off, &copy);

		copy.at = place_of(log, behind(log, at, ++*ret_count));
		if (to->count < COPIES_MOST)
			r = VR_PUSH(to, copy);
		off += size + (flags & TAG_SAME_UUID ? 0 : 16);
		if (flags & TAG_LAST)
			break;
	}
	return r;
}

static int
read_revokes(const struct vr_ext_log *log, const uint8_t *block,
	     uint32_t sequence, struct vr_ext_log_revokes *to)
{
	size_t size = log->features & FEATURE_64BIT ? 8 : 4;
	size_t end =
		vr_min(vr_load_be32(block + HEADER_BYTES), log->block_bytes);
	int r = 0;

	for (size_t off = 16; r == 0 && off + size <= end; off += size)
		if (to->count < COPIES_MOST)
			r = VR_PUSH(to, {size == 8 ? vr_load_be64(block + off)
						   : vr_load_be32(block + off),
					 sequence});
	return r;
}

/* --- what is to be replayed ----------------------------------------------- */

struct chain {
	struct vr_ext_log_copies copies, pending;
	struct vr_ext_log_revokes revokes;
	uint32_t block, sequence;
};

static int
commit(struct chain *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->pending.count; i++)
		r = VR_PUSH(&c->copies, c->pending.items[i]);
	c->pending.count = 0;
	c->sequence++;
	return r;
}

/* One block of the chain; *ret_more false where it ends. */
static int
follow(struct vr_ext_log *log, struct chain *c, bool *ret_more)
{
	struct vr_window w;
	const uint8_t *block;
	uint32_t n = 0;
	int r = vr_window_read(&w, log->journal, place_of(log, c->block),
			       log->block_bytes);

	*ret_more = false;
	if (r < 0)
		return r;
	block = vr_window_bytes(&w, 0, log->block_bytes);
	if (!block) {
		log->broken = true;
	} else if (vr_load_be32(block) == MAGIC &&
		   vr_load_be32(block + 8) == c->sequence) {
		uint32_t kind = vr_load_be32(block + 4);

		*ret_more = kind == DESCRIPTOR || kind == COMMIT ||
			    kind == REVOKE;
		if (kind == DESCRIPTOR || kind == REVOKE)
			log->broken |= !tail_agrees(log, block);
		if (kind == DESCRIPTOR)
			r = read_tags(log, block, c->block, c->sequence,
				      &c->pending, &n);
		else if (kind == REVOKE)
			r = read_revokes(log, block, c->sequence, &c->revokes);
		else if (kind == COMMIT)
			r = commit(c);
		c->block = behind(log, c->block, n + 1);
	}
	*ret_more &= !log->broken;
	vr_window_free(&w);
	return r;
}

static int
follow_chain(struct vr_ext_log *log, struct chain *c)
{
	bool more = true;
	int r = 0;

	c->block = log->start;
	c->sequence = log->sequence;
	for (uint32_t n = 0; r == 0 && more && n < log->blocks; n++) {
		r = vr_check_cancel();
		if (r == 0)
			r = follow(log, c, &more);
	}
	return r;
}

/* --- everything in the ring ----------------------------------------------- */

static int
take_block(struct vr_ext_log *log, const uint8_t *block, uint32_t at)
{
	uint32_t kind = vr_load_be32(block + 4), n;
	uint32_t sequence = vr_load_be32(block + 8);

	if (vr_load_be32(block) != MAGIC)
		return 0;
	if (kind == DESCRIPTOR && tail_agrees(log, block))
		return read_tags(log, block, at, sequence, &log->copies, &n);
	if (kind == REVOKE && tail_agrees(log, block))
		return read_revokes(log, block, sequence, &log->revokes);
	return 0;
}

#define CHUNK (UINT64_C(1) << 20)

static int
scan_chunk(struct vr_ext_log *log, uint32_t from, uint32_t count)
{
	struct vr_window w;
	int r = vr_window_read(&w, log->journal, place_of(log, from),
			       (size_t)count * log->block_bytes);

	if (r < 0)
		return r;
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		uint64_t off = (uint64_t)i * log->block_bytes;

		if (off + 4 > w.length ||
		    vr_load_be32(w.bytes + off) != MAGIC ||
		    !vr_window_holds(&w, off, log->block_bytes))
			continue;
		r = take_block(log, w.bytes + off, from + i);
	}
	vr_window_free(&w);
	return r;
}

static int
scan(struct vr_ext_log *log)
{
	uint32_t step = (uint32_t)(CHUNK / log->block_bytes);
	int r = 0;

	for (uint32_t at = log->first; r == 0 && at < log->blocks;) {
		uint32_t n = (uint32_t)vr_min(step, log->blocks - at);

		r = vr_check_cancel();
		if (r == 0)
			r = scan_chunk(log, at, n);
		at += n;
	}
	return r;
}

/* By block, the latest first. */
static int
compare_copies(const void *a, const void *b)
{
	const struct vr_ext_log_copy *x = a, *y = b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	if (x->sequence == y->sequence)
		return (x->at < y->at) - (x->at > y->at);
	return is_later(x->sequence, y->sequence) ? -1 : 1;
}

static void
sort_copies(struct vr_ext_log_copies *copies)
{
	if (copies->count)
		qsort(copies->items, copies->count, sizeof(*copies->items),
		      compare_copies);
}

static int
compare_revokes(const void *a, const void *b)
{
	const __typeof__(*((struct vr_ext_log_revokes *)NULL)->items) *x = a;
	const __typeof__(*((struct vr_ext_log_revokes *)NULL)->items) *y = b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	if (x->sequence == y->sequence)
		return 0;
	return is_later(x->sequence, y->sequence) ? -1 : 1;
}

static void
sort_revokes(struct vr_ext_log_revokes *revokes)
{
	if (revokes->count)
		qsort(revokes->items, revokes->count, sizeof(*revokes->items),
		      compare_revokes);
}

/* A block that was freed since, and may hold a file's data now. */
static bool
is_revoked(const struct vr_ext_log_revokes *revokes,
	   const struct vr_ext_log_copy *copy)
{
	size_t low = 0, high = revokes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (revokes->items[middle].block < copy->block)
			low = middle + 1;
		else
			high = middle;
	}
	return low < revokes->count &&
	       revokes->items[low].block == copy->block &&
	       !is_later(copy->sequence, revokes->items[low].sequence);
}

/* --- opening -------------------------------------------------------------- */

static bool
decode_super(struct vr_ext_log *log, const struct vr_ext *ext, uint8_t *raw)
{
	uint32_t kind = vr_load_be32(raw + 4);

	if (vr_load_be32(raw) != MAGIC || (kind != SUPER_1 && kind != SUPER_2))
		return false;
	log->block_bytes = vr_load_be32(raw + 12);
	log->blocks = vr_load_be32(raw + 16);
	log->first = vr_load_be32(raw + 20);
	log->sequence = vr_load_be32(raw + 24);
	log->start = vr_load_be32(raw + 28);
	log->features = kind == SUPER_2 ? vr_load_be32(raw + 40) : 0;
	log->seed = vr_crc32c(~UINT32_C(0), raw + 48, 16);
	if (has_checksums(log)) {
		uint32_t sum = vr_load_be32(raw + 252);

		vr_store_be32(raw + 252, 0);
		if (vr_crc32c(~UINT32_C(0), raw, 1024) != sum)
			return false;
	}
	return log->block_bytes == ext->block_bytes && log->first >= 1 &&
	       log->first < log->blocks && log->start < log->blocks &&
	       (log->start == 0 || log->start >= log->first) &&
	       place_of(log, log->blocks) <= log->journal->size;
}

static int
read_super(struct vr_ext_log *log, const struct vr_ext *ext, bool *ret_good)
{
	struct vr_window w;
	int r = vr_window_read(&w, log->journal, 0, 1024);

	if (r < 0)
		return r;
	*ret_good = vr_window_holds(&w, 0, 1024) &&
		    decode_super(log, ext, w.bytes);
	vr_window_free(&w);
	return 0;
}

int
vr_ext_log_open(struct vr_source *journal, const struct vr_ext *ext,
		bool must_be_clean, struct vr_ext_log *ret)
{
	struct vr_ext_log log = {.journal = vr_source_ref(journal)};
	bool good = false;
	int r = read_super(&log, ext, &good);

	if (r == 0 && good)
		r = scan(&log);
	if (r < 0) {
		vr_ext_log_free(&log);
		return r;
	}
	if (!good) {
		log.blocks = 0;
		log.broken = !must_be_clean;
	}
	sort_copies(&log.copies);
	sort_revokes(&log.revokes);
	*ret = log;
	return 0;
}

void
vr_ext_log_free(struct vr_ext_log *log)
{
	vr_source_free(log->journal);
	free(log->copies.items);
	free(log->revokes.items);
	free(log->stale.items);
	*log = (struct vr_ext_log){0};
}

/* --- copies --------------------------------------------------------------- */

static bool
copy_agrees(const struct vr_ext_log *log, const struct vr_ext_log_copy *copy,
	    const uint8_t *bytes)
{
	uint8_t sequence[4];
	uint32_t crc;

	if (!has_checksums(log))
		return true;
	vr_store_be32(sequence, copy->sequence);
	crc = vr_crc32c(vr_crc32c(log->seed, sequence, 4), bytes,
			log->block_bytes);
	if (log->features & FEATURE_CSUM_3)
		return crc == copy->checksum;
	return (crc & 0xFFFF) == copy->checksum;
}

/* The checksum is of the block as it was, before its magic was escaped. */
static int
read_copy(const struct vr_ext_log *log, const struct vr_ext_log_copy *copy,
	  uint8_t *to, bool *ret_good)
{
	struct vr_window w;
	const uint8_t *bytes;
	int r = vr_window_read(&w, log->journal, copy->at, log->block_bytes);

	*ret_good = false;
	if (r < 0)
		return r;
	bytes = vr_window_bytes(&w, 0, log->block_bytes);
	if (bytes) {
		*ret_good = copy_agrees(log, copy, bytes);
		memcpy(to, bytes, log->block_bytes);
		if (copy->escaped)
			vr_store_be32(to, MAGIC);
	}
	if (bytes && !*ret_good)
		*ret_good = copy->escaped && copy_agrees(log, copy, to);
	vr_window_free(&w);
	return 0;
}

int
vr_ext_log_find(const struct vr_ext_log *log, uint64_t block, uint8_t *to,
		bool *ret_found)
{
	size_t low = 0, high = log->copies.count;
	int r = 0;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (log->copies.items[middle].block < block)
			low = middle + 1;
		else
			high = middle;
	}
	for (; r == 0 && !*ret_found && low < log->copies.count &&
	       log->copies.items[low].block == block;
	     low++)
		if (!is_revoked(&log->revokes, &log->copies.items[low]))
			r = read_copy(log, &log->copies.items[low], to,
				      ret_found);
	return r;
}

bool
vr_ext_log_is_stale(const struct vr_ext_log *log, uint64_t first,
		    uint64_t count)
{
	size_t low = 0, high = log->stale.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (log->stale.items[middle] < first)
			low = middle + 1;
		else
			high = middle;
	}
	return low < log->stale.count && log->stale.items[low] - first < count;
}

/* --- replay --------------------------------------------------------------- */

struct patches {
	struct vr_overlay_patch *items;
	size_t count, room;
	uint64_t bytes;
};

static int
add_patch(struct vr_ext_log *log, const struct vr_ext_log_copy *copy,
	  struct patches *to)
{
	vr_cleanup(vr_free_p) uint8_t *bytes = malloc(log->block_bytes);
	struct vr_overlay_patch patch = {
		.off = copy->block * log->block_bytes,
		.length = log->block_bytes,
	};
	bool good;
	int r;

	if (!bytes)
		return vr_fail_memory();
	r = read_copy(log, copy, bytes, &good);
	if (r < 0)
		return r;
	if (!good)
		return VR_PUSH(&log->stale, copy->block);
	patch.bytes = bytes;
	to->bytes += log->block_bytes;
	if (to->bytes > REPLAY_MOST) {
		log->broken = true;
		return 0;
	}
	r = VR_PUSH(to, patch);
	if (r == 0)
		bytes = NULL;
	return r;
}

/* Of each block the latest copy. */
static int
choose_copies(struct vr_ext_log *log, struct chain *c, uint64_t volume_size,
	      struct patches *to)
{
	int r = 0;

	sort_copies(&c->copies);
	sort_revokes(&c->revokes);
	for (size_t i = 0; r == 0 && i < c->copies.count; i++) {
		const struct vr_ext_log_copy *copy = &c->copies.items[i];

		if (i > 0 && copy[-1].block == copy->block)
			continue;
		if (is_revoked(&c->revokes, copy) ||
		    copy->block >= volume_size / log->block_bytes)
			continue;
		r = add_patch(log, copy, to);
	}
	return r;
}

int
vr_ext_log_replay(struct vr_ext_log *log, struct vr_source *volume,
		  struct vr_source **ret)
{
	struct chain c = {0};
	struct patches patches = {0};
	int r = 0;

	if (log->blocks && log->start) {
		/* Fast commits lie behind the ring, and are not read. */
		log->broken |= (log->features & FEATURE_FAST_COMMIT) != 0;
		r = follow_chain(log, &c);
		if (r == 0)
			r = choose_copies(log, &c, volume->size, &patches);
	}
	if (r == 0)
		r = vr_overlay_open(volume, patches.items, patches.count, ret);
	for (size_t i = 0; i < patches.count; i++)
		free((void *)(uintptr_t)patches.items[i].bytes);
	free(patches.items);
	free(c.copies.items);
	free(c.pending.items);
	free(c.revokes.items);
	return r;
}
