/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_chunks.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/search.h"
#include "base/vector.h"

#define ITEM_HEAD    48
#define STRIPE_BYTES 32
#define KEY_BYTES    17
#define CHUNKS_MOST  (1u << 20)

enum {
	TYPE_SYSTEM = 0x2,
	TYPE_METADATA = 0x4,
	TYPE_RAID0 = 0x8,
	TYPE_RAID10 = 0x40,
	TYPE_RAID5 = 0x80,
	TYPE_RAID6 = 0x100,
	TYPE_DEALT = TYPE_RAID0 | TYPE_RAID10 | TYPE_RAID5 | TYPE_RAID6,
};

static int
push(struct vr_btrfs_chunks *chunks, const struct vr_btrfs_chunk *chunk)
{
	uint64_t end;

	if (chunk->copies == 0 || chunk->length == 0 ||
	    chunks->count >= CHUNKS_MOST ||
	    !vr_add(chunk->logical, chunk->length, &end) || end > INT64_MAX)
		return 0;
	return VR_PUSH(chunks, *chunk);
}

static void
take_stripe(const struct vr_btrfs *fs, const uint8_t *stripe,
	    struct vr_btrfs_chunk *chunk)
{
	uint64_t at = vr_load_le64(stripe + 8);

	if (vr_load_le64(stripe) == fs->device_id &&
	    chunk->copies < VR_BTRFS_COPIES &&
	    vr_inside(at, chunk->length, fs->device_bytes))
		chunk->at[chunk->copies++] = at;
}

int
vr_btrfs_chunks_take(struct vr_btrfs_chunks *chunks, const struct vr_btrfs *fs,
		     uint64_t logical, const uint8_t *item, size_t n,
		     bool doubted)
{
	struct vr_btrfs_chunk chunk = {.logical = logical, .doubted = doubted};
	unsigned stripes;
	uint64_t type;

	if (n < ITEM_HEAD)
		return 0;
	chunk.length = vr_load_le64(item);
	type = vr_load_le64(item + 24);
	stripes = vr_load_le16(item + 44);
	chunk.has_nodes = type & (TYPE_SYSTEM | TYPE_METADATA);
	if ((type & TYPE_DEALT && stripes > 1) ||
	    n < ITEM_HEAD + (size_t)stripes * STRIPE_BYTES)
		return 0;
	for (unsigned i = 0; i < stripes; i++)
		take_stripe(fs, item + ITEM_HEAD + i * STRIPE_BYTES, &chunk);
	return push(chunks, &chunk);
}

int
vr_btrfs_chunks_take_system(struct vr_btrfs_chunks *chunks,
			    const struct vr_btrfs *fs)
{
	size_t at = 0, n = fs->system_length;
	int r = 0;

	while (r == 0 && n - at >= KEY_BYTES + ITEM_HEAD) {
		const uint8_t *key = fs->system + at;
		const uint8_t *item = key + KEY_BYTES;
		size_t bytes = ITEM_HEAD +
			       (size_t)vr_load_le16(item + 44) * STRIPE_BYTES;

		if (key[8] != VR_BTRFS_CHUNK_ITEM || bytes > n - at - KEY_BYTES)
			break;
		r = vr_btrfs_chunks_take(chunks, fs, vr_load_le64(key + 9),
					 item, bytes, false);
		at += KEY_BYTES + bytes;
	}
	return r;
}

int
vr_btrfs_chunks_add(struct vr_btrfs_chunks *chunks, uint64_t logical,
		    uint64_t length, uint64_t at, bool has_nodes)
{
	struct vr_btrfs_chunk chunk = {
		.logical = logical,
		.length = length,
		.at = {at},
		.copies = 1,
		.has_nodes = has_nodes,
		.doubted = true,
	};

	return push(chunks, &chunk);
}

static int
compare(const void *a, const void *b)
{
	const struct vr_btrfs_chunk *x = a, *y = b;

	if (x->doubted != y->doubted)
		return x->doubted ? 1 : -1;
	if (x->length != y->length)
		return x->length > y->length ? -1 : 1;
	if (x->logical != y->logical)
		return x->logical < y->logical ? -1 : 1;
	return (x->at[0] > y->at[0]) - (x->at[0] < y->at[0]);
}

static int
compare_logical(const void *a, const void *b)
{
	const struct vr_btrfs_chunk *x = a, *y = b;

	if (x->logical != y->logical)
		return x->logical < y->logical ? -1 : 1;
	return compare(a, b);
}

/* What another source of evidence knows of a chunk may be its second copy. */
static void
join(struct vr_btrfs_chunk *to, const struct vr_btrfs_chunk *other)
{
	if (to->logical != other->logical || to->length != other->length ||
	    !to->doubted)
		return;
	for (unsigned i = 0; i < to->copies; i++)
		if (to->at[i] == other->at[0])
			return;
	if (to->copies < VR_BTRFS_COPIES)
		to->at[to->copies++] = other->at[0];
}

/* Does the later one push out the earlier, which begins no later? */
static bool
is_better(const struct vr_btrfs_chunk *later,
	  const struct vr_btrfs_chunk *earlier)
{
	return compare(later, earlier) < 0;
}

void
vr_btrfs_chunks_settle(struct vr_btrfs_chunks *chunks)
{
	size_t kept = 0;

	if (chunks->count)
		qsort(chunks->items, chunks->count, sizeof(*chunks->items),
		      compare_logical);
	for (size_t i = 0; i < chunks->count; i++) {
		struct vr_btrfs_chunk chunk = chunks->items[i];
		struct vr_btrfs_chunk *last = kept ? &chunks->items[kept - 1]
						   : NULL;

		if (!last || chunk.logical - last->logical >= last->length)
			chunks->items[kept++] = chunk;
		else if (is_better(&chunk, last))
			*last = chunk;
		else
			join(last, &chunk);
	}
	chunks->count = kept;
}

const struct vr_btrfs_chunk *
vr_btrfs_chunks_find(const struct vr_btrfs_chunks *chunks, uint64_t logical)
{
	size_t i = VR_FIRST(chunks->count, at,
			    chunks->items[at].logical > logical);
	const struct vr_btrfs_chunk *chunk = i ? &chunks->items[i - 1] : NULL;

	return chunk && logical - chunk->logical < chunk->length ? chunk : NULL;
}

void
vr_btrfs_chunks_free(struct vr_btrfs_chunks *chunks)
{
	free(chunks->items);
	*chunks = (struct vr_btrfs_chunks){0};
}
