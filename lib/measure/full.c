/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Workers take units of the file one by one and note what they see in a byte of
 * flags for each stripe. Flags are only ever set, so the order of the workers
 * does not matter; what the flags mean is decided afterwards, in one thread.
 *
 * Noise takes ten times as long to judge as a glance at it, and goes on for a
 * while where it begins. So behind a piece that is noise by every test some are
 * glanced at, and the last one before an edge is judged again. What a piece gets
 * depends on its place in its unit, never on who looks.
 */
#include "measure/full.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"
#include "measure/block.h"
#include "measure/edge.h"
#include "measure/structure.h"

#define UNIT (UINT64_C(2) << 20)
/* Read at once: what a processor keeps near while it is judged. */
#define STRETCH (UINT64_C(256) << 10)
#define PIECE	(UINT64_C(64) << 10)
/* What is lost around a bad sector. */
#define BLOCK (UINT64_C(4) << 10)
/* Behind a piece of noise; a MiB of it is judged at both its ends. */
#define GLANCES	     15
#define THREADS_MOST 32
#define STRIPES_MOST (UINT64_C(1) << 31)

enum flag { SAW_NOISE = 1, SAW_ORDER = 2, SAW_FAILURE = 4 };

struct pass {
	struct vr_source *source;
	const struct vr_hypothesis *h;
	const struct vr_full_how *how;
	struct vr_map *map;
	struct vr_run run; /* the stripes */
	atomic_uchar *flags;
	atomic_uint_fast64_t next_unit, gap_order, gap_noise, bytes_read;
	atomic_int failure;
	struct vr_full *full;
	/* What could not be read, in any order. */
	pthread_mutex_t lock;
	struct {
		struct lost {
			uint64_t off, n;
		} * items;
		size_t count, room;
	} lost;
};

/* One worker in one unit. */
struct eye {
	struct pass *pass;
	uint8_t *buffer;
	unsigned glances; /* at so many of the next pieces, if they are noise */
};

/* --- looking ---------------------------------------------------------------- */

static void
note(struct pass *p, uint64_t off, uint64_t n, bool in_stripe, enum flag flag)
{
	if (in_stripe)
		atomic_fetch_or_explicit(
			&p->flags[(off - p->run.first) / p->run.stride],
			(unsigned char)flag, memory_order_relaxed);
	else if (flag == SAW_ORDER)
		atomic_fetch_add_explicit(&p->gap_order, n,
					  memory_order_relaxed);
	else if (flag == SAW_NOISE)
		atomic_fetch_add_explicit(&p->gap_noise, n,
					  memory_order_relaxed);
}

/* The piece that begins at off: to the next 64 KiB, the next edge, or stop. */
static uint64_t
piece_end(const struct pass *p, uint64_t off, uint64_t stop, bool *in_stripe,
	  uint64_t *edge)
{
	*in_stripe = vr_run_contains(&p->run, off, edge);
	return vr_min(vr_min(*edge, stop), off - off % PIECE + PIECE);
}

/*
 * A run that broke off a few sectors into a stripe leaves noise that a whole
 * piece hides: the first sector of a stripe is asked by itself.
 */
static bool
begins_with_noise(const struct pass *p, const uint8_t *bytes, uint64_t off)
{
	return (off - p->run.first) % p->run.stride == 0 &&
	       vr_looks_noise(vr_block_looks(bytes, VR_BLOCK_LEAST));
}

static bool
is_noise(struct eye *eye, const uint8_t *piece, size_t n, uint64_t off,
	 bool before_edge)
{
	bool glance = eye->glances > 0 && !before_edge;
	enum vr_looks looks = glance ? vr_block_glance(piece, n)
				     : vr_block_looks(piece, n);
	bool noise = vr_looks_noise(looks) &&
		     !vr_structure_find(piece, n, off, NULL);

	if (!noise)
		eye->glances = 0;
	else if (glance)
		eye->glances--;
	else
		eye->glances = GLANCES;
	return noise;
}

/* Too short a piece says nothing, and then nothing is noted. */
static void
look_at_bytes(struct eye *eye, const uint8_t *bytes, uint64_t off, uint64_t n)
{
	struct pass *p = eye->pass;
	uint64_t stop = off + n, start = off, edge;
	bool in_stripe;

	while (off < stop) {
		uint64_t end = piece_end(p, off, stop, &in_stripe, &edge);
		const uint8_t *piece = bytes + (off - start);
		size_t length = (size_t)(end - off);
		bool noise;

		if (length >= VR_BLOCK_LEAST) {
			noise = is_noise(eye, piece, length, off, end == edge);
			note(p, off, length, in_stripe,
			     noise ? SAW_NOISE : SAW_ORDER);
			if (!noise && in_stripe && p->h &&
			    begins_with_noise(p, piece, off))
				note(p, off, length, true, SAW_NOISE);
		}
		if (end == edge)
			eye->glances = 0;
		off = end;
	}
}

static void
look_at_hole(struct eye *eye, uint64_t off, uint64_t n)
{
	uint64_t stop = off + n, edge;
	bool in_stripe;

	eye->glances = 0;
	while (off < stop) {
		uint64_t end =
			piece_end(eye->pass, off, stop, &in_stripe, &edge);

		note(eye->pass, off, end - off, in_stripe, SAW_ORDER);
		off = end;
	}
}

static void
note_lost(struct pass *p, uint64_t off, uint64_t n)
{
	uint64_t edge;
	int r;

	if (vr_run_contains(&p->run, off, &edge))
		note(p, off, n, true, SAW_FAILURE);
	pthread_mutex_lock(&p->lock);
	r = VR_PUSH(&p->lost, {off, n});
	pthread_mutex_unlock(&p->lock);
	if (r < 0)
		atomic_store(&p->failure, VR_E_MEMORY);
}

static int
read_and_look(struct eye *eye, uint64_t off, uint64_t n)
{
	int r = vr_source_read_at(eye->pass->source, eye->buffer, (size_t)n,
				  off);

	if (r == 0)
		look_at_bytes(eye, eye->buffer, off, n);
	return r;
}

/* Failing storage is read again in smaller pieces: one bad sector costs 4 KiB. */
static void
look_at_failing(struct eye *eye, uint64_t off, uint64_t n, uint64_t step)
{
	uint64_t stop = off + n;

	while (off < stop && vr_check_cancel() == 0) {
		uint64_t end = vr_min(stop, off - off % step + step), edge;

		(void)vr_run_contains(&eye->pass->run, off, &edge);
		end = vr_min(end, edge);
		if (read_and_look(eye, off, end - off) == 0)
			;
		else if (step > BLOCK)
			look_at_failing(eye, off, end - off, BLOCK);
		else
			note_lost(eye->pass, off, end - off);
		off = end;
	}
}

static void
look_at_stretch(struct eye *eye, uint64_t off, uint64_t n)
{
	if (read_and_look(eye, off, n) < 0)
		look_at_failing(eye, off, n, PIECE);
	atomic_fetch_add_explicit(&eye->pass->bytes_read, n,
				  memory_order_relaxed);
}

static void
look_at_unit(struct eye *eye, uint64_t off)
{
	struct vr_source *source = eye->pass->source;
	uint64_t stop = vr_min(off + UNIT, source->size);

	eye->glances = 0;
	while (off < stop) {
		struct vr_extent extent;
		uint64_t n = stop - off;

		if (vr_source_next(source, off, &extent) == 0)
			n = vr_min(n, extent.length);
		else
			extent.flags = 0;
		if (extent.flags & VR_EXTENT_HOLE) {
			look_at_hole(eye, off, n);
		} else {
			n = vr_min(n, off - off % STRETCH + STRETCH - off);
			look_at_stretch(eye, off, n);
		}
		off += n;
	}
}

/* --- workers ----------------------------------------------------------------- */

/* Holes are stepped over as a whole: a thin disk costs what it holds. */
static void
work(struct eye *eye, bool is_caller)
{
	struct pass *p = eye->pass;

	while (atomic_load(&p->failure) == 0) {
		uint64_t unit = atomic_fetch_add(&p->next_unit, 1);

		if (unit >= vr_div_up(p->source->size, UNIT))
			return;
		if (is_caller && p->how->progress &&
		    p->how->progress(p->how->progress_data, "reading all of it",
				     unit * UNIT, p->source->size))
			atomic_store(&p->failure, VR_E_CANCELLED);
		if (vr_check_cancel() < 0)
			atomic_store(&p->failure, VR_E_CANCELLED);
		look_at_unit(eye, unit * UNIT);
	}
}

static void
work_with_buffer(struct pass *p, bool is_caller)
{
	struct eye eye = {.pass = p, .buffer = malloc(STRETCH)};

	if (eye.buffer)
		work(&eye, is_caller);
	else
		atomic_store(&p->failure, VR_E_MEMORY);
	free(eye.buffer);
}

static void *
worker(void *data)
{
	work_with_buffer(data, false);
	return NULL;
}

static unsigned
thread_count(const struct vr_full_how *how)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned wanted = how->threads ? how->threads
				       : (unsigned)(online > 0 ? online : 1);

	return (unsigned)vr_min(wanted, THREADS_MOST);
}

/* A thread that cannot be had is no failure: the others do its work. */
static int
run_workers(struct pass *p)
{
	unsigned wanted = thread_count(p->how) - 1, started = 0;
	pthread_t threads[THREADS_MOST];

	while (started < wanted &&
	       pthread_create(&threads[started], NULL, worker, p) == 0)
		started++;
	work_with_buffer(p, true);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);

	switch (atomic_load(&p->failure)) {
	case 0:
		return 0;
	case VR_E_MEMORY:
		return vr_fail_memory();
	default:
		return vr_fail(VR_E_CANCELLED, "cancelled");
	}
}

/* --- what the flags mean ------------------------------------------------------ */

static int
lay(struct pass *p, enum vr_damage damage, uint64_t off, uint64_t end)
{
	return off < end ? vr_map_add_range(p->map, VR_LAYER_MEASURED, damage,
					    off, end - off)
			 : 0;
}

/* Does the whole range look like noise? What cannot be read might be. */
static bool
may_be_noise(struct pass *p, uint64_t off, uint64_t n)
{
	uint8_t bytes[PIECE];

	if (n < VR_BLOCK_LEAST ||
	    vr_source_read_at(p->source, bytes, (size_t)n, off) < 0)
		return true;
	return vr_block_looks(bytes, (size_t)n) == VR_LOOKS_RANDOM;
}

/*
 * Noise at first is the part that an interrupted run reached, or the guest's: what
 * was measured stands. Order behind it was never encrypted.
 */
static int
lay_mixed(struct pass *p, uint64_t start, uint64_t end)
{
	struct vr_edge edge;
	int r = vr_edge_find(p->source, start, end, &edge);

	if (r < 0)
		return r == VR_E_IO ? 0 : r;
	for (uint64_t off = edge.order_from; r == 0 && off < end;) {
		uint64_t n = vr_min(PIECE - off % PIECE, end - off);

		if (!may_be_noise(p, off, n))
			r = lay(p, VR_INTACT, off, off + n);
		off += n;
	}
	return r;
}

/* Order proves that a byte was left alone; noise proves nothing by itself. */
static int
lay_stripe(struct pass *p, uint64_t index, unsigned flags)
{
	uint64_t start = p->run.first + index * p->run.stride;
	uint64_t end = vr_min(start + p->run.length, p->source->size);

	if (flags & SAW_FAILURE)
		p->full->unreadable++;
	else if (flags == SAW_ORDER)
		p->full->clear++;
	else if (p->h && flags == (SAW_ORDER | SAW_NOISE))
		p->full->mixed++;
	else if (p->h)
		p->full->encrypted++;

	flags &= SAW_ORDER | SAW_NOISE;
	if (flags == SAW_ORDER)
		return lay(p, VR_INTACT, start, end);
	if (!p->h || flags != (SAW_ORDER | SAW_NOISE))
		return 0;
	return lay_mixed(p, start, end);
}

static int
lay_all(struct pass *p)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < p->run.count; i++)
		r = lay_stripe(p, i,
			       atomic_load_explicit(&p->flags[i],
						    memory_order_relaxed));
	return r;
}

static int
by_offset(const void *a, const void *b)
{
	const struct lost *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

/* Above all else, and in one piece where neighbours are lost. */
static int
lay_lost(struct pass *p)
{
	const struct lost *lost = p->lost.items;
	size_t count = p->lost.count, i = 0;
	int r = 0;

	if (count)
		qsort(p->lost.items, count, sizeof(*lost), by_offset);
	while (r == 0 && i < count) {
		uint64_t off = lost[i].off, end = off;

		for (; i < count && lost[i].off == end; i++)
			end += lost[i].n;
		r = lay(p, VR_UNREADABLE, off, end);
	}
	return r;
}

static int
make_run(const struct vr_hypothesis *h, uint64_t size, struct vr_run *ret)
{
	uint64_t first = h ? h->first : 0, chunk = h ? h->chunk : VR_MIB;
	uint64_t period = h ? h->period : VR_MIB, end = size;
	uint64_t count = end > first ? (end - first - 1) / period + 1 : 0;

	if (count == 0 || count > STRIPES_MOST)
		return vr_fail(VR_E_LIMIT,
			       "%llu stripes are too many to look "
			       "at one by one",
			       (unsigned long long)count);
	/* Kept apart even where they touch: each gets a verdict of its own. */
	*ret = (struct vr_run){first, chunk, period, count};
	return 0;
}

int
vr_measure_full(struct vr_source *source, const struct vr_hypothesis *h,
		const struct vr_full_how *how, struct vr_map *map,
		struct vr_full *ret)
{
	struct vr_full full = {.done = true};
	struct pass p = {
		.source = source,
		.h = h,
		.how = how,
		.map = map,
		.full = &full,
	};
	int r;

	r = make_run(h, source->size, &p.run);
	if (r < 0)
		return r;
	p.flags = calloc(p.run.count, sizeof(*p.flags));
	if (!p.flags)
		return vr_fail_memory();
	pthread_mutex_init(&p.lock, NULL);
	r = run_workers(&p);
	if (r == 0)
		r = lay_all(&p);
	if (r == 0)
		r = lay_lost(&p);
	pthread_mutex_destroy(&p.lock);
	free(p.lost.items);
	free(p.flags);
	full.bytes_read = atomic_load(&p.bytes_read);
	full.gap_order = atomic_load(&p.gap_order);
	full.gap_noise = atomic_load(&p.gap_noise);
	if (r == 0)
		*ret = full;
	return r;
}
