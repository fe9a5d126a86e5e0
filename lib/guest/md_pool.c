/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From members of Linux software RAID to volumes, without md. A mirror is any one
 * of its members; stripes and chains need all. Whatever needs parity, or is in
 * the middle of a change, is left to the kernel, on copies.
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/findings.h"
#include "base/text.h"
#include "base/vector.h"
#include "guest/md.h"
#include "guest/pool.h"

extern const struct vr_pool_row vr_pool_md;

struct part {
	const struct vr_member *member;
	struct vr_md md;
	bool done;
};

struct parts {
	struct part *items;
	size_t count, room;
};

struct array {
	struct vr_pool_job *job;
	const struct vr_md *md; /* of its newest member */
	/* By role; NULL: not here. */
	const struct part **seats;
	size_t here;
};

/* --- members -------------------------------------------------------------- */

/* Where the member's data lie: on one disk in one piece, or not usable here. */
static bool
place_of(const struct part *p, struct vr_place *ret)
{
	const struct vr_layout *layout = p->member->layout;
	uint64_t here;

	if (!vr_inside(p->md.data_off, p->md.data_bytes, layout->size) ||
	    p->md.data_bytes == 0)
		return false;
	vr_layout_at(layout, p->md.data_off, ret, &here);
	return here >= p->md.data_bytes;
}

static int
collect_parts(struct vr_pool_job *job, struct parts *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < job->member_count; i++) {
		struct part p = {.member = &job->members[i]};
		bool found;

		if (p.member->bid->prober != &vr_prober_md)
			continue;
		r = vr_md_read(p.member->source, p.member->bid->evidence, &p.md,
			       &found);
		/* Before version 1 only mirrors tell how much they use. */
		if (r == 0 && found && p.md.major == 0 && p.md.level <= 0)
			p.md.data_bytes = p.member->bid->evidence;
		if (r == 0 && found)
			r = VR_PUSH(ret, p);
	}
	return r;
}

/* Is a the one to rely on, of two for the same seat? */
static bool
is_better(const struct part *a, const struct part *b)
{
	if (a->md.checked != b->md.checked)
		return a->md.checked;
	return a->md.events > b->md.events;
}

static bool
is_usable(const struct part *p)
{
	struct vr_place place;

	return !(p->md.flags & (VR_MD_OUTSIDE | VR_MD_RECOVERING)) &&
	       place_of(p, &place);
}

static void
seat_all(struct array *a, struct parts *parts, const char *uuid)
{
	for (size_t i = 0; i < parts->count; i++) {
		struct part *p = &parts->items[i];

		if (p->done || strcmp(p->md.uuid, uuid) != 0)
			continue;
		p->done = true;
		if (p->md.role >= a->md->disks || !is_usable(p))
			continue;
		if (!a->seats[p->md.role])
			a->here++;
		else if (!is_better(p, a->seats[p->md.role]))
			continue;
		a->seats[p->md.role] = p;
	}
}

/* --- volumes -------------------------------------------------------------- */

static bool
is_taken(const struct vr_pool_job *job, const char *name)
{
	for (size_t i = 0; i < job->volumes.count; i++)
		if (strcmp(job->volumes.items[i].name, name) == 0)
			return true;
	return false;
}

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* "host:name" is for people; the name becomes one of files. */
static char *
name_of(const struct array *a)
{
	const char *colon = strrchr(a->md->name, ':');
	const char *from = colon ? colon + 1 : a->md->name;
	char *name, *longer;

	name = vr_format("%s", *from && *from != '.' ? from : "array");
	for (char *c = name; c && *c; c++)
		if (!is_plain(*c))
			*c = '_';
	if (!name || !is_taken(a->job, name))
		return name;
	longer = vr_format("%s_%.8s", name, a->md->uuid);
	free(name);
	return longer;
}

static void
free_logical(struct vr_logical *v)
{
	vr_layout_free(&v->layout);
	free(v->pool);
	free(v->name);
	free(v->how);
}

static int
push_volume(struct array *a, struct vr_logical *v)
{
	int r = 0;

	v->pool = strdup("md");
	v->name = name_of(a);
	v->score = VR_SCORE_CHECKSUM;
	for (size_t i = 0; i < a->md->disks; i++)
		if (a->seats[i] && !a->seats[i]->md.checked)
			v->score = VR_SCORE_FIELDS;
	memcpy(v->uuid, a->md->uuid, sizeof(v->uuid));
	if (!v->pool || !v->name || !v->how)
		r = vr_fail_memory();
	if (r == 0)
		r = VR_PUSH(&a->job->volumes, *v);
	return r;
}

static int
lay_mirror(struct array *a, struct vr_logical *v)
{
	const struct part *best = NULL;
	struct vr_place place = {0};

	for (size_t i = 0; i < a->md->disks; i++)
		if (a->seats[i] && (!best || is_better(a->seats[i], best)))
			best = a->seats[i];
	if (!best || !place_of(best, &place))
		return 0;
	v->how = vr_format("RAID1 superblock on disk %" PRIu32, place.disk + 1);
	return vr_layout_append(&v->layout, best->md.data_bytes, &place, 1, 0);
}

static uint64_t
whole_chunks(const struct part *p)
{
	return p->md.chunk_bytes
		       ? vr_round_down(p->md.data_bytes, p->md.chunk_bytes)
		       : p->md.data_bytes;
}

/* Members of different sizes make zones, whose order is not told. */
static bool
stripes_are_even(const struct array *a, uint64_t *ret_each)
{
	uint64_t each = 0;

	for (size_t i = 0; i < a->md->disks; i++) {
		if (!a->seats[i])
			continue;
		if (each && whole_chunks(a->seats[i]) != each)
			return false;
		if (a->seats[i]->md.chunk_bytes != a->md->chunk_bytes)
			return false;
		each = whole_chunks(a->seats[i]);
	}
	*ret_each = each;
	return each > 0;
}

static int
lay_stripes(struct array *a, struct vr_logical *v)
{
	uint64_t each, length;
	vr_cleanup(vr_free_p) struct vr_place *places = NULL;

	if (!stripes_are_even(a, &each) || !vr_mul(each, a->md->disks, &length))
		return 0;
	places = calloc(a->md->disks, sizeof(*places));
	if (!places)
		return vr_fail_memory();
	for (size_t i = 0; i < a->md->disks; i++)
		if (!a->seats[i] || !place_of(a->seats[i], &places[i])) {
			places[i] = (struct vr_place){VR_NO_DISK, 0};
			v->missing = true;
		}
	v->how = vr_format("RAID0 superblocks of %zu of %u members", a->here,
			   a->md->disks);
	return vr_layout_append(&v->layout, length, places, a->md->disks,
				a->md->chunk_bytes);
}

/* Up to the first member that is missing: how long that was, none tells. */
static int
lay_chain(struct array *a, struct vr_logical *v)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->md->disks; i++) {
		struct vr_place place;
		uint64_t length;

		v->missing |= !a->seats[i];
		if (v->missing)
			break;
		length = whole_chunks(a->seats[i]);
		if (length && place_of(a->seats[i], &place))
			r = vr_layout_append(&v->layout, length, &place, 1, 0);
	}
	v->how = vr_format("superblocks of %zu of %u members of a linear array",
			   a->here, a->md->disks);
	return r;
}

/* --- what is told --------------------------------------------------------- */

static const char *
level_name(int level, char room[32])
{
	if (level == VR_MD_LINEAR)
		return "linear";
	snprintf(room, 32, "RAID%d", level);
	return room;
}

static int
tell_missing(const struct array *a)
{
	char room[32];

	return vr_findings_add(
		a->job->findings, VR_WARNING, "md-missing",
		"Of the %u members of the %s array '%s' %zu are here. What lies "
		"on the others is missing; give their disks too.",
		a->md->disks, level_name(a->md->level, room), a->md->name,
		a->here);
}

static int
tell_left_alone(const struct array *a)
{
	char room[32];

	return vr_findings_add(
		a->job->findings, VR_WARNING, "md-type",
		"The %s array '%s' (%zu of %u members here) is not put together "
		"here%s. Export the repaired disks, attach the copies with "
		"\"losetup --read-only --partscan\", and start the array with "
		"\"mdadm --assemble --readonly\".",
		level_name(a->md->level, room), a->md->name, a->here,
		a->md->disks,
		a->md->flags & VR_MD_RESHAPING ? ": its shape was being changed"
					       : "");
}

static int
lay_volume(struct array *a, struct vr_logical *v)
{
	if (a->md->flags & VR_MD_RESHAPING || a->here == 0)
		return 0;
	if (a->md->level == 1)
		return lay_mirror(a, v);
	if (a->md->level == 0)
		return lay_stripes(a, v);
	return a->md->level == VR_MD_LINEAR ? lay_chain(a, v) : 0;
}

static int
assemble_array(struct array *a)
{
	struct vr_logical v = {0};
	int r = lay_volume(a, &v);

	if (r == 0 && v.layout.size == 0) {
		free_logical(&v);
		return tell_left_alone(a);
	}
	if (r == 0)
		r = v.missing ? tell_missing(a) : 0;
	if (r == 0)
		r = push_volume(a, &v);
	if (r < 0)
		free_logical(&v);
	return r;
}

/* The member whose word counts for the whole array. */
static const struct vr_md *
newest_of(const struct parts *parts, const char *uuid)
{
	const struct part *best = NULL;

	for (size_t i = 0; i < parts->count; i++) {
		const struct part *p = &parts->items[i];

		if (strcmp(p->md.uuid, uuid) == 0 &&
		    (!best || is_better(p, best)))
			best = p;
	}
	return &best->md;
}

static int
md_assemble(struct vr_pool_job *job)
{
	struct parts parts = {0};
	int r = collect_parts(job, &parts);

	for (size_t i = 0; r == 0 && i < parts.count; i++) {
		const char *uuid = parts.items[i].md.uuid;
		struct array a = {.job = job};

		if (parts.items[i].done)
			continue;
		a.md = newest_of(&parts, uuid);
		a.seats = calloc(a.md->disks, sizeof(*a.seats));
		if (!a.seats)
			r = vr_fail_memory();
		if (r == 0) {
			seat_all(&a, &parts, uuid);
			r = assemble_array(&a);
		}
		free(a.seats);
	}
	free(parts.items);
	return r;
}

const struct vr_pool_row vr_pool_md = {
	.name = "md",
	.assemble = md_assemble,
};
