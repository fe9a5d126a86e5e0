/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/mbr_chain.h"

#include <stdlib.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/vector.h"

#define LINKS_MOST 128
/* Of all sectors that a survey looks at one by one. */
#define TRIES_MOST 4096
/* An EBR stands in the MiB before its partition, old ones 63 sectors before. */
#define AROUND UINT64_C(2048)
#define TRACK  63u

static bool
is_there(const struct vr_mbr_chain *c, uint64_t sector)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->items[i].sector == sector)
			return true;
	return false;
}

static int
read_ebr(struct vr_source *disk, uint64_t sector, bool strict,
	 struct vr_ebr *ret, bool *ret_found)
{
	struct vr_window w;
	uint64_t off;
	int r;

	*ret_found = false;
	if (!vr_mul(sector, VR_SECTOR, &off) || off >= disk->size)
		return 0;
	r = vr_window_read(&w, disk, off, VR_SECTOR);
	if (r < 0)
		return r;
	*ret_found = vr_ebr_decode(&w, 0, strict, ret);
	vr_window_free(&w);
	return 0;
}

int
vr_mbr_follow(struct vr_source *disk, uint64_t first, uint64_t count,
	      struct vr_mbr_chain *ret)
{
	uint64_t at = first;
	int r = 0;

	ret->has_start = true;
	ret->start = first;
	while (r == 0) {
		struct vr_ebr ebr;
		bool found;

		if (ret->count >= LINKS_MOST || is_there(ret, at)) {
			ret->loops = true;
			break;
		}
		r = read_ebr(disk, at, false, &ebr, &found);
		ret->broken = r == 0 && !found;
		if (r < 0 || !found)
			break;
		r = VR_PUSH(ret, {at, ebr});
		if (ebr.link_count == 0)
			break;
		ret->broken = ebr.link_first >= count;
		if (ret->broken)
			break;
		at = first + ebr.link_first;
	}
	return r;
}

/* --- what is left of a chain ---------------------------------------------- */

struct survey {
	struct vr_source *disk;
	const struct vr_table_hints *hints;
	struct vr_mbr_chain *chain;
	unsigned tries;
};

static bool
is_in_volume(const struct survey *s, uint64_t sector)
{
	const struct vr_ranges *v = s->hints->volumes;
	uint64_t off = sector * VR_SECTOR;

	for (size_t i = 0; v && i < v->count; i++)
		if (off >= v->items[i].off &&
		    off - v->items[i].off < v->items[i].length)
			return true;
	return false;
}

/* Its partition begins with a volume or leaves all of them alone. */
static bool
fits_volumes(const struct survey *s, uint64_t sector, const struct vr_ebr *ebr)
{
	const struct vr_ranges *v = s->hints->volumes;
	uint64_t start = (sector + ebr->first) * VR_SECTOR;
	uint64_t end = start + (uint64_t)ebr->count * VR_SECTOR;

	if (start >= s->disk->size || is_in_volume(s, sector))
		return false;
	for (size_t i = 0; v && i < v->count; i++) {
		uint64_t off = v->items[i].off;

		if (off == start)
			return true;
		if (off < start ? start - off < v->items[i].length : off < end)
			return false;
	}
	return true;
}

static int
take(struct survey *s, uint64_t sector, const struct vr_ebr *ebr)
{
	if (s->chain->count >= LINKS_MOST || is_there(s->chain, sector) ||
	    !fits_volumes(s, sector, ebr))
		return 0;
	return VR_PUSH(s->chain, {sector, *ebr});
}

static int
try_sector(struct survey *s, uint64_t sector)
{
	struct vr_ebr ebr;
	bool found;
	int r;

	if (s->tries++ >= TRIES_MOST)
		return 0;
	r = read_ebr(s->disk, sector, true, &ebr, &found);
	return r == 0 && found ? take(s, sector, &ebr) : r;
}

/* Every sector of [start, end). */
static int
look(struct survey *s, uint64_t start, uint64_t end)
{
	struct vr_window w;
	struct vr_ebr ebr;
	uint64_t off;
	int r;

	if (start >= end || !vr_mul(start, VR_SECTOR, &off) ||
	    off >= s->disk->size)
		return 0;
	r = vr_window_read(&w, s->disk, off, (size_t)(end - start) * VR_SECTOR);
	if (r < 0)
		return r;
	for (uint64_t i = 0; r == 0 && i < w.length / VR_SECTOR; i++)
		if (vr_ebr_decode(&w, i * VR_SECTOR, true, &ebr))
			r = take(s, start + i, &ebr);
	vr_window_free(&w);
	return r;
}

static int
look_around_volume(struct survey *s, uint64_t off, uint64_t length)
{
	uint64_t start = off / VR_SECTOR;
	uint64_t end = vr_div_up(off + length, VR_SECTOR);
	int r = vr_check_cancel();

	if (r == 0)
		r = look(s, start - vr_min(start, AROUND), start);
	return r == 0 ? look(s, end, end + AROUND) : r;
}

static int
compare_links(const void *a, const void *b)
{
	const struct vr_ebr_at *x = a, *y = b;

	return (x->sector > y->sector) - (x->sector < y->sector);
}

/* Does what a link at this sector would lead to hold a volume, and fit it? */
static bool
holds_volume(const struct survey *s, uint64_t sector, uint64_t count)
{
	const struct vr_ranges *v = s->hints->volumes;
	uint64_t end = sector + count;

	for (size_t i = 0; v && i < v->count; i++) {
		uint64_t first = v->items[i].off / VR_SECTOR;
		uint64_t last = vr_div_up(v->items[i].off + v->items[i].length,
					  VR_SECTOR);

		if (first > sector && first - sector <= AROUND && last <= end &&
		    end - last <= TRACK)
			return true;
	}
	return false;
}

/*
 * One link is left. If it is the first one, where it leads to shows: there a
 * volume begins soon, and it ends where the link says.
 */
static void
reckon_start_alone(struct survey *s)
{
	struct vr_mbr_chain *c = s->chain;
	const struct vr_ebr *ebr = c->count ? &c->items[0].ebr : NULL;

	if (!ebr || ebr->link_count == 0 ||
	    !holds_volume(s, c->items[0].sector + ebr->link_first,
			  ebr->link_count))
		return;
	c->has_start = true;
	c->start = c->items[0].sector;
}

/*
 * A link counts from the extended partition's start, which nobody tells. But the
 * first EBR stands there, and where one links from there to another one, both
 * are shown. Else what a link between two known EBRs comes to is the start.
 */
static void
reckon_start(struct survey *s)
{
	struct vr_mbr_chain *c = s->chain;

	for (size_t i = 0; i < c->count && !c->has_start; i++)
		for (size_t j = i + 1; j < c->count && !c->has_start; j++) {
			uint64_t link = c->items[i].ebr.link_first;
			uint64_t to = c->items[j].sector;

			/* The next one: j follows i on the disk. */
			if (link == 0 || link > to || j != i + 1 ||
			    to - link > c->items[0].sector)
				continue;
			c->has_start = true;
			c->start = to - link;
		}
	if (!c->has_start)
		reckon_start_alone(s);
}

/* Links that are known to lead somewhere are followed, each from each start. */
static int
follow_links(struct survey *s)
{
	struct vr_mbr_chain *c = s->chain;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->count; i++)
		for (size_t j = 0; r == 0 && j <= i; j++) {
			if (c->items[i].ebr.link_count)
				r = try_sector(
					s, c->items[j].sector +
						   c->items[i].ebr.link_first);
			if (r == 0 && c->items[j].ebr.link_count)
				r = try_sector(
					s, c->items[i].sector +
						   c->items[j].ebr.link_first);
		}
	return r;
}

int
vr_mbr_survey(struct vr_source *disk, const struct vr_table_hints *hints,
	      struct vr_mbr_chain *ret)
{
	struct survey s = {.disk = disk, .hints = hints, .chain = ret};
	const struct vr_ranges *v = hints->volumes;
	int r = 0;

	/* Where an extended partition begins that is a disk's first. */
	r = try_sector(&s, 63);
	if (r == 0)
		r = try_sector(&s, 2048);
	for (size_t i = 0; r == 0 && v && i < v->count; i++)
		r = look_around_volume(&s, v->items[i].off, v->items[i].length);
	for (size_t i = 0; r == 0 && i < hints->met_count; i++)
		r = try_sector(&s, hints->met[i] / VR_SECTOR);
	if (r == 0)
		r = follow_links(&s);
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items),
		      compare_links);
	reckon_start(&s);
	return r;
}

void
vr_mbr_chain_free(struct vr_mbr_chain *chain)
{
	free(chain->items);
	*chain = (struct vr_mbr_chain){0};
}
