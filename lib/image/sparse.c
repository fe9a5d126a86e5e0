/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks in grains. The file's map says what became of its bytes; where the
 * grains lie decides what that means for the disk: so the disk's map is walked
 * together, span by span.
 */
#include <inttypes.h>
#include <string.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "format/container.h"
#include "guest/gpt_header.h"
#include "image/disk.h"
#include "io/slice.h"

/* Changes in a map; behind so many the rest is not told piece by piece. */
#define CHANGES_MOST (UINT64_C(2) << 20)

/* --- opening ----------------------------------------------------------------- */

static const char *
format_of(const struct vr_piece *piece)
{
	switch (piece->kind) {
	case VR_PIECE_SPARSE:
		return "hosted";
	case VR_PIECE_COWD:
		return "cowd";
	case VR_PIECE_FLAT:
	case VR_PIECE_MAYBE:
	case VR_PIECE_LONE:
		break;
	}
	return NULL;
}

/* A disk that begins with bytes of its own has no header that was lost. */
static int
may_be_container(const struct vr_sparse_job *job, bool *ret)
{
	uint8_t head[VR_CONTAINER_HEAD];
	struct vr_extent extent;
	int r = vr_source_next(job->file->data, 0, &extent);

	*ret = true;
	if (r < 0 || format_of(job->piece) ||
	    (extent.flags & (VR_EXTENT_DAMAGED | VR_EXTENT_SUSPECT)) ||
	    job->file->data->size < sizeof(head))
		return r;
	r = vr_source_read_at(job->file->data, head, sizeof(head), 0);
	if (r == 0)
		*ret = vr_container_of(head, sizeof(head)) != NULL;
	return r == VR_E_IO ? 0 : r;
}

static int
note_assumed(const struct vr_sparse_job *job, const struct vr_container *c)
{
	char room[32];
	int r = 0;

	if (c->assumed)
		r = vr_findings_add(job->findings, VR_WARNING, "header-rebuilt",
				    "'%s' is %s: %s. What rests on that alone "
				    "is marked suspect.",
				    job->file->shown, c->row->title,
				    c->assumed);
	if (r == 0 && !c->capacity_sure)
		r = vr_findings_add(
			job->findings, VR_WARNING, "capacity-unsure",
			"The capacity of '%s' is not told by what is left of "
			"it; %s is the most or the least that its grains allow. "
			"If you know the disk's size, say it with --capacity.",
			job->file->shown,
			vr_human_size(c->layout.capacity, room));
	return r;
}

/* The parent's bytes from this part on; a parent that ends before has none. */
static int
slice_parent(const struct vr_sparse_job *job, uint64_t length,
	     struct vr_source **ret)
{
	uint64_t size = job->parent ? job->parent->size : 0;

	if (!job->parent)
		return 0;
	if (job->disk_off >= size)
		return vr_slice_open(job->parent, 0, 0, ret);
	return vr_slice_open(job->parent, job->disk_off,
			     vr_min(length, size - job->disk_off), ret);
}

/* Where the guest's partition table ends its disk, in the last stored grain. */
static int
find_backup_gpt(struct vr_source *grains, uint64_t last_end, uint64_t *ret)
{
	uint64_t start = vr_round_down(last_end - vr_min(last_end, 64 * 1024),
				       VR_SECTOR);
	struct vr_window w;
	struct vr_gpt gpt;
	int r = vr_window_read(&w, grains, start, (size_t)(last_end - start));

	if (r < 0)
		return r;
	for (uint64_t at = 0; at + VR_SECTOR <= w.length; at += VR_SECTOR)
		if (vr_gpt_header(&w, at, start + at, &gpt) && gpt.my_lba > 1)
			*ret = start + at + gpt.block_bytes;
	vr_window_free(&w);
	return 0;
}

static int
last_stored(struct vr_source *grains, uint64_t *ret)
{
	struct vr_grain_span span;
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < grains->size; at += span.length) {
		r = vr_check_cancel();
		if (r == 0)
			r = vr_grains_at(grains, at, &span);
		if (r == 0 && (span.kind == VR_GRAIN_STORED ||
			       span.kind == VR_GRAIN_PACKED))
			*ret = at + span.length;
	}
	return r;
}

static int
refine_capacity(const struct vr_sparse_job *job, struct vr_part *part)
{
	uint64_t last = 0, found = 0;
	int r = last_stored(part->grains, &last);

	if (r == 0)
		r = find_backup_gpt(part->grains, last, &found);
	if (r < 0 || found == 0 || found > part->length)
		return r;
	part->length = found;
	part->length_unsure = false;
	return vr_findings_add(job->findings, VR_NOTE, "capacity-of-gpt",
			       "The guest's backup GPT stands in the last "
			       "block of the disk: it has %" PRIu64 " bytes.",
			       found);
}

/* What a descriptor promises of a part is what the next one follows behind. */
static int
fit_length(const struct vr_sparse_job *job, struct vr_part *part)
{
	char room[32];

	part->length = part->grains->size;
	if (!job->piece->bytes || job->piece->bytes == part->length)
		return 0;
	if (part->length < job->piece->bytes)
		return vr_fail(VR_E_FORMAT,
			       "'%s' holds %s of the disk, less than its "
			       "descriptor says",
			       job->file->shown,
			       vr_human_size(part->length, room));
	part->length = job->piece->bytes;
	return 0;
}

static int
open_container(const struct vr_sparse_job *job, struct vr_container *c,
	       struct vr_part *ret)
{
	vr_cleanup(vr_source_free_p) struct vr_source *parent = NULL;
	struct vr_part part = {
		.file = job->file,
		.length_unsure = !c->capacity_sure,
	};
	int r;

	c->layout.assumed |= job->doubted;
	r = slice_parent(job, c->layout.capacity, &parent);
	if (r == 0)
		r = vr_container_open(job->file->data, c, parent, &part.grains);
	if (r == 0)
		r = fit_length(job, &part);
	if (r == 0 && part.length_unsure)
		r = refine_capacity(job, &part);
	if (r == 0)
		*ret = part;
	else
		vr_source_free(part.grains);
	return r;
}

int
vr_sparse_open(const struct vr_sparse_job *job, struct vr_part *ret)
{
	const struct vr_container_hints hints = {
		.capacity = job->capacity,
		.format = format_of(job->piece),
	};
	struct vr_container c = {0};
	bool may;
	int r = may_be_container(job, &may);

	if (r == 0 && !may)
		r = vr_fail(VR_E_FORMAT, "'%s' is no sparse disk",
			    job->file->shown);
	if (r < 0)
		return r;
	r = vr_container_find(job->file->data, &hints, &c);
	if (r < 0)
		return vr_context(r, "'%s'", job->file->shown);
	r = open_container(job, &c, ret);
	if (r == 0)
		r = note_assumed(job, &c);
	vr_container_free(&c);
	return r;
}

/* --- the map -------------------------------------------------------------------- */

struct projection {
	const struct vr_disk *disk;
	const struct vr_part *part;
	struct vr_map *map;
	uint64_t changes;
};

static int
say(struct projection *p, enum vr_damage damage, uint64_t at, uint64_t length)
{
	p->changes += damage != VR_INTACT;
	return vr_map_add_range(p->map, VR_LAYER_MEASURED, damage, at, length);
}

/*
 * Nothing was done to a file of which nothing is known: then a doubt about its
 * tables is none of its own.
 */
static enum vr_damage
doubt_of(const struct projection *p)
{
	return p->part->file->diagnosis.condition == VR_CONDITION_UNTOUCHED
		       ? VR_UNKNOWN
		       : VR_SUSPECT;
}

static enum vr_damage
with_doubt(const struct projection *p, const struct vr_grain_span *span,
	   enum vr_damage damage)
{
	if (damage != VR_INTACT && damage != VR_UNKNOWN)
		return damage;
	if (span->assumed)
		return VR_SUSPECT;
	if (span->doubted)
		return damage == VR_INTACT ? doubt_of(p) : damage;
	return damage;
}

/* Bytes that stand in a file, or in the parent, one for one. */
static int
project_from(struct projection *p, const struct vr_grain_span *span,
	     const struct vr_map *from, uint64_t start, uint64_t at,
	     uint64_t length)
{
	int r = 0;

	for (uint64_t done = 0; r == 0 && done < length;) {
		struct vr_span s;
		uint64_t n;

		vr_map_span(from, start + done, &s);
		n = vr_min(s.length, length - done);
		r = say(p, with_doubt(p, span, s.damage), at + done, n);
		done += n;
	}
	return r;
}

/* A compressed grain is as good as the worst of its bytes. */
static enum vr_damage
worst_of(const struct vr_map *map, uint64_t off, uint64_t length)
{
	static const int rank[VR_DAMAGES] = {
		[VR_INTACT] = 0,  [VR_RECOVERED] = 1,  [VR_UNKNOWN] = 2,
		[VR_SUSPECT] = 3, [VR_UNREADABLE] = 4, [VR_ENCRYPTED] = 5,
	};
	enum vr_damage worst = VR_INTACT;
	uint64_t end = vr_min(off + length, vr_map_size(map));

	while (off < end) {
		struct vr_span s;

		vr_map_span(map, off, &s);
		if (rank[s.damage] > rank[worst])
			worst = s.damage;
		off += s.length;
	}
	return worst;
}

/* A parent that ends before the disk does is followed by zeros. */
static int
project_parent(struct projection *p, const struct vr_grain_span *span,
	       uint64_t at)
{
	const struct vr_map *map = p->disk->parent->map;
	uint64_t size = vr_map_size(map);
	uint64_t here = vr_min(span->length, size - vr_min(at, size));
	int r = project_from(p, span, map, at, at, here);

	if (r == 0 && here < span->length)
		r = say(p, with_doubt(p, span, VR_INTACT), at + here,
			span->length - here);
	return r;
}

static int
project_span(struct projection *p, const struct vr_grain_span *span,
	     uint64_t at)
{
	const struct vr_map *map = p->part->file->map;

	switch (span->kind) {
	case VR_GRAIN_PARENT:
		return project_parent(p, span, at);
	case VR_GRAIN_STORED:
		return project_from(p, span, map, span->file_off, at,
				    span->length);
	case VR_GRAIN_PACKED:
		return say(p,
			   with_doubt(p, span,
				      worst_of(map, span->file_off,
					       span->file_length)),
			   at, span->length);
	case VR_GRAIN_EMPTY:
	case VR_GRAIN_ZERO:
		return say(p, with_doubt(p, span, VR_INTACT), at, span->length);
	case VR_GRAIN_LOST:
		break;
	}
	return say(p, VR_UNREADABLE, at, span->length);
}

static int
give_up(struct projection *p, uint64_t at, uint64_t length,
	struct vr_findings *findings)
{
	int r = say(p, VR_SUSPECT, at, length);

	return r < 0 ? r
		     : vr_findings_add(findings, VR_WARNING, "map-too-fine",
				       "What became of '%s' is too scattered "
				       "to be told piece by piece; all behind "
				       "byte %" PRIu64 " is marked suspect.",
				       p->part->file->shown, at);
}

static int
note_unlocated(const struct projection *p, uint64_t bytes,
	       struct vr_findings *findings)
{
	char room[32];

	if (bytes == 0)
		return 0;
	return vr_findings_add(findings, VR_LOSS, "grains-unlocated",
			       "The tables of '%s' that say where %s of the "
			       "disk lie are lost, and so are those bytes, "
			       "although some of them may stand in the file.",
			       p->part->file->shown,
			       vr_human_size(bytes, room));
}

int
vr_sparse_project(const struct vr_disk *disk, const struct vr_part *part,
		  uint64_t disk_off, struct vr_map *map,
		  struct vr_findings *findings)
{
	struct projection p = {.disk = disk, .part = part, .map = map};
	uint64_t unlocated = 0;
	int r = 0;

	for (uint64_t off = 0; r == 0 && off < part->length;) {
		struct vr_grain_span span;

		if (p.changes > CHANGES_MOST)
			return give_up(&p, disk_off + off, part->length - off,
				       findings);
		r = vr_check_cancel();
		if (r == 0)
			r = vr_grains_at(part->grains, off, &span);
		if (r < 0)
			return r;
		span.length = vr_min(span.length, part->length - off);
		if (span.kind == VR_GRAIN_LOST)
			unlocated += span.length;
		r = project_span(&p, &span, disk_off + off);
		off += span.length;
	}
	return r == 0 ? note_unlocated(&p, unlocated, findings) : r;
}
