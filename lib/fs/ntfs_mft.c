/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/ntfs_mft.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"
#include "fs/ntfs_compressed.h"
#include "io/cache.h"
#include "io/mem.h"

#define CACHE_BYTES ((size_t)16 << 20)
#define CHUNK	    ((size_t)1 << 20)

/* A reference: number of the record, and above it the use that is meant. */
#define NUMBER_OF(reference) ((reference)&UINT64_C(0xFFFFFFFFFFFF))
#define USE_OF(reference)    ((uint16_t)((reference) >> 48))

/* Lists of attributes are at most 256 KiB, as Windows keeps them. */
#define LIST_MOST (UINT32_C(256) << 10)

/* --- single records ------------------------------------------------------- */

bool
vr_ntfs_doubted(const struct vr_ntfs *n, uint64_t number)
{
	return n->doubts && number < n->records &&
	       n->doubts[number / 8] >> number % 8 & 1;
}

static bool
parse(const struct vr_ntfs *n, uint8_t *bytes, uint64_t number,
      struct vr_ntfs_record *ret)
{
	return vr_ntfs_record(bytes, n->boot.record_bytes, ret) &&
	       (!ret->numbered || ret->number == (uint32_t)number);
}

int
vr_ntfs_held_read(const struct vr_ntfs *n, uint64_t number,
		  struct vr_ntfs_held *ret, bool *ret_whole)
{
	struct vr_ntfs_held held = {.number = number};
	int r;

	*ret_whole = false;
	if (number >= n->mft->size / n->boot.record_bytes)
		return 0;
	r = vr_window_read(&held.w, n->mft, number * n->boot.record_bytes,
			   n->boot.record_bytes);
	if (r < 0)
		return r;
	if (!vr_window_holds(&held.w, 0, n->boot.record_bytes) ||
	    !parse(n, held.w.bytes, number, &held.r)) {
		vr_window_free(&held.w);
		return 0;
	}
	*ret = held;
	*ret_whole = true;
	return 0;
}

void
vr_ntfs_held_free(struct vr_ntfs_held *held)
{
	vr_window_free(&held->w);
}

/* --- the records of a file ------------------------------------------------ */

struct vr_ntfs_record *
vr_ntfs_part_record(struct vr_ntfs_file_parts *p,
		    const struct vr_ntfs_part *part)
{
	return &p->held.items[part->held].r;
}

bool
vr_ntfs_part_same(struct vr_ntfs_file_parts *p, const struct vr_ntfs_part *a,
		  const struct vr_ntfs_part *b)
{
	struct vr_window *x = &vr_ntfs_part_record(p, a)->w;
	struct vr_window *y = &vr_ntfs_part_record(p, b)->w;

	return a->a.type == b->a.type && a->a.name_units == b->a.name_units &&
	       memcmp(x->bytes + a->a.name_at, y->bytes + b->a.name_at,
		      2 * (size_t)a->a.name_units) == 0;
}

const struct vr_ntfs_part *
vr_ntfs_part_find(struct vr_ntfs_file_parts *p, uint32_t type, const char *name)
{
	for (size_t i = 0; i < p->parts.count; i++) {
		const struct vr_ntfs_part *part = &p->parts.items[i];

		if (part->a.type == type &&
		    (part->a.resident || part->a.first_vcn == 0) &&
		    vr_ntfs_attr_named(vr_ntfs_part_record(p, part), &part->a,
				       name))
			return part;
	}
	return NULL;
}

/* Takes held over, even on failure. */
static int
add_held(struct vr_ntfs_file_parts *p, struct vr_ntfs_held *held)
{
	size_t index = p->held.count;
	struct vr_ntfs_attr a;
	uint32_t at = 0;
	int r = VR_PUSH(&p->held, *held);

	if (r < 0) {
		vr_ntfs_held_free(held);
		return r;
	}
	while (r == 0 && vr_ntfs_attr_next(&p->held.items[index].r, &at, &a))
		r = VR_PUSH(&p->parts, {index, a});
	p->incomplete |= p->held.items[index].r.odd;
	return r;
}

struct numbers {
	uint64_t *items;
	size_t count, room;
};

static int
compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The records that a list of attributes names, but for the base itself. */
static int
read_list(struct vr_window *w, uint64_t size, uint64_t base,
	  struct vr_ntfs_file_parts *p, struct numbers *ret)
{
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < size;) {
		uint32_t length = vr_window_le16(w, at + 4);
		uint64_t reference = vr_window_le64(w, at + 16);

		if (vr_window_trouble(w) || length < 26 || length % 8) {
			p->incomplete = true;
			break;
		}
		if (NUMBER_OF(reference) != base)
			r = VR_PUSH(ret, reference);
		at += length;
	}
	return r;
}

static int
add_extension(const struct vr_ntfs *n, struct vr_ntfs_file_parts *p,
	      uint64_t reference, uint64_t base)
{
	struct vr_ntfs_held held;
	bool whole;
	int r = vr_ntfs_held_read(n, NUMBER_OF(reference), &held, &whole);

	if (r < 0)
		return r;
	if (!whole) {
		p->incomplete = true;
		return 0;
	}
	/* Another file's by now, or another use of the number. */
	if (NUMBER_OF(held.r.base) != base || held.r.base == 0 ||
	    USE_OF(held.r.base) != p->held.items[0].r.sequence ||
	    (USE_OF(reference) && held.r.sequence != USE_OF(reference)) ||
	    !(held.r.flags & VR_NTFS_IN_USE)) {
		p->incomplete = true;
		vr_ntfs_held_free(&held);
		return 0;
	}
	return add_held(p, &held);
}

static int
add_extensions(const struct vr_ntfs *n, struct vr_ntfs_file_parts *p,
	       struct numbers *list, uint64_t base)
{
	int r = 0;

	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items),
		      compare_numbers);
	for (size_t i = 0; r == 0 && i < list->count; i++)
		if (i == 0 || list->items[i] != list->items[i - 1])
			r = add_extension(n, p, list->items[i], base);
	return r;
}

static bool
is_held(const struct vr_ntfs_file_parts *p, uint64_t number)
{
	for (size_t i = 0; i < p->held.count; i++)
		if (p->held.items[i].number == number)
			return true;
	return false;
}

/* Where the list is lost: records tell themselves whose they are. */
static int
add_known(const struct vr_ntfs *n, struct vr_ntfs_file_parts *p, uint64_t base)
{
	size_t low = 0, high = n->extensions.count;
	int r = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (n->extensions.items[middle].base < base)
			low = middle + 1;
		else
			high = middle;
	}
	for (; r == 0 && low < n->extensions.count &&
	       n->extensions.items[low].base == base;
	     low++)
		if (!is_held(p, n->extensions.items[low].number))
			r = add_extension(n, p, n->extensions.items[low].number,
					  base);
	return r;
}

static int
follow_list(const struct vr_ntfs *n, struct vr_ntfs_file_parts *p,
	    uint64_t base)
{
	const struct vr_ntfs_part *part =
		vr_ntfs_part_find(p, VR_NTFS_LIST, NULL);
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	struct numbers list = {0};
	struct vr_window w;
	int r;

	if (!part)
		return 0;
	r = vr_ntfs_part_open(n, p, part, &source);
	if (r < 0 || source->size > LIST_MOST) {
		p->incomplete = true;
		return r == VR_E_MEMORY ? r : 0;
	}
	r = vr_window_read(&w, source, 0, (size_t)source->size);
	if (r < 0)
		return r;
	r = read_list(&w, source->size, base, p, &list);
	vr_window_free(&w);
	if (r == 0)
		r = add_extensions(n, p, &list, base);
	free(list.items);
	return r;
}

int
vr_ntfs_parts_read(const struct vr_ntfs *n, uint64_t number,
		   struct vr_ntfs_file_parts *ret, bool *ret_is_file)
{
	struct vr_ntfs_file_parts p = {0};
	struct vr_ntfs_held held;
	int r = vr_ntfs_held_read(n, number, &held, ret_is_file);

	if (r < 0 || !*ret_is_file)
		return r;
	*ret_is_file = held.r.flags & VR_NTFS_IN_USE && held.r.base == 0;
	if (!*ret_is_file) {
		vr_ntfs_held_free(&held);
		return 0;
	}
	r = add_held(&p, &held);
	if (r == 0)
		r = follow_list(n, &p, number);
	if (r == 0 && p.incomplete)
		r = add_known(n, &p, number);
	if (r < 0) {
		vr_ntfs_parts_free(&p);
		return r;
	}
	*ret = p;
	return 0;
}

void
vr_ntfs_parts_free(struct vr_ntfs_file_parts *p)
{
	for (size_t i = 0; i < p->held.count; i++)
		vr_ntfs_held_free(&p->held.items[i]);
	free(p->held.items);
	free(p->parts.items);
	*p = (struct vr_ntfs_file_parts){0};
}

/* --- the bytes of an attribute -------------------------------------------- */

struct runs {
	const struct vr_ntfs *n;
	struct vr_extents extents;
	uint64_t vcn;	/* reached */
	uint64_t valid; /* bytes from here on were never written: zeros */
};

static int
add_piece(struct runs *t, uint64_t off, uint64_t length, uint64_t at,
	  enum vr_piece_kind kind)
{
	return vr_extents_add(
		&t->extents,
		&(struct vr_piece_of_file){
			.off = off, .length = length, .at = at, .kind = kind});
}

static int
add_lost(struct runs *t, uint64_t end_vcn)
{
	uint64_t off, end;

	if (end_vcn <= t->vcn ||
	    !vr_mul(t->vcn, t->n->boot.cluster_bytes, &off) ||
	    !vr_mul(end_vcn, t->n->boot.cluster_bytes, &end))
		return 0;
	t->vcn = end_vcn;
	return add_piece(t, off, end - off, 0, VR_PIECE_LOST);
}

static int
add_run(struct runs *t, const struct vr_ntfs_run *run)
{
	uint64_t off, length, at, valid;
	int r;

	t->vcn = run->vcn + run->clusters;
	if (run->lcn == VR_NTFS_HOLE)
		return 0;
	if (!vr_mul(run->vcn, t->n->boot.cluster_bytes, &off) ||
	    !vr_mul(run->clusters, t->n->boot.cluster_bytes, &length))
		return 0;
	if (!vr_mul(run->lcn, t->n->boot.cluster_bytes, &at))
		return add_piece(t, off, length, 0, VR_PIECE_LOST);
	valid = t->valid > off ? vr_min(length, t->valid - off) : 0;
	r = add_piece(t, off, valid, at, VR_PIECE_DATA);
	if (r == 0 && valid < length)
		r = add_piece(t, off + valid, length - valid, at + valid,
			      VR_PIECE_ZERO);
	return r;
}

static int
add_part(struct runs *t, struct vr_ntfs_record *record,
	 const struct vr_ntfs_attr *a)
{
	struct vr_ntfs_cursor cursor = {0};
	struct vr_ntfs_run run;
	int r = add_lost(t, a->first_vcn);

	while (r == 0 && vr_ntfs_run_next(record, a, &cursor, &run))
		r = add_run(t, &run);
	return r == 0 && cursor.bad ? add_lost(t, a->last_vcn + 1) : r;
}

/* The part of the attribute that begins at vcn or, failing that, next to it. */
static const struct vr_ntfs_part *
next_part(struct vr_ntfs_file_parts *p, const struct vr_ntfs_part *first,
	  uint64_t vcn)
{
	const struct vr_ntfs_part *best = NULL;

	for (size_t i = 0; i < p->parts.count; i++) {
		const struct vr_ntfs_part *part = &p->parts.items[i];

		if (!part->a.resident && part->a.first_vcn >= vcn &&
		    part->a.last_vcn + 1 > part->a.first_vcn &&
		    (!best || part->a.first_vcn < best->a.first_vcn) &&
		    vr_ntfs_part_same(p, first, part))
			best = part;
	}
	return best;
}

static int
collect_runs(struct runs *t, struct vr_ntfs_file_parts *p,
	     const struct vr_ntfs_part *first)
{
	uint64_t wanted = vr_div_up(first->a.size, t->n->boot.cluster_bytes);
	const struct vr_ntfs_part *part = first;
	int r = 0;

	while (r == 0 && part) {
		r = add_part(t, vr_ntfs_part_record(p, part), &part->a);
		part = next_part(p, first, vr_max(t->vcn, 1));
	}
	return r == 0 ? add_lost(t, wanted) : r;
}

static int
open_resident(struct vr_ntfs_file_parts *p, const struct vr_ntfs_part *part,
	      struct vr_source **ret)
{
	struct vr_window *w = &vr_ntfs_part_record(p, part)->w;
	const uint8_t *bytes =
		vr_window_bytes(w, part->a.value_at, part->a.value_bytes);

	if (!bytes)
		return vr_fail(VR_E_MISSING, "a value behind its record's end");
	return vr_mem_open(bytes, part->a.value_bytes, ret);
}

static int
open_compressed(struct vr_source *volume, struct runs *t,
		const struct vr_ntfs_attr *a, struct vr_source **ret)
{
	uint64_t unit = (uint64_t)t->n->boot.cluster_bytes << a->unit_shift;
	vr_cleanup(vr_source_free_p) struct vr_source *stored = NULL;
	struct vr_extents copy = {0};
	uint64_t size = 0;
	int r = 0;

	if (unit > (UINT64_C(4) << 20) || !vr_add(a->size, unit, &size))
		return vr_fail(VR_E_MISSING,
			       "units of compression of %" PRIu64 " bytes",
			       unit);
	for (size_t i = 0; r == 0 && i < t->extents.count; i++)
		r = VR_PUSH(&copy, t->extents.items[i]);
	if (r == 0)
		r = vr_extents_open(volume, &t->extents, size / unit * unit,
				    &stored);
	if (r == 0)
		r = vr_ntfs_compressed_open(stored, &copy, (uint32_t)unit,
					    a->size, a->initialised, ret);
	vr_extents_free(&copy);
	return r;
}

static int
open_part(const struct vr_ntfs *n, struct vr_source *volume,
	  struct vr_ntfs_file_parts *p, const struct vr_ntfs_part *first,
	  struct vr_source **ret)
{
	bool packed = first->a.flags & VR_NTFS_COMPRESSED &&
		      first->a.unit_shift > 0;
	struct runs t = {.n = n, .valid = first->a.initialised};
	int r;

	if (first->a.resident)
		return open_resident(p, first, ret);
	if (first->a.size > INT64_MAX)
		return vr_fail(VR_E_MISSING, "a size of %" PRIu64 " bytes",
			       first->a.size);
	if (packed)
		t.valid = UINT64_MAX;
	r = collect_runs(&t, p, first);
	if (r == 0 && packed)
		r = open_compressed(volume, &t, &first->a, ret);
	else if (r == 0)
		r = vr_extents_open(volume, &t.extents, first->a.size, ret);
	vr_extents_free(&t.extents);
	return r;
}

int
vr_ntfs_part_open(const struct vr_ntfs *n, struct vr_ntfs_file_parts *p,
		  const struct vr_ntfs_part *first, struct vr_source **ret)
{
	return open_part(n, n->fs.volume, p, first, ret);
}

/* --- finding the MFT ------------------------------------------------------ */

static int
open_mft_from(struct vr_ntfs *n, struct vr_ntfs_file_parts *p)
{
	const struct vr_ntfs_part *data =
		vr_ntfs_part_find(p, VR_NTFS_DATA, NULL);
	struct vr_source *mft = NULL;
	int r;

	if (!data || data->a.resident || data->a.size > n->fs.volume->size)
		return vr_fail(VR_E_FORMAT, "the MFT's record tells no place");
	r = open_part(n, n->cache, p, data, &mft);
	if (r < 0)
		return r;
	vr_source_free(n->mft);
	n->mft = mft;
	return 0;
}

/* Record 0 lies at the MFT's beginning, and in the mirror. */
static int
open_first(struct vr_ntfs *n, uint64_t cluster, bool *ret_open)
{
	uint64_t off = cluster * n->boot.cluster_bytes;
	struct vr_ntfs_file_parts p = {0};
	struct vr_ntfs_held held = {.number = 0};
	int r = vr_window_read(&held.w, n->cache, off, n->boot.record_bytes);

	*ret_open = false;
	if (r < 0)
		return r;
	if (!vr_window_holds(&held.w, 0, n->boot.record_bytes) ||
	    !parse(n, held.w.bytes, 0, &held.r)) {
		vr_window_free(&held.w);
		return 0;
	}
	r = add_held(&p, &held);
	if (r == 0)
		r = open_mft_from(n, &p);
	/* An MFT in many pieces has a list; its first ones reach to the rest. */
	if (r == 0)
		r = follow_list(n, &p, 0);
	if (r == 0)
		r = open_mft_from(n, &p);
	vr_ntfs_parts_free(&p);
	*ret_open = r == 0;
	return r == VR_E_MEMORY || r == VR_E_CANCELLED ? r : 0;
}

struct search {
	struct vr_ntfs *n;
	struct {
		struct vr_piece_of_file *items;
		size_t count, room;
	} found; /* one a record, off by its number */
};

static int
search_chunk(struct search *s, struct vr_window *w, uint64_t off)
{
	uint32_t bytes = s->n->boot.record_bytes;
	int r = 0;

	for (uint64_t at = 0; r == 0 && at + bytes <= w->length; at += bytes) {
		struct vr_ntfs_record record;

		if (memcmp(w->bytes + at, "FILE", 4) != 0 ||
		    !vr_window_bytes(w, at, bytes) ||
		    !vr_ntfs_record(w->bytes + at, bytes, &record) ||
		    !record.numbered)
			continue;
		r = VR_PUSH(&s->found, {.off = (uint64_t)record.number * bytes,
					.length = bytes,
					.at = off + at});
	}
	return r;
}

static int
search_volume(struct search *s)
{
	uint64_t size = s->n->fs.volume->size;
	int r = 0;

	for (uint64_t off = 0; r == 0 && off < size; off += CHUNK) {
		struct vr_window w;

		r = vr_check_cancel();
		if (r == 0)
			r = vr_window_read(&w, s->n->fs.volume, off, CHUNK);
		if (r < 0)
			return r;
		r = search_chunk(s, &w, off);
		vr_window_free(&w);
	}
	return r;
}

/* Where the boot sector lets expect a record it comes first. */
static int
compare_found(const void *a, const void *b, void *data)
{
	const struct vr_piece_of_file *x = a, *y = b;
	const struct vr_ntfs *n = data;
	uint64_t mft = n->boot.mft_cluster * n->boot.cluster_bytes;
	bool x_there = x->at == mft + x->off, y_there = y->at == mft + y->off;

	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	if (x_there != y_there)
		return x_there ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* Numbers that nobody bears are lost records, not holes. */
static int
join_found(struct search *s, struct vr_extents *ret)
{
	struct vr_ntfs *n = s->n;
	uint64_t reached = 0;
	uint64_t mft = n->boot.mft_cluster * n->boot.cluster_bytes;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->found.count; i++) {
		struct vr_piece_of_file piece = s->found.items[i];

		if (piece.off < reached && i > 0)
			continue;
		if (piece.off > n->fs.volume->size)
			break;
		if (piece.off > reached)
			r = vr_extents_add(
				ret, &(struct vr_piece_of_file){
					     .off = reached,
					     .length = piece.off - reached,
					     .kind = VR_PIECE_LOST});
		piece.doubted = piece.at != mft + piece.off;
		if (r == 0)
			r = vr_extents_add(ret, &piece);
		reached = piece.off + piece.length;
	}
	return r;
}

static int
note_doubts(struct vr_ntfs *n, const struct vr_extents *e)
{
	uint32_t bytes = n->boot.record_bytes;

	n->doubts = calloc(1, (size_t)(n->mft->size / bytes / 8 + 1));
	if (!n->doubts)
		return vr_fail_memory();
	for (size_t i = 0; i < e->count; i++) {
		const struct vr_piece_of_file *p = &e->items[i];

		for (uint64_t at = p->off;
		     p->doubted && at < p->off + p->length; at += bytes)
			n->doubts[at / bytes / 8] |=
				(uint8_t)(1 << at / bytes % 8);
	}
	return 0;
}

static int
open_found(struct search *s)
{
	struct vr_extents e = {0}, copy = {0};
	struct vr_ntfs *n = s->n;
	uint64_t size;
	int r = join_found(s, &e);

	for (size_t i = 0; r == 0 && i < e.count; i++)
		r = VR_PUSH(&copy, e.items[i]);
	if (r == 0 && e.count == 0)
		r = vr_fail(VR_E_FORMAT, "no file record is left");
	if (r == 0) {
		size = e.items[e.count - 1].off + e.items[e.count - 1].length;
		r = vr_extents_open(n->cache, &e, size, &n->mft);
	}
	if (r == 0)
		r = note_doubts(n, &copy);
	vr_extents_free(&e);
	vr_extents_free(&copy);
	return r;
}

static int
open_by_search(struct vr_ntfs *n)
{
	struct search s = {.n = n};
	int r = search_volume(&s);

	if (r == 0 && s.found.count)
		qsort_r(s.found.items, s.found.count, sizeof(*s.found.items),
			compare_found, n);
	if (r == 0)
		r = open_found(&s);
	free(s.found.items);
	return r;
}

/* --- states --------------------------------------------------------------- */

static bool
is_blank(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

static int
learn_state(struct vr_ntfs *n, struct vr_window *w, uint64_t at,
	    uint64_t number)
{
	uint32_t bytes = n->boot.record_bytes;
	struct vr_ntfs_record record;

	n->states[number] = VR_NTFS_LOST;
	if (!vr_window_holds(w, at, bytes))
		return 0;
	if (!parse(n, w->bytes + at, number, &record)) {
		if (is_blank(w->bytes + at, bytes))
			n->states[number] = VR_NTFS_FREE;
		return 0;
	}
	n->states[number] = record.flags & VR_NTFS_IN_USE ? VR_NTFS_USED
							  : VR_NTFS_FREE;
	if (n->states[number] == VR_NTFS_FREE || record.base == 0)
		return 0;
	return VR_PUSH(&n->extensions, {NUMBER_OF(record.base), number});
}

static int
compare_extensions(const void *a, const void *b)
{
	const struct vr_ntfs_extension *x = a, *y = b;

	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static int
learn_states(struct vr_ntfs *n)
{
	uint32_t bytes = n->boot.record_bytes;
	int r = 0;

	n->records = n->mft->size / bytes;
	n->states = calloc(1, (size_t)n->records + 1);
	if (!n->states)
		return vr_fail_memory();
	for (uint64_t i = 0; r == 0 && i < n->records;) {
		struct vr_window w;

		r = vr_check_cancel();
		if (r == 0)
			r = vr_window_read(&w, n->mft, i * bytes, CHUNK);
		if (r < 0)
			return r;
		for (uint64_t at = 0;
		     r == 0 && at + bytes <= w.length && i < n->records;
		     at += bytes, i++)
			r = learn_state(n, &w, at, i);
		vr_window_free(&w);
	}
	if (n->extensions.count)
		qsort(n->extensions.items, n->extensions.count,
		      sizeof(*n->extensions.items), compare_extensions);
	return r;
}

int
vr_ntfs_mft_open(struct vr_ntfs *n)
{
	struct vr_ntfs_look look;
	bool open = false;
	int r = vr_ntfs_look(n->fs.volume, 0, n->fs.volume->size, 0, &look);

	if (r == 0 && look.from == VR_NTFS_NOTHING)
		r = vr_fail(VR_E_FORMAT, "neither boot sector, copy nor first "
					 "file records are left");
	if (r < 0)
		return r;
	n->boot = look.boot;
	r = vr_cache_open(n->fs.volume, CACHE_BYTES, &n->cache);
	if (r == 0)
		r = open_first(n, n->boot.mft_cluster, &open);
	if (r == 0 && !open)
		r = open_first(n, n->boot.mirror_cluster, &open);
	if (r == 0 && !open)
		r = open_by_search(n);
	return r == 0 ? learn_states(n) : r;
}

void
vr_ntfs_mft_close(struct vr_ntfs *n)
{
	vr_source_free(n->mft);
	vr_source_free(n->cache);
	free(n->states);
	free(n->doubts);
	free(n->extensions.items);
}
