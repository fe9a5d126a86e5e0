/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "map/map.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"

/* Invariant: hulls ascend and do not overlap. */
struct item {
	struct vr_run run;
	enum vr_damage damage;
};

struct sheet {
	struct item *items;
	size_t count, room;
};

/* Later sheets win. */
struct pile {
	struct sheet *items;
	size_t count, room;
};

struct vr_map {
	uint64_t size;
	uint64_t items;
	struct pile layers[VR_LAYERS];
};

/* Each sheet costs every lookup a search; nothing genuine needs many. */
#define SHEETS_MOST 4096

int
vr_map_new(uint64_t size, struct vr_map **ret)
{
	struct vr_map *map = calloc(1, sizeof(*map));

	if (!map)
		return vr_fail_memory();
	map->size = size;
	*ret = map;
	return 0;
}

void
vr_map_free(struct vr_map *map)
{
	if (!map)
		return;
	for (size_t l = 0; l < VR_LAYERS; l++) {
		struct pile *pile = &map->layers[l];

		for (size_t i = 0; i < pile->count; i++)
			free(pile->items[i].items);
		free(pile->items);
	}
	free(map);
}

uint64_t
vr_map_size(const struct vr_map *map)
{
	return map->size;
}

/* --- building ----------------------------------------------------------- */

static uint64_t
sheet_end(const struct sheet *sheet)
{
	return sheet->count ? vr_run_end(&sheet->items[sheet->count - 1].run)
			    : 0;
}

/*
 * A piece that came in bits is as long as those in front of it only once its
 * last bit is there; then it is one of them.
 */
static void
sheet_fold(struct vr_map *map, struct sheet *sheet)
{
	while (sheet->count > 1) {
		struct item *last = &sheet->items[sheet->count - 1];

		if (last[-1].damage != last->damage ||
		    !vr_run_join(&last[-1].run, &last->run))
			return;
		sheet->count--;
		map->items--;
	}
}

static int
sheet_append(struct vr_map *map, struct sheet *sheet, enum vr_damage damage,
	     const struct vr_run *run)
{
	struct item *last = sheet->count ? &sheet->items[sheet->count - 1]
					 : NULL;

	if (run->first < sheet_end(sheet))
		return vr_fail(VR_E_USAGE,
			       "projections onto a map must ascend");
	if (last && last->damage == damage && vr_run_join(&last->run, run)) {
		sheet_fold(map, sheet);
		return 0;
	}
	if (map->items >= VR_MAP_ITEMS_MOST)
		return vr_fail(VR_E_LIMIT,
			       "the damage map would need more than %llu runs",
			       (unsigned long long)VR_MAP_ITEMS_MOST);
	map->items++;
	return VR_PUSH(sheet, {*run, damage});
}

static int
pile_sheet(struct pile *pile, size_t index, struct sheet **ret)
{
	while (pile->count <= index) {
		int r;

		if (pile->count >= SHEETS_MOST)
			return vr_fail(VR_E_LIMIT,
				       "the damage map has more than %d "
				       "overlapping sheets",
				       SHEETS_MOST);
		r = VR_PUSH(pile, {0});
		if (r < 0)
			return r;
	}
	*ret = &pile->items[index];
	return 0;
}

static int
map_add_to(struct vr_map *map, enum vr_layer layer, size_t index,
	   enum vr_damage damage, const struct vr_run *run)
{
	struct pile *pile = &map->layers[layer];
	struct sheet *sheet = NULL;
	int r;

	r = pile_sheet(pile, index, &sheet);
	if (r < 0)
		return r;
	return sheet_append(map, sheet, damage, run);
}

int
vr_map_add(struct vr_map *map, enum vr_layer layer, enum vr_damage damage,
	   const struct vr_run *run)
{
	struct pile *pile = &map->layers[layer];
	struct vr_run parts[VR_RUN_CROP_MOST];
	size_t n = vr_run_crop(run, 0, map->size, parts);
	size_t top = pile->count ? pile->count - 1 : 0;

	if (n && pile->count && sheet_end(&pile->items[top]) > parts[0].first)
		top++;
	for (size_t i = 0; i < n; i++) {
		int r = map_add_to(map, layer, top, damage, &parts[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int
vr_map_add_range(struct vr_map *map, enum vr_layer layer, enum vr_damage damage,
		 uint64_t off, uint64_t length)
{
	struct vr_run run;

	if (length == 0 || off >= map->size)
		return 0;
	if (!vr_run_make(off, vr_min(length, map->size - off), 0, 1, &run))
		return vr_fail(VR_E_LIMIT,
			       "a range of the map exceeds 64 bits");
	return vr_map_add(map, layer, damage, &run);
}

/* Source and target sheets pair off by number, so what lay on top stays there. */
static int
project_run(struct vr_map *map, uint64_t at, const struct vr_map_item *item,
	    size_t sheet, uint64_t start, uint64_t length)
{
	struct vr_run parts[VR_RUN_CROP_MOST];
	size_t n = vr_run_crop(&item->run, start, start + length, parts);

	for (size_t i = 0; i < n; i++) {
		int r;

		parts[i].first -= start;
		if (!vr_run_shift(&parts[i], at, &parts[i]))
			return vr_fail(VR_E_LIMIT,
				       "a projected map exceeds 64 bits");
		r = map_add_to(map, item->layer, sheet, item->damage,
			       &parts[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int
vr_map_project(struct vr_map *map, uint64_t at, const struct vr_map *from,
	       uint64_t start, uint64_t length)
{
	struct vr_map_cursor cursor = {0};
	struct vr_map_item item;

	if (!vr_inside(start, length, from->size) ||
	    !vr_inside(at, length, map->size))
		return vr_fail(VR_E_USAGE, "a projection leaves its maps");
	while (vr_map_walk(from, &cursor, &item)) {
		int r = project_run(map, at, &item, cursor.sheet, start,
				    length);

		if (r < 0)
			return r;
	}
	return 0;
}

bool
vr_map_walk(const struct vr_map *map, struct vr_map_cursor *cursor,
	    struct vr_map_item *ret)
{
	for (; cursor->layer < VR_LAYERS; cursor->layer++, cursor->sheet = 0) {
		const struct pile *pile = &map->layers[cursor->layer];

		for (; cursor->sheet < pile->count;
		     cursor->sheet++, cursor->item = 0) {
			const struct sheet *sheet = &pile->items[cursor->sheet];

			if (cursor->item >= sheet->count)
				continue;
			*ret = (struct vr_map_item){
				.layer = (enum vr_layer)cursor->layer,
				.damage = sheet->items[cursor->item].damage,
				.run = sheet->items[cursor->item].run,
			};
			cursor->item++;
			return true;
		}
	}
	return false;
}

/* --- looking up --------------------------------------------------------- */

/* The first item whose hull ends above off, or count. */
static size_t
item_ending_above(const struct sheet *sheet, uint64_t off)
{
	size_t low = 0, high = sheet->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (vr_run_end(&sheet->items[middle].run) > off)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * Does the sheet speak about off? *end is lowered to where its answer changes,
 * yes to no or no to yes.
 */
static bool
sheet_speaks(const struct sheet *sheet, uint64_t off, uint64_t *end,
	     enum vr_damage *damage)
{
	size_t i = item_ending_above(sheet, off);
	uint64_t change;
	bool inside;

	if (i == sheet->count)
		return false;
	inside = vr_run_contains(&sheet->items[i].run, off, &change);
	*end = vr_min(*end, change);
	if (inside)
		*damage = sheet->items[i].damage;
	return inside;
}

/* From the topmost sheet down; begins at {.layer = VR_LAYERS}. */
struct descent {
	size_t layer, sheet;
};

static const struct sheet *
next_below(const struct vr_map *map, struct descent *d)
{
	while (d->sheet == 0) {
		if (d->layer == 0)
			return NULL;
		d->sheet = map->layers[--d->layer].count;
	}
	return &map->layers[d->layer].items[--d->sheet];
}

void
vr_map_at(const struct vr_map *map, uint64_t off, struct vr_span *ret)
{
	struct descent descent = {.layer = VR_LAYERS};
	const struct sheet *sheet;
	uint64_t end = map->size;

	*ret = (struct vr_span){.off = off, .damage = VR_UNKNOWN};
	while ((sheet = next_below(map, &descent)))
		if (sheet_speaks(sheet, off, &end, &ret->damage)) {
			ret->layer = (enum vr_layer)descent.layer;
			break;
		}
	ret->length = end - off;
}

/* --- columns ------------------------------------------------------------ */

/*
 * Between two ends of hulls the same items lie above each other, down to the
 * first single one, the ground. Each periodic one could be walked piece by
 * piece; what makes a terabyte of small pieces quick is that
 *
 *   the densest of them need not be: over one ground its sums and its next
 *   edge have a closed form, so that only the others' pieces count (stretch);
 *
 *   the picture repeats after the least common multiple of the strides, and
 *   what was predicted and what was measured mostly have the same stride.
 */
struct column {
	uint64_t end;
	const struct item *dense; /* of the shortest stride, or NULL */
	uint64_t next_stride;	  /* the second shortest */
	uint64_t period;	  /* UINT64_MAX: none, or above 64 bits */
	size_t periodic, sheets;
};

static uint64_t
common_multiple(uint64_t a, uint64_t b)
{
	uint64_t x = a, y = b, ret;

	while (y) {
		uint64_t rest = x % y;

		x = y;
		y = rest;
	}
	return vr_mul(a / x, b, &ret) ? ret : UINT64_MAX;
}

static void
column_add(struct column *c, const struct item *item)
{
	c->period = c->periodic++ ? common_multiple(c->period, item->run.stride)
				  : item->run.stride;
	if (!c->dense || item->run.stride < c->dense->run.stride) {
		c->next_stride = c->dense ? c->dense->run.stride : UINT64_MAX;
		c->dense = item;
	} else {
		c->next_stride = vr_min(c->next_stride, item->run.stride);
	}
}

static void
column_at(const struct vr_map *map, uint64_t off, struct column *ret)
{
	struct descent descent = {.layer = VR_LAYERS};
	const struct sheet *sheet;

	*ret = (struct column){.end = map->size, .period = UINT64_MAX};
	for (; (sheet = next_below(map, &descent)); ret->sheets++) {
		size_t i = item_ending_above(sheet, off);
		const struct item *item;

		if (i == sheet->count)
			continue;
		item = &sheet->items[i];
		if (item->run.first > off) {
			ret->end = vr_min(ret->end, item->run.first);
			continue;
		}
		ret->end = vr_min(ret->end, vr_run_end(&item->run));
		if (item->run.count == 1)
			return;
		column_add(ret, item);
	}
}

/* Of a column: the dense item, where seen, on what else is topmost. */
struct stretch {
	uint64_t end;
	const struct item *dense;
	enum vr_damage below;
};

static void
stretch_at(const struct vr_map *map, const struct column *column, uint64_t off,
	   struct stretch *ret)
{
	struct descent descent = {.layer = VR_LAYERS};
	const struct sheet *sheet;

	*ret = (struct stretch){.end = column->end, .below = VR_UNKNOWN};
	while ((sheet = next_below(map, &descent))) {
		size_t i = item_ending_above(sheet, off);

		if (i < sheet->count && &sheet->items[i] == column->dense)
			ret->dense = column->dense;
		else if (sheet_speaks(sheet, off, &ret->end, &ret->below))
			return;
	}
}

/*
 * Moves *off up to where the class changes, or to the end of the column. Once
 * a whole period is seen, so is the rest.
 */
static bool
column_changes(const struct vr_map *map, const uint8_t class_of[VR_DAMAGES],
	       uint8_t class, uint64_t *off)
{
	struct column column;
	struct stretch st;
	uint64_t start = *off;

	column_at(map, start, &column);
	for (; *off < column.end && *off - start < column.period;
	     *off = st.end) {
		uint8_t here, other;
		uint64_t change;

		stretch_at(map, &column, *off, &st);
		here = other = class_of[st.below];
		change = st.end;
		if (st.dense && vr_run_contains(&st.dense->run, *off, &change))
			here = class_of[st.dense->damage];
		else if (st.dense)
			other = class_of[st.dense->damage];
		if (here != class)
			return true;
		if (other != class && change < st.end) {
			*off = change;
			return true;
		}
	}
	*off = column.end;
	return false;
}

/* Mostly the next span is of another class, and a lookup is enough. */
uint64_t
vr_map_same(const struct vr_map *map, uint64_t off,
	    const uint8_t class_of[VR_DAMAGES])
{
	struct vr_span span;
	uint8_t class;

	vr_map_at(map, off, &span);
	class = class_of[span.damage];
	for (off += span.length; off < map->size;) {
		vr_map_at(map, off, &span);
		if (class_of[span.damage] != class ||
		    column_changes(map, class_of, class, &off))
			break;
	}
	return off;
}

void
vr_map_span(const struct vr_map *map, uint64_t off, struct vr_span *ret)
{
	static const uint8_t itself[VR_DAMAGES] = {0, 1, 2, 3, 4, 5};

	vr_map_at(map, off, ret);
	ret->length = vr_map_same(map, off, itself) - off;
}

/* --- totals ------------------------------------------------------------- */

static void
add_stretches(const struct vr_map *map, const struct column *column,
	      uint64_t off, uint64_t end, uint64_t bytes[VR_DAMAGES])
{
	struct stretch st;

	for (; off < end; off = st.end) {
		uint64_t covered = 0;

		stretch_at(map, column, off, &st);
		st.end = vr_min(st.end, end);
		if (st.dense) {
			covered = vr_run_bytes_below(&st.dense->run, st.end) -
				  vr_run_bytes_below(&st.dense->run, off);
			bytes[st.dense->damage] += covered;
		}
		bytes[st.below] += st.end - off - covered;
	}
}

static void
add_column(const struct vr_map *map, const struct column *column, uint64_t off,
	   uint64_t bytes[VR_DAMAGES])
{
	uint64_t one[VR_DAMAGES] = {0}, times;

	if (column->periodic > 1 && column->period < column->end - off) {
		times = (column->end - off) / column->period;
		add_stretches(map, column, off, off + column->period, one);
		for (size_t d = 0; d < VR_DAMAGES; d++)
			bytes[d] += times * one[d];
		off += times * column->period;
	}
	add_stretches(map, column, off, column->end, bytes);
}

void
vr_map_totals_in(const struct vr_map *map, uint64_t off, uint64_t length,
		 uint64_t ret_bytes[VR_DAMAGES])
{
	uint64_t stop = off + length;
	struct column column;

	memset(ret_bytes, 0, VR_DAMAGES * sizeof(*ret_bytes));
	for (; off < stop; off = column.end) {
		column_at(map, off, &column);
		column.end = vr_min(column.end, stop);
		add_column(map, &column, off, ret_bytes);
	}
}

void
vr_map_totals(const struct vr_map *map, uint64_t ret_bytes[VR_DAMAGES])
{
	vr_map_totals_in(map, 0, map->size, ret_bytes);
}

static uint64_t
column_effort(const struct column *column, uint64_t off)
{
	uint64_t effort = column->sheets + 1;
	uint64_t walked = vr_min(column->period, column->end - off);

	if (column->periodic < 2)
		return effort;
	if (!vr_mul(effort, column->periodic, &effort) ||
	    !vr_mul(effort, walked / column->next_stride + 1, &effort))
		return UINT64_MAX;
	return effort;
}

uint64_t
vr_map_effort(const struct vr_map *map)
{
	struct column column;
	uint64_t effort = 0;

	for (uint64_t off = 0; off < map->size; off = column.end) {
		column_at(map, off, &column);
		if (!vr_add(effort, column_effort(&column, off), &effort))
			return UINT64_MAX;
	}
	return effort;
}

int
vr_map_layer(const struct vr_map *map, enum vr_layer layer, struct vr_map **ret)
{
	vr_cleanup(vr_map_free_p) struct vr_map *one = NULL;
	struct vr_map_cursor cursor = {0};
	struct vr_map_item item;
	int r = vr_map_new(map->size, &one);

	while (r == 0 && vr_map_walk(map, &cursor, &item))
		if (item.layer == layer)
			r = map_add_to(one, layer, cursor.sheet, item.damage,
				       &item.run);
	if (r == 0)
		*ret = vr_steal(one);
	return r;
}

int
vr_map_runs(const struct vr_map *map,
	    int (*each)(void *data, const struct vr_map_run *run), void *data)
{
	struct vr_map_cursor cursor = {0};
	struct vr_map_item item;
	int r = 0;

	while (r == 0 && vr_map_walk(map, &cursor, &item)) {
		const struct vr_map_run run = {
			.layer = item.layer,
			.damage = item.damage,
			.first = item.run.first,
			.length = item.run.length,
			.stride = item.run.stride,
			.count = item.run.count,
		};

		r = each(data, &run);
	}
	return r;
}
