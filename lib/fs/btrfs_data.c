/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_data.h"

#include <pthread.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "fs/btrfs_inode.h"

#define UNIT	   ((uint64_t)256 << 10) /* judged at once */
#define SECTORS	   64			 /* of a unit, at most */
#define SUM_MOST   32
#define SUM_OWNER  (UINT64_MAX - 9)
#define UNITS_KEPT ((size_t)1 << 16)

/* Of a sector; better ones are less. */
enum rank { SURE, DOUBTED, LOST };

struct sector {
	uint8_t rank, copy;
};

/* What was found out once of a unit need not be read again. */
struct unit {
	uint64_t number; /* plus 1; 0: empty */
	struct sector sectors[SECTORS];
};

struct data {
	struct vr_source source, *volume;
	const struct vr_btrfs_forest *forest;
	uint32_t sector_bytes;
	pthread_mutex_t lock;
	struct unit *kept;
};

/* --- checksums ------------------------------------------------------------ */

struct sums {
	uint64_t start;
	uint32_t sector_bytes;
	unsigned bytes;
	struct {
		uint8_t sum[SUM_MOST];
		bool there, doubted;
	} sectors[SECTORS];
};

/* An item has the sums of sectors in a row, from key.offset on. */
static int
take_sums(void *data, const struct vr_btrfs_item *item)
{
	struct sums *sums = data;
	uint64_t count = item->bytes ? item->n / sums->bytes : 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t at, index;

		if (!vr_add(item->key.offset, i * sums->sector_bytes, &at) ||
		    at < sums->start)
			continue;
		index = (at - sums->start) / sums->sector_bytes;
		if (index >= UNIT / sums->sector_bytes)
			break;
		memcpy(sums->sectors[index].sum, item->bytes + i * sums->bytes,
		       sums->bytes);
		sums->sectors[index].there = true;
		sums->sectors[index].doubted = item->doubted;
	}
	return 0;
}

/* No item is longer than a node, so none that reaches here begins before. */
static int
read_sums(const struct data *d, uint64_t start, struct sums *ret)
{
	const struct vr_btrfs_space *space = &d->forest->space;
	uint64_t before;
	struct vr_btrfs_key first = {.id = SUM_OWNER,
				     .type = VR_BTRFS_EXTENT_CSUM};
	struct vr_btrfs_key last = {SUM_OWNER, start + UNIT - 1,
				    VR_BTRFS_EXTENT_CSUM};

	*ret = (struct sums){
		.start = start,
		.sector_bytes = d->sector_bytes,
		.bytes = vr_btrfs_sum_bytes(&space->fs),
	};
	before = (uint64_t)space->fs.node_bytes / ret->bytes * d->sector_bytes;
	first.offset = start - vr_min(start, before);
	return vr_btrfs_tree_each(space, &d->forest->sums, &first, &last,
				  take_sums, ret);
}

/* --- judging -------------------------------------------------------------- */

/* One copy of a part of a unit, all in one chunk. */
struct part {
	struct vr_window w;
	bool suspect[SECTORS];
};

static int
note_suspects(const struct data *d, uint64_t at, struct part *part)
{
	struct vr_extent extent;

	for (uint64_t done = 0; done < part->w.length; done += extent.length) {
		int r = vr_source_next(d->volume, at + done, &extent);
		uint64_t end;

		if (r < 0)
			return r;
		extent.length = vr_min(extent.length, part->w.length - done);
		end = vr_div_up(done + extent.length, d->sector_bytes);
		for (uint64_t i = done / d->sector_bytes;
		     i < end && extent.flags & VR_EXTENT_SUSPECT; i++)
			part->suspect[i] = true;
	}
	return 0;
}

static enum rank
rank_of(const struct data *d, const struct vr_btrfs_chunk *chunk,
	const struct sums *sums, size_t sector, struct part *part, size_t i)
{
	const struct vr_btrfs *fs = &d->forest->space.fs;
	const uint8_t *bytes =
		vr_window_bytes(&part->w, i * d->sector_bytes, d->sector_bytes);
	enum vr_btrfs_verdict verdict = VR_BTRFS_NOT_RECKONED;

	if (!bytes)
		return LOST;
	if (sums->sectors[sector].there)
		verdict = vr_btrfs_check(fs, sums->sectors[sector].sum, bytes,
					 d->sector_bytes);
	if (verdict == VR_BTRFS_GOOD)
		return SURE;
	if (verdict == VR_BTRFS_BAD)
		return sums->sectors[sector].doubted ? DOUBTED : LOST;
	return part->suspect[i] || chunk->doubted ? DOUBTED : SURE;
}

static int
judge_copy(const struct data *d, const struct vr_btrfs_chunk *chunk,
	   unsigned copy, uint64_t at, size_t n, const struct sums *sums,
	   struct sector *sectors)
{
	uint64_t place = chunk->at[copy] + (at - chunk->logical);
	size_t first = (size_t)((at - sums->start) / d->sector_bytes);
	struct part part = {.suspect = {false}};
	int r = vr_window_read(&part.w, d->volume, place, n);

	if (r < 0)
		return r;
	r = note_suspects(d, place, &part);
	for (size_t i = 0; r == 0 && i < n / d->sector_bytes; i++) {
		enum rank rank = rank_of(d, chunk, sums, first + i, &part, i);

		if (rank < sectors[first + i].rank)
			sectors[first + i] =
				(struct sector){(uint8_t)rank, (uint8_t)copy};
	}
	vr_window_free(&part.w);
	return r;
}

static bool
all_sure(const struct sector *sectors, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sectors[i].rank != SURE)
			return false;
	return true;
}

/* n bytes of one chunk; a second copy is read where the first is not good. */
static int
judge_part(const struct data *d, const struct vr_btrfs_chunk *chunk,
	   uint64_t at, size_t n, const struct sums *sums,
	   struct sector *sectors)
{
	size_t first = (size_t)((at - sums->start) / d->sector_bytes);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < chunk->copies; i++) {
		r = judge_copy(d, chunk, i, at, n, sums, sectors);
		if (all_sure(sectors + first, n / d->sector_bytes))
			break;
	}
	return r;
}

static int
judge_unit(const struct data *d, uint64_t start, struct unit *ret)
{
	uint64_t end = vr_min(start + UNIT, d->source.size), n;
	struct sums sums;
	int r = read_sums(d, start, &sums);

	for (size_t i = 0; i < SECTORS; i++)
		ret->sectors[i] = (struct sector){.rank = LOST};
	for (uint64_t at = start; r == 0 && at < end; at += n) {
		const struct vr_btrfs_chunk *chunk =
			vr_btrfs_chunks_find(&d->forest->space.chunks, at);

		n = d->sector_bytes;
		if (!chunk || chunk->logical % d->sector_bytes)
			continue;
		n = vr_round_down(vr_min(end, chunk->logical + chunk->length) -
					  at,
				  d->sector_bytes);
		if (n)
			r = judge_part(d, chunk, at, (size_t)n, &sums,
				       ret->sectors);
		n = vr_max(n, d->sector_bytes);
	}
	return r;
}

static int
unit_at(struct data *d, uint64_t off, struct unit *ret)
{
	uint64_t number = off / UNIT;
	struct unit *kept = &d->kept[number % UNITS_KEPT];
	bool known;
	int r;

	pthread_mutex_lock(&d->lock);
	known = kept->number == number + 1;
	if (known)
		*ret = *kept;
	pthread_mutex_unlock(&d->lock);
	if (known)
		return 0;
	r = judge_unit(d, number * UNIT, ret);
	if (r < 0)
		return r;
	ret->number = number + 1;
	pthread_mutex_lock(&d->lock);
	*kept = *ret;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

/* --- the source ----------------------------------------------------------- */

static int
read_piece(const struct data *d, uint8_t *to, size_t n, uint64_t off,
	   unsigned copy)
{
	const struct vr_btrfs_chunk *chunk =
		vr_btrfs_chunks_find(&d->forest->space.chunks, off);
	uint64_t into = chunk ? off - chunk->logical : 0;

	if (!chunk || copy >= chunk->copies ||
	    !vr_inside(into, n, chunk->length) ||
	    !vr_inside(chunk->at[copy] + into, n, d->volume->size)) {
		memset(to, 0, n);
		return 0;
	}
	return vr_source_read_at(d->volume, to, n, chunk->at[copy] + into);
}

/* From off to the end of its sectors that read alike. */
static size_t
alike(const struct data *d, const struct unit *unit, uint64_t off)
{
	size_t first = (size_t)(off % UNIT / d->sector_bytes), i = first;

	while (i < UNIT / d->sector_bytes &&
	       unit->sectors[i].rank == unit->sectors[first].rank &&
	       unit->sectors[i].copy == unit->sectors[first].copy)
		i++;
	return (size_t)(i * d->sector_bytes - off % UNIT);
}

/* A run of sectors may lie in two chunks: sector by sector then. */
static size_t
in_chunk(const struct data *d, uint64_t off, size_t n)
{
	const struct vr_btrfs_chunk *chunk =
		vr_btrfs_chunks_find(&d->forest->space.chunks, off);

	if (!chunk)
		return (size_t)vr_min(n,
				      d->sector_bytes - off % d->sector_bytes);
	return (size_t)vr_min(n, chunk->logical + chunk->length - off);
}

static int
data_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct data *d = (struct data *)s;
	uint8_t *to = buf;

	while (n > 0) {
		struct unit unit;
		size_t here;
		int r = unit_at(d, off, &unit);

		if (r < 0)
			return r;
		here = in_chunk(d, off, vr_min(n, alike(d, &unit, off)));
		r = read_piece(d, to, here, off,
			       unit.sectors[off % UNIT / d->sector_bytes].copy);
		if (r < 0)
			return r;
		to += here;
		n -= here;
		off += here;
	}
	return 0;
}

static int
data_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	static const unsigned flags[] = {
		[DOUBTED] = VR_EXTENT_SUSPECT,
		[LOST] = VR_EXTENT_DAMAGED,
	};
	struct data *d = (struct data *)s;
	struct unit unit;
	int r = unit_at(d, off, &unit);

	if (r < 0)
		return r;
	*ret = (struct vr_extent){
		.length = vr_min(alike(d, &unit, off), s->size - off),
		.flags = flags[unit.sectors[off % UNIT / d->sector_bytes].rank],
	};
	return 0;
}

static void
data_close(struct vr_source *s)
{
	struct data *d = (struct data *)s;

	vr_source_free(d->volume);
	pthread_mutex_destroy(&d->lock);
	free(d->kept);
	free(d);
}

static const struct vr_source_ops data_ops = {
	.name = "btrfs-data",
	.read_at = data_read_at,
	.next = data_next,
	.close = data_close,
};

static uint64_t
end_of(const struct vr_btrfs_chunks *chunks)
{
	const struct vr_btrfs_chunk *last =
		chunks->count ? &chunks->items[chunks->count - 1] : NULL;

	return last ? last->logical + last->length : 0;
}

int
vr_btrfs_data_open(struct vr_source *volume,
		   const struct vr_btrfs_forest *forest, struct vr_source **ret)
{
	struct data *d = calloc(1, sizeof(*d));

	if (!d)
		return vr_fail_memory();
	vr_source_init(&d->source, &data_ops, end_of(&forest->space.chunks));
	pthread_mutex_init(&d->lock, NULL);
	d->volume = vr_source_ref(volume);
	d->forest = forest;
	d->sector_bytes = forest->space.fs.sector_bytes;
	d->kept = calloc(UNITS_KEPT, sizeof(*d->kept));
	if (!d->kept) {
		data_close(&d->source);
		return vr_fail_memory();
	}
	*ret = &d->source;
	return 0;
}
