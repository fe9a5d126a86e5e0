/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host file and its damage map: bytes as they are, damage in the extents. */
#include "unit.h"

#include "base/checked.h"
#include "double.h"
#include "io/mem.h"
#include "io/window.h"
#include "map/annotate.h"
#include "map/map.h"

#define SIZE 1000

static const unsigned flags_of[VR_DAMAGES] = {
	[VR_UNKNOWN] = VR_EXTENT_SUSPECT,
	[VR_INTACT] = 0,
	[VR_SUSPECT] = VR_EXTENT_SUSPECT,
	[VR_ENCRYPTED] = VR_EXTENT_DAMAGED,
	[VR_UNREADABLE] = VR_EXTENT_DAMAGED,
	[VR_RECOVERED] = VR_EXTENT_REPAIRED,
};

static struct vr_map *
map_of_all(uint64_t size)
{
	struct vr_map *map = NULL;

	assert_ok(vr_map_new(size, &map));
	for (unsigned d = 0; d < VR_DAMAGES; d++)
		assert_ok(vr_map_add_range(map, VR_LAYER_MEASURED, d,
					   100 + d * 100, 100));
	return map;
}

static struct vr_source *
pattern_source(void)
{
	struct vr_source *source = NULL;
	uint8_t bytes[SIZE];

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	assert_ok(vr_mem_open(bytes, SIZE, &source));
	return source;
}

static void
assert_extent(struct vr_source *source, uint64_t off, uint64_t length,
	      unsigned flags)
{
	struct vr_extent extent = {0};

	assert_ok(vr_source_next(source, off, &extent));
	assert_int_equal(extent.length, length);
	assert_int_equal(extent.flags, flags);
}

static void
bytes_pass_through(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = map_of_all(SIZE);
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	uint8_t below[SIZE], above[SIZE];

	(void)state;
	assert_ok(vr_annotate_open(lower, map, &s));
	assert_int_equal(vr_source_size(s), SIZE);
	assert_ok(vr_source_read_at(lower, below, SIZE, 0));
	assert_ok(vr_source_read_at(s, above, SIZE, 0));
	assert_memory_equal(above, below, SIZE);
	assert_ok(vr_source_read_at(s, above, 5, 333));
	assert_memory_equal(above, below + 333, 5);
}

static void
every_damage_has_its_flags(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = map_of_all(SIZE);
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;

	(void)state;
	assert_ok(vr_annotate_open(lower, map, &s));
	/* Where the map says nothing, nothing is shown either way. */
	assert_extent(s, 0, 100, VR_EXTENT_SUSPECT);
	for (unsigned d = 0; d < VR_DAMAGES; d++) {
		assert_extent(s, 100 + d * 100, 100, flags_of[d]);
		assert_extent(s, 199 + d * 100, 1, flags_of[d]);
	}
	assert_extent(s, 700, 300, VR_EXTENT_SUSPECT);
}

/* A hole in the host file is no proof that the guest had zeros there. */
static void
lost_holes_are_not_zero(void **state)
{
	const unsigned hole = VR_EXTENT_HOLE | VR_EXTENT_ZERO;
	vr_cleanup(vr_map_free_p) struct vr_map *map = map_of_all(SIZE);
	vr_cleanup(vr_source_free_p) struct vr_source *lower = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;

	(void)state;
	assert_ok(vr_hole_open(SIZE, &lower));
	assert_ok(vr_annotate_open(lower, map, &s));
	assert_extent(s, 200, 100, hole);
	assert_extent(s, 300, 100, hole | VR_EXTENT_SUSPECT);
	assert_extent(s, 400, 100, VR_EXTENT_DAMAGED);
	assert_extent(s, 500, 100, VR_EXTENT_DAMAGED);
}

static void
what_lies_below_is_kept(void **state)
{
	const struct double_spot spots[] = {
		{150, 100, 0, VR_EXTENT_DAMAGED},
		{250, 10, VR_E_IO, VR_EXTENT_SUSPECT},
	};
	vr_cleanup(vr_map_free_p) struct vr_map *map = map_of_all(SIZE);
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *hit = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	uint8_t byte;

	(void)state;
	assert_ok(double_open(lower, spots, 2, NULL, &hit));
	assert_ok(vr_annotate_open(hit, map, &s));
	assert_extent(s, 100, 50, VR_EXTENT_SUSPECT);
	assert_extent(s, 150, 50, VR_EXTENT_SUSPECT | VR_EXTENT_DAMAGED);
	assert_extent(s, 200, 50, VR_EXTENT_DAMAGED);
	assert_extent(s, 250, 10, VR_EXTENT_SUSPECT);
	assert_extent(s, 260, 40, 0);
	assert_code(VR_E_IO, vr_source_read_at(s, &byte, 1, 255));
}

static void
maps_cover_the_file(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *longer = map_of_all(SIZE + 1);
	vr_cleanup(vr_map_free_p) struct vr_map *shorter = map_of_all(SIZE - 1);
	struct double_log log = {0};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	struct vr_source *hit = NULL, *s = NULL;

	(void)state;
	assert_ok(double_open(lower, NULL, 0, &log, &hit));
	assert_code(VR_E_USAGE, vr_annotate_open(hit, shorter, &s));
	assert_null(s);
	assert_ok(vr_annotate_open(hit, longer, &s));
	assert_extent(s, SIZE - 1, 1, VR_EXTENT_SUSPECT);
	vr_source_free(hit);
	assert_int_equal(log.closes, 0);
	vr_source_free(s);
	assert_int_equal(log.closes, 1);
}

/* A stripe through the middle of a structure: half of it can be read. */
static void
windows_see_the_damage(void **state)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = map_of_all(SIZE);
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct vr_window w;

	(void)state;
	assert_ok(vr_annotate_open(lower, map, &s));
	assert_ok(vr_window_read(&w, s, 390, 20));
	assert_true(vr_window_holds(&w, 0, 10));
	assert_false(vr_window_trouble(&w));
	assert_false(vr_window_holds(&w, 9, 2));
	assert_int_equal(vr_window_le32(&w, 10), 0);
	assert_true(w.touched_lost);
	vr_window_free(&w);
}

static void
extents_match_the_map(void **state)
{
	struct dice dice = {17};

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
		vr_cleanup(vr_source_free_p) struct vr_source *lower = NULL;
		vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
		struct vr_extent extent;
		struct vr_run run;

		assert_ok(vr_map_new(SIZE, &map));
		for (unsigned i = 0; i < 6; i++)
			if (vr_run_make(roll_below(&dice, SIZE),
					1 + roll_below(&dice, 20),
					21 + roll_below(&dice, 50),
					1 + roll_below(&dice, 20), &run))
				assert_ok(vr_map_add(
					map, roll_below(&dice, VR_LAYERS),
					roll_below(&dice, VR_DAMAGES), &run));
		assert_ok(vr_mem_open((uint8_t[SIZE]){0}, SIZE, &lower));
		assert_ok(vr_annotate_open(lower, map, &s));
		for (uint64_t off = 0; off < SIZE; off += extent.length) {
			assert_ok(vr_source_next(s, off, &extent));
			assert_in_range(extent.length, 1, SIZE - off);
			for (uint64_t i = 0; i < extent.length; i++) {
				struct vr_span span;

				vr_map_at(map, off + i, &span);
				assert_int_equal(extent.flags,
						 flags_of[span.damage]);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_through),
		cmocka_unit_test(every_damage_has_its_flags),
		cmocka_unit_test(lost_holes_are_not_zero),
		cmocka_unit_test(what_lies_below_is_kept),
		cmocka_unit_test(maps_cover_the_file),
		cmocka_unit_test(windows_see_the_damage),
		cmocka_unit_test(extents_match_the_map),
	};

	return cmocka_run_group_tests_name("annotate", tests, NULL, NULL);
}
