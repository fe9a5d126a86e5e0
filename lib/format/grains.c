/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/grains.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "format/entries.h"
#include "format/packed.h"

/* Entries that are looked at together. */
#define CHUNK 512u
/*
 * How far a span is followed: an answer takes no longer than that. A table that
 * is missing as a whole costs much less than one that has to be read.
 */
#define EFFORT_MOST  4096u
#define CHUNK_EFFORT 512u
/* Inflated grains that are kept, for reads in small pieces. */
#define SLOTS 16u

struct slot {
	uint64_t off;	/* in the file */
	uint8_t *bytes; /* NULL: empty */
};

struct grains {
	struct vr_source source, *file, *parent;
	struct vr_grain_layout layout;
	uint64_t tables;
	struct vr_entries *entries;
	struct vr_grain_index *index;

	pthread_mutex_t lock; /* of the slots */
	struct slot slots[SLOTS];
	unsigned oldest;
};

/* What is known of one grain. */
struct place {
	enum vr_grain_kind kind;
	uint64_t file_off;
	bool doubted, assumed;
};

/* Grains from first on that one table tells of; of uniform ones only the first. */
struct chunk {
	uint64_t first;
	size_t count;
	bool uniform;
	struct place places[CHUNK];
};

/* --- the layout ------------------------------------------------------------ */

uint64_t
vr_grain_layout_tables(const struct vr_grain_layout *layout)
{
	uint64_t grains = vr_div_up(layout->capacity, layout->grain_bytes);

	return vr_div_up(grains, layout->table_entries);
}

static bool
is_power_of_two(uint64_t n)
{
	return n && (n & (n - 1)) == 0;
}

int
vr_grain_layout_check(const struct vr_grain_layout *layout)
{
	uint64_t most = layout->packed ? VR_PACKED_GRAIN_MOST : VR_GRAIN_MOST;

	if (layout->grain_bytes < VR_SECTOR ||
	    !is_power_of_two(layout->grain_bytes))
		return vr_fail(VR_E_FORMAT,
			       "its header tells of grains of %" PRIu64
			       " bytes, which is no power of two",
			       layout->grain_bytes);
	if (layout->grain_bytes > most)
		return vr_fail(VR_E_LIMIT,
			       "its header tells of grains of %" PRIu64
			       " bytes, more than any writer makes",
			       layout->grain_bytes);
	if (layout->table_entries == 0 || layout->table_entries > 65536)
		return vr_fail(VR_E_FORMAT,
			       "its header tells of tables of %" PRIu64
			       " entries",
			       layout->table_entries);
	if (layout->capacity == 0 || layout->capacity > INT64_MAX)
		return vr_fail(VR_E_FORMAT,
			       "its header tells of an impossible capacity");
	if (vr_grain_layout_tables(layout) > VR_DIRECTORY_MOST)
		return vr_fail(VR_E_LIMIT,
			       "its header tells of %" PRIu64
			       " tables, more than any disk has",
			       vr_grain_layout_tables(layout));
	return 0;
}

/* --- from entries to places ------------------------------------------------- */

/*
 * Could a grain or table stand there? Where there is doubt, ciphertext must not
 * pass for an entry: writers lay grains on whole grains from the first one on.
 */
static bool
is_place(const struct grains *g, uint32_t sector, bool strict)
{
	uint64_t off = (uint64_t)sector * VR_SECTOR;
	uint64_t start = g->layout.data_start;

	if (off >= g->file->size || off < vr_max(start, VR_SECTOR))
		return false;
	return !strict || g->layout.packed ||
	       (off - start) % g->layout.grain_bytes == 0;
}

static bool
is_usable(const struct grains *g, const struct vr_entry *e)
{
	bool doubt = e->state == VR_ENTRY_DOUBTED;

	if (e->state == VR_ENTRY_LOST)
		return false;
	return e->value == 0 || (e->value == 1 && g->layout.zero_entries) ||
	       is_place(g, e->value, doubt || g->layout.assumed);
}

static struct place
place_of_value(const struct grains *g, uint32_t value)
{
	struct place p = {.assumed = g->layout.assumed};

	if (value == 0)
		p.kind = g->parent ? VR_GRAIN_PARENT : VR_GRAIN_EMPTY;
	else if (value == 1 && g->layout.zero_entries)
		p.kind = VR_GRAIN_ZERO;
	else
		p.kind = g->layout.packed ? VR_GRAIN_PACKED : VR_GRAIN_STORED;
	if (p.kind == VR_GRAIN_STORED || p.kind == VR_GRAIN_PACKED)
		p.file_off = (uint64_t)value * VR_SECTOR;
	return p;
}

/* Grains that other means found bear their own place: no doubt about those. */
static struct place
place_of_index(const struct grains *g, uint64_t grain)
{
	uint64_t off = 0;

	switch (vr_grain_index_get(g->index, grain, &off)) {
	case VR_KNOWN_STORED:
		return (struct place){VR_GRAIN_PACKED, off, false, false};
	case VR_KNOWN_EMPTY:
		return (struct place){g->parent ? VR_GRAIN_PARENT
						: VR_GRAIN_EMPTY,
				      0, false, true};
	case VR_KNOWN_NOTHING:
		break;
	}
	return (struct place){.kind = VR_GRAIN_LOST};
}

/* --- tables ----------------------------------------------------------------- */

enum table_kind { TABLE_LOST, TABLE_NONE, TABLE_AT };

struct table {
	enum table_kind kind;
	uint64_t off;
	bool doubted, assumed;
};

static bool
is_table_place(const struct grains *g, uint64_t off)
{
	uint64_t bytes = g->layout.table_entries * 4;

	return off >= VR_SECTOR && vr_inside(off, bytes, g->file->size);
}

static int
find_table(struct grains *g, unsigned d, uint64_t index, struct table *ret)
{
	const struct vr_grain_layout *l = &g->layout;
	uint64_t ruled = l->table[d] ? l->table[d] + index * l->table_stride
				     : 0;
	struct vr_entry e;
	uint64_t off;
	int r;

	*ret = (struct table){.kind = TABLE_LOST};
	if (l->directory[d] == VR_NO_DIRECTORY)
		return 0;
	r = vr_entries_read(g->entries, l->directory[d] + index * 4, 1, &e);
	if (r < 0)
		return r;
	off = (uint64_t)e.value * VR_SECTOR;
	ret->doubted = e.state == VR_ENTRY_DOUBTED;
	if (e.state == VR_ENTRY_GOOD && e.value == 0)
		ret->kind = TABLE_NONE;
	else if (e.state == VR_ENTRY_GOOD && is_table_place(g, off))
		*ret = (struct table){TABLE_AT, off, false, false};
	else if (e.state != VR_ENTRY_GOOD && ruled && is_table_place(g, ruled))
		*ret = (struct table){TABLE_AT, ruled, false,
				      e.state == VR_ENTRY_LOST || off != ruled};
	else if (e.state == VR_ENTRY_DOUBTED && e.value == 0)
		ret->kind = TABLE_NONE;
	else if (e.state == VR_ENTRY_DOUBTED && is_table_place(g, off))
		*ret = (struct table){TABLE_AT, off, true, false};
	return 0;
}

/* What one directory's table says of n grains from its entry at on. */
static int
read_table(struct grains *g, const struct table *table, uint64_t at, size_t n,
	   struct vr_entry *ret)
{
	int r = 0;

	if (table->kind == TABLE_AT)
		r = vr_entries_read(g->entries, table->off + at * 4, n, ret);
	else
		for (size_t i = 0; i < n; i++)
			ret[i] = (struct vr_entry){
				.state = table->kind == TABLE_LOST
						 ? VR_ENTRY_LOST
						 : VR_ENTRY_GOOD,
			};
	for (size_t i = 0; r == 0 && table->doubted && i < n; i++)
		if (ret[i].state == VR_ENTRY_GOOD)
			ret[i].state = VR_ENTRY_DOUBTED;
	return r;
}

/* The better of what two tables say of one grain. */
static struct place
choose(const struct grains *g, uint64_t grain, const struct table tables[2],
       const struct vr_entry *first, const struct vr_entry *second)
{
	bool one = is_usable(g, first), two = is_usable(g, second);
	unsigned d = !one || (two && second->state < first->state);
	const struct vr_entry *best = d ? second : first;
	struct place p;

	if (!one && !two)
		return g->index ? place_of_index(g, grain)
				: (struct place){.kind = VR_GRAIN_LOST};
	p = place_of_value(g, best->value);
	p.assumed |= tables[d].assumed;
	p.doubted = best->state != VR_ENTRY_GOOD;
	/* Two sound copies that disagree, or one that makes no sense. */
	if (first->state == VR_ENTRY_GOOD && second->state == VR_ENTRY_GOOD &&
	    first->value != second->value)
		p.doubted = true;
	return p;
}

/* Nothing to be read in either table: all of its grains are alike. */
static bool
is_uniform(const struct grains *g, const struct table tables[2])
{
	return tables[0].kind != TABLE_AT && tables[1].kind != TABLE_AT &&
	       !g->index;
}

static int
load_chunk(struct grains *g, uint64_t grain, struct chunk *ret)
{
	uint64_t index = grain / g->layout.table_entries;
	uint64_t at = grain % g->layout.table_entries;
	struct vr_entry entries[2][CHUNK];
	struct table tables[2];
	size_t n;
	int r = 0;

	for (unsigned d = 0; r == 0 && d < 2; d++)
		r = find_table(g, d, index, &tables[d]);
	if (r < 0)
		return r;
	ret->first = grain;
	ret->uniform = is_uniform(g, tables);
	ret->count = (size_t)(g->layout.table_entries - at);
	if (!ret->uniform)
		ret->count = (size_t)vr_min(CHUNK - at % CHUNK, ret->count);
	n = ret->uniform ? 1 : ret->count;
	for (unsigned d = 0; r == 0 && d < 2; d++)
		r = read_table(g, &tables[d], at, n, entries[d]);
	for (size_t i = 0; r == 0 && i < n; i++)
		ret->places[i] = choose(g, grain + i, tables, &entries[0][i],
					&entries[1][i]);
	return r;
}

/* --- spans --------------------------------------------------------------- */

static bool
goes_on(const struct grains *g, const struct place *a, uint64_t grains,
	const struct place *b)
{
	if (a->kind != b->kind || a->doubted != b->doubted ||
	    a->assumed != b->assumed || a->kind == VR_GRAIN_PACKED)
		return false;
	return a->kind != VR_GRAIN_STORED ||
	       b->file_off == a->file_off + grains * g->layout.grain_bytes;
}

/* How many grains of the chunk go on from start, all of them or fewer. */
static size_t
alike_in(const struct grains *g, const struct chunk *chunk,
	 const struct place *start, uint64_t before)
{
	if (chunk->uniform)
		return goes_on(g, start, before, &chunk->places[0])
			       ? chunk->count
			       : 0;
	for (size_t i = 0; i < chunk->count; i++)
		if (before + i > 0 &&
		    !goes_on(g, start, before + i, &chunk->places[i]))
			return i;
	return chunk->count;
}

/* Counts on from the chunk's first grain, as far as all is alike. */
static int
count_alike(struct grains *g, struct chunk *chunk, uint64_t wanted,
	    uint64_t *ret)
{
	const struct place start = chunk->places[0];
	uint64_t end = g->tables * g->layout.table_entries - chunk->first;
	uint64_t count = 0;
	unsigned effort = 0;

	while (true) {
		size_t n = alike_in(g, chunk, &start, count);
		int r;

		count += n;
		effort += chunk->uniform ? 1 : CHUNK_EFFORT;
		if (n < chunk->count || count >= wanted || count >= end ||
		    effort >= EFFORT_MOST)
			break;
		r = load_chunk(g, chunk->first + chunk->count, chunk);
		if (r < 0)
			return r;
	}
	*ret = vr_max(count, 1);
	return 0;
}

/* A file that ends amid a grain lost the rest of it. */
static void
cut_stored(const struct grains *g, struct vr_grain_span *span)
{
	uint64_t here = g->file->size - vr_min(span->file_off, g->file->size);

	if (span->kind != VR_GRAIN_STORED || here >= span->length)
		return;
	if (here)
		span->length = here;
	else
		span->kind = VR_GRAIN_LOST;
}

/* Followed no further than it takes for n bytes. */
static int
span_at(struct grains *g, uint64_t off, uint64_t n, struct vr_grain_span *ret)
{
	uint64_t grain = off / g->layout.grain_bytes;
	uint64_t into = off % g->layout.grain_bytes, alike;
	struct chunk chunk;
	struct place p;
	int r = load_chunk(g, grain, &chunk);

	if (r < 0)
		return r;
	p = chunk.places[0];
	r = count_alike(g, &chunk, n / g->layout.grain_bytes + 2, &alike);
	if (r < 0)
		return r;
	*ret = (struct vr_grain_span){
		.kind = p.kind,
		.length = vr_min(alike * g->layout.grain_bytes - into,
				 g->source.size - off),
		.file_off = p.file_off,
		.doubted = p.doubted,
		.assumed = p.assumed,
	};
	if (p.kind == VR_GRAIN_STORED)
		ret->file_off += into;
	cut_stored(g, ret);
	return 0;
}

/* --- packed grains ----------------------------------------------------------- */

static size_t
grain_length(const struct grains *g, uint64_t grain)
{
	return (size_t)vr_min(g->layout.grain_bytes,
			      g->source.size - grain * g->layout.grain_bytes);
}

/* A grain that bears another place was reached by a wrong way. */
static int
look_packed(struct grains *g, uint64_t off, struct vr_grain_span *span,
	    struct vr_packed *ret)
{
	uint64_t grain = off / g->layout.grain_bytes;
	int r = vr_packed_look(g->file, span->file_off, g->layout.grain_bytes,
			       ret);

	if (r == 0 && !ret->lost &&
	    ret->sector != grain * (g->layout.grain_bytes / VR_SECTOR))
		r = VR_E_FORMAT;
	if (r == VR_E_FORMAT) {
		span->kind = VR_GRAIN_LOST;
		return 0;
	}
	/* Of a lost head the length is lost, too. */
	if (r == 0)
		span->file_length = vr_max(ret->length, VR_PACKED_HEAD + 2);
	/* Its own words outweigh doubt about the way. */
	if (r == 0 && !ret->lost && !ret->doubted)
		span->doubted = span->assumed = false;
	return r;
}

static bool
copy_kept(struct grains *g, uint64_t file_off, uint8_t *buf, size_t n,
	  uint64_t into)
{
	bool found = false;

	pthread_mutex_lock(&g->lock);
	for (unsigned i = 0; i < SLOTS && !found; i++) {
		const struct slot *slot = &g->slots[i];

		found = slot->bytes && slot->off == file_off;
		if (found && n)
			memcpy(buf, slot->bytes + into, n);
	}
	pthread_mutex_unlock(&g->lock);
	return found;
}

static void
keep(struct grains *g, uint64_t file_off, uint8_t *bytes)
{
	uint8_t *old;

	pthread_mutex_lock(&g->lock);
	old = g->slots[g->oldest].bytes;
	g->slots[g->oldest] = (struct slot){file_off, bytes};
	g->oldest = (g->oldest + 1) % SLOTS;
	pthread_mutex_unlock(&g->lock);
	free(old);
}

/* n bytes from off on, all of one packed grain; n 0 only inflates it. */
static int
read_packed(struct grains *g, const struct vr_grain_span *span, uint8_t *buf,
	    size_t n, uint64_t off)
{
	size_t whole = (size_t)g->layout.grain_bytes;
	vr_cleanup(vr_free_p) uint8_t *bytes = NULL;
	uint64_t into = off % g->layout.grain_bytes;
	struct vr_packed packed;
	int r;

	if (copy_kept(g, span->file_off, buf, n, into))
		return 0;
	bytes = malloc(whole);
	if (!bytes)
		return vr_fail_memory();
	r = vr_packed_look(g->file, span->file_off, whole, &packed);
	if (r == 0)
		r = vr_packed_inflate(g->file, span->file_off, &packed, bytes,
				      whole, grain_length(g, off / whole));
	if (r < 0)
		return r;
	if (n)
		memcpy(buf, bytes + into, n);
	keep(g, span->file_off, vr_steal(bytes));
	return 0;
}

/* --- the source -------------------------------------------------------------- */

static int
read_parent(struct grains *g, uint8_t *buf, size_t n, uint64_t off)
{
	uint64_t there = g->parent->size - vr_min(off, g->parent->size);
	size_t here = (size_t)vr_min(n, there);

	memset(buf + here, 0, n - here);
	return vr_source_read_at(g->parent, buf, here, here ? off : 0);
}

/* What is lost reads as zeros; so does a grain that does not inflate. */
static int
read_packed_or_zeros(struct grains *g, struct vr_grain_span *span, uint8_t *buf,
		     size_t n, uint64_t off)
{
	struct vr_packed packed;
	int r = look_packed(g, off, span, &packed);

	if (r < 0)
		return r;
	r = span->kind == VR_GRAIN_LOST || packed.lost
		    ? VR_E_FORMAT
		    : read_packed(g, span, buf, n, off);
	if (r != VR_E_FORMAT)
		return r;
	memset(buf, 0, n);
	return 0;
}

static int
read_span(struct grains *g, struct vr_grain_span *span, uint8_t *buf, size_t n,
	  uint64_t off)
{
	switch (span->kind) {
	case VR_GRAIN_STORED:
		return vr_source_read_at(g->file, buf, n, span->file_off);
	case VR_GRAIN_PARENT:
		return read_parent(g, buf, n, off);
	case VR_GRAIN_PACKED:
		return read_packed_or_zeros(g, span, buf, n, off);
	case VR_GRAIN_EMPTY:
	case VR_GRAIN_ZERO:
	case VR_GRAIN_LOST:
		break;
	}
	memset(buf, 0, n);
	return 0;
}

static int
grains_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct grains *g = (struct grains *)s;
	uint8_t *p = buf;

	while (n > 0) {
		struct vr_grain_span span;
		size_t here;
		int r = span_at(g, off, n, &span);

		if (r < 0)
			return r;
		here = (size_t)vr_min(n, span.length);
		r = read_span(g, &span, p, here, off);
		if (r < 0)
			return r;
		p += here;
		n -= here;
		off += here;
	}
	return 0;
}

static int
next_in_parent(struct grains *g, uint64_t off, struct vr_extent *ret)
{
	struct vr_extent lower;
	int r;

	if (off >= g->parent->size) {
		ret->flags |= VR_EXTENT_HOLE | VR_EXTENT_ZERO;
		return 0;
	}
	r = vr_source_next(g->parent, off, &lower);
	if (r < 0)
		return r;
	ret->length = vr_min(ret->length, lower.length);
	ret->flags |= lower.flags;
	return 0;
}

/* A hole in the container says nothing of the disk but that zeros stand there. */
static int
next_in_file(struct grains *g, uint64_t file_off, struct vr_extent *ret)
{
	struct vr_extent lower;
	int r = vr_source_next(g->file, file_off, &lower);

	if (r < 0)
		return r;
	ret->length = vr_min(ret->length, lower.length);
	ret->flags |= lower.flags;
	return 0;
}

static int
next_in_packed(struct grains *g, uint64_t off, struct vr_grain_span *span,
	       struct vr_extent *ret)
{
	struct vr_packed packed;
	int r = look_packed(g, off, span, &packed);

	if (r < 0)
		return r;
	if (span->kind == VR_GRAIN_LOST || packed.lost)
		r = VR_E_FORMAT;
	else
		r = read_packed(g, span, NULL, 0, off);
	if (r == VR_E_FORMAT || r == VR_E_IO) {
		ret->flags |= VR_EXTENT_DAMAGED;
		return 0;
	}
	if (r == 0 && packed.doubted)
		ret->flags |= VR_EXTENT_SUSPECT;
	return r;
}

static int
flags_of_span(struct grains *g, uint64_t off, struct vr_grain_span *span,
	      struct vr_extent *ret)
{
	switch (span->kind) {
	case VR_GRAIN_EMPTY:
		ret->flags |= VR_EXTENT_HOLE | VR_EXTENT_ZERO;
		return 0;
	case VR_GRAIN_ZERO:
		ret->flags |= VR_EXTENT_ZERO;
		return 0;
	case VR_GRAIN_PARENT:
		return next_in_parent(g, off, ret);
	case VR_GRAIN_STORED:
		return next_in_file(g, span->file_off, ret);
	case VR_GRAIN_PACKED:
		return next_in_packed(g, off, span, ret);
	case VR_GRAIN_LOST:
		break;
	}
	ret->flags |= VR_EXTENT_DAMAGED;
	return 0;
}

static int
grains_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct grains *g = (struct grains *)s;
	struct vr_grain_span span;
	struct vr_extent found;
	int r = span_at(g, off, UINT64_MAX, &span);

	if (r < 0)
		return r;
	found = (struct vr_extent){.length = span.length};
	r = flags_of_span(g, off, &span, &found);
	if (r < 0)
		return r;
	if (span.doubted || span.assumed)
		found.flags |= VR_EXTENT_SUSPECT;
	if (found.flags & VR_EXTENT_DAMAGED)
		found.flags &= ~(unsigned)(VR_EXTENT_HOLE | VR_EXTENT_ZERO);
	*ret = found;
	return 0;
}

static void
grains_close(struct vr_source *s)
{
	struct grains *g = (struct grains *)s;

	for (unsigned i = 0; i < SLOTS; i++)
		free(g->slots[i].bytes);
	pthread_mutex_destroy(&g->lock);
	vr_entries_free(g->entries);
	vr_grain_index_free(g->index);
	vr_source_free(g->parent);
	vr_source_free(g->file);
	free(g);
}

static const struct vr_source_ops grains_ops = {
	.name = "grains",
	.read_at = grains_read_at,
	.next = grains_next,
	.close = grains_close,
};

int
vr_grains_open(struct vr_source *file, const struct vr_grain_layout *layout,
	       struct vr_source *parent, struct vr_grain_index *index,
	       struct vr_source **ret)
{
	struct grains *g;
	int r = vr_grain_layout_check(layout);

	if (r < 0)
		return r;
	g = calloc(1, sizeof(*g));
	if (!g)
		return vr_fail_memory();
	r = vr_entries_new(file, &g->entries);
	if (r < 0) {
		free(g);
		return r;
	}
	vr_source_init(&g->source, &grains_ops, layout->capacity);
	pthread_mutex_init(&g->lock, NULL);
	g->file = vr_source_ref(file);
	g->parent = parent ? vr_source_ref(parent) : NULL;
	g->layout = *layout;
	g->tables = vr_grain_layout_tables(layout);
	g->index = index;
	*ret = &g->source;
	return 0;
}

int
vr_grains_at(struct vr_source *grains, uint64_t off, struct vr_grain_span *ret)
{
	struct grains *g = (struct grains *)grains;
	struct vr_grain_span span;
	struct vr_packed packed;
	int r = span_at(g, off, UINT64_MAX, &span);

	if (r == 0 && span.kind == VR_GRAIN_PACKED)
		r = look_packed(g, off, &span, &packed);
	if (r == 0)
		*ret = span;
	return r;
}

int
vr_grains_verify(struct vr_source *grains, uint64_t off)
{
	struct grains *g = (struct grains *)grains;
	struct vr_grain_span span;
	int r = span_at(g, off, UINT64_MAX, &span);

	if (r == 0 && span.kind == VR_GRAIN_PACKED)
		r = read_packed(g, &span, NULL, 0, off);
	return r;
}
