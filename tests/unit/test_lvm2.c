/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <stdlib.h>

#include "double.h"
#include "guest/lvm2_area.h"
#include "io/mem.h"

extern const struct vr_prober vr_prober_lvm2;

#define ID(c) "aaaaa" c "-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa"
#define SIZE  ((size_t)4 << 20)

#define HEAD  "vg {\nid = \"" ID("g") "\"\nseqno = 7\nextent_size = 8192\n"
#define PVS                                                                    \
	"physical_volumes {\npv0 {\nid = \"" ID(                               \
		"0") "\"\n"                                                    \
		     "dev_size = 819200\npe_start = 2048\npe_count = 99\n}\n"  \
		     "pv1 {\nid = \"" ID(                                      \
			     "1") "\"\n"                                       \
				  "dev_size = 819200\npe_start = 2048\npe_count = 99\n}\n}\n"
#define LV(name, body)                                                         \
	name " {\nid = \"" ID("l") "\"\nstatus = [\"READ\", \"VISIBLE\"]\n"    \
				   "segment_count = 1\n" body "}\n"
#define SEGMENT(n, start, count, stripes)                                      \
	"segment" n " {\nstart_extent = " start "\nextent_count = " count      \
	"\ntype = \"striped\"\n" stripes "}\n"
#define ONE(pv, extent)                                                        \
	"stripe_count = 1\nstripes = [\n\"" pv "\", " extent "\n]\n"
#define TWO(a, b)                                                              \
	"stripe_count = 2\nstripe_size = 128\nstripes = [\n\"pv0\", " a        \
	",\n\"pv1\", " b "\n]\n"
#define TAIL                                                                   \
	"}\n# made by hand\n\ncontents = \"Text Format Volume Group\"\n"       \
	"version = 1\n\ndescription = \"a \\\"quoted\\\" { word\"\n"
#define TEXT(lvs) HEAD PVS "logical_volumes {\n" lvs "}\n" TAIL

static const char good[] =
	TEXT(LV("root", SEGMENT("2", "4", "6", TWO("10", "20"))
				SEGMENT("1", "0", "4", ONE("pv1", "30"))));

static int
parse(const char *text, struct vr_lvm2_vg *vg)
{
	return vr_lvm2_parse(text, strlen(text), vg);
}

static void
test_text(void **state)
{
	struct vr_lvm2_vg vg;

	(void)state;
	assert_ok(parse(good, &vg));
	assert_string_equal(vg.name, "vg");
	assert_int_equal(vg.number, 7);
	assert_int_equal(vg.extent_bytes, 4 << 20);
	assert_int_equal(vg.pvs.count, 2);
	assert_int_equal(vg.pvs.items[1].data_bytes, 1 << 20);
	assert_int_equal(vg.lvs.count, 1);
	assert_true(vg.lvs.items[0].visible);
	assert_int_equal(vg.segments.count, 2);
	assert_int_equal(vg.segments.items[0].start, 0);
	assert_int_equal(vg.segments.items[1].stripe_bytes, 65536);
	assert_string_equal(vg.text, good);
	assert_int_equal(vg.length, strlen(good));
	vr_lvm2_vg_free(&vg);
}

/* As in a file: indents and remarks go, the same group stays. */
static void
test_text_of_a_file(void **state)
{
	static const char file[] =
		"contents = \"Text Format Volume Group\"\nversion = 1\n\n"
		"description = \"x # y\"\n\nvg {\n\tid = \"" ID(
			"g") "\"\n\tseqno = 3\t# three\n\textent_size = 8\n"
			     "\tphysical_volumes {\n\t}\n}\nrubbish {";
	static const char plain[] = "vg {\nid = \"" ID(
		"g") "\"\nseqno = 3\nextent_size = 8\n"
		     "physical_volumes {\n}\n}\n"
		     "contents = \"Text Format Volume Group\"\nversion = 1\n"
		     "description = \"x # y\"\n\n";
	struct vr_lvm2_vg vg;

	(void)state;
	assert_ok(parse(file, &vg));
	assert_string_equal(vg.text, plain);
	vr_lvm2_vg_free(&vg);
}

static void
test_texts_that_lie(void **state)
{
	static const char *const texts[] = {
		"",
		"vg {",
		HEAD PVS TAIL "}",
		/* an extent twice, */
		TEXT(LV("a", SEGMENT("1", "0", "4", ONE("pv0", "3")))
			     LV("b", SEGMENT("1", "0", "4", ONE("pv0", "6")))),
		/* a gap, an overlap, */
		TEXT(LV("a", SEGMENT("1", "1", "4", ONE("pv0", "3")))),
		TEXT(LV("a", SEGMENT("1", "0", "4", ONE("pv0", "3"))
				     SEGMENT("2", "3", "4", ONE("pv0", "9")))),
		/* outside, */
		TEXT(LV("a", SEGMENT("1", "0", "4", ONE("pv0", "96")))),
		TEXT(LV("a", SEGMENT("1", "0", "4",
				     ONE("pv0", "18446744073709551615")))),
		/* not to be shared evenly, */
		TEXT(LV("a", SEGMENT("1", "0", "3", TWO("0", "0")))),
		/* nothing at all. */
		TEXT(LV("a", SEGMENT("1", "0", "0", ONE("pv0", "3")))),
	};

	(void)state;
	for (size_t i = 2; i < ITEMS(texts); i++) {
		struct vr_lvm2_vg vg;
		int r = parse(texts[i], &vg);

		/* The third is whole, followed by rubbish. */
		assert_int_equal(r, i == 2 ? 0 : VR_E_FORMAT);
		if (r == 0)
			vr_lvm2_vg_free(&vg);
	}
}

static void
test_every_cut(void **state)
{
	struct vr_lvm2_vg vg;
	size_t whole = strstr(good, "# made") - good;

	(void)state;
	for (size_t n = 0; n < whole - 2; n++)
		assert_code(VR_E_FORMAT, vr_lvm2_parse(good, n, &vg));
}

static void
test_volumes_on_others(void **state)
{
	struct vr_lvm2_vg vg;

	(void)state;
	assert_ok(parse(TEXT(LV("a", SEGMENT("1", "0", "4", ONE("b", "0"))) LV(
				"b", SEGMENT("1", "0", "4", ONE("a", "0")))),
			&vg));
	assert_non_null(vg.lvs.items[0].odd_type);
	assert_int_equal(vg.segments.count, 0);
	vr_lvm2_vg_free(&vg);
}

/* --- a physical volume in memory ------------------------------------------- */

static uint8_t *
make_volume(void)
{
	uint8_t *bytes = calloc(1, SIZE);
	struct vr_lvm2_label label = {
		.sector = 1,
		.uuid = ID("0"),
		.device_bytes = SIZE,
		.data_off = 1 << 20,
		.areas = {{4096, (1 << 20) - 4096}},
		.area_count = 1,
	};
	struct vr_lvm2_area area = {
		.off = 4096,
		.bytes = (1 << 20) - 4096,
		.text_off = 512,
		.text_bytes = sizeof(good),
		.text_crc = vr_lvm2_crc(good, sizeof(good)),
	};

	assert_non_null(bytes);
	vr_lvm2_write_label(&label, bytes + 512);
	vr_lvm2_write_area(&area, bytes + 4096);
	memcpy(bytes + 4096 + 512, good, sizeof(good));
	return bytes;
}

static struct vr_bid
probe(struct vr_source *source)
{
	struct vr_bids bids = {0};
	struct vr_bid bid = {0};

	assert_ok(vr_prober_lvm2.probe(source, 0, SIZE, &bids));
	assert_in_range(bids.count, 0, 1);
	if (bids.count)
		bid = bids.items[0];
	vr_bids_free(&bids);
	return bid;
}

static void
test_probe(void **state)
{
	uint8_t *bytes = make_volume();
	struct vr_source *source;
	struct vr_bid bid;

	(void)state;
	assert_ok(vr_mem_open(bytes, SIZE, &source));
	bid = probe(source);
	assert_int_equal(bid.score, VR_SCORE_CHECKSUM);
	assert_int_equal(bid.head, VR_HEAD_SOUND);
	assert_int_equal(bid.length, SIZE);
	assert_string_equal(bid.uuid, ID("0"));
	vr_source_free(source);
	free(bytes);
}

/* Each piece in turn, as another's bytes and as lost ones. */
static void
test_damage_sweep(void **state)
{
	struct dice dice = {1};

	(void)state;
	for (size_t at = 0; at < 8192; at += 64) {
		uint8_t *bytes = make_volume();
		struct double_spot spot = {at, 64, 0, VR_EXTENT_DAMAGED};
		struct vr_source *source, *lossy;
		bool vital = (at >= 512 && at < 1024) ||
			     (at >= 4096 && at < 4608 + sizeof(good));
		struct vr_bid wrong, lost;

		assert_ok(vr_mem_open(bytes, SIZE, &source));
		assert_ok(double_open(source, &spot, 1, NULL, &lossy));
		lost = probe(lossy);
		vr_source_free(lossy);
		vr_source_free(source);
		for (size_t i = 0; i < 64; i++)
			bytes[at + i] ^= (uint8_t)(roll(&dice) | 1);
		assert_ok(vr_mem_open(bytes, SIZE, &source));
		wrong = probe(source);
		vr_source_free(source);
		free(bytes);

		assert_int_equal(lost.head,
				 vital ? VR_HEAD_LOST : VR_HEAD_SOUND);
		assert_int_equal(wrong.head,
				 vital ? VR_HEAD_WRONG : VR_HEAD_SOUND);
		assert_true(lost.score >= VR_SCORE_FIELDS);
		assert_int_equal(lost.start, 0);
	}
}

static void
test_noise(void **state)
{
	uint8_t *bytes = calloc(1, SIZE);
	struct dice dice = {5};
	struct vr_source *source;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)roll(&dice);
	assert_ok(vr_mem_open(bytes, SIZE, &source));
	assert_int_equal(probe(source).score, VR_SCORE_NONE);
	vr_source_free(source);
	free(bytes);
}

/* A text that reaches the ring's end goes on at its beginning. */
static void
test_wrapped_text(void **state)
{
	uint8_t *bytes = make_volume();
	size_t ring = 4096 + 8192, first = 100;
	struct vr_lvm2_area area =
				    {
					    .off = 4096,
					    .bytes = 8192,
					    .text_off = 8192 - first,
					    .text_bytes = sizeof(good),
					    .text_crc = vr_lvm2_crc(
						    good, sizeof(good)),
				    },
			    read;
	struct vr_lvm2_copies copies = {0};
	struct vr_source *source;

	(void)state;
	memset(bytes + 4096, 0, 8192);
	vr_lvm2_write_area(&area, bytes + 4096);
	memcpy(bytes + ring - first, good, first);
	memcpy(bytes + 4096 + 512, good + first, sizeof(good) - first);
	assert_ok(vr_mem_open(bytes, SIZE, &source));
	assert_ok(vr_lvm2_read_area(source, 0, 4096, &read));
	assert_int_equal(read.text, VR_LVM2_SOUND);
	assert_ok(vr_lvm2_read_texts(source, 0, &read, false, &copies));
	assert_int_equal(copies.count, 1);
	assert_true(copies.items[0].current);
	vr_lvm2_copies_free(&copies);
	vr_source_free(source);
	free(bytes);
}

/* Published by pvck --dump headers of a real volume: the checksum's start. */
static void
test_crc(void **state)
{
	(void)state;
	assert_int_equal(vr_lvm2_crc("", 0), 0xF597A6CF);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_of_a_file),
		cmocka_unit_test(test_texts_that_lie),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_volumes_on_others),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_damage_sweep),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_wrapped_text),
		cmocka_unit_test(test_crc),
	};

	return cmocka_run_group_tests_name("lvm2", tests, NULL, NULL);
}
