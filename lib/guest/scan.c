/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Structures begin with a sector, so a magic lies at one known place of a sector,
 * and one load a sector tells whether it may be there. Stretches are cut into
 * chunks that the threads take in turn; each chunk keeps its own hits, so that
 * the answer does not depend on who took it.
 */
#include "guest/scan.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"

#define CHUNK	     (UINT64_C(1) << 20)
#define THREADS_MOST 64
#define MAGICS_MOST  256

/* A magic by its place in its sector; word and mask are its first bytes. */
struct want {
	uint32_t word, mask;
	unsigned within, sectors_before, length;
	const char *bytes;
	const struct vr_prober *prober;
	const struct vr_table_row *table;
};

struct scan {
	struct vr_source *disk;
	const struct vr_ranges *stretches;
	const struct vr_scan_how *how;
	struct want wants[MAGICS_MOST];
	size_t want_count;

	pthread_mutex_t lock;
	size_t stretch; /* where the next chunk comes from */
	uint64_t into;
	uint64_t done, total;
	struct vr_hits *hits;
	int code;
};

/* --- what to look for ----------------------------------------------------- */

static void
want_magics(struct scan *s, const struct vr_magic *magics,
	    const struct vr_prober *prober, const struct vr_table_row *table)
{
	for (; magics && magics->length; magics++) {
		uint8_t first[4] = {0}, mask[4] = {0};
		unsigned within = magics->at % VR_SECTOR;
		unsigned n = magics->length < 4 ? magics->length : 4;

		/* A load of four bytes must stay in the sector. */
		if (s->want_count == MAGICS_MOST || within > VR_SECTOR - 4 ||
		    within + magics->length > VR_SECTOR)
			continue;
		memcpy(first, magics->bytes, n);
		memset(mask, 0xFF, n);
		s->wants[s->want_count++] = (struct want){
			.word = vr_load_le32(first),
			.mask = vr_load_le32(mask),
			.within = within,
			.sectors_before = magics->at / VR_SECTOR,
			.length = magics->length,
			.bytes = magics->bytes,
			.prober = prober,
			.table = table,
		};
	}
}

static void
want_all(struct scan *s)
{
	for (size_t i = 0; vr_prober_row(i); i++)
		want_magics(s, vr_prober_row(i)->magics, vr_prober_row(i),
			    NULL);
	for (size_t i = 0; vr_table_row(i); i++)
		want_magics(s, vr_table_row(i)->magics, NULL, vr_table_row(i));
}

/* --- a chunk -------------------------------------------------------------- */

struct chunk {
	uint64_t off, length;
	uint8_t *bytes;
	struct vr_hits hits;
};

static int
hit(struct chunk *c, const struct want *w, uint64_t sector_off)
{
	uint64_t before = (uint64_t)w->sectors_before * VR_SECTOR;

	if (sector_off < before || c->hits.count >= VR_HITS_MOST)
		return 0;
	return VR_PUSH(&c->hits, {sector_off - before, w->prober, w->table});
}

static int
look_at_sector(const struct scan *s, struct chunk *c, const uint8_t *sector,
	       uint64_t off)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->want_count; i++) {
		const struct want *w = &s->wants[i];

		if ((vr_load_le32(sector + w->within) & w->mask) != w->word)
			continue;
		if (memcmp(sector + w->within, w->bytes, w->length) == 0)
			r = hit(c, w, off);
	}
	return r;
}

static int
look_at_bytes(const struct scan *s, struct chunk *c, uint64_t off, uint64_t n)
{
	int r = vr_source_read_at(s->disk, c->bytes, (size_t)n, off);

	/* Bad sectors hold nothing to find; what is beside them does. */
	if (r == VR_E_IO && n > VR_SECTOR) {
		r = 0;
		for (uint64_t i = 0; r == 0 && i < n; i += VR_SECTOR)
			r = look_at_bytes(s, c, off + i,
					  vr_min(VR_SECTOR, n - i));
		return r;
	}
	if (r == VR_E_IO)
		return 0;
	for (uint64_t i = 0; r == 0 && i + VR_SECTOR <= n; i += VR_SECTOR)
		r = look_at_sector(s, c, c->bytes + i, off + i);
	return r;
}

static int
look_at_chunk(const struct scan *s, struct chunk *c)
{
	uint64_t end = c->off + c->length;
	struct vr_extent extent;
	int r = 0;

	for (uint64_t off = c->off; r == 0 && off < end; off += extent.length) {
		r = vr_source_next(s->disk, off, &extent);
		if (r < 0)
			return r;
		extent.length = vr_min(extent.length, end - off);
		if (!(extent.flags &
		      (VR_EXTENT_HOLE | VR_EXTENT_ZERO | VR_EXTENT_DAMAGED)))
			r = look_at_bytes(s, c, off, extent.length);
	}
	return r;
}

/* --- threads -------------------------------------------------------------- */

/* The next chunk; false when there is none, or it is over. */
static bool
take_chunk(struct scan *s, struct chunk *c)
{
	bool taken = false;

	pthread_mutex_lock(&s->lock);
	if (s->code == 0 && s->stretch < s->stretches->count) {
		uint64_t off = s->stretches->items[s->stretch].off;
		uint64_t length = s->stretches->items[s->stretch].length;

		c->off = off + s->into;
		c->length = vr_min(CHUNK, length - s->into);
		s->into += c->length;
		if (s->into == length) {
			s->stretch++;
			s->into = 0;
		}
		taken = true;
	}
	pthread_mutex_unlock(&s->lock);
	return taken;
}

static int
tell(struct scan *s, uint64_t n)
{
	s->done += n;
	if (s->done / CHUNK % 64 == 0 && s->how->progress &&
	    s->how->progress(s->how->progress_data, "looking for volumes, MiB",
			     s->done / CHUNK, s->total / CHUNK))
		return vr_fail(VR_E_CANCELLED, "cancelled");
	return vr_check_cancel();
}

static void
give_back(struct scan *s, struct chunk *c, int code)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; code == 0 && i < c->hits.count; i++) {
		if (s->hits->count >= VR_HITS_MOST) {
			s->hits->full = true;
			break;
		}
		code = VR_PUSH(s->hits, c->hits.items[i]);
	}
	c->hits.count = 0;
	if (code == 0)
		code = tell(s, c->length);
	if (code && s->code == 0)
		s->code = code;
	pthread_mutex_unlock(&s->lock);
}

static void *
work(void *data)
{
	struct scan *s = data;
	struct chunk c = {.bytes = malloc(CHUNK)};

	if (!c.bytes)
		give_back(s, &c, VR_E_MEMORY);
	while (c.bytes && take_chunk(s, &c))
		give_back(s, &c, look_at_chunk(s, &c));
	free(c.hits.items);
	free(c.bytes);
	return NULL;
}

/* The sentence is each thread's own: the caller's says what the code means. */
static int
say_again(int code)
{
	switch (code) {
	case 0:
		return 0;
	case VR_E_MEMORY:
		return vr_fail_memory();
	case VR_E_CANCELLED:
		return vr_fail(VR_E_CANCELLED, "cancelled");
	default:
		return vr_fail(code, "the disk cannot be read for the scan");
	}
}

static unsigned
thread_count(const struct vr_scan_how *how)
{
	long online = how->threads ? (long)how->threads
				   : sysconf(_SC_NPROCESSORS_ONLN);

	return online < 1	       ? 1
	       : online > THREADS_MOST ? THREADS_MOST
				       : (unsigned)online;
}

static void
run_threads(struct scan *s)
{
	pthread_t threads[THREADS_MOST];
	unsigned count = thread_count(s->how), started = 0;

	while (started + 1 < count &&
	       pthread_create(&threads[started], NULL, work, s) == 0)
		started++;
	work(s);
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

static int
compare_hits(const void *a, const void *b)
{
	const struct vr_hit *x = a, *y = b;

	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	if (x->prober != y->prober)
		return x->prober < y->prober ? -1 : 1;
	return 0;
}

int
vr_scan_magics(struct vr_source *disk, const struct vr_ranges *stretches,
	       const struct vr_scan_how *how, struct vr_hits *ret)
{
	struct scan s = {
		.disk = disk,
		.stretches = stretches,
		.how = how,
		.hits = ret,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};

	for (size_t i = 0; i < stretches->count; i++)
		s.total += stretches->items[i].length;
	want_all(&s);
	run_threads(&s);
	pthread_mutex_destroy(&s.lock);
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items),
		      compare_hits);
	return say_again(s.code);
}

void
vr_hits_free(struct vr_hits *hits)
{
	free(hits->items);
	*hits = (struct vr_hits){0};
}
