/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/entries.h"

#include <pthread.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "io/window.h"

#define ENTRY_BYTES   4u
#define BLOCK_BYTES   4096u
#define BLOCK_ENTRIES (BLOCK_BYTES / ENTRY_BYTES)
/* One MiB of tables, two with what is known of them. */
#define BLOCKS	 256u
#define NO_BLOCK UINT64_MAX

struct block {
	uint64_t number;
	struct vr_entry entries[BLOCK_ENTRIES];
};

/* Block n may stand in slot n % BLOCKS only; the lock is held for copies. */
struct vr_entries {
	struct vr_source *file;
	pthread_mutex_t lock;
	struct block *slots[BLOCKS];
};

int
vr_entries_new(struct vr_source *file, struct vr_entries **ret)
{
	struct vr_entries *e = calloc(1, sizeof(*e));

	if (!e)
		return vr_fail_memory();
	e->file = vr_source_ref(file);
	pthread_mutex_init(&e->lock, NULL);
	*ret = e;
	return 0;
}

void
vr_entries_free(struct vr_entries *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < BLOCKS; i++)
		free(e->slots[i]);
	pthread_mutex_destroy(&e->lock);
	vr_source_free(e->file);
	free(e);
}

static void
doubt_entries(struct block *block, uint64_t start, uint64_t end)
{
	for (uint64_t i = start / ENTRY_BYTES;
	     i < vr_min(vr_div_up(end, ENTRY_BYTES), BLOCK_ENTRIES); i++)
		if (block->entries[i].state == VR_ENTRY_GOOD)
			block->entries[i].state = VR_ENTRY_DOUBTED;
}

static int
mark_doubt(struct vr_entries *e, uint64_t off, uint64_t length,
	   struct block *block)
{
	struct vr_extent extent;

	for (uint64_t at = 0; at < length; at += extent.length) {
		int r = vr_source_next(e->file, off + at, &extent);

		if (r < 0)
			return r;
		extent.length = vr_min(extent.length, length - at);
		if (extent.flags & VR_EXTENT_SUSPECT)
			doubt_entries(block, at, at + extent.length);
	}
	return 0;
}

static int
load(struct vr_entries *e, uint64_t number, struct block *block)
{
	uint64_t off = number * BLOCK_BYTES;
	struct vr_window w;
	int r = vr_window_read(&w, e->file, off, BLOCK_BYTES);

	if (r < 0)
		return r;
	block->number = number;
	for (size_t i = 0; i < BLOCK_ENTRIES; i++) {
		struct vr_entry *entry = &block->entries[i];

		entry->value = vr_window_le32(&w, i * ENTRY_BYTES);
		entry->state = vr_window_trouble(&w) ? VR_ENTRY_LOST
						     : VR_ENTRY_GOOD;
	}
	r = mark_doubt(e, off, w.length, block);
	vr_window_free(&w);
	return r;
}

static bool
copy_cached(struct vr_entries *e, uint64_t number, size_t first, size_t n,
	    struct vr_entry *ret)
{
	struct block *block;
	bool found;

	pthread_mutex_lock(&e->lock);
	block = e->slots[number % BLOCKS];
	found = block && block->number == number;
	if (found)
		memcpy(ret, block->entries + first, n * sizeof(*ret));
	pthread_mutex_unlock(&e->lock);
	return found;
}

/* Whoever loads a block takes the place of what stood in its slot. */
static void
keep(struct vr_entries *e, struct block *block)
{
	struct block **slot = &e->slots[block->number % BLOCKS], *old;

	pthread_mutex_lock(&e->lock);
	old = *slot;
	*slot = block;
	pthread_mutex_unlock(&e->lock);
	free(old);
}

static int
read_from_block(struct vr_entries *e, uint64_t number, size_t first, size_t n,
		struct vr_entry *ret)
{
	struct block *block;
	int r;

	if (copy_cached(e, number, first, n, ret))
		return 0;
	block = malloc(sizeof(*block));
	if (!block)
		return vr_fail_memory();
	r = load(e, number, block);
	if (r < 0) {
		free(block);
		return r;
	}
	memcpy(ret, block->entries + first, n * sizeof(*ret));
	keep(e, block);
	return 0;
}

int
vr_entries_read(struct vr_entries *e, uint64_t off, size_t n,
		struct vr_entry *ret)
{
	int r = 0;

	while (r == 0 && n > 0) {
		size_t first = (size_t)(off % BLOCK_BYTES) / ENTRY_BYTES;
		size_t here = (size_t)vr_min(n, BLOCK_ENTRIES - first);

		r = read_from_block(e, off / BLOCK_BYTES, first, here, ret);
		ret += here;
		n -= here;
		off += here * ENTRY_BYTES;
	}
	return r;
}
