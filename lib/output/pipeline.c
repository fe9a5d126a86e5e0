/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring of slots. The caller's thread hands out blocks in order and takes them
 * back in the same order; the threads work on whatever is waiting. A failure is
 * kept in its slot and told when its turn comes, so that what was taken before
 * it does not depend on who was faster.
 */
#include "output/pipeline.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "io/copy.h"

#define THREADS_MOST 32

enum state { FREE, WAITING, BUSY, DONE };

struct slot {
	struct vr_block block;
	enum state state;
	int code;
	char *sentence; /* of the thread that failed */
};

struct ring {
	struct vr_source *source;
	const struct vr_pipeline_how *how;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	size_t count;
	uint64_t given,
		taken; /* slots so far; the ring holds what is between */
	uint64_t off;  /* of the next block */
	bool over;
	struct slot *slots;
};

static struct slot *
slot_at(struct ring *r, uint64_t number)
{
	return &r->slots[number % r->count];
}

/* --- threads -------------------------------------------------------------- */

static int
fill(struct ring *r, struct vr_block *block)
{
	size_t n = (size_t)block->length;
	int code =
		r->how->zeros_for_unreadable
			? vr_copy_read(r->source, block->bytes, n, block->off)
			: vr_source_read_at(r->source, block->bytes, n,
					    block->off);

	if (code == 0 && r->how->work)
		code = r->how->work(r->how->data, block);
	return code;
}

static struct slot *
next_waiting(struct ring *r)
{
	for (uint64_t i = r->taken; i < r->given; i++)
		if (slot_at(r, i)->state == WAITING)
			return slot_at(r, i);
	return NULL;
}

static void *
work(void *data)
{
	struct ring *r = data;

	pthread_mutex_lock(&r->lock);
	while (!r->over) {
		struct slot *slot = next_waiting(r);

		if (!slot) {
			pthread_cond_wait(&r->work, &r->lock);
			continue;
		}
		slot->state = BUSY;
		pthread_mutex_unlock(&r->lock);
		slot->code = fill(r, &slot->block);
		if (slot->code)
			slot->sentence = strdup(vr_error_sentence());
		pthread_mutex_lock(&r->lock);
		slot->state = DONE;
		pthread_cond_signal(&r->done);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* --- handing out ---------------------------------------------------------- */

/* Bytes of zeros from off on, in whole units of align; 0: none for sure. */
static int
zeros_at(struct ring *r, uint64_t off, uint64_t *ret)
{
	uint64_t end = off, size = r->source->size;
	struct vr_extent extent;

	while (end < size && end - off < VR_ZEROS_MOST) {
		int code = vr_source_next(r->source, end, &extent);

		if (code < 0)
			return code;
		if (!(extent.flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO)))
			break;
		end += extent.length;
	}
	end = vr_min(end, off + VR_ZEROS_MOST);
	*ret = end == size ? size - off
			   : vr_round_down(end - off, r->how->align);
	return 0;
}

static int
give(struct ring *r, struct slot *slot)
{
	uint64_t size = r->source->size, zeros;
	struct vr_block *b = &slot->block;
	int code = zeros_at(r, r->off, &zeros);

	if (code < 0)
		return code;
	b->off = r->off;
	b->zero = zeros > 0;
	b->length = zeros ? zeros
			  : vr_min(VR_BLOCK_BYTES - r->off % VR_BLOCK_BYTES,
				   size - r->off);
	b->made_length = 0;
	slot->code = 0;
	slot->state = zeros ? DONE : WAITING;
	r->off += b->length;
	r->given++;
	return 0;
}

static int
give_all(struct ring *r)
{
	int code = 0;

	pthread_mutex_lock(&r->lock);
	while (code == 0 && r->off < r->source->size &&
	       r->given - r->taken < r->count) {
		/* Extents are asked without the lock: threads may go on. */
		pthread_mutex_unlock(&r->lock);
		code = give(r, slot_at(r, r->given));
		pthread_mutex_lock(&r->lock);
	}
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->lock);
	return code;
}

static struct slot *
await(struct ring *r)
{
	struct slot *slot = slot_at(r, r->taken);

	pthread_mutex_lock(&r->lock);
	while (slot->state != DONE)
		pthread_cond_wait(&r->done, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return slot;
}

static int
say_again(struct slot *slot)
{
	return vr_fail(slot->code, "%s",
		       slot->sentence ? slot->sentence : "no memory");
}

static int
run(struct ring *r)
{
	int code = give_all(r);

	while (code == 0 && r->taken < r->given) {
		struct slot *slot = await(r);

		code = slot->code ? say_again(slot)
				  : r->how->take(r->how->data, &slot->block);
		pthread_mutex_lock(&r->lock);
		slot->state = FREE;
		r->taken++;
		pthread_mutex_unlock(&r->lock);
		if (code == 0)
			code = vr_check_cancel();
		if (code == 0)
			code = give_all(r);
	}
	return code;
}

/* --- the ring ------------------------------------------------------------- */

static unsigned
thread_count(const struct vr_pipeline_how *how)
{
	long online = how->threads ? (long)how->threads
				   : sysconf(_SC_NPROCESSORS_ONLN);

	return online < 1	       ? 1
	       : online > THREADS_MOST ? THREADS_MOST
				       : (unsigned)online;
}

static void
ring_free(struct ring *r)
{
	for (size_t i = 0; r->slots && i < r->count; i++) {
		free(r->slots[i].block.bytes);
		free(r->slots[i].block.made);
		free(r->slots[i].sentence);
	}
	free(r->slots);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->done);
}

static int
ring_make(struct ring *r, unsigned threads)
{
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	pthread_cond_init(&r->done, NULL);
	r->count = 2 * (size_t)threads + 4;
	r->slots = calloc(r->count, sizeof(*r->slots));
	for (size_t i = 0; r->slots && i < r->count; i++) {
		struct vr_block *b = &r->slots[i].block;

		b->bytes = malloc(VR_BLOCK_BYTES);
		b->made = malloc(r->how->made_room + 1);
		if (!b->bytes || !b->made)
			return vr_fail_memory();
	}
	return r->slots ? 0 : vr_fail_memory();
}

int
vr_pipeline_run(struct vr_source *source, uint64_t from,
		const struct vr_pipeline_how *how)
{
	struct ring r = {.source = source, .how = how, .off = from};
	unsigned count = thread_count(how), started = 0;
	pthread_t threads[THREADS_MOST];
	int code = ring_make(&r, count);

	while (code == 0 && started < count &&
	       pthread_create(&threads[started], NULL, work, &r) == 0)
		started++;
	if (code == 0 && started == 0)
		code = vr_fail(VR_E_MEMORY, "no thread can be started");
	if (code == 0)
		code = run(&r);
	pthread_mutex_lock(&r.lock);
	r.over = true;
	pthread_cond_broadcast(&r.work);
	pthread_mutex_unlock(&r.lock);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	ring_free(&r);
	return code;
}
