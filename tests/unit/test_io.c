/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sources one by one, then laid on each other and compared with plain bytes. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/checked.h"
#include "double.h"
#include "io/cache.h"
#include "io/concat.h"
#include "io/file.h"
#include "io/mem.h"
#include "io/overlay.h"
#include "io/slice.h"
#include "io/window.h"

#define SIZE 4096

/* Byte i is i + i/256: neighbours differ, and so do blocks. */
static const uint8_t *
pattern(void)
{
	static uint8_t bytes[SIZE];

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i + i / 256);
	return bytes;
}

static struct vr_source *
pattern_source(void)
{
	struct vr_source *source = NULL;

	assert_ok(vr_mem_open(pattern(), SIZE, &source));
	return source;
}

static void
assert_reads(struct vr_source *source, uint64_t off, const void *bytes,
	     size_t n)
{
	uint8_t *got = malloc(n + 1);

	assert_non_null(got);
	memset(got, 0xEE, n + 1);
	assert_ok(vr_source_read_at(source, got, n, off));
	assert_memory_equal(got, bytes, n);
	assert_int_equal(got[n], 0xEE);
	free(got);
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

/* --- the seam ----------------------------------------------------------- */

static void
the_gate_refuses_what_leaves_the_source(void **state)
{
	struct double_log log = {0};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct vr_extent extent = {.length = 4711};
	uint8_t byte = 0xEE;

	(void)state;
	assert_ok(double_open(lower, NULL, 0, &log, &s));
	assert_code(VR_E_USAGE, vr_source_read_at(s, &byte, 1, SIZE));
	assert_code(VR_E_USAGE, vr_source_read_at(s, &byte, 2, SIZE - 1));
	assert_code(VR_E_USAGE, vr_source_read_at(s, &byte, 1, UINT64_MAX));
	assert_code(VR_E_USAGE, vr_source_read_at(s, &byte, SIZE_MAX, 1));
	assert_sentence_has("leaves a source of 4096 bytes");
	assert_code(VR_E_USAGE, vr_source_next(s, SIZE, &extent));
	assert_int_equal(extent.length, 4711);
	assert_int_equal(byte, 0xEE);

	/* Nothing may be read of nothing, also at the very end. */
	assert_ok(vr_source_read_at(s, NULL, 0, SIZE));
	assert_code(VR_E_USAGE, vr_source_read_at(s, NULL, 0, SIZE + 1));
	assert_int_equal(log.reads, 0);
}

static void
the_last_reference_closes(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	struct double_log log = {0};
	struct vr_source *s = NULL, *slice = NULL, *joined = NULL;

	(void)state;
	assert_ok(double_open(lower, NULL, 0, &log, &s));
	assert_ok(vr_slice_open(s, 0, 10, &slice));
	assert_ok(vr_concat_open((struct vr_source *[]){s, slice, s}, 3,
				 &joined));
	vr_source_free(s);
	vr_source_free(slice);
	assert_int_equal(log.closes, 0);
	vr_source_free(joined);
	assert_int_equal(log.closes, 1);
	vr_source_free(NULL);
}

/* --- mem and hole ------------------------------------------------------- */

static void
mem_copies_its_bytes(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	char bytes[] = "evidence";

	(void)state;
	assert_ok(vr_mem_open(bytes, 8, &s));
	memset(bytes, 'x', 8);
	assert_int_equal(vr_source_size(s), 8);
	assert_reads(s, 0, "evidence", 8);
	assert_reads(s, 3, "den", 3);
	assert_extent(s, 0, 8, 0);
	assert_extent(s, 7, 1, 0);
}

static void
mem_may_be_empty(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct vr_extent extent;

	(void)state;
	assert_ok(vr_mem_open(NULL, 0, &s));
	assert_int_equal(vr_source_size(s), 0);
	assert_ok(vr_source_read_at(s, NULL, 0, 0));
	assert_code(VR_E_USAGE, vr_source_next(s, 0, &extent));
}

static void
holes_are_zeros_of_any_size(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	static const uint8_t zeros[512];

	(void)state;
	assert_ok(vr_hole_open(UINT64_MAX, &s));
	assert_reads(s, UINT64_MAX - 512, zeros, 512);
	assert_extent(s, 5, UINT64_MAX - 5, VR_EXTENT_HOLE | VR_EXTENT_ZERO);
}

/* --- slice -------------------------------------------------------------- */

static void
slices_move_and_cut(void **state)
{
	const struct double_spot spots[] = {{1000, 100, 0, VR_EXTENT_DAMAGED}};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *hit = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;

	(void)state;
	assert_ok(double_open(lower, spots, 1, NULL, &hit));
	assert_ok(vr_slice_open(hit, 900, 150, &s));
	assert_int_equal(vr_source_size(s), 150);
	assert_reads(s, 0, pattern() + 900, 150);
	assert_extent(s, 0, 100, 0);
	assert_extent(s, 99, 1, 0);
	/* The spot goes on behind the slice; its extent must not. */
	assert_extent(s, 100, 50, VR_EXTENT_DAMAGED);
}

static void
slices_stay_inside(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	struct vr_source *s = NULL;

	(void)state;
	assert_code(VR_E_USAGE, vr_slice_open(lower, 0, SIZE + 1, &s));
	assert_code(VR_E_USAGE, vr_slice_open(lower, SIZE + 1, 0, &s));
	assert_code(VR_E_USAGE, vr_slice_open(lower, UINT64_MAX, 2, &s));
	assert_null(s);
	assert_ok(vr_slice_open(lower, SIZE, 0, &s));
	assert_int_equal(vr_source_size(s), 0);
	vr_source_free(s);
}

/* --- concat ------------------------------------------------------------- */

static void
parts_follow_each_other(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *a = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *none = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *hole = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;

	(void)state;
	assert_ok(vr_mem_open("abc", 3, &a));
	assert_ok(vr_mem_open("", 0, &none));
	assert_ok(vr_hole_open(2, &hole));
	assert_ok(vr_concat_open(
		(struct vr_source *[]){none, a, none, hole, a, none}, 6, &s));
	assert_int_equal(vr_source_size(s), 8);
	assert_reads(s, 0, "abc\0\0abc", 8);
	assert_reads(s, 2, "c\0\0a", 4);
	assert_reads(s, 7, "c", 1);
	assert_extent(s, 0, 3, 0);
	assert_extent(s, 4, 1, VR_EXTENT_HOLE | VR_EXTENT_ZERO);
	assert_extent(s, 5, 3, 0);
}

static void
no_parts_are_an_empty_disk(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct vr_extent extent;

	(void)state;
	assert_ok(vr_concat_open(NULL, 0, &s));
	assert_int_equal(vr_source_size(s), 0);
	assert_ok(vr_source_read_at(s, NULL, 0, 0));
	assert_code(VR_E_USAGE, vr_source_next(s, 0, &extent));
}

static void
parts_beyond_64_bits_are_refused(void **state)
{
	struct double_log log = {0};
	vr_cleanup(vr_source_free_p) struct vr_source *hole = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *hit = NULL;
	struct vr_source *s = NULL;

	(void)state;
	assert_ok(vr_hole_open(UINT64_MAX / 2 + 1, &hole));
	assert_ok(double_open(hole, NULL, 0, &log, &hit));
	assert_code(VR_E_LIMIT,
		    vr_concat_open((struct vr_source *[]){hit, hit}, 2, &s));
	assert_null(s);
	/* What was taken was given back: ours is the last reference. */
	vr_source_free(vr_steal(hit));
	assert_int_equal(log.closes, 1);
}

static void
a_failing_part_fails_the_read(void **state)
{
	const struct double_spot spots[] = {{0, SIZE, VR_E_IO, 0}};
	vr_cleanup(vr_source_free_p) struct vr_source *good = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *bad = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	uint8_t buf[20];

	(void)state;
	assert_ok(double_open(good, spots, 1, NULL, &bad));
	assert_ok(
		vr_concat_open((struct vr_source *[]){good, bad, good}, 3, &s));
	assert_code(VR_E_IO, vr_source_read_at(s, buf, 20, SIZE - 10));
	assert_ok(vr_source_read_at(s, buf, 10, SIZE - 10));
	assert_ok(vr_source_read_at(s, buf, 10, 2 * SIZE));
}

/* --- overlay ------------------------------------------------------------ */

static void
patches_stand_in(void **state)
{
	const struct vr_overlay_patch patches[] = {
		{.off = 2, .length = 3, .bytes = (const uint8_t *)"XYZ"},
		{.off = 5, .length = 1, .bytes = (const uint8_t *)"!"},
		{.off = 9, .length = 1, .bytes = (const uint8_t *)"?"},
	};
	const struct double_spot spots[] = {{0, 10, 0, VR_EXTENT_DAMAGED}};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *hit = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;

	(void)state;
	assert_ok(vr_mem_open("0123456789", 10, &lower));
	assert_ok(double_open(lower, spots, 1, NULL, &hit));
	assert_ok(vr_overlay_open(hit, patches, 3, &s));
	assert_reads(s, 0, "01XYZ!678?", 10);
	assert_reads(s, 3, "YZ", 2);
	assert_extent(s, 0, 2, VR_EXTENT_DAMAGED);
	assert_extent(s, 3, 2, VR_EXTENT_REPAIRED);
	assert_extent(s, 6, 3, VR_EXTENT_DAMAGED);
	assert_extent(s, 9, 1, VR_EXTENT_REPAIRED);
	assert_reads(lower, 0, "0123456789", 10);
}

/* The very sectors that are rebuilt are often those that cannot be read. */
static void
patched_bytes_are_not_read(void **state)
{
	const struct vr_overlay_patch patch = {
		.off = 512, .length = 512, .bytes = pattern()};
	const struct double_spot spots[] = {{512, 512, VR_E_IO, 0}};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *bad = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	uint8_t buf[SIZE];

	(void)state;
	assert_ok(double_open(lower, spots, 1, NULL, &bad));
	assert_ok(vr_overlay_open(bad, &patch, 1, &s));
	assert_ok(vr_source_read_at(s, buf, SIZE, 0));
	assert_memory_equal(buf + 512, pattern(), 512);
	assert_memory_equal(buf + 1024, pattern() + 1024, SIZE - 1024);
}

static void
patches_are_copied(void **state)
{
	uint8_t bytes[] = "ab";
	struct vr_overlay_patch patch = {.off = 1, .length = 2, .bytes = bytes};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;

	(void)state;
	assert_ok(vr_mem_open("0123", 4, &lower));
	assert_ok(vr_overlay_open(lower, &patch, 1, &s));
	memset(bytes, 'x', sizeof(bytes));
	patch.off = 0;
	assert_reads(s, 0, "0ab3", 4);
}

static void
unsound_patches_are_refused(void **state)
{
	static const uint8_t b[8];
	const struct {
		struct vr_overlay_patch patches[2];
	} cases[] = {
		{{{4, 2, b}, {3, 1, b}}}, /* out of order */
		{{{4, 2, b}, {5, 1, b}}}, /* overlap */
		{{{4, 2, b}, {6, 0, b}}}, /* empty */
		{{{4, 2, b}, {9, 2, b}}}, /* half outside */
		{{{4, 2, b}, {11, 1, b}}},
		{{{4, 2, b}, {UINT64_MAX, 2, b}}},
		{{{4, 2, b}, {9, SIZE_MAX, b}}},
	};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = NULL;
	struct vr_source *s = NULL;

	(void)state;
	assert_ok(vr_hole_open(10, &lower));
	for (size_t i = 0; i < ITEMS(cases); i++)
		assert_code(VR_E_USAGE,
			    vr_overlay_open(lower, cases[i].patches, 2, &s));
	assert_null(s);
	assert_ok(vr_overlay_open(lower, NULL, 0, &s));
	assert_extent(s, 0, 10, VR_EXTENT_HOLE | VR_EXTENT_ZERO);
	vr_source_free(s);
}

/* --- all of them on each other ------------------------------------------ */

/* A source, its bytes, and which of them are patched. */
struct stack {
	struct vr_source *source;
	uint8_t bytes[3 * SIZE];
	bool patched[3 * SIZE];
	size_t size;
};

static void
stack_slice(struct stack *st, struct dice *dice)
{
	size_t start = roll_below(dice, (unsigned)st->size / 2);
	size_t length = 1 + roll_below(dice, (unsigned)(st->size - start));
	struct vr_source *upper = NULL;

	assert_ok(vr_slice_open(st->source, start, length, &upper));
	memmove(st->bytes, st->bytes + start, length);
	memmove(st->patched, st->patched + start, length);
	st->size = length;
	vr_source_free(st->source);
	st->source = upper;
}

static void
stack_concat(struct stack *st, struct dice *dice)
{
	vr_cleanup(vr_source_free_p) struct vr_source *tail = NULL;
	size_t n = roll_below(dice, (unsigned)(sizeof(st->bytes) - st->size));
	struct vr_source *upper = NULL;

	n = n < SIZE ? n : SIZE;
	assert_ok(vr_mem_open(pattern(), n, &tail));
	assert_ok(vr_concat_open((struct vr_source *[]){st->source, tail}, 2,
				 &upper));
	memcpy(st->bytes + st->size, pattern(), n);
	memset(st->patched + st->size, 0, n);
	st->size += n;
	vr_source_free(st->source);
	st->source = upper;
}

static void
stack_overlay(struct stack *st, struct dice *dice)
{
	struct vr_overlay_patch patches[8];
	struct vr_source *upper = NULL;
	size_t count = 0, at = 0;

	for (; count < ITEMS(patches); count++) {
		size_t n = 1 + roll_below(dice, 40);

		at += roll_below(dice, 100);
		if (at + n > st->size)
			break;
		patches[count] = (struct vr_overlay_patch){
			at, n, pattern() + roll_below(dice, SIZE - 64)};
		memcpy(st->bytes + at, patches[count].bytes, n);
		memset(st->patched + at, 1, n);
		at += n;
	}
	assert_ok(vr_overlay_open(st->source, patches, count, &upper));
	vr_source_free(st->source);
	st->source = upper;
}

static void
stack_check(const struct stack *st, struct dice *dice)
{
	struct vr_extent extent;

	for (unsigned i = 0; i < 8; i++) {
		size_t off = roll_below(dice, (unsigned)st->size);
		size_t n = roll_below(dice, (unsigned)(st->size - off) + 1);

		assert_reads(st->source, off, st->bytes + off, n);
	}
	for (size_t off = 0; off < st->size; off += extent.length) {
		assert_ok(vr_source_next(st->source, off, &extent));
		assert_in_range(extent.length, 1, st->size - off);
		for (size_t i = 0; i < extent.length; i++)
			assert_int_equal(
				extent.flags,
				st->patched[off + i] ? VR_EXTENT_REPAIRED : 0);
	}
}

static void
layers_read_like_plain_bytes(void **state)
{
	static void (*const verbs[])(struct stack *, struct dice *) = {
		stack_slice, stack_concat, stack_overlay};
	struct dice dice = {5};

	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		struct stack st = {.source = pattern_source(), .size = SIZE};

		memcpy(st.bytes, pattern(), SIZE);
		for (unsigned depth = roll_below(&dice, 8); depth-- > 0;)
			verbs[roll_below(&dice, ITEMS(verbs))](&st, &dice);
		stack_check(&st, &dice);
		vr_source_free(st.source);
	}
}

/* --- window ------------------------------------------------------------- */

static void
window_loads_straight_down(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct vr_window w;

	(void)state;
	assert_ok(vr_mem_open("\x01\x02\x03\x04\x05\x06\x07\x08\x09", 9, &s));
	assert_ok(vr_window_read(&w, s, 1, 8));
	assert_int_equal(vr_window_le32(&w, 0), 0x05040302);
	assert_int_equal(vr_window_le32(&w, 3), 0x08070605);
	assert_true(vr_window_le64(&w, 0) == UINT64_C(0x0908070605040302));
	assert_int_equal(vr_window_u8(&w, 7), 0x09);
	assert_int_equal(vr_window_le16(&w, 1), 0x0403);
	assert_int_equal(vr_window_be16(&w, 1), 0x0304);
	assert_int_equal(vr_window_be32(&w, 1), 0x03040506);
	assert_true(vr_window_be64(&w, 0) == UINT64_C(0x0203040506070809));
	assert_memory_equal(vr_window_bytes(&w, 6, 2), "\x08\x09", 2);
	assert_false(vr_window_trouble(&w));
	vr_window_free(&w);
}

static void
window_ends_where_the_source_ends(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct vr_window w;

	(void)state;
	assert_ok(vr_mem_open("abcdef", 6, &s));
	assert_ok(vr_window_read(&w, s, 2, 100));
	assert_int_equal(w.length, 4);
	assert_int_equal(vr_window_le32(&w, 0), 0x66656463);
	assert_false(vr_window_trouble(&w));

	/* Half there is not there; the flag stays until it is asked. */
	assert_int_equal(vr_window_le32(&w, 1), 0);
	assert_int_equal(vr_window_le64(&w, UINT64_MAX), 0);
	assert_null(vr_window_bytes(&w, 5, 0));
	assert_non_null(vr_window_bytes(&w, 4, 0));
	assert_int_equal(vr_window_le32(&w, 0), 0x66656463);
	assert_true(w.touched_end && !w.touched_lost);
	assert_true(vr_window_trouble(&w));
	assert_false(vr_window_trouble(&w));
	vr_window_free(&w);
}

static void
window_behind_the_end_is_empty(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct vr_window w;

	(void)state;
	assert_ok(vr_mem_open("abc", 3, &s));
	assert_ok(vr_window_read(&w, s, UINT64_MAX, 512));
	assert_int_equal(w.length, 0);
	assert_false(vr_window_holds(&w, 0, 1));
	assert_true(vr_window_trouble(&w));
	vr_window_free(&w);
	vr_window_free(&w);
}

/* More extents than are remembered, asked for twice and from their midst. */
static void
cache_remembers_extents(void **state)
{
	struct double_spot spots[40];
	struct double_log log = {0};
	vr_cleanup(vr_source_free_p) struct vr_source *plain = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *lower = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	unsigned asked;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		spots[i] = (struct double_spot){
			.off = 64 * i + 7,
			.length = 1 + i,
			.flags = i % 2 ? VR_EXTENT_DAMAGED : VR_EXTENT_SUSPECT,
		};
	plain = pattern_source();
	assert_ok(double_open(plain, spots, 40, &log, &lower));
	assert_ok(vr_cache_open(lower, SIZE, &s));
	for (uint64_t i = 0; i < 3 * SIZE; i++) {
		uint64_t off = i * 1021 % SIZE;
		struct vr_extent wanted, got;

		assert_ok(vr_source_next(lower, off, &wanted));
		assert_ok(vr_source_next(s, off, &got));
		assert_int_equal(got.length, wanted.length);
		assert_int_equal(got.flags, wanted.flags);
	}
	asked = log.extents;
	for (uint64_t off = 3000; off < SIZE; off++) {
		struct vr_extent got;

		assert_ok(vr_source_next(s, off, &got));
		assert_int_equal(got.length, SIZE - off);
	}
	assert_true(log.extents <= asked + 1);
}

static void
window_has_a_limit(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct vr_window w = {.length = 4711};

	(void)state;
	assert_ok(vr_hole_open(UINT64_MAX, &s));
	assert_code(VR_E_LIMIT, vr_window_read(&w, s, 0, VR_WINDOW_MOST + 1));
	assert_int_equal(w.length, 4711);
	assert_ok(vr_window_read(&w, s, 0, VR_WINDOW_MOST));
	vr_window_free(&w);
}

/* Byte by byte: lost exactly where wanted says so. */
static void
assert_lost(struct vr_window *w, const bool *wanted, size_t n)
{
	assert_int_equal(w->length, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(vr_window_holds(w, i, 1), !wanted[i]);
	vr_window_trouble(w);
}

static void
window_knows_lost_bytes(void **state)
{
	const struct double_spot spots[] = {
		{10, 3, 0, VR_EXTENT_DAMAGED},
		{13, 5, 0, VR_EXTENT_SUSPECT}, /* suspect can still be read */
		{20, 1, 0, VR_EXTENT_DAMAGED | VR_EXTENT_SUSPECT},
		{60, 100, 0, VR_EXTENT_DAMAGED},
	};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	bool wanted[64] = {0};
	struct vr_window w;

	(void)state;
	wanted[10] = wanted[11] = wanted[12] = wanted[20] = true;
	memset(wanted + 60, 1, 4);
	assert_ok(double_open(lower, spots, ITEMS(spots), NULL, &s));
	assert_ok(vr_window_read(&w, s, 0, 64));
	assert_lost(&w, wanted, 64);

	assert_int_equal(vr_window_le32(&w, 6), 0x09080706);
	assert_false(vr_window_trouble(&w));
	assert_int_equal(vr_window_le32(&w, 7), 0);
	assert_int_equal(vr_window_le32(&w, 12), 0);
	assert_true(w.touched_lost && !w.touched_end);
	assert_true(vr_window_trouble(&w));
	assert_int_equal(vr_window_le32(&w, 13), 0x100F0E0D);
	assert_false(vr_window_trouble(&w));
	vr_window_free(&w);
}

/* One bad sector of a disk costs that sector, wherever the window begins. */
static void
window_loses_sectors_that_cannot_be_read(void **state)
{
	const struct double_spot spots[] = {{1030, 1, VR_E_IO, 0}};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	bool wanted[2000] = {0};
	struct vr_window w;

	(void)state;
	assert_ok(double_open(lower, spots, 1, NULL, &s));
	memset(wanted + 1024 - 100, 1, 512);
	assert_ok(vr_window_read(&w, s, 100, sizeof(wanted)));
	assert_lost(&w, wanted, sizeof(wanted));
	for (size_t i = 0; i < sizeof(wanted); i++)
		assert_int_equal(w.bytes[i],
				 wanted[i] ? 0 : pattern()[100 + i]);
	vr_window_free(&w);
}

/* Damage is data; lost memory, a cancelled run and misuse are not damage. */
static void
window_fails_for_other_reasons(void **state)
{
	const struct double_spot whole[] = {{0, SIZE, VR_E_CANCELLED, 0}};
	const struct double_spot late[] = {{0, 1, VR_E_IO, 0},
					   {2000, 1, VR_E_MEMORY, 0}};
	vr_cleanup(vr_source_free_p) struct vr_source *lower = pattern_source();
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *t = NULL;
	struct vr_window w;

	(void)state;
	assert_ok(double_open(lower, whole, 1, NULL, &s));
	assert_code(VR_E_CANCELLED, vr_window_read(&w, s, 0, 64));
	assert_ok(double_open(lower, late, 2, NULL, &t));
	assert_code(VR_E_MEMORY, vr_window_read(&w, t, 0, SIZE));
}

/* --- files -------------------------------------------------------------- */

static char folder[] = "/tmp/vmdk-rescue-io.XXXXXX";

static const char *
in_folder(const char *name)
{
	static char path[4][sizeof(folder) + 64];
	static unsigned turn;

	turn = (turn + 1) % ITEMS(path);
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", folder, name);
	return path[turn];
}

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
	static const char *const names[] = {"f",    "sparse", "short", "pipe",
					    "link", "loop",   "socket"};

	(void)state;
	for (size_t i = 0; i < ITEMS(names); i++)
		unlink(in_folder(names[i]));
	return rmdir(folder);
}

static int
make_file(const char *name, const void *bytes, size_t n)
{
	int fd = open(in_folder(name), O_RDWR | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, 0), n);
	return fd;
}

static void
files_read_as_they_are(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct stat st = {0};

	(void)state;
	close(make_file("f", pattern(), SIZE));
	assert_ok(vr_file_open_stat(in_folder("f"), &s, &st));
	assert_int_equal(vr_source_size(s), SIZE);
	assert_int_equal(st.st_size, SIZE);
	assert_reads(s, 0, pattern(), SIZE);
	assert_reads(s, 17, pattern() + 17, 1000);
}

/* The evidence keeps its access time where its owner looks at it. */
static void
files_keep_their_access_time(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct stat st;
	int fd;

	(void)state;
	fd = make_file("f", pattern(), SIZE);
	assert_int_equal(futimens(fd, old), 0);
	close(fd);
	assert_ok(vr_file_open(in_folder("f"), &s));
	assert_reads(s, 0, pattern(), SIZE);
	assert_int_equal(stat(in_folder("f"), &st), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
}

static bool
knows_holes(int fd)
{
	return lseek(fd, 0, SEEK_HOLE) < 1 << 20;
}

static void
files_show_their_holes(void **state)
{
	const unsigned hole = VR_EXTENT_HOLE | VR_EXTENT_ZERO;
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	static const uint8_t zeros[SIZE];
	bool known;
	int fd;

	(void)state;
	fd = make_file("sparse", pattern(), SIZE);
	assert_int_equal(pwrite(fd, pattern(), SIZE, 2 << 20), SIZE);
	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	known = knows_holes(fd);
	close(fd);

	assert_ok(vr_file_open(in_folder("sparse"), &s));
	assert_reads(s, 1 << 20, zeros, SIZE);
	if (!known)
		skip();
	assert_extent(s, 10, SIZE - 10, 0);
	assert_extent(s, SIZE, (2 << 20) - SIZE, hole);
	assert_extent(s, 1 << 20, 1 << 20, hole);
	assert_extent(s, 2 << 20, SIZE, 0);
	assert_extent(s, (2 << 20) + SIZE, (2 << 20) - SIZE, hole);
	assert_extent(s, (4 << 20) - 1, 1, hole);
}

static void
a_file_cut_while_it_is_read_is_an_error(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;
	struct vr_extent extent;
	uint8_t buf[SIZE];
	int fd;

	(void)state;
	fd = make_file("short", pattern(), SIZE);
	assert_ok(vr_file_open(in_folder("short"), &s));
	assert_int_equal(ftruncate(fd, 100), 0);
	close(fd);

	assert_reads(s, 0, pattern(), 100);
	assert_code(VR_E_CHANGED, vr_source_read_at(s, buf, 101, 0));
	assert_sentence_has("became shorter");
	assert_code(VR_E_CHANGED, vr_source_read_at(s, buf, 1, SIZE - 1));

	/* Whoever trusts a ZERO flag does not read, and would never know. */
	assert_ok(vr_source_next(s, 1000, &extent));
	assert_int_equal(extent.flags, 0);
}

static void
what_is_no_file_is_refused(void **state)
{
	struct vr_source *s = NULL;

	(void)state;
	assert_int_equal(mkfifo(in_folder("pipe"), 0644), 0);
	/* Without a writer a plain open() would wait for ever. */
	assert_code(VR_E_FORMAT, vr_file_open(in_folder("pipe"), &s));
	assert_sentence_has("a pipe");
	assert_code(VR_E_FORMAT, vr_file_open(folder, &s));
	assert_sentence_has("a folder");
	assert_sentence_has(folder);
	assert_code(VR_E_FORMAT, vr_file_open("/dev/null", &s));
	assert_sentence_has("a character device");
	assert_code(VR_E_MISSING, vr_file_open(in_folder("none"), &s));
	assert_sentence_has("none': ");
	assert_code(VR_E_MISSING, vr_file_open("/dev/null/x", &s));
	assert_code(VR_E_MISSING, vr_file_open("", &s));
	assert_null(s);
}

static void
sockets_are_refused(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct vr_source *s = NULL;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		 in_folder("socket"));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		skip();
	assert_code(VR_E_FORMAT, vr_file_open(address.sun_path, &s));
	assert_sentence_has("a socket");
	close(fd);
}

static void
links_are_followed_but_not_in_circles(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;

	(void)state;
	close(make_file("f", pattern(), SIZE));
	assert_int_equal(symlink("f", in_folder("link")), 0);
	assert_int_equal(symlink("loop", in_folder("loop")), 0);
	assert_code(VR_E_IO, vr_file_open(in_folder("loop"), &s));
	assert_ok(vr_file_open(in_folder("link"), &s));
	assert_reads(s, 0, pattern(), SIZE);
}

static void
names_in_messages_are_printable(void **state)
{
	struct vr_source *s = NULL;

	(void)state;
	assert_code(VR_E_MISSING, vr_file_open("/no\x1b[2J\xff", &s));
	assert_sentence_has("'/no\\x1B[2J\\xFF': ");
}

static void
small_files_are_read_whole(void **state)
{
	char *text = NULL;
	size_t n = 0;

	(void)state;
	close(make_file("f", "10 1 2048\n", 10));
	assert_ok(vr_file_read_small(in_folder("f"), 10, &text, &n));
	assert_int_equal(n, 10);
	assert_string_equal(text, "10 1 2048\n");
	free(vr_steal(text));

	assert_code(VR_E_LIMIT,
		    vr_file_read_small(in_folder("f"), 9, &text, &n));
	assert_sentence_has("has 10 bytes");
	assert_code(VR_E_FORMAT, vr_file_read_small(folder, 9, &text, &n));
	assert_null(text);
	assert_int_equal(n, 10);

	close(make_file("f", "", 0));
	assert_ok(vr_file_read_small(in_folder("f"), 0, &text, &n));
	assert_int_equal(n, 0);
	assert_string_equal(text, "");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_gate_refuses_what_leaves_the_source),
		cmocka_unit_test(the_last_reference_closes),
		cmocka_unit_test(mem_copies_its_bytes),
		cmocka_unit_test(mem_may_be_empty),
		cmocka_unit_test(holes_are_zeros_of_any_size),
		cmocka_unit_test(slices_move_and_cut),
		cmocka_unit_test(slices_stay_inside),
		cmocka_unit_test(parts_follow_each_other),
		cmocka_unit_test(no_parts_are_an_empty_disk),
		cmocka_unit_test(parts_beyond_64_bits_are_refused),
		cmocka_unit_test(a_failing_part_fails_the_read),
		cmocka_unit_test(patches_stand_in),
		cmocka_unit_test(patched_bytes_are_not_read),
		cmocka_unit_test(patches_are_copied),
		cmocka_unit_test(unsound_patches_are_refused),
		cmocka_unit_test(layers_read_like_plain_bytes),
		cmocka_unit_test(window_loads_straight_down),
		cmocka_unit_test(window_ends_where_the_source_ends),
		cmocka_unit_test(window_behind_the_end_is_empty),
		cmocka_unit_test(cache_remembers_extents),
		cmocka_unit_test(window_has_a_limit),
		cmocka_unit_test(window_knows_lost_bytes),
		cmocka_unit_test(window_loses_sectors_that_cannot_be_read),
		cmocka_unit_test(window_fails_for_other_reasons),
		cmocka_unit_test(files_read_as_they_are),
		cmocka_unit_test(files_keep_their_access_time),
		cmocka_unit_test(files_show_their_holes),
		cmocka_unit_test(a_file_cut_while_it_is_read_is_an_error),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(sockets_are_refused),
		cmocka_unit_test(links_are_followed_but_not_in_circles),
		cmocka_unit_test(names_in_messages_are_printable),
		cmocka_unit_test(small_files_are_read_whole),
	};

	return cmocka_run_group_tests_name("io", tests, make_folder,
					   remove_folder);
}
