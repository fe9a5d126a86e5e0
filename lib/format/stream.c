/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/stream.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"
#include "format/packed.h"
#include "io/window.h"

#define TABLE 512u
/* 64 MiB of places, enough for a TiB of usual grains. */
#define TABLES_MOST 32768u
/* No disk reaches further, whatever a damaged head says. */
#define DISK_MOST   (UINT64_C(64) << 40)
#define GAPS_MOST   (UINT64_C(1) << 20)
#define GRAIN_USUAL 65536u
/* Sectors that are looked at together where the chain is broken. */
#define LOOK_BYTES 65536u

/* Values in a table besides sectors, none of which a grain can stand in. */
#define NOTHING	  0u
#define AMBIGUOUS UINT32_MAX

struct gap {
	uint64_t first, end;
};

/* Gaps ascend and do not overlap. */
struct vr_grain_index {
	uint32_t **tables;
	size_t room, used;
	struct {
		struct gap *items;
		size_t count, room;
	} gaps;
	bool ordered; /* grains ascend, so that what is between is empty */
};

enum marker { NO_MARKER, GRAIN, METADATA, END };

struct walk {
	struct vr_source *file;
	struct vr_stream *stream;
	struct vr_grain_index *index;
	uint64_t pos;
	bool chained;	/* a marker is known to stand at pos */
	uint64_t after; /* the grain behind the last one of the chain */
	bool full;	/* the index is */
	struct vr_window look;
	uint64_t look_off;
};

/* --- the index ------------------------------------------------------------- */

void
vr_grain_index_free(struct vr_grain_index *index)
{
	if (!index)
		return;
	for (size_t i = 0; i < index->room; i++)
		free(index->tables[i]);
	free(index->tables);
	free(index->gaps.items);
	free(index);
}

static bool
in_gap(const struct vr_grain_index *index, uint64_t grain)
{
	size_t low = 0, high = index->gaps.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->gaps.items[middle].end > grain)
			high = middle;
		else
			low = middle + 1;
	}
	return index->ordered && low < index->gaps.count &&
	       index->gaps.items[low].first <= grain;
}

enum vr_known
vr_grain_index_get(const struct vr_grain_index *index, uint64_t grain,
		   uint64_t *ret_off)
{
	uint64_t table = grain / TABLE;
	uint32_t sector = NOTHING;

	if (table < index->room && index->tables[table])
		sector = index->tables[table][grain % TABLE];
	if (sector != NOTHING && sector != AMBIGUOUS) {
		*ret_off = (uint64_t)sector * VR_SECTOR;
		return VR_KNOWN_STORED;
	}
	return sector == NOTHING && in_gap(index, grain) ? VR_KNOWN_EMPTY
							 : VR_KNOWN_NOTHING;
}

static int
make_room(struct vr_grain_index *index, size_t table)
{
	size_t room = table + table / 2 + 64;
	uint32_t **grown;

	if (table < index->room)
		return 0;
	grown = realloc(index->tables, room * sizeof(*grown));
	if (!grown)
		return vr_fail_memory();
	memset(grown + index->room, 0, (room - index->room) * sizeof(*grown));
	index->tables = grown;
	index->room = room;
	return 0;
}

static int
put(struct walk *w, uint64_t grain, uint64_t off)
{
	struct vr_grain_index *index = w->index;
	size_t table = (size_t)(grain / TABLE);
	uint32_t *place;
	int r = make_room(index, table);

	if (r < 0)
		return r;
	if (!index->tables[table]) {
		if (index->used == TABLES_MOST) {
			w->full = true;
			return 0;
		}
		index->tables[table] = calloc(TABLE, sizeof(uint32_t));
		if (!index->tables[table])
			return vr_fail_memory();
		index->used++;
	}
	place = &index->tables[table][grain % TABLE];
	*place = *place == NOTHING ? (uint32_t)(off / VR_SECTOR) : AMBIGUOUS;
	return 0;
}

static int
put_gap(struct walk *w, uint64_t first, uint64_t end)
{
	struct vr_grain_index *index = w->index;

	if (first >= end || index->gaps.count >= GAPS_MOST)
		return 0;
	if (index->gaps.count &&
	    index->gaps.items[index->gaps.count - 1].end > first) {
		index->ordered = false;
		return 0;
	}
	return VR_PUSH(&index->gaps, {first, end});
}

/* --- markers ----------------------------------------------------------------- */

/* The sectors from pos on, as far as they are in sight. */
static int
see(struct walk *w, const uint8_t **ret)
{
	size_t n = w->chained ? VR_SECTOR : LOOK_BYTES;
	int r;

	*ret = NULL;
	if (w->look.bytes && w->pos >= w->look_off &&
	    w->pos - w->look_off + VR_SECTOR <= w->look.length) {
		*ret = vr_window_bytes(&w->look, w->pos - w->look_off, 16);
		return 0;
	}
	vr_window_free(&w->look);
	r = vr_window_read(&w->look, w->file, w->pos, n);
	if (r < 0)
		return r;
	w->look_off = w->pos;
	*ret = vr_window_bytes(&w->look, 0, 16);
	return 0;
}

/* Sectors of a directory or a table, that follow their marker. */
static bool
is_metadata(struct walk *w, uint64_t sectors, uint32_t type)
{
	static const uint64_t most[] = {0, 1024, VR_DIRECTORY_MOST / 128, 1, 1};

	return type >= 1 && type <= 4 && sectors <= most[type] &&
	       sectors <= (w->file->size - w->pos) / VR_SECTOR;
}

static bool
is_place(const struct walk *w, uint64_t sector)
{
	const struct vr_stream *s = w->stream;
	uint64_t off;

	return vr_mul(sector, VR_SECTOR, &off) && off < DISK_MOST &&
	       (!s->capacity || off < s->capacity) &&
	       (!s->grain_bytes || off % s->grain_bytes == 0);
}

/* The length that it inflates to is the grain's, but for the disk's last. */
static int
inflates(struct walk *w, const struct vr_packed *packed, bool *ret)
{
	size_t room = (size_t)(w->stream->grain_bytes ? w->stream->grain_bytes
						      : GRAIN_USUAL);
	vr_cleanup(vr_free_p) uint8_t *bytes = malloc(room);
	int r;

	if (!bytes)
		return vr_fail_memory();
	r = vr_packed_inflate(w->file, w->pos, packed, bytes, room, VR_SECTOR);
	*ret = r == 0;
	return r == VR_E_FORMAT || r == VR_E_IO ? 0 : r;
}

/* On the chain a head is believed; beside it the grain has to inflate. */
static int
look_at_grain(struct walk *w, enum marker *ret, struct vr_packed *packed)
{
	uint64_t grain = w->stream->grain_bytes ? w->stream->grain_bytes
						: GRAIN_USUAL;
	bool sound = true;
	int r = vr_packed_look(w->file, w->pos, grain, packed);

	*ret = NO_MARKER;
	if (r == VR_E_FORMAT)
		return 0;
	if (r < 0 || packed->length == 0 || !is_place(w, packed->sector))
		return r;
	if (!w->chained || !w->stream->grain_bytes)
		r = packed->lost ? (sound = false, 0)
				 : inflates(w, packed, &sound);
	if (r == 0 && sound)
		*ret = GRAIN;
	return r;
}

static int
look_at_marker(struct walk *w, enum marker *ret, struct vr_packed *packed,
	       uint64_t *ret_sectors)
{
	const uint8_t *p;
	uint32_t type;
	int r = see(w, &p);

	*ret = NO_MARKER;
	if (r < 0 || !p)
		return r;
	if (vr_load_le32(p + 8) != 0)
		return look_at_grain(w, ret, packed);
	type = vr_load_le32(p + 12);
	*ret_sectors = vr_load_le64(p);
	if (w->chained && type == 0 && *ret_sectors == 0)
		*ret = END;
	else if (w->chained && is_metadata(w, *ret_sectors, type))
		*ret = METADATA;
	return 0;
}

/* --- walking --------------------------------------------------------------- */

static int
take_grain(struct walk *w, const struct vr_packed *packed)
{
	struct vr_stream *s = w->stream;
	uint64_t grain;
	int r = 0;

	if (!s->grain_bytes)
		s->grain_bytes = GRAIN_USUAL;
	grain = packed->sector * VR_SECTOR / s->grain_bytes;
	if (w->chained && grain < w->after)
		w->index->ordered = false;
	if (w->chained)
		r = put_gap(w, w->after, grain);
	if (r == 0)
		r = put(w, grain, w->pos);
	s->grains++;
	s->end = vr_max(s->end, (grain + 1) * s->grain_bytes);
	w->after = grain + 1;
	w->chained = true;
	w->pos += vr_div_up(packed->length, VR_SECTOR) * VR_SECTOR;
	return r;
}

/* Lost stripes are stepped over; the chain may go on behind them. */
static int
step_over_loss(struct walk *w)
{
	struct vr_extent extent;
	int r;

	while (w->pos < w->file->size) {
		r = vr_source_next(w->file, w->pos, &extent);
		if (r < 0 || !(extent.flags & VR_EXTENT_DAMAGED))
			return r;
		w->pos += extent.length;
		w->pos = vr_div_up(w->pos, VR_SECTOR) * VR_SECTOR;
		w->chained = w->stream->whole = false;
	}
	return 0;
}

static int
step(struct walk *w, bool *ret_end)
{
	struct vr_packed packed = {0};
	uint64_t sectors = 0;
	enum marker marker;
	int r = look_at_marker(w, &marker, &packed, &sectors);

	if (r < 0)
		return r;
	*ret_end = marker == END;
	switch (marker) {
	case GRAIN:
		return take_grain(w, &packed);
	case METADATA:
		w->pos += (sectors + 1) * VR_SECTOR;
		return 0;
	case END:
		return 0;
	case NO_MARKER:
		break;
	}
	w->pos += VR_SECTOR;
	w->chained = w->stream->whole = false;
	return 0;
}

static int
walk(struct walk *w)
{
	bool end = false;
	int r = 0;

	while (r == 0 && !end && !w->full) {
		r = vr_check_cancel();
		if (r == 0)
			r = step_over_loss(w);
		if (r < 0 || w->pos >= w->file->size)
			break;
		r = step(w, &end);
	}
	/* What no grain follows is empty to the end. */
	if (r == 0 && end && w->stream->capacity && w->stream->grain_bytes)
		r = put_gap(
			w, w->after,
			vr_div_up(w->stream->capacity, w->stream->grain_bytes));
	w->stream->whole &= end && !w->full;
	return r;
}

int
vr_stream_walk(struct vr_source *file, struct vr_stream *stream,
	       struct vr_grain_index **ret_index)
{
	struct walk w = {
		.file = file,
		.stream = stream,
		.pos = vr_round_down(stream->start, VR_SECTOR),
		.chained = stream->start_is_grain,
	};
	int r;

	w.index = calloc(1, sizeof(*w.index));
	if (!w.index)
		return vr_fail_memory();
	w.index->ordered = true;
	stream->whole = stream->start_is_grain;
	r = walk(&w);
	vr_window_free(&w.look);
	if (r < 0 || stream->grains == 0) {
		vr_grain_index_free(w.index);
		w.index = NULL;
	}
	if (r == 0)
		*ret_index = w.index;
	return r;
}
