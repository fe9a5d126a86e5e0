/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks where volumes usually begin, then where each one says that the next may,
 * then reads what is still unexplained for signatures. Every bid is kept, also
 * those for other places; in the end the candidates are put in order of what
 * speaks for them, and the first ones that do not overlap are the volumes.
 */
#include "guest/find.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/vector.h"
#include "guest/scan.h"

/* Where first volumes begin: the disk itself, old cylinders, the first MiB. */
static const uint64_t first_starts[] = {
	0, 34 * 512, 63 * 512, 128 * 512, 2048 * 512,
};

/* Of 255 heads and 63 sectors, as all tools of the time had them. */
#define CYLINDER_BYTES (UINT64_C(16065) * VR_SECTOR)

/*
 * Behind a volume's end another one may begin: at once, behind an EBR of 63
 * sectors or one MiB, behind a GRUB partition, behind Windows' reserved 16, 32 or
 * 128 MiB. Each counted from the end and from the next MiB.
 */
static const uint64_t gaps[] = {
	0,
	63 * 512,
	UINT64_C(1) << 20,
	UINT64_C(2) << 20,
	UINT64_C(16) << 20,
	UINT64_C(17) << 20,
	UINT64_C(32) << 20,
	UINT64_C(128) << 20,
	UINT64_C(129) << 20,
};

#define STARTS_MOST 4096
/* A gap below this holds no volume, only slack. */
#define GAP_LEAST (UINT64_C(1) << 20)
/* Two volumes may claim the same end of a track, and no more. */
#define OVERLAP_MOST (UINT64_C(1) << 20)

struct finder {
	struct vr_source *disk;
	const struct vr_find_how *how;
	/* All bids, by place and type each once. */
	struct {
		struct vr_found *items;
		size_t count, room;
	} candidates;
	struct vr_bids bids; /* of the probe under way */
	unsigned tried, weighed;
	size_t last; /* candidate that explained a hit */
	struct vr_finds *finds;
};

/* --- candidates ----------------------------------------------------------- */

static struct vr_found *
find_candidate(struct finder *f, const struct vr_bid *bid)
{
	for (size_t i = 0; i < f->candidates.count; i++) {
		struct vr_found *c = &f->candidates.items[i];

		if (c->bid.start == bid->start &&
		    strcmp(c->bid.type, bid->type) == 0)
			return c;
	}
	return NULL;
}

static bool
is_better(const struct vr_bid *a, const struct vr_bid *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	return a->head == VR_HEAD_SOUND && b->head != VR_HEAD_SOUND;
}

static int
take_bid(struct finder *f, const struct vr_bid *bid)
{
	struct vr_found *known;

	if (bid->score == VR_SCORE_NONE || bid->start >= f->disk->size ||
	    f->candidates.count >= STARTS_MOST)
		return 0;
	known = find_candidate(f, bid);
	if (!known)
		return VR_PUSH(&f->candidates, {.bid = *bid, .supports = 1});
	if (known->bid.evidence != bid->evidence)
		known->supports++;
	if (is_better(bid, &known->bid)) {
		known->bid = *bid;
		known->weighed = false;
	}
	return 0;
}

static int
take_bids(struct finder *f)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->bids.count; i++)
		r = take_bid(f, &f->bids.items[i]);
	f->bids.count = 0;
	return r;
}

/* --- likely starts -------------------------------------------------------- */

static bool
was_probed(const struct finder *f, uint64_t start)
{
	for (size_t i = 0; i < f->candidates.count; i++)
		if (f->candidates.items[i].bid.start == start)
			return true;
	return false;
}

/* A volume that lies on this start; *ret_length 0: nothing does. */
static int
try_start(struct finder *f, uint64_t start, uint64_t *ret_length)
{
	const struct vr_bid *best;
	int r;

	*ret_length = 0;
	if (start >= f->disk->size || was_probed(f, start) ||
	    f->tried++ >= STARTS_MOST)
		return 0;
	r = vr_probe_all(f->disk, start, f->disk->size, &f->bids);
	best = r == 0 ? vr_bids_best(&f->bids, start) : NULL;
	if (best && best->score >= VR_SCORE_FIELDS)
		*ret_length = vr_min(best->length, f->disk->size - start);
	return r == 0 ? take_bids(f) : r;
}

/* Old systems ended partitions with a cylinder, logical ones begin in a track. */
static int
try_cylinder(struct finder *f, uint64_t end, uint64_t *ret_start,
	     uint64_t *ret_length)
{
	int r;

	*ret_start = vr_div_up(end, CYLINDER_BYTES) * CYLINDER_BYTES;
	r = try_start(f, *ret_start, ret_length);
	if (r < 0 || *ret_length > 0)
		return r;
	*ret_start += UINT64_C(63) * VR_SECTOR;
	return try_start(f, *ret_start, ret_length);
}

static int
try_behind(struct finder *f, uint64_t end, uint64_t *ret_start,
	   uint64_t *ret_length)
{
	uint64_t mib = vr_div_up(end, VR_MIB) * VR_MIB;
	int r = 0;

	*ret_length = 0;
	for (size_t i = 0;
	     r == 0 && *ret_length == 0 && i < sizeof(gaps) / sizeof(*gaps);
	     i++) {
		*ret_start = end + gaps[i];
		r = try_start(f, *ret_start, ret_length);
		if (r == 0 && *ret_length == 0 && mib != end) {
			*ret_start = mib + gaps[i];
			r = try_start(f, *ret_start, ret_length);
		}
	}
	if (r == 0 && *ret_length == 0)
		r = try_cylinder(f, end, ret_start, ret_length);
	return r;
}

static int
follow(struct finder *f, uint64_t start, uint64_t length)
{
	int r = 0;

	while (r == 0 && length > 0 && start + length < f->disk->size)
		r = try_behind(f, start + length, &start, &length);
	return r;
}

static int
try_first_starts(struct finder *f)
{
	size_t count = sizeof(first_starts) / sizeof(*first_starts);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		uint64_t length;

		r = try_start(f, first_starts[i], &length);
		if (r == 0)
			r = follow(f, first_starts[i], length);
	}
	return r;
}

/* --- choosing ------------------------------------------------------------- */

/* What speaks for a candidate, the strongest reason first. */
static int
compare_candidates(const void *a, const void *b)
{
	const struct vr_found *x = a, *y = b;

	if (x->dead != y->dead)
		return x->dead ? 1 : -1;
	if (x->bid.score != y->bid.score)
		return x->bid.score > y->bid.score ? -1 : 1;
	if ((x->supports > 1) != (y->supports > 1))
		return x->supports > 1 ? -1 : 1;
	/* What lies in a volume is its content: images, copies of headers. */
	if (x->bid.length != y->bid.length)
		return x->bid.length > y->bid.length ? -1 : 1;
	if (x->bid.start != y->bid.start)
		return x->bid.start < y->bid.start ? -1 : 1;
	return 0;
}

static uint64_t
end_of(const struct finder *f, const struct vr_found *found)
{
	uint64_t start = found->bid.start;

	return start + vr_min(vr_max(found->bid.length, VR_SECTOR),
			      f->disk->size - start);
}

static bool
overlaps(const struct finder *f, const struct vr_found *a,
	 const struct vr_found *b)
{
	uint64_t start = vr_max(a->bid.start, b->bid.start);
	uint64_t end = vr_min(end_of(f, a), end_of(f, b));

	if (a->bid.start == b->bid.start)
		return true;
	/* One that begins inside the other lies in it, however short. */
	return start < end && (end - start > OVERLAP_MOST ||
			       end == vr_min(end_of(f, a), end_of(f, b)));
}

/* More contests than disks have lives. */
#define WEIGHED_MOST 64

static bool
is_contested(struct finder *f, const struct vr_found *c)
{
	for (size_t i = 0; i < f->candidates.count; i++) {
		const struct vr_found *other = &f->candidates.items[i];

		if (other != c && other->bid.score >= VR_SCORE_FIELDS &&
		    overlaps(f, other, c))
			return true;
	}
	return false;
}

static bool
is_outlived(struct finder *f, const struct vr_found *c)
{
	for (size_t i = 0; i < f->candidates.count; i++) {
		const struct vr_found *other = &f->candidates.items[i];

		if (other->bid.start == c->bid.start &&
		    (other->weighed || other->bid.head == VR_HEAD_SOUND) &&
		    other->bid.score >= VR_SCORE_FIELDS &&
		    other->copies.missing < c->copies.missing)
			return true;
	}
	return false;
}

/* Copies outlive their volume: some of a dead one's were written over. */
static int
weigh(struct finder *f)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->candidates.count; i++) {
		struct vr_found *c = &f->candidates.items[i];

		if (c->weighed || c->bid.score < VR_SCORE_FIELDS ||
		    c->bid.head == VR_HEAD_SOUND || !is_contested(f, c) ||
		    f->weighed++ >= WEIGHED_MOST)
			continue;
		c->weighed = true;
		r = vr_copies_of(f->disk, &c->bid, &c->copies);
	}
	for (size_t i = 0; i < f->candidates.count; i++) {
		struct vr_found *c = &f->candidates.items[i];

		c->dead = vr_copies_refute(&c->copies) || is_outlived(f, c);
	}
	return r;
}

static bool
is_free(struct finder *f, const struct vr_found *c)
{
	for (size_t i = 0; i < f->finds->count; i++) {
		struct vr_found *taken = &f->finds->items[i];

		if (!overlaps(f, taken, c))
			continue;
		if (taken->bid.start == c->bid.start &&
		    taken->bid.score == c->bid.score && !taken->rival &&
		    !c->dead)
			taken->rival = c->bid.type;
		return false;
	}
	return true;
}

static int
compare_starts(const void *a, const void *b)
{
	const struct vr_found *x = a, *y = b;

	return (x->bid.start > y->bid.start) - (x->bid.start < y->bid.start);
}

/* What does not tell its length reaches to the next volume, or to the end. */
static void
bound_finds(struct finder *f)
{
	struct vr_finds *finds = f->finds;

	for (size_t i = 0; i < finds->count; i++) {
		struct vr_found *found = &finds->items[i];
		uint64_t end = i + 1 < finds->count ? found[1].bid.start
						    : f->disk->size;

		found->length = found->bid.length;
		if (found->length == 0 ||
		    found->length > end - found->bid.start)
			found->length = end - found->bid.start;
	}
}

static int
choose(struct finder *f)
{
	int r = weigh(f);

	f->finds->count = 0;
	if (f->candidates.count)
		qsort(f->candidates.items, f->candidates.count,
		      sizeof(*f->candidates.items), compare_candidates);
	for (size_t i = 0; r == 0 && i < f->candidates.count; i++) {
		const struct vr_found *c = &f->candidates.items[i];

		/* A bare signature is not enough to lay a volume down. */
		if (c->bid.score >= VR_SCORE_FIELDS && is_free(f, c))
			r = VR_PUSH(f->finds, *c);
	}
	if (f->finds->count)
		qsort(f->finds->items, f->finds->count,
		      sizeof(*f->finds->items), compare_starts);
	bound_finds(f);
	return r;
}

/* --- gaps ----------------------------------------------------------------- */

/* What a scan may read, and how many extents it may ask for. */
struct budget {
	uint64_t bytes, extents;
};

/* Holes are no gaps, and no bytes go into them. */
static int
add_gap(struct finder *f, uint64_t start, uint64_t end, struct budget *left,
	struct vr_ranges *ret)
{
	struct vr_extent extent;
	int r = 0;

	for (; r == 0 && start < end; start += extent.length) {
		uint64_t take;

		if (left->extents == 0) {
			f->finds->unread += end - start;
			break;
		}
		left->extents--;
		r = vr_source_next(f->disk, start, &extent);
		if (r < 0)
			return r;
		extent.length = vr_min(extent.length, end - start);
		if (extent.flags &
		    (VR_EXTENT_HOLE | VR_EXTENT_ZERO | VR_EXTENT_DAMAGED))
			continue;
		take = vr_min(extent.length, left->bytes);
		left->bytes -= take;
		f->finds->unread += extent.length - take;
		r = vr_ranges_add(ret, start, take);
	}
	return r;
}

static int
list_gaps(struct finder *f, struct vr_ranges *ret)
{
	bool always = f->how->when == VR_SCAN_ALWAYS;
	struct budget left = {VR_FIND_GAPS_MOST, VR_FIND_EXTENTS_MOST};
	uint64_t at = 0;
	int r = 0;

	if (always) {
		left = (struct budget){UINT64_MAX, UINT64_MAX};
		return add_gap(f, 0, f->disk->size, &left, ret);
	}
	for (size_t i = 0; r == 0 && i <= f->finds->count; i++) {
		uint64_t end = i < f->finds->count
				       ? f->finds->items[i].bid.start
				       : f->disk->size;

		if (end > at && end - at > GAP_LEAST)
			r = add_gap(f, at, end, &left, ret);
		if (i < f->finds->count)
			at = end + f->finds->items[i].length;
	}
	return r;
}

static bool
explains(const struct finder *f, size_t candidate, uint64_t off)
{
	const struct vr_found *c = &f->candidates.items[candidate];

	return c->bid.score == VR_SCORE_CHECKSUM && c->bid.start <= off &&
	       off < end_of(f, c);
}

/* Is it the content of a volume that is known for sure? Mostly the last one. */
static bool
is_explained(struct finder *f, uint64_t off)
{
	if (f->last < f->candidates.count && explains(f, f->last, off))
		return true;
	for (size_t i = 0; i < f->candidates.count; i++)
		if (explains(f, i, off)) {
			f->last = i;
			return true;
		}
	return false;
}

static int
follow_hits(struct finder *f, const struct vr_hits *hits)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < hits->count; i++) {
		const struct vr_hit *hit = &hits->items[i];

		if (hit->table)
			r = VR_PUSH(&f->finds->met, hit->off);
		if (r < 0 || !hit->prober || !hit->prober->met ||
		    is_explained(f, hit->off))
			continue;
		r = hit->prober->met(f->disk, hit->off, &f->bids);
		if (r == 0)
			r = take_bids(f);
	}
	return r;
}

/* What the scan found may again tell where the next one begins. */
static int
follow_finds(struct finder *f)
{
	size_t count = f->finds->count;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = follow(f, f->finds->items[i].bid.start,
			   f->finds->items[i].length);
	return r == 0 ? choose(f) : r;
}

static int
scan_gaps(struct finder *f)
{
	const struct vr_scan_how how = {
		.threads = f->how->threads,
		.progress = f->how->progress,
		.progress_data = f->how->progress_data,
	};
	struct vr_ranges stretches = {0};
	struct vr_hits hits = {0};
	int r = list_gaps(f, &stretches);

	if (r == 0 && stretches.count) {
		f->finds->scanned = true;
		r = vr_scan_magics(f->disk, &stretches, &how, &hits);
	}
	if (r == 0)
		r = follow_hits(f, &hits);
	if (r == 0)
		r = choose(f);
	if (r == 0 && hits.count)
		r = follow_finds(f);
	vr_hits_free(&hits);
	vr_ranges_free(&stretches);
	return r;
}

int
vr_find_volumes(struct vr_source *disk, const struct vr_find_how *how,
		struct vr_finds *ret)
{
	struct finder f = {.disk = disk, .how = how, .finds = ret};
	int r = try_first_starts(&f);

	if (r == 0)
		r = choose(&f);
	if (r == 0 && how->when != VR_SCAN_NEVER)
		r = scan_gaps(&f);
	vr_bids_free(&f.bids);
	free(f.candidates.items);
	return r;
}

void
vr_finds_free(struct vr_finds *finds)
{
	free(finds->items);
	free(finds->met.items);
	*finds = (struct vr_finds){0};
}
