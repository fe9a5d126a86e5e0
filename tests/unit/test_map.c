/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The damage map against a byte array a layer, and its text form against
 * itself and against what GNU ddrescue writes.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/checked.h"
#include "base/text.h"
#include "map/map.h"

#define SPACE  200
#define ROUNDS 3000

/* SILENT: the layer says nothing about the byte. */
#define SILENT 0xFF

struct model {
	unsigned size;
	uint8_t said[VR_LAYERS][SPACE];
};

static void
model_clear(struct model *m, unsigned size)
{
	m->size = size;
	memset(m->said, SILENT, sizeof(m->said));
}

static void
model_paint(struct model *m, enum vr_layer layer, enum vr_damage damage,
	    const struct vr_run *run)
{
	for (uint64_t i = 0; i < run->count; i++)
		for (uint64_t j = 0; j < run->length; j++) {
			uint64_t at = run->first + i * run->stride + j;

			if (at < m->size)
				m->said[layer][at] = (uint8_t)damage;
		}
}

static enum vr_damage
model_at(const struct model *m, unsigned off, enum vr_layer *ret_layer)
{
	for (unsigned l = VR_LAYERS; l-- > 0;)
		if (m->said[l][off] != SILENT) {
			*ret_layer = (enum vr_layer)l;
			return (enum vr_damage)m->said[l][off];
		}
	*ret_layer = VR_LAYER_PROFILE;
	return VR_UNKNOWN;
}

static enum vr_damage
model_damage(const struct model *m, unsigned off)
{
	enum vr_layer layer;

	return model_at(m, off, &layer);
}

static unsigned
model_damage_end(const struct model *m, unsigned off)
{
	enum vr_damage damage = model_damage(m, off);

	while (off < m->size && model_damage(m, off) == damage)
		off++;
	return off;
}

static struct vr_run
any_run(struct dice *dice, unsigned size)
{
	struct vr_run run;

	for (;;) {
		uint64_t length = 1 + roll_below(dice, 8);

		/* Some leave the map's end: they are cropped. */
		if (vr_run_make(roll_below(dice, size), length,
				length + roll_below(dice, 16),
				1 + roll_below(dice, 10), &run))
			return run;
	}
}

static void
any_adds(struct dice *dice, struct vr_map *map, struct model *m, unsigned adds)
{
	while (adds-- > 0) {
		struct vr_run run = any_run(dice, m->size);
		unsigned layer = roll_below(dice, VR_LAYERS);
		unsigned damage = roll_below(dice, VR_DAMAGES);

		assert_ok(vr_map_add(map, layer, damage, &run));
		model_paint(m, layer, damage, &run);
	}
}

static struct vr_map *
any_map(struct dice *dice, struct model *m, unsigned adds)
{
	struct vr_map *map = NULL;

	model_clear(m, 1 + roll_below(dice, SPACE));
	assert_ok(vr_map_new(m->size, &map));
	any_adds(dice, map, m, adds);
	return map;
}

/* --- looking up --------------------------------------------------------- */

static void
check_at(const struct vr_map *map, const struct model *m, unsigned off)
{
	struct vr_span span, wide;

	vr_map_at(map, off, &span);
	assert_int_equal(span.off, off);
	assert_in_range(span.length, 1, m->size - off);
	for (unsigned i = 0; i < span.length; i++) {
		enum vr_layer layer;

		assert_int_equal(span.damage, model_at(m, off + i, &layer));
		assert_int_equal(span.layer, layer);
	}

	vr_map_span(map, off, &wide);
	assert_int_equal(wide.off, off);
	assert_int_equal(wide.damage, span.damage);
	assert_int_equal(wide.layer, span.layer);
	assert_int_equal(off + wide.length, model_damage_end(m, off));
}

static void
check_totals(const struct vr_map *map, const struct model *m, unsigned off,
	     unsigned end)
{
	uint64_t bytes[VR_DAMAGES], wanted[VR_DAMAGES] = {0};

	for (unsigned i = off; i < end; i++)
		wanted[model_damage(m, i)]++;
	vr_map_totals_in(map, off, end - off, bytes);
	assert_memory_equal(bytes, wanted, sizeof(bytes));
	if (off > 0 || end < m->size)
		return;
	vr_map_totals(map, bytes);
	assert_memory_equal(bytes, wanted, sizeof(bytes));
}

static void
check_map(const struct vr_map *map, const struct model *m)
{
	assert_int_equal(vr_map_size(map), m->size);
	for (unsigned off = 0; off < m->size; off++)
		check_at(map, m, off);
	check_totals(map, m, 0, m->size);
	check_totals(map, m, m->size / 3, m->size);
	check_totals(map, m, m->size / 4, m->size / 2);
}

static void
maps_match_the_model(void **state)
{
	struct dice dice = {6};

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct model m;
		struct vr_map *map = any_map(&dice, &m, roll_below(&dice, 12));

		check_map(map, &m);
		vr_map_free(map);
	}
}

static void
ranges_match_the_model(void **state)
{
	struct dice dice = {7};

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct model m;
		struct vr_map *map = any_map(&dice, &m, 2);

		for (unsigned i = 0; i < 10; i++) {
			uint64_t off = roll_below(&dice, 2 * m.size);
			uint64_t length = roll_below(&dice, 20);
			struct vr_run run;

			if (vr_run_make(off, length, 0, 1, &run))
				model_paint(&m, VR_LAYER_HAND, VR_SUSPECT,
					    &run);
			assert_ok(vr_map_add_range(map, VR_LAYER_HAND,
						   VR_SUSPECT, off, length));
		}
		check_map(map, &m);
		vr_map_free(map);
	}
}

/* A walk lays down the same picture again, in the order of painting. */
static void
walk_repaints_the_map(void **state)
{
	struct dice dice = {8};

	(void)state;
	for (unsigned round = 0; round < ROUNDS / 4; round++) {
		struct vr_map_cursor cursor = {0};
		struct vr_map_item item;
		struct model m, again;
		struct vr_map *map = any_map(&dice, &m, 8);

		model_clear(&again, m.size);
		while (vr_map_walk(map, &cursor, &item))
			model_paint(&again, item.layer, item.damage, &item.run);
		assert_false(vr_map_walk(map, &cursor, &item));
		assert_memory_equal(&again, &m, sizeof(m));
		vr_map_free(map);
	}
}

struct pick {
	struct vr_map_cursor cursor;
	const struct vr_map *map;
	unsigned left;
};

static int
pick_run(void *data, const struct vr_map_run *run)
{
	struct pick *pick = data;
	struct vr_map_item item;

	assert_true(vr_map_walk(pick->map, &pick->cursor, &item));
	assert_int_equal(run->layer, item.layer);
	assert_int_equal(run->damage, item.damage);
	assert_int_equal(run->first, item.run.first);
	assert_int_equal(run->length, item.run.length);
	assert_int_equal(run->stride, item.run.stride);
	assert_int_equal(run->count, item.run.count);
	return --pick->left ? 0 : 4711;
}

static void
runs_are_handed_out_until_told_otherwise(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	struct pick pick = {.left = 3}, all = {.left = UINT32_MAX};
	struct dice dice = {16};
	struct vr_map_item item;
	struct model m;

	(void)state;
	map = any_map(&dice, &m, 20);
	pick.map = all.map = map;
	assert_int_equal(vr_map_runs(map, pick_run, &pick), 4711);
	assert_int_equal(pick.left, 0);
	assert_ok(vr_map_runs(map, pick_run, &all));
	assert_false(vr_map_walk(map, &all.cursor, &item));
}

static void
an_empty_map_knows_nothing(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *none = NULL;
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	uint64_t bytes[VR_DAMAGES];
	struct vr_span span;

	(void)state;
	assert_ok(vr_map_new(UINT64_MAX, &map));
	vr_map_at(map, 5, &span);
	assert_int_equal(span.damage, VR_UNKNOWN);
	assert_int_equal(span.layer, VR_LAYER_PROFILE);
	assert_int_equal(span.length, UINT64_MAX - 5);
	vr_map_totals(map, bytes);
	assert_int_equal(bytes[VR_UNKNOWN], UINT64_MAX);

	assert_ok(vr_map_new(0, &none));
	assert_ok(vr_map_add_range(none, VR_LAYER_HAND, VR_INTACT, 0, 5));
	vr_map_totals(none, bytes);
	for (size_t i = 0; i < VR_DAMAGES; i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(vr_map_lines(none, 10), 0);
	vr_map_free(NULL);
}

static void
names_are_stable(void **state)
{
	static const char *const damages[VR_DAMAGES] = {
		"unknown",   "intact",	   "suspect",
		"encrypted", "unreadable", "recovered"};
	static const char *const layers[VR_LAYERS] = {"profile", "measured",
						      "hand"};

	(void)state;
	for (unsigned i = 0; i < VR_DAMAGES; i++)
		assert_string_equal(vr_damage_name(i), damages[i]);
	for (unsigned i = 0; i < VR_LAYERS; i++)
		assert_string_equal(vr_layer_name(i), layers[i]);
	assert_string_equal(vr_damage_name(VR_DAMAGES), "?");
	assert_string_equal(vr_layer_name(VR_LAYERS), "?");
}

/* --- how much a map takes ----------------------------------------------- */

static unsigned
items_of(const struct vr_map *map)
{
	struct vr_map_cursor cursor = {0};
	struct vr_map_item item;
	unsigned n = 0;

	while (vr_map_walk(map, &cursor, &item))
		n++;
	return n;
}

/* Half a million stripes, added one by one or in bits, are one item. */
static void
equal_stripes_are_one_item(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *whole = NULL;
	vr_cleanup(vr_map_free_p) struct vr_map *bits = NULL;
	const uint64_t stripes = 500000, stride = 2 * VR_MIB;

	(void)state;
	assert_ok(vr_map_new(stripes * stride, &whole));
	assert_ok(vr_map_new(stripes * stride, &bits));
	for (uint64_t i = 0; i < stripes; i++) {
		assert_ok(vr_map_add_range(whole, VR_LAYER_MEASURED,
					   VR_ENCRYPTED, i * stride, VR_MIB));
		for (uint64_t at = 0; at < VR_MIB; at += VR_MIB / 4)
			assert_ok(vr_map_add_range(
				bits, VR_LAYER_MEASURED, VR_ENCRYPTED,
				i * stride + at, VR_MIB / 4));
	}
	assert_int_equal(items_of(whole), 1);
	assert_int_equal(items_of(bits), 1);
}

static void
too_many_sheets_are_refused(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	int r = 0;

	(void)state;
	assert_ok(vr_map_new(1 << 20, &map));
	for (unsigned i = 0; i < 100000 && r == 0; i++)
		r = vr_map_add_range(map, VR_LAYER_HAND, VR_INTACT,
				     (1 << 20) - i * 2, 1);
	assert_int_equal(r, VR_E_LIMIT);
	assert_sentence_has("sheets");
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#define MANY	    UINT64_C(164000000)
#define MANY_STRIDE UINT64_C(6400)

static struct vr_map *
map_of_many(void)
{
	struct vr_map *map = NULL;
	struct vr_run run;

	assert_ok(vr_map_new(MANY * MANY_STRIDE, &map));
	assert_true(vr_run_make(0, 64, MANY_STRIDE, MANY, &run));
	assert_ok(vr_map_add(map, VR_LAYER_PROFILE, VR_ENCRYPTED, &run));
	return map;
}

/*
 * 64 bytes in every 6400 of a terabyte, by closed form. Walked, the pieces
 * would take seconds; the limit is a thousandfold of what is measured.
 */
static void
a_run_of_164_million_is_immediate(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	uint64_t bytes[VR_DAMAGES];
	double start = seconds();
	struct vr_span span;

	(void)state;
	map = map_of_many();
	vr_map_totals(map, bytes);
	assert_int_equal(bytes[VR_ENCRYPTED], MANY * 64);
	assert_int_equal(bytes[VR_UNKNOWN], MANY * (MANY_STRIDE - 64));
	for (uint64_t i = 0; i < MANY; i += 1234567) {
		vr_map_at(map, i * MANY_STRIDE + 63, &span);
		assert_int_equal(span.damage, VR_ENCRYPTED);
		assert_int_equal(span.length, 1);
		vr_map_span(map, i * MANY_STRIDE + 64, &span);
		assert_int_equal(span.damage, VR_UNKNOWN);
		assert_int_equal(span.length, MANY_STRIDE - 64);
	}
	assert_int_equal(vr_map_lines(map, 1000), 1000);
	assert_true(seconds() - start < 0.1);
}

/* What was predicted was also seen: two runs, one on the other, and a repair. */
static void
agreeing_layers_are_immediate(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = map_of_many();
	uint64_t bytes[VR_DAMAGES];
	double start = seconds();
	struct vr_run run;

	(void)state;
	assert_true(vr_run_make(0, 64, MANY_STRIDE, MANY / 2, &run));
	assert_ok(vr_map_add(map, VR_LAYER_MEASURED, VR_ENCRYPTED, &run));
	assert_true(vr_run_make(64, 64, 2 * MANY_STRIDE, MANY / 2, &run));
	assert_ok(vr_map_add(map, VR_LAYER_MEASURED, VR_INTACT, &run));
	assert_ok(vr_map_add_range(map, VR_LAYER_HAND, VR_RECOVERED, 0, 32));

	vr_map_totals(map, bytes);
	assert_int_equal(bytes[VR_ENCRYPTED], MANY * 64 - 32);
	assert_int_equal(bytes[VR_INTACT], MANY * 32);
	assert_int_equal(bytes[VR_RECOVERED], 32);
	assert_int_equal(bytes[VR_UNKNOWN],
			 MANY * (MANY_STRIDE - 64) - MANY * 32);
	assert_true(seconds() - start < 0.1);
}

/* Neighbours that differ in layer only: one span, and no walk to find it. */
static void
agreeing_neighbours_are_one_span(void **state)
{
	const uint64_t size = MANY * MANY_STRIDE;
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	double start = seconds();
	struct vr_span span;
	struct vr_run run;

	(void)state;
	assert_ok(vr_map_new(size, &map));
	assert_ok(
		vr_map_add_range(map, VR_LAYER_PROFILE, VR_ENCRYPTED, 0, size));
	assert_true(vr_run_make(0, 64, MANY_STRIDE, MANY, &run));
	assert_ok(vr_map_add(map, VR_LAYER_MEASURED, VR_ENCRYPTED, &run));
	assert_ok(vr_map_add_range(map, VR_LAYER_HAND, VR_INTACT, size - 1, 1));
	for (uint64_t at = 0; at < 10000; at += 100) {
		vr_map_span(map, at, &span);
		assert_int_equal(span.damage, VR_ENCRYPTED);
		assert_int_equal(span.length, size - 1 - at);
	}
	assert_int_equal(vr_map_lines(map, 1000), 2);
	assert_true(seconds() - start < 0.1);
}

/* --- projection --------------------------------------------------------- */

static void
model_project(struct model *m, unsigned at, const struct model *from,
	      unsigned start, unsigned length)
{
	for (unsigned l = 0; l < VR_LAYERS; l++)
		for (unsigned i = 0; i < length; i++)
			if (from->said[l][start + i] != SILENT)
				m->said[l][at + i] = from->said[l][start + i];
}

/* The disk of a few host files, with gaps where an extent has no file. */
static void
project_once(struct dice *dice)
{
	struct vr_map *disk = NULL;
	struct model m;

	model_clear(&m, SPACE);
	assert_ok(vr_map_new(SPACE, &disk));
	for (unsigned at = 0; at < SPACE;) {
		struct model file;
		struct vr_map *map = any_map(dice, &file, roll_below(dice, 8));
		unsigned start = roll_below(dice, file.size);
		unsigned length = roll_below(dice, file.size - start + 1);

		if (length > SPACE - at)
			length = SPACE - at;
		assert_ok(vr_map_project(disk, at, map, start, length));
		model_project(&m, at, &file, start, length);
		at += length + roll_below(dice, 5);
		vr_map_free(map);
	}
	check_map(disk, &m);
	vr_map_free(disk);
}

static void
projection_matches_the_model(void **state)
{
	struct dice dice = {9};

	(void)state;
	for (unsigned round = 0; round < ROUNDS / 4; round++)
		project_once(&dice);
}

static void
projection_stays_inside(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *a = NULL;
	vr_cleanup(vr_map_free_p) struct vr_map *b = NULL;

	(void)state;
	assert_ok(vr_map_new(100, &a));
	assert_ok(vr_map_new(10, &b));
	assert_code(VR_E_USAGE, vr_map_project(a, 0, b, 0, 11));
	assert_code(VR_E_USAGE, vr_map_project(a, 91, b, 0, 10));
	assert_code(VR_E_USAGE, vr_map_project(a, 0, b, UINT64_MAX, 2));
	assert_ok(vr_map_project(a, 90, b, 0, 10));
	assert_ok(vr_map_project(a, 100, b, 10, 0));
}

/* Backwards, the sheets' order would break in silence and lookups go wrong. */
static void
projection_must_ascend(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *disk = NULL;
	vr_cleanup(vr_map_free_p) struct vr_map *file = NULL;

	(void)state;
	assert_ok(vr_map_new(100, &disk));
	assert_ok(vr_map_new(10, &file));
	assert_ok(vr_map_add_range(file, VR_LAYER_HAND, VR_INTACT, 0, 10));
	assert_ok(vr_map_project(disk, 50, file, 0, 10));
	assert_code(VR_E_USAGE, vr_map_project(disk, 20, file, 0, 10));
	assert_code(VR_E_USAGE, vr_map_project(disk, 55, file, 0, 10));
	assert_ok(vr_map_project(disk, 60, file, 0, 10));
}

/* --- text: writing ------------------------------------------------------ */

static char *
text_of(const struct vr_map *map, bool lines)
{
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);

	assert_non_null(to);
	assert_ok(vr_map_write(map, to, lines));
	assert_int_equal(fclose(to), 0);
	return text;
}

static struct vr_map *
map_of(const char *text)
{
	struct vr_map *map = NULL;

	assert_ok(vr_map_read(text, strlen(text), &map));
	return map;
}

static void
the_text_is_a_mapfile(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	vr_cleanup(vr_free_p) char *text = NULL;
	vr_cleanup(vr_free_p) char *short_text = NULL;
	const char *body;

	(void)state;
	assert_ok(vr_map_new(100, &map));
	assert_ok(vr_map_add_range(map, VR_LAYER_PROFILE, VR_ENCRYPTED, 0, 10));
	assert_ok(
		vr_map_add_range(map, VR_LAYER_MEASURED, VR_UNREADABLE, 5, 10));
	assert_ok(vr_map_add_range(map, VR_LAYER_MEASURED, VR_INTACT, 20, 5));
	assert_ok(vr_map_add_range(map, VR_LAYER_HAND, VR_RECOVERED, 25, 5));
	assert_ok(vr_map_add_range(map, VR_LAYER_HAND, VR_SUSPECT, 90, 10));

	text = text_of(map, true);
	assert_memory_equal(text, "# Mapfile. ", 11);
	assert_non_null(strstr(text, "\n# size 100\n"));
	assert_non_null(
		strstr(text, "\n# run profile encrypted 0x0 0xA 0xA 1\n"));
	body = strstr(text, "# current_pos");
	assert_string_equal(body,
			    "# current_pos  current_status  current_pass\n"
			    "0x00000000     +               1\n"
			    "#      pos        size  status\n"
			    "0x00000000  0x0000000F  -\n"
			    "0x0000000F  0x00000005  ?\n"
			    "0x00000014  0x0000000A  +\n"
			    "0x0000001E  0x0000003C  ?\n"
			    "0x0000005A  0x0000000A  *\n");
	assert_int_equal(vr_map_lines(map, 100), 5);
	assert_int_equal(vr_map_lines(map, 3), 3);

	short_text = text_of(map, false);
	assert_non_null(strstr(short_text, "\n0x00000000  0x00000064  ?\n"));
	assert_null(strstr(short_text, "0x0000000F"));
}

static void
a_full_disk_is_an_error(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	if (!full)
		skip();
	assert_ok(vr_map_new(100, &map));
	assert_code(VR_E_FULL, vr_map_write(map, full, true));
	assert_sentence_has("writing the damage map: No space left");
	fclose(full);
}

/* --- text: there and back ----------------------------------------------- */

static void
assert_same_items(const struct vr_map *a, const struct vr_map *b)
{
	struct vr_map_cursor ca = {0}, cb = {0};
	struct vr_map_item ia = {0}, ib = {0};

	assert_int_equal(vr_map_size(a), vr_map_size(b));
	for (;;) {
		bool more = vr_map_walk(a, &ca, &ia);

		assert_int_equal(vr_map_walk(b, &cb, &ib), more);
		if (!more)
			return;
		assert_int_equal(ia.layer, ib.layer);
		assert_int_equal(ia.damage, ib.damage);
		assert_memory_equal(&ia.run, &ib.run, sizeof(ia.run));
	}
}

static void
there_and_back(const struct vr_map *map, const struct model *m, bool lines)
{
	vr_cleanup(vr_free_p) char *text = text_of(map, lines);
	vr_cleanup(vr_map_free_p) struct vr_map *back = map_of(text);
	vr_cleanup(vr_free_p) char *again = text_of(back, lines);

	check_map(back, m);
	assert_same_items(map, back);
	assert_string_equal(again, text);
}

static void
text_comes_back_exactly(void **state)
{
	struct dice dice = {10};

	(void)state;
	for (unsigned round = 0; round < ROUNDS / 2; round++) {
		struct model m;
		struct vr_map *map = any_map(&dice, &m, roll_below(&dice, 16));

		there_and_back(map, &m, true);
		there_and_back(map, &m, false);
		vr_map_free(map);
	}
}

/* Stripes in bits: runs that grow must not join in another way when read. */
static void
text_of_bits_comes_back_exactly(void **state)
{
	struct dice dice = {11};

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct vr_map *map = NULL;
		unsigned at = 0;
		struct model m;

		model_clear(&m, SPACE);
		assert_ok(vr_map_new(SPACE, &map));
		while (at < SPACE) {
			unsigned n = 1 + roll_below(&dice, 2);
			struct vr_run run;

			assert_true(vr_run_make(at, n, 0, 1, &run));
			model_paint(&m, VR_LAYER_MEASURED, VR_INTACT, &run);
			assert_ok(vr_map_add(map, VR_LAYER_MEASURED, VR_INTACT,
					     &run));
			at += n + roll_below(&dice, 3);
		}
		there_and_back(map, &m, true);
		vr_map_free(map);
	}
}

static void
many_stripes_come_back_without_lines(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = map_of_many();
	vr_cleanup(vr_map_free_p) struct vr_map *back = NULL;
	vr_cleanup(vr_free_p) char *text = NULL;
	double start = seconds();

	(void)state;
	text = text_of(map, false);
	assert_true(strlen(text) < 1000);
	back = map_of(text);
	assert_same_items(map, back);
	assert_true(seconds() - start < 0.1);
}

static void
carriage_returns_do_not_matter(void **state)
{
	struct vr_text crlf = {0};
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	vr_cleanup(vr_map_free_p) struct vr_map *back = NULL;
	vr_cleanup(vr_free_p) char *text = NULL;
	struct dice dice = {12};
	struct model m;

	(void)state;
	map = any_map(&dice, &m, 9);
	text = text_of(map, true);
	for (const char *p = text; *p; p++)
		vr_text_append(&crlf, *p == '\n' ? "\r\n" : p,
			       *p == '\n' ? 2 : 1);
	back = map_of(crlf.bytes);
	assert_same_items(map, back);
	vr_text_free(&crlf);
}

/* An editor may leave the last line without its end. */
static void
the_last_line_may_lack_its_end(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	vr_cleanup(vr_map_free_p) struct vr_map *back = NULL;
	vr_cleanup(vr_free_p) char *text = NULL;
	struct dice dice = {13};
	struct model m;

	(void)state;
	map = any_map(&dice, &m, 9);
	text = text_of(map, true);
	text[strlen(text) - 1] = '\0';
	back = map_of(text);
	assert_same_items(map, back);
}

/* --- text: by other hands ----------------------------------------------- */

static void
assert_damage(const struct vr_map *map, uint64_t off, uint64_t length,
	      enum vr_damage damage, enum vr_layer layer)
{
	struct vr_span span;

	vr_map_at(map, off, &span);
	assert_int_equal(span.damage, damage);
	assert_int_equal(span.layer, layer);
	assert_int_equal(span.length, length);
}

static void
a_plain_mapfile_is_said_by_hand(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;

	(void)state;
	map = map_of("# Mapfile. Created by GNU ddrescue version 1.27\n"
		     "# Command line: ddrescue -d /dev/sdb a.img a.map\n"
		     "# Start time:   2023-02-03 10:11:12\n"
		     "# size 5 GiB, says the sticker\n"
		     "\n"
		     "# current_pos  current_status  current_pass\n"
		     "0x00000010     ?               1\n"
		     "#      pos        size  status\n"
		     "0x00000000  0x00000010  +\n"
		     "0x00000010  0x00000010  -\n"
		     "0x00000020  16          /\n"
		     "0x00000030\t0x10\t*\n"
		     "  64 0x10 ?\n");
	assert_int_equal(vr_map_size(map), 80);
	assert_damage(map, 0, 16, VR_INTACT, VR_LAYER_HAND);
	assert_damage(map, 16, 16, VR_ENCRYPTED, VR_LAYER_HAND);
	assert_damage(map, 32, 32, VR_SUSPECT, VR_LAYER_HAND);
	assert_damage(map, 64, 16, VR_UNKNOWN, VR_LAYER_HAND);
}

/* Comments of ours in a foreign map say nothing. */
static void
a_plain_mapfile_has_no_runs(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;

	(void)state;
	map = map_of("# run hand encrypted 0 100 100 1\n"
		     "# run for your lives\n"
		     "# block lines left out, too\n"
		     "0 + 1\n"
		     "0 100 +\n");
	assert_damage(map, 0, 100, VR_INTACT, VR_LAYER_HAND);
}

static struct vr_map *
striped_map(void)
{
	struct vr_map *map = NULL;
	struct vr_run run;

	assert_ok(vr_map_new(100, &map));
	assert_true(vr_run_make(0, 10, 20, 5, &run));
	assert_ok(vr_map_add(map, VR_LAYER_PROFILE, VR_ENCRYPTED, &run));
	assert_true(vr_run_make(10, 10, 20, 5, &run));
	assert_ok(vr_map_add(map, VR_LAYER_MEASURED, VR_RECOVERED, &run));
	return map;
}

static struct vr_map *
edited(const struct vr_map *map, bool lines, const char *old, const char *new)
{
	vr_cleanup(vr_free_p) char *text = text_of(map, lines);
	vr_cleanup(vr_free_p) char *changed = NULL;
	char *at = strstr(text, old);

	assert_non_null(at);
	changed = vr_format("%.*s%s%s", (int)(at - text), text, new,
			    at + strlen(old));
	return map_of(changed);
}

/* The rest keeps its layers: '+' is still recovered, not merely intact. */
static void
an_edited_line_wins(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = striped_map();
	vr_cleanup(vr_map_free_p) struct vr_map *back = NULL;

	(void)state;
	back = edited(map, true, "0x00000014  0x0000000A  -",
		      "0x00000014  0x0000000A  +");
	assert_damage(back, 0, 10, VR_ENCRYPTED, VR_LAYER_PROFILE);
	assert_damage(back, 10, 10, VR_RECOVERED, VR_LAYER_MEASURED);
	assert_damage(back, 20, 10, VR_INTACT, VR_LAYER_HAND);
	assert_damage(back, 30, 10, VR_RECOVERED, VR_LAYER_MEASURED);
}

static void
merged_lines_change_what_they_contradict(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = striped_map();
	vr_cleanup(vr_map_free_p) struct vr_map *back = NULL;

	(void)state;
	back = edited(map, true,
		      "0x00000014  0x0000000A  -\n"
		      "0x0000001E  0x0000000A  +",
		      "0x00000014  0x00000005  *\n"
		      "0x00000019  0x0000000F  -");
	assert_damage(back, 20, 5, VR_SUSPECT, VR_LAYER_HAND);
	assert_damage(back, 25, 5, VR_ENCRYPTED, VR_LAYER_PROFILE);
	assert_damage(back, 30, 10, VR_ENCRYPTED, VR_LAYER_HAND);
	assert_damage(back, 40, 10, VR_ENCRYPTED, VR_LAYER_PROFILE);
}

static void
lines_filled_in_by_hand_win(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = striped_map();
	vr_cleanup(vr_map_free_p) struct vr_map *back = NULL;

	(void)state;
	back = edited(map, false, "0x00000000  0x00000064  ?",
		      "0x00000000  0x00000005  *\n"
		      "0x00000005  0x0000005F  ?");
	assert_damage(back, 0, 5, VR_SUSPECT, VR_LAYER_HAND);
	assert_damage(back, 5, 5, VR_ENCRYPTED, VR_LAYER_PROFILE);
	assert_damage(back, 10, 10, VR_RECOVERED, VR_LAYER_MEASURED);
}

static enum vr_damage
class_of(enum vr_damage damage)
{
	return damage == VR_RECOVERED	 ? VR_INTACT
	       : damage == VR_UNREADABLE ? VR_ENCRYPTED
					 : damage;
}

/* Any text of block lines, laid over any map: the lines' classes come out. */
static void
lines_always_have_the_last_word(void **state)
{
	static const char statuses[] = "?+*-";
	struct dice dice = {14};

	(void)state;
	for (unsigned round = 0; round < ROUNDS / 2; round++) {
		struct model m, after;
		struct vr_map *map = any_map(&dice, &m, 6), *back;
		vr_cleanup(vr_free_p) char *text = text_of(map, true);
		struct vr_text lines = {0};

		vr_text_append(&lines, text,
			       (size_t)(strstr(text, "status\n") - text) + 7);
		after = m;
		for (unsigned at = 0; at < m.size;) {
			unsigned s = roll_below(&dice, 4);
			unsigned end = at + 1 + roll_below(&dice, 20);

			end = end < m.size ? end : m.size;
			vr_text_format(&lines, "%u %u %c\n", at, end - at,
				       statuses[s]);
			for (; at < end; at++)
				if (class_of(model_damage(&m, at)) != s)
					after.said[VR_LAYER_HAND][at] =
						(uint8_t)s;
		}
		back = map_of(lines.bytes);
		check_map(back, &after);
		vr_map_free(back);
		vr_map_free(map);
		vr_text_free(&lines);
	}
}

/* --- text: by hostile hands --------------------------------------------- */

#define OURS   "# vmdk-rescue map 1\n"
#define STATUS "0x0 + 1\n"
#define MOST   "0xFFFFFFFFFFFFFFFF"

static void
texts_that_are_no_map_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
		int code;
	} cases[] = {
		{"", "no block line", VR_E_FORMAT},
		{"\n\n\n", "no block line", VR_E_FORMAT},
		{"PK\x03\x04", "no block line", VR_E_FORMAT},
		{STATUS, "no block line", VR_E_FORMAT},
		{OURS "# size 5\n", "no status line", VR_E_FORMAT},
		{STATUS "0 10 +\n12 10 +\n", "line 3", VR_E_FORMAT},
		{STATUS "0 10 +\n8 10 +\n", "line 3", VR_E_FORMAT},
		{STATUS "5 10 +\n", "line 2", VR_E_FORMAT},
		{STATUS "0 10 +\n10 0 +\n", "line 3", VR_E_FORMAT},
		{STATUS "0 10 x\n", "line 2", VR_E_FORMAT},
		{STATUS "0 10 ++\n", "line 2", VR_E_FORMAT},
		{STATUS "0 10 + -\n", "line 2", VR_E_FORMAT},
		{STATUS "0 10 +\nten 10 +\n", "line 3", VR_E_FORMAT},
		{STATUS "0 10 +\n10 -1 +\n", "line 3", VR_E_FORMAT},
		{STATUS "0 10 +\n10 " MOST " +\n", "line 3", VR_E_FORMAT},
		{OURS "# size 5\n" STATUS "0 10 +\n", "line 4", VR_E_FORMAT},
		{OURS "# size 9\n# run a b 0 1 1 1\n" STATUS, "line 3",
		 VR_E_FORMAT},
		{OURS "# size 9\n# run hand b 0 1 1 1\n" STATUS, "line 3",
		 VR_E_FORMAT},
		{OURS "# size 9\n# run hand intact 0 0 1 1\n" STATUS, "line 3",
		 VR_E_FORMAT},
		{OURS "# size 9\n# run hand intact 0 1 1\n" STATUS, "line 3",
		 VR_E_FORMAT},
		{OURS "# size 9\n# run hand intact 0 2 1 2\n" STATUS, "line 3",
		 VR_E_FORMAT},
		{OURS "# size 9\n# run hand intact 1 " MOST " 1 1\n" STATUS,
		 "line 3", VR_E_FORMAT},
		{OURS "# size 9\n# run hand intact 0 1 2 " MOST "\n" STATUS,
		 "line 3", VR_E_FORMAT},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct vr_map *map = NULL;

		assert_code(cases[i].code,
			    vr_map_read(cases[i].text, strlen(cases[i].text),
					&map));
		assert_sentence_has(cases[i].says);
		assert_null(map);
	}
}

/*
 * Short texts whose counts would keep a walk busy for years. Each is either
 * refused for that, or read and then answered from in no time.
 */
static void
texts_cannot_order_years_of_work(void **state)
{
	static const char *const cases[] = {
		/* Every other byte of 2^62, contradicted by one line. */
		OURS "# size 0x4000000000000000\n"
		     "# run profile encrypted 0 1 2 0x1FFFFFFFFFFFFFFF\n" STATUS
		     "0 0x4000000000000000 +\n",
		/* … and agreeing with it, in another word for the same. */
		OURS "# size 0x4000000000000000\n"
		     "# run profile intact 0 0x4000000000000000 0 1\n"
		     "# run hand recovered 0 1 2 0x1FFFFFFFFFFFFFFF\n" STATUS
		     "0 0x4000000000000000 +\n",
		/* Strides without a common multiple below the size. */
		OURS "# size 0x4000000000000000\n"
		     "# run profile encrypted 0 1 0x40000003 0x7FFFFFFF\n"
		     "# run measured intact 5 1 0x40000007 0x7FFFFFFF\n"
		     "# run hand suspect 9 1 0x4000000F 0x7FFFFFFF\n" STATUS
		     "# block lines left out\n"
		     "0 0x4000000000000000 ?\n",
		/* The same, small and many. */
		OURS "# size 0x4000000000000000\n"
		     "# run profile encrypted 0 1 1009 0xFFFFFFFFFFFF\n"
		     "# run measured intact 5 1 1013 0xFFFFFFFFFFFF\n"
		     "# run measured intact 5 1 1019 0xFFFFFFFFFFFF\n"
		     "# run measured intact 5 1 1021 0xFFFFFFFFFFFF\n"
		     "# run hand suspect 9 1 1031 0xFFFFFFFFFFFF\n" STATUS
		     "# block lines left out\n"
		     "0 0x4000000000000000 ?\n",
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
		uint64_t bytes[VR_DAMAGES], sum = 0;
		double start = seconds();
		struct vr_span span;
		int r;

		r = vr_map_read(cases[i], strlen(cases[i]), &map);
		if (r < 0) {
			assert_int_equal(r, VR_E_LIMIT);
		} else {
			vr_map_totals(map, bytes);
			for (size_t d = 0; d < VR_DAMAGES; d++)
				sum += bytes[d];
			assert_int_equal(sum, vr_map_size(map));
			vr_map_span(map, 0, &span);
			vr_map_lines(map, 1000);
		}
		assert_true(seconds() - start < 20);
	}
}

/* Bytes changed, dropped and doubled: never a crash, never a broken map. */
static void
mangled_texts_do_no_harm(void **state)
{
	static const char bytes[] = "\n #0x19+-*?\r\0rF";
	struct dice dice = {15};

	(void)state;
	for (unsigned round = 0; round < ROUNDS * 3; round++) {
		struct model m;
		struct vr_map *map = any_map(&dice, &m, 4), *back = NULL;
		vr_cleanup(vr_free_p) char *text = text_of(map, true);
		size_t n = strlen(text);
		uint64_t total[VR_DAMAGES], sum = 0;

		for (unsigned i = 1 + roll_below(&dice, 4); i-- > 0;)
			text[roll_below(&dice, (unsigned)n)] =
				bytes[roll_below(&dice, sizeof(bytes) - 1)];
		n = roll_below(&dice, 4) ? n : roll_below(&dice, (unsigned)n);
		if (vr_map_read(text, n, &back) == 0) {
			vr_map_totals(back, total);
			for (size_t d = 0; d < VR_DAMAGES; d++)
				sum += total[d];
			assert_int_equal(sum, vr_map_size(back));
		}
		vr_map_free(back);
		vr_map_free(map);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_match_the_model),
		cmocka_unit_test(ranges_match_the_model),
		cmocka_unit_test(walk_repaints_the_map),
		cmocka_unit_test(runs_are_handed_out_until_told_otherwise),
		cmocka_unit_test(an_empty_map_knows_nothing),
		cmocka_unit_test(names_are_stable),
		cmocka_unit_test(equal_stripes_are_one_item),
		cmocka_unit_test(too_many_sheets_are_refused),
		cmocka_unit_test(a_run_of_164_million_is_immediate),
		cmocka_unit_test(agreeing_layers_are_immediate),
		cmocka_unit_test(agreeing_neighbours_are_one_span),
		cmocka_unit_test(projection_matches_the_model),
		cmocka_unit_test(projection_stays_inside),
		cmocka_unit_test(projection_must_ascend),
		cmocka_unit_test(the_text_is_a_mapfile),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(text_comes_back_exactly),
		cmocka_unit_test(text_of_bits_comes_back_exactly),
		cmocka_unit_test(many_stripes_come_back_without_lines),
		cmocka_unit_test(carriage_returns_do_not_matter),
		cmocka_unit_test(the_last_line_may_lack_its_end),
		cmocka_unit_test(a_plain_mapfile_is_said_by_hand),
		cmocka_unit_test(a_plain_mapfile_has_no_runs),
		cmocka_unit_test(an_edited_line_wins),
		cmocka_unit_test(merged_lines_change_what_they_contradict),
		cmocka_unit_test(lines_filled_in_by_hand_win),
		cmocka_unit_test(lines_always_have_the_last_word),
		cmocka_unit_test(texts_that_are_no_map_are_refused),
		cmocka_unit_test(texts_cannot_order_years_of_work),
		cmocka_unit_test(mangled_texts_do_no_harm),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
