/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/donor.h"

#include <inttypes.h>
#include <string.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"
#include "io/fill.h"
#include "measure/block.h"

/* Compared on each side, the least of it, and where there is one side only. */
#define SIDE	    (UINT64_C(128) * 1024)
#define SIDE_LEAST  (UINT64_C(64) * 1024)
#define SIDE_SINGLE (UINT64_C(512) * 1024)
/* Of what is compared so much has to be more than one byte value repeated. */
#define TELLING (UINT64_C(16) * 1024)
#define BLOCK	4096u
/* Looked at of a stretch, in three places. */
#define SAMPLE (UINT64_C(64) * 1024)

enum fit { FITS, DIFFERS, BARE, NOISE, NARROW };

struct filling {
	struct vr_disk *disk, *from;
	struct vr_donor *donor;
	const struct vr_options *options;
	struct {
		struct vr_fill_range *items;
		size_t count, room;
	} ranges;
	uint8_t *ours, *theirs; /* SIDE_SINGLE each */
};

/* --- the donor itself ---------------------------------------------------------- */

static bool
is_lost(enum vr_damage damage)
{
	return damage == VR_ENCRYPTED || damage == VR_UNREADABLE;
}

/* A copy of the evidence is no older copy. */
static bool
is_same_file(const struct vr_disk *a, const struct vr_disk *b)
{
	for (size_t i = 0; i < a->files.count; i++)
		for (size_t j = 0; j < b->files.count; j++) {
			const struct stat *x = &a->files.items[i]->stat;
			const struct stat *y = &b->files.items[j]->stat;

			if (x->st_dev == y->st_dev && x->st_ino == y->st_ino)
				return true;
		}
	return false;
}

static bool
is_untouched(enum vr_condition condition)
{
	return condition == VR_CONDITION_UNTOUCHED ||
	       condition == VR_CONDITION_LOCKED;
}

static int
refuse(struct filling *f, const char *why, const char *detail)
{
	return vr_findings_add(&f->disk->findings, VR_WARNING, "donor-refused",
			       "Nothing is taken from the donor '%s': %s%s.",
			       f->donor->shown, why, detail);
}

static int
check_donor(struct filling *f, bool *ret_good)
{
	char ours[32], theirs[32], detail[96];

	*ret_good = false;
	if (is_same_file(f->disk, f->from))
		return refuse(f, "it is a file of the disk itself", "");
	if (!is_untouched(f->from->condition) || f->from->bytes[VR_ENCRYPTED] ||
	    f->from->bytes[VR_UNREADABLE])
		return refuse(f, "it is damaged itself, and its state is ",
			      vr_condition_name(f->from->condition));
	if (f->from->capacity != f->disk->capacity) {
		snprintf(detail, sizeof(detail),
			 "%s (%" PRIu64 " bytes), not %s",
			 vr_human_size(f->from->capacity, theirs),
			 f->from->capacity,
			 vr_human_size(f->disk->capacity, ours));
		return refuse(f, "it is a disk of another size, ", detail);
	}
	*ret_good = true;
	return 0;
}

static int
open_donor(struct filling *f)
{
	const struct vr_options how = {
		.size = sizeof(how),
		.progress = f->options->progress,
		.progress_data = f->options->progress_data,
	};
	int r = vr_vm_open(f->donor->path, &how, &f->donor->vm);

	if (r < 0)
		return vr_context(r, "the donor '%s'", f->donor->shown);
	if (f->donor->vm->disks.count != 1)
		return vr_fail(VR_E_USAGE,
			       "the donor '%s' has %zu disks: name the file of "
			       "one",
			       f->donor->shown, f->donor->vm->disks.count);
	f->from = f->donor->vm->disks.items[0];
	return 0;
}

/* --- does it fit? --------------------------------------------------------------- */

static uint64_t
telling_bytes(const uint8_t *bytes, size_t n)
{
	uint64_t sum = 0;

	for (size_t at = 0; at + BLOCK <= n; at += BLOCK)
		if (memcmp(bytes + at, bytes + at + 1, BLOCK - 1) != 0)
			sum += BLOCK;
	return sum;
}

/* Storage that fails shows nothing. */
static int
read_both(struct filling *f, uint64_t off, size_t n, bool *ret)
{
	int r = vr_source_read_at(f->disk->source, f->ours, n, off);

	if (r == 0)
		r = vr_source_read_at(f->from->source, f->theirs, n, off);
	*ret = r == 0;
	return r == VR_E_IO ? 0 : r;
}

static int
compare(struct filling *f, uint64_t off, size_t n, bool *ret_equal,
	uint64_t *telling)
{
	int r = read_both(f, off, n, ret_equal);

	if (r < 0 || !*ret_equal)
		return r;
	*ret_equal = memcmp(f->ours, f->theirs, n) == 0;
	*telling += telling_bytes(f->ours, n);
	return 0;
}

/* How many bytes before off, or from it on, are not lost; at most so many. */
static uint64_t
room_after(const struct vr_map *map, uint64_t off, uint64_t most)
{
	uint64_t at = off, end = vr_min(off + most, vr_map_size(map));

	while (at < end) {
		struct vr_span s;

		vr_map_span(map, at, &s);
		if (is_lost(s.damage))
			break;
		at += s.length;
	}
	return vr_min(at, end) - off;
}

static uint64_t
room_before(const struct vr_map *map, uint64_t off, uint64_t most)
{
	uint64_t start = off - vr_min(off, most), at = start;

	while (at < off) {
		struct vr_span s;

		vr_map_span(map, at, &s);
		at += s.length;
		if (is_lost(s.damage) && at < off)
			start = at;
		else if (is_lost(s.damage))
			start = off;
	}
	return off - start;
}

static int
compare_sides(struct filling *f, const struct vr_fill_range *lost,
	      enum fit *ret)
{
	const struct vr_map *map = f->disk->map;
	uint64_t end = lost->off + lost->length;
	bool first = lost->off == 0, last = end == f->disk->capacity;
	uint64_t wanted = first || last ? SIDE_SINGLE : SIDE;
	uint64_t least = first || last ? SIDE_SINGLE : SIDE_LEAST;
	uint64_t before = room_before(map, lost->off, wanted);
	uint64_t after = room_after(map, end, wanted), telling = 0;
	bool equal = true;
	int r = 0;

	*ret = NARROW;
	if ((first && last) || (!first && before < least) ||
	    (!last && after < least))
		return 0;
	if (!first)
		r = compare(f, lost->off - before, (size_t)before, &equal,
			    &telling);
	if (r == 0 && equal && !last)
		r = compare(f, end, (size_t)after, &equal, &telling);
	*ret = !equal ? DIFFERS : telling < TELLING ? BARE : FITS;
	return r;
}

/* Our ciphertext in the donor, or other noise that begins where ours does. */
static int
look_inside(struct filling *f, const struct vr_fill_range *lost, enum fit *ret)
{
	uint64_t n = vr_min(SAMPLE, lost->length);
	const uint64_t places[] = {0, (lost->length - n) / 2, lost->length - n};
	unsigned noisy = 0;

	for (unsigned i = 0; i < 3; i++) {
		uint64_t off = lost->off + places[i];
		bool good;
		int r = read_both(f, off, (size_t)n, &good);

		if (r < 0)
			return r;
		/* Where ours cannot be read, theirs alone has to do. */
		if (!good)
			r = vr_source_read_at(f->from->source, f->theirs,
					      (size_t)n, off);
		if (r == VR_E_IO)
			*ret = NOISE;
		if (r < 0)
			return r == VR_E_IO ? 0 : r;
		if (n < VR_BLOCK_LEAST)
			continue;
		noisy += vr_looks_noise(vr_block_looks(f->theirs, (size_t)n));
		if (good && telling_bytes(f->ours, (size_t)n) &&
		    memcmp(f->ours, f->theirs, (size_t)n) == 0)
			*ret = NOISE;
	}
	if (noisy == 3)
		*ret = NOISE;
	return 0;
}

static int
judge(struct filling *f, const struct vr_fill_range *lost)
{
	enum fit fit;
	int r = compare_sides(f, lost, &fit);

	if (r == 0 && fit == FITS)
		r = look_inside(f, lost, &fit);
	if (r < 0)
		return r;
	switch (fit) {
	case FITS:
		f->donor->filled++;
		f->donor->filled_bytes += lost->length;
		return VR_PUSH(&f->ranges, {lost->off, lost->length});
	case DIFFERS:
		f->donor->differ++;
		return 0;
	case BARE:
		f->donor->bare++;
		return 0;
	case NOISE:
		f->donor->noise++;
		return 0;
	case NARROW:
		break;
	}
	f->donor->narrow++;
	return 0;
}

/* --- filling -------------------------------------------------------------------- */

static int
tick(const struct filling *f, uint64_t off)
{
	const struct vr_options *o = f->options;

	if (o->progress &&
	    o->progress(o->progress_data, "comparing with the donor, MiB",
			off / VR_MIB, f->disk->capacity / VR_MIB))
		return vr_fail(VR_E_CANCELLED, "cancelled");
	return vr_check_cancel();
}

/* The lost stretch at off or behind it; length 0: none. */
static struct vr_fill_range
next_lost(const struct vr_map *map, uint64_t off)
{
	struct vr_fill_range lost = {0};
	uint64_t size = vr_map_size(map);

	while (off < size) {
		struct vr_span s;

		vr_map_span(map, off, &s);
		if (is_lost(s.damage)) {
			if (!lost.length)
				lost.off = off;
			lost.length += s.length;
		} else if (lost.length) {
			break;
		}
		off += s.length;
	}
	return lost;
}

static int
judge_all(struct filling *f)
{
	struct vr_fill_range lost;
	int r = 0;

	for (uint64_t off = 0; r == 0; off = lost.off + lost.length) {
		lost = next_lost(f->disk->map, off);
		if (!lost.length)
			break;
		r = tick(f, lost.off);
		if (r == 0)
			r = judge(f, &lost);
	}
	return r;
}

/* On top of whatever layer called it lost. */
static int
mark_recovered(struct vr_map *map, const struct vr_fill_range *range)
{
	int r = 0;

	for (uint64_t done = 0; r == 0 && done < range->length;) {
		struct vr_span s;
		uint64_t n;

		vr_map_at(map, range->off + done, &s);
		n = vr_min(s.length, range->length - done);
		r = vr_map_add_range(map,
				     s.layer == VR_LAYER_HAND
					     ? VR_LAYER_HAND
					     : VR_LAYER_MEASURED,
				     VR_RECOVERED, range->off + done, n);
		done += n;
	}
	return r;
}

static int
lay_ranges(struct filling *f)
{
	struct vr_source *below = f->disk->source;
	int r = 0;

	if (!f->ranges.count)
		return 0;
	r = vr_fill_open(below, f->from->source, f->ranges.items,
			 f->ranges.count, &f->disk->source);
	if (r < 0)
		return r;
	vr_source_free(below);
	for (size_t i = 0; r == 0 && i < f->ranges.count; i++)
		r = mark_recovered(f->disk->map, &f->ranges.items[i]);
	vr_map_totals(f->disk->map, f->disk->bytes);
	return r;
}

static int
tell(struct filling *f)
{
	const struct vr_donor *d = f->donor;
	size_t all = d->filled + d->differ + d->bare + d->noise + d->narrow;
	char room[32];
	int r = 0;

	if (d->filled)
		r = vr_findings_add(
			&f->disk->findings, VR_NOTE, "donor-used",
			"Recovered from the donor '%s': %" PRIu64
			" bytes (%s), %zu of %zu lost stretches. The bytes on "
			"both sides of each are equal in the donor; whether "
			"those within changed after the donor was made, nothing "
			"shows.",
			d->shown, d->filled_bytes,
			vr_human_size(d->filled_bytes, room), d->filled, all);
	if (r == 0 && all > d->filled)
		r = vr_findings_add(
			&f->disk->findings, VR_WARNING, "donor-misfit",
			"%zu of %zu lost stretches were not filled from the "
			"donor '%s': beside %zu its bytes differ, beside %zu "
			"there is nothing that would tell this disk from "
			"another, beside %zu there is too little to compare, "
			"and in %zu it is noise itself.",
			all - d->filled, all, d->shown, d->differ, d->bare,
			d->narrow, d->noise);
	return r;
}

static int
fill(struct filling *f)
{
	bool good = false;
	int r = open_donor(f);

	if (r == 0)
		r = check_donor(f, &good);
	if (r < 0 || !good)
		return r;
	f->ours = malloc(SIDE_SINGLE);
	f->theirs = malloc(SIDE_SINGLE);
	if (!f->ours || !f->theirs)
		return vr_fail_memory();
	r = judge_all(f);
	if (r == 0)
		r = lay_ranges(f);
	return r == 0 ? tell(f) : r;
}

int
vr_donor_apply(struct vr_disk *disk, const struct vr_options *options)
{
	struct filling f = {.disk = disk, .options = options};
	int r;

	if (!options->donor)
		return 0;
	f.donor = disk->donor = calloc(1, sizeof(*f.donor));
	if (!f.donor)
		return vr_fail_memory();
	f.donor->path = strdup(options->donor);
	f.donor->shown = vr_printable(options->donor);
	r = f.donor->path && f.donor->shown ? fill(&f) : vr_fail_memory();
	free(f.ranges.items);
	free(f.ours);
	free(f.theirs);
	return r;
}

void
vr_donor_free(struct vr_donor *donor)
{
	if (!donor)
		return;
	vr_vm_free(donor->vm);
	free(donor->path);
	free(donor->shown);
	free(donor);
}
