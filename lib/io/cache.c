/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/cache.h"

#include <pthread.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

#define BLOCK ((size_t)16 << 10)
#define LONG  (16 * BLOCK)
#define EMPTY UINT64_MAX
/* Extents remembered: what is below may have to walk tables for each. */
#define EXTENTS 16

struct known {
	uint64_t off;
	struct vr_extent extent; /* of length 0: none yet */
};

/* A block has one slot that it may be in: its number modulo the count. */
struct cache {
	struct vr_source source, *lower;
	pthread_mutex_t lock;
	size_t count;
	uint64_t *numbers; /* of the block in each slot, or EMPTY */
	uint8_t *bytes;
	struct known known[EXTENTS];
	unsigned oldest;
};

/* Fills a slot; false where the lower source would not give the whole block. */
static bool
load(struct cache *c, size_t slot, uint64_t number)
{
	uint64_t off = number * BLOCK;
	size_t n = (size_t)vr_min(BLOCK, c->source.size - off);

	c->numbers[slot] = EMPTY;
	if (vr_source_read_at(c->lower, c->bytes + slot * BLOCK, n, off) < 0)
		return false;
	c->numbers[slot] = number;
	return true;
}

static bool
read_block(struct cache *c, uint8_t *to, size_t n, uint64_t off)
{
	uint64_t number = off / BLOCK;
	size_t slot = (size_t)(number % c->count);
	bool there;

	pthread_mutex_lock(&c->lock);
	there = c->numbers[slot] == number || load(c, slot, number);
	if (there)
		memcpy(to, c->bytes + slot * BLOCK + off % BLOCK, n);
	pthread_mutex_unlock(&c->lock);
	return there;
}

/* A bad sector must not spoil the block around it: then as asked, no more. */
static int
cache_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct cache *c = (struct cache *)s;
	uint8_t *p = buf;

	if (n >= LONG)
		return vr_source_read_at(c->lower, buf, n, off);
	while (n > 0) {
		size_t here = (size_t)vr_min(n, BLOCK - off % BLOCK);

		if (!read_block(c, p, here, off)) {
			int r = vr_source_read_at(c->lower, p, here, off);

			if (r < 0)
				return r;
		}
		p += here;
		n -= here;
		off += here;
	}
	return 0;
}

static bool
is_known(struct cache *c, uint64_t off, struct vr_extent *ret)
{
	bool found = false;

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; !found && i < EXTENTS; i++) {
		const struct known *k = &c->known[i];

		found = off >= k->off && off - k->off < k->extent.length;
		if (found) {
			*ret = k->extent;
			ret->length -= off - k->off;
		}
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

static int
cache_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct cache *c = (struct cache *)s;
	int r;

	if (is_known(c, off, ret))
		return 0;
	r = vr_source_next(c->lower, off, ret);
	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	c->known[c->oldest] = (struct known){off, *ret};
	c->oldest = (c->oldest + 1) % EXTENTS;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int
cache_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	return vr_source_in_file(((struct cache *)s)->lower, off, ret);
}

static void
cache_close(struct vr_source *s)
{
	struct cache *c = (struct cache *)s;

	vr_source_free(c->lower);
	pthread_mutex_destroy(&c->lock);
	free(c->numbers);
	free(c->bytes);
	free(c);
}

static const struct vr_source_ops cache_ops = {
	.name = "cache",
	.read_at = cache_read_at,
	.next = cache_next,
	.in_file = cache_in_file,
	.close = cache_close,
};

int
vr_cache_open(struct vr_source *lower, size_t bytes, struct vr_source **ret)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c)
		return vr_fail_memory();
	vr_source_init(&c->source, &cache_ops, lower->size);
	pthread_mutex_init(&c->lock, NULL);
	c->lower = vr_source_ref(lower);
	c->count = bytes / BLOCK + 1;
	c->numbers = malloc(c->count * sizeof(*c->numbers));
	c->bytes = malloc(c->count * BLOCK);
	if (!c->numbers || !c->bytes) {
		cache_close(&c->source);
		return vr_fail_memory();
	}
	memset(c->numbers, 0xFF, c->count * sizeof(*c->numbers));
	*ret = &c->source;
	return 0;
}
