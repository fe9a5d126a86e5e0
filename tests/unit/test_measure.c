/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The measuring on computed disks: content and damage are functions of the
 * offset, so a disk of any size costs nothing and its truth is known exactly.
 */
#include "unit.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"
#include "io/mem.h"
#include "io/source.h"
#include "measure/block.h"
#include "measure/damage.h"
#include "measure/edge.h"

enum content { ZEROS, TEXT, NOISE };

/* Noise where off is in a stripe of any run, content elsewhere. */
struct computed {
	struct vr_source source;
	enum content content;
	struct run {
		uint64_t chunk, period, end;
	} runs[2];
	uint64_t noisy_from, noisy_to; /* a guest's own archive */
	uint64_t bad[3];	       /* sectors that cannot be read, or 0 */
	_Atomic uint64_t read_bytes;
};

static bool
is_hit(const struct computed *c, uint64_t off)
{
	for (size_t i = 0; i < ITEMS(c->runs); i++)
		if (c->runs[i].period && off < c->runs[i].end &&
		    off % c->runs[i].period < c->runs[i].chunk)
			return true;
	return false;
}

static uint8_t
noise_at(uint64_t off)
{
	struct dice dice = {off / 8 * 8};

	return (uint8_t)(roll(&dice) >> 8 * (off % 8));
}

static uint8_t
byte_at(const struct computed *c, uint64_t off)
{
	static const char text[] = "the quick brown fox jumps over it; ";

	if (is_hit(c, off) || (off >= c->noisy_from && off < c->noisy_to) ||
	    c->content == NOISE)
		return noise_at(off);
	return c->content == TEXT ? (uint8_t)text[off % (sizeof(text) - 1)] : 0;
}

static int
computed_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct computed *c = (struct computed *)s;
	uint8_t *p = buf;

	for (size_t i = 0; i < ITEMS(c->bad); i++)
		if (c->bad[i] && off < c->bad[i] + VR_SECTOR &&
		    c->bad[i] < off + n)
			return vr_fail(VR_E_IO, "a bad sector");
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(c, off + i);
	c->read_bytes += n;
	return 0;
}

static void
computed_close(struct vr_source *s)
{
	(void)s;
}

static const struct vr_source_ops computed_ops = {
	.name = "computed",
	.read_at = computed_read_at,
	.close = computed_close,
};

/* Set by the tests of the full pass. */
static const struct vr_full_how *full_how;

struct told {
	struct vr_diagnosis d;
	struct vr_map *map;
	uint64_t bytes[VR_DAMAGES];
};

static void
diagnose(struct computed *c, uint64_t length, const struct vr_args *args,
	 bool completed, struct told *ret)
{
	const struct vr_profile_case given = {
		.length = length,
		.allocated = length,
		.args = args,
	};

	vr_source_init(&c->source, &computed_ops, length);
	assert_ok(vr_map_new(length, &ret->map));
	assert_ok(vr_diagnose(&c->source, &given, completed, full_how, ret->map,
			      &ret->d));
	vr_map_totals(ret->map, ret->bytes);
}

static void
forget(struct told *told)
{
	vr_diagnosis_free(&told->d);
	vr_map_free(told->map);
}

/* Whatever else is said: a byte that was encrypted is never called intact. */
static void
assert_nothing_lost_is_intact(const struct computed *c, const struct told *told)
{
	struct vr_span span;
	struct dice dice = {7};
	uint64_t size = vr_map_size(told->map);

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t off = roll(&dice) % size;

		if (i % 2)
			off -= off % c->runs[0].period;
		vr_map_at(told->map, off, &span);
		if (is_hit(c, off))
			assert_int_not_equal(span.damage, VR_INTACT);
	}
}

static uint64_t
hit_bytes(uint64_t period, uint64_t chunk, uint64_t end)
{
	return end / period * chunk + vr_min(end % period, chunk);
}

/* --- edges ---------------------------------------------------------------- */

/*
 * Bytes that are nearly even: a sector of them passes as noise, 4 KiB do not.
 * What an edge into such data leaves in doubt must not be called order.
 */
static void
test_edge_into_near_noise(void **state)
{
	uint8_t bytes[16384];
	struct dice dice = {5};

	(void)state;
	for (unsigned cut = 0; cut <= 8192; cut += 512) {
		struct vr_source *source;
		struct vr_edge edge;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(roll(&dice) >> 32);
		for (size_t i = cut; i < sizeof(bytes); i++)
			if (bytes[i] < 68 && bytes[i] % 2)
				bytes[i] = (uint8_t)(bytes[i] - 1);
		assert_ok(vr_mem_open(bytes, sizeof(bytes), &source));
		assert_ok(vr_edge_find(source, 0, sizeof(bytes), &edge));
		assert_true(edge.order_from >= cut);
		assert_true(edge.noise_end <= edge.order_from);
		vr_source_free(source);
	}
}

/* --- with .args ----------------------------------------------------------- */

static void
test_both_waves_thick(void **state)
{
	static const struct {
		uint64_t mib, step;
		enum vr_condition condition;
	} rows[] = {
		{1024, 9, VR_CONDITION_WAVE_1},
		{40960, 408, VR_CONDITION_WAVE_1},
		{40960, 1, VR_CONDITION_WAVE_2},
		{10485760, 104856, VR_CONDITION_WAVE_1},
		{10485760, 1, VR_CONDITION_WAVE_2},
		{63489 * 1024, 1, VR_CONDITION_WAVE_2},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(rows); i++) {
		uint64_t length = rows[i].mib * VR_MIB;
		uint64_t period = (rows[i].step + 1) * VR_MIB;
		const struct vr_args args = {rows[i].step, 1, length, false};
		struct computed c = {
			.content = i % 2 ? TEXT : ZEROS,
			.runs = {{VR_MIB, period, length}},
		};
		struct told told;

		diagnose(&c, length, &args, true, &told);
		assert_int_equal(told.d.condition, rows[i].condition);
		assert_true(told.bytes[VR_ENCRYPTED] ==
			    hit_bytes(period, VR_MIB, length));
		assert_true(told.bytes[VR_INTACT] ==
			    length - told.bytes[VR_ENCRYPTED]);
		assert_true(c.read_bytes < 64 * VR_MIB);
		assert_true(c.read_bytes == told.d.bytes_read);
		forget(&told);
	}
}

static void
test_interrupted_everywhere(void **state)
{
	uint64_t length = UINT64_C(4) << 30, period = 40 * VR_MIB;
	const struct vr_args args = {39, 1, length, false};

	(void)state;
	for (uint64_t k = 0; k <= 103; k++) {
		struct computed c = {
			.content = TEXT,
			.runs = {{VR_MIB, period, k * period}},
		};
		struct told told;

		diagnose(&c, length, &args, false, &told);
		assert_int_equal(told.d.condition,
				 k == 0	    ? VR_CONDITION_LOCKED
				 : k == 103 ? VR_CONDITION_WAVE_1
					    : VR_CONDITION_INTERRUPTED);
		assert_true(told.bytes[VR_ENCRYPTED] == k * VR_MIB);
		assert_true(told.bytes[VR_INTACT] == length - k * VR_MIB);
		forget(&told);
	}
}

/* Killed inside a stripe: the place is found to a block of 512 bytes. */
static void
test_interrupted_inside_a_stripe(void **state)
{
	static const uint64_t into[] = {512,	4096,	 65536,	 300000,
					524287, 1000000, 1048000};
	uint64_t length = UINT64_C(4) << 30, period = 40 * VR_MIB;
	const struct vr_args args = {39, 1, length, false};

	(void)state;
	for (size_t i = 0; i < ITEMS(into); i++) {
		uint64_t hit = 50 * VR_MIB + into[i];
		struct computed c = {
			.content = i % 2 ? TEXT : ZEROS,
			.runs = {{VR_MIB, period, 50 * period + into[i]}},
		};
		struct told told;

		diagnose(&c, length, &args, false, &told);
		assert_int_equal(told.d.condition, VR_CONDITION_INTERRUPTED);
		assert_nothing_lost_is_intact(&c, &told);
		assert_true(told.bytes[VR_ENCRYPTED] < hit + 512);
		assert_true(told.bytes[VR_ENCRYPTED] + told.bytes[VR_SUSPECT] >=
			    hit);
		assert_true(told.bytes[VR_SUSPECT] <= 512);
		forget(&told);
	}
}

/* Many stripes are not all looked at; the one boundary is found all the same. */
static void
test_interrupted_among_many(void **state)
{
	uint64_t length = UINT64_C(1) << 40;
	const struct vr_args args = {1, 1, length, false};
	struct dice dice = {3};

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		uint64_t k = roll(&dice) % (length / (2 * VR_MIB));
		struct computed c = {
			.content = TEXT,
			.runs = {{VR_MIB, 2 * VR_MIB, k * 2 * VR_MIB}},
		};
		struct told told;

		diagnose(&c, length, &args, false, &told);
		assert_true(told.bytes[VR_ENCRYPTED] == k * VR_MIB);
		assert_true(told.bytes[VR_INTACT] == length - k * VR_MIB);
		assert_true(c.read_bytes < 64 * VR_MIB);
		forget(&told);
	}
}

/* A guest that encrypts itself: the prediction stands, nothing is "proved". */
static void
test_noise_everywhere(void **state)
{
	uint64_t length = UINT64_C(40) << 30;
	const struct vr_args args = {408, 1, length, false};
	struct computed c = {
		.content = NOISE,
		.runs = {{VR_MIB, 409 * VR_MIB, length}},
	};
	struct told told;

	(void)state;
	diagnose(&c, length, &args, true, &told);
	assert_false(told.d.measure.decided);
	assert_int_equal(told.d.condition, VR_CONDITION_WAVE_1);
	assert_nothing_lost_is_intact(&c, &told);
	forget(&told);

	diagnose(&c, length, &args, false, &told);
	assert_int_equal(told.d.condition, VR_CONDITION_UNDECIDED);
	assert_nothing_lost_is_intact(&c, &told);
	forget(&told);
}

/* Archives that happen to begin on stripes behind the boundary. */
static void
test_archives_do_not_move_the_boundary(void **state)
{
	uint64_t length = UINT64_C(40) << 30;
	const struct vr_args args = {1, 1, length, false};
	uint64_t end = UINT64_C(10) << 30;
	struct computed c = {
		.content = TEXT,
		.runs = {{VR_MIB, 2 * VR_MIB, end}},
		.noisy_from = UINT64_C(30) << 30,
		.noisy_to = (UINT64_C(30) << 30) + 300 * VR_MIB,
	};
	struct told told;

	(void)state;
	diagnose(&c, length, &args, false, &told);
	assert_true(told.d.measure.end <= end);
	assert_true(told.bytes[VR_ENCRYPTED] == end / 2);
	assert_nothing_lost_is_intact(&c, &told);
	forget(&told);
}

static void
test_bounds_are_told_apart(void **state)
{
	static const struct {
		uint64_t gib, hit_gib;
		const char *bound;
	} rows[] = {
		{25, 25, "value"},
		{25, 1, "32-bit"},
		{50, 50, "value"},
		{50, 0, "32-bit"},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(rows); i++) {
		uint64_t length = rows[i].gib << 30, mib = length / VR_MIB;
		const struct vr_args args = {mib / 100 - 1, 1, length, false};
		uint64_t period = mib / 100 * VR_MIB;
		struct computed c = {
			.content = ZEROS,
			.runs = {{VR_MIB, period, rows[i].hit_gib << 30}},
		};
		struct told told;

		diagnose(&c, length, &args, true, &told);
		assert_int_not_equal(told.d.measure.bound, VR_NO_BOUND);
		assert_string_equal(
			told.d.hypothesis.bounds[told.d.measure.bound].name,
			rows[i].bound);
		assert_true(told.bytes[VR_ENCRYPTED] ==
			    hit_bytes(period, VR_MIB, rows[i].hit_gib << 30));
		forget(&told);
	}
}

/* The second wave over the first: odd MiB of the first show in the gaps. */
static void
test_both_waves_on_one_file(void **state)
{
	uint64_t length = UINT64_C(40) << 30;
	const struct vr_args args = {1, 1, length + VR_MIB, false};
	struct computed c = {
		.content = TEXT,
		.runs = {{VR_MIB, 2 * VR_MIB, length},
			 {VR_MIB, 409 * VR_MIB, length}},
	};
	struct told told;

	(void)state;
	diagnose(&c, length, &args, true, &told);
	assert_int_equal(told.d.condition, VR_CONDITION_BOTH);
	assert_true(told.bytes[VR_ENCRYPTED] == 20530 * VR_MIB);
	assert_nothing_lost_is_intact(&c, &told);
	forget(&told);
}

/* The other order: a first wave that came later hides the second's stripes. */
static void
test_second_wave_below_the_first(void **state)
{
	static const uint64_t gib[] = {40, 100};

	(void)state;
	for (size_t i = 0; i < ITEMS(gib); i++) {
		uint64_t length = gib[i] << 30, mib = length / VR_MIB;
		const struct vr_args args = {mib / 100 - 1, 1, length, false};
		struct computed c = {
			.content = TEXT,
			.runs = {{VR_MIB, 2 * VR_MIB, length},
				 {VR_MIB, mib / 100 * VR_MIB, length}},
		};
		struct told told;

		diagnose(&c, length, &args, true, &told);
		assert_int_equal(told.d.condition, VR_CONDITION_BOTH);
		assert_nothing_lost_is_intact(&c, &told);
		forget(&told);
	}
}

/* --- without ---------------------------------------------------------------- */

static void
test_no_args(void **state)
{
	static const struct {
		uint64_t mib, period_mib;
		enum vr_condition condition;
	} rows[] = {
		{40960, 409, VR_CONDITION_WAVE_1},
		{102400, 1024, VR_CONDITION_WAVE_1},
		{40960, 2, VR_CONDITION_WAVE_2},
		{250, 2, VR_CONDITION_EITHER},
		{40960, 0, VR_CONDITION_UNTOUCHED},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(rows); i++) {
		uint64_t length = rows[i].mib * VR_MIB;
		uint64_t period = rows[i].period_mib * VR_MIB;
		struct computed c = {
			.content = TEXT,
			.runs = {{VR_MIB, period, length}},
		};
		struct told told;

		diagnose(&c, length, NULL, false, &told);
		assert_int_equal(told.d.condition, rows[i].condition);
		if (period)
			assert_true(told.bytes[VR_ENCRYPTED] ==
				    hit_bytes(period, VR_MIB, length));
		else
			assert_true(told.bytes[VR_UNKNOWN] == length);
		forget(&told);
	}
}

/* Thin disks and strangers: no rule for the length gives these numbers. */
static void
test_patterns_of_no_rule(void **state)
{
	static const struct {
		uint64_t chunk, period, end_mib;
		enum vr_condition condition;
	} rows[] = {
		{VR_MIB, 40 * VR_MIB, 4096, VR_CONDITION_WAVE_1},
		{VR_MIB, 7 * VR_MIB, 40960, VR_CONDITION_INTERRUPTED},
		{VR_MIB, 2 * VR_MIB, 4096, VR_CONDITION_INTERRUPTED},
		{1000000, 3000000, 40960, VR_CONDITION_FOREIGN},
		{262144, 10 * VR_MIB, 40960, VR_CONDITION_FOREIGN},
		{4 * VR_MIB, 100 * VR_MIB, 40960, VR_CONDITION_FOREIGN},
	};
	uint64_t length = UINT64_C(40) << 30;

	(void)state;
	for (size_t i = 0; i < ITEMS(rows); i++) {
		uint64_t end = rows[i].end_mib * VR_MIB;
		struct computed c = {
			.content = i % 2 ? TEXT : ZEROS,
			.runs = {{rows[i].chunk, rows[i].period, end}},
		};
		struct told told;

		diagnose(&c, length, NULL, false, &told);
		assert_true(told.d.chosen);
		assert_true(told.d.hypothesis.chunk == rows[i].chunk);
		assert_true(told.d.hypothesis.period == rows[i].period);
		assert_int_equal(told.d.condition, rows[i].condition);
		assert_true(told.bytes[VR_ENCRYPTED] ==
			    hit_bytes(rows[i].period, rows[i].chunk, end));
		assert_nothing_lost_is_intact(&c, &told);
		assert_true(c.read_bytes < length / 50);
		forget(&told);
	}
}

/* The bytes outweigh a side file that came from elsewhere. */
static void
test_wrong_args(void **state)
{
	uint64_t length = UINT64_C(40) << 30;
	const struct vr_args args = {1, 1, length, false};
	struct computed c = {
		.content = TEXT,
		.runs = {{VR_MIB, 410 * VR_MIB, length}},
	};
	struct told told;

	(void)state;
	diagnose(&c, length, &args, true, &told);
	assert_true(told.d.sidecar_refuted);
	assert_true(told.d.hypothesis.period == 410 * VR_MIB);
	assert_nothing_lost_is_intact(&c, &told);
	forget(&told);
}

/* Every stripe by itself, and the same answer from one thread and from seven. */
static void
test_full_pass(void **state)
{
	uint64_t length = UINT64_C(400) * VR_MIB;
	const struct vr_args args = {3, 1, length, false};
	struct vr_full_how how = {.threads = 1};
	uint64_t first[VR_DAMAGES] = {0};

	(void)state;
	full_how = &how;
	for (unsigned threads = 1; threads <= 7; threads += 3) {
		struct computed c = {
			.content = TEXT,
			.runs = {{VR_MIB, 4 * VR_MIB,
				  200 * VR_MIB + 300 * 512}},
			.noisy_from = 250 * VR_MIB,
			.noisy_to = 251 * VR_MIB,
		};
		struct told told;

		how.threads = threads;
		diagnose(&c, length, &args, false, &told);
		assert_true(told.d.full.done);
		assert_int_equal(told.d.full.encrypted, 50);
		assert_int_equal(told.d.full.mixed, 1);
		assert_int_equal(told.d.full.clear, 49);
		assert_true(told.d.full.gap_noise == VR_MIB);
		assert_true(told.bytes[VR_ENCRYPTED] ==
			    50 * VR_MIB + 300 * 512);
		assert_nothing_lost_is_intact(&c, &told);
		if (threads == 1)
			memcpy(first, told.bytes, sizeof(first));
		assert_memory_equal(first, told.bytes, sizeof(first));
		forget(&told);
	}
	full_how = NULL;
}

/* A bad sector costs the 4 KiB around it, in a stripe, beside one and far off. */
static void
test_full_pass_over_bad_sectors(void **state)
{
	uint64_t length = UINT64_C(400) * VR_MIB;
	const struct vr_args args = {3, 1, length, false};
	struct vr_full_how how = {0};

	(void)state;
	full_how = &how;
	for (how.threads = 1; how.threads <= 2; how.threads++) {
		struct computed c = {
			.content = TEXT,
			.runs = {{VR_MIB, 4 * VR_MIB, length}},
			.bad = {40 * VR_MIB + 17 * VR_SECTOR,
				41 * VR_MIB + 100 * VR_SECTOR,
				103 * VR_MIB - VR_SECTOR},
		};
		struct told told;

		diagnose(&c, length, &args, true, &told);
		assert_int_equal(told.d.full.unreadable, 1);
		assert_int_equal(told.d.full.encrypted, 99);
		assert_true(told.bytes[VR_UNREADABLE] == 3 * 4096);
		assert_true(told.bytes[VR_ENCRYPTED] == 100 * VR_MIB - 4096);
		assert_true(told.bytes[VR_INTACT] == 300 * VR_MIB - 2 * 4096);
		forget(&told);
	}
	full_how = NULL;
}

/*
 * Heads that a family is known for clear the rest; of others nobody can say how
 * much was noise before, and what else there is.
 */
static void
test_heads(void **state)
{
	static const struct {
		uint64_t mib;
		enum vr_condition condition;
	} rows[] = {
		{520, VR_CONDITION_HEAD},
		{512, VR_CONDITION_HEAD},
		{300, VR_CONDITION_FOREIGN},
	};
	uint64_t length = UINT64_C(40) << 30;

	(void)state;
	for (size_t i = 0; i < ITEMS(rows); i++) {
		uint64_t head = rows[i].mib * VR_MIB;
		struct computed c = {.content = TEXT, .noisy_to = head};
		struct told told;

		diagnose(&c, length, NULL, false, &told);
		assert_int_equal(told.d.condition, rows[i].condition);
		assert_true(told.bytes[rows[i].condition == VR_CONDITION_HEAD
					       ? VR_ENCRYPTED
					       : VR_SUSPECT] >= head);
		assert_true(told.bytes[VR_INTACT] ==
			    (rows[i].condition == VR_CONDITION_HEAD
				     ? length - head
				     : 0));
		forget(&told);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edge_into_near_noise),
		cmocka_unit_test(test_both_waves_thick),
		cmocka_unit_test(test_interrupted_everywhere),
		cmocka_unit_test(test_interrupted_inside_a_stripe),
		cmocka_unit_test(test_interrupted_among_many),
		cmocka_unit_test(test_noise_everywhere),
		cmocka_unit_test(test_archives_do_not_move_the_boundary),
		cmocka_unit_test(test_bounds_are_told_apart),
		cmocka_unit_test(test_both_waves_on_one_file),
		cmocka_unit_test(test_second_wave_below_the_first),
		cmocka_unit_test(test_no_args),
		cmocka_unit_test(test_patterns_of_no_rule),
		cmocka_unit_test(test_wrong_args),
		cmocka_unit_test(test_full_pass),
		cmocka_unit_test(test_full_pass_over_bad_sectors),
		cmocka_unit_test(test_heads),
	};

	return cmocka_run_group_tests_name("measure", tests, NULL, NULL);
}
