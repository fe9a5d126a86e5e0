/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes that cryptsetup made: found, judged, and their headers given back. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "double.h"
#include "guest/luks.h"
#include "io/mem.h"
#include "repair/plan.h"

#define BYTES  (18u << 20)
#define HEADER 16384u
#define PATHS  "PATH=$PATH:/sbin:/usr/sbin "

static bool
run(const char *format, const char *path)
{
	char command[256];

	snprintf(command, sizeof(command), format, path);
	return system(command) == 0;
}

static void
save(const char *path, const uint8_t *bytes)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, BYTES, f), BYTES);
	assert_int_equal(fclose(f), 0);
}

static void
load(const char *path, uint8_t *bytes)
{
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	assert_int_equal(fread(bytes, 1, BYTES, f), BYTES);
	fclose(f);
}

/* A volume of the version with the passphrase "secret". */
static uint8_t *
format(unsigned version)
{
	char path[] = "/tmp/test-luks-XXXXXX", command[256];
	uint8_t *bytes = malloc(BYTES);
	int fd;

	assert_non_null(bytes);
	if (system(PATHS "command -v cryptsetup >/dev/null")) {
		free(bytes);
		skip();
	}
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, BYTES), 0);
	close(fd);
	snprintf(command, sizeof(command),
		 PATHS "sh -c 'printf secret | cryptsetup luksFormat -q --type "
		       "luks%u --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "
		       "--uuid 01234567-89ab-cdef-0123-456789abcdef %s -'",
		 version, path);
	assert_int_equal(system(command), 0);
	load(path, bytes);
	unlink(path);
	return bytes;
}

static struct vr_tree *
build(struct vr_source *disk)
{
	const struct vr_tree_how how = {.scan = VR_SCAN_NEVER, .threads = 1};
	struct vr_tree *tree = NULL;

	assert_ok(vr_tree_build(&disk, 1, &how, &tree));
	return tree;
}

static bool
tells(const struct vr_plan *plan, const char *code)
{
	for (size_t i = 0; i < plan->findings.count; i++)
		if (strcmp(plan->findings.items[i].code, code) == 0)
			return true;
	return false;
}

static void
scribble(uint8_t *bytes, size_t n)
{
	struct dice dice = {3};

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)roll(&dice);
}

static void
check_bid(unsigned version)
{
	uint8_t *bytes = format(version);
	struct vr_source *disk;
	struct vr_tree *tree;
	struct vr_plan *plan = NULL;
	const struct vr_bid *bid;

	assert_ok(vr_mem_open(bytes, BYTES, &disk));
	tree = build(disk);
	bid = &tree->nodes.items[0].content;
	assert_ptr_equal(bid->prober, &vr_prober_luks);
	assert_string_equal(bid->type, version == 1 ? "luks1" : "luks2");
	assert_string_equal(bid->uuid, "01234567-89ab-cdef-0123-456789abcdef");
	assert_int_equal(bid->head, VR_HEAD_SOUND);
	assert_int_equal(bid->score,
			 version == 1 ? VR_SCORE_FIELDS : VR_SCORE_CHECKSUM);
	assert_ok(vr_plan_make(tree, &plan));
	assert_int_equal(plan->steps.count, 0);
	assert_int_equal(plan->findings.count, 0);
	vr_plan_free(plan);
	vr_tree_free(tree);
	vr_source_free(disk);
	free(bytes);
}

static void
test_version_1(void **state)
{
	(void)state;
	check_bid(1);
}

static void
test_version_2(void **state)
{
	(void)state;
	check_bid(2);
}

/* Slot 0 of both begins below 64 KiB and ends above it. */
static void
check_slots(unsigned version)
{
	static const struct double_spot spot = {65536, 512, 0,
						VR_EXTENT_DAMAGED};
	uint8_t *bytes = format(version);
	struct vr_source *below, *disk;
	struct vr_tree *tree;
	struct vr_plan *plan = NULL;

	assert_ok(vr_mem_open(bytes, BYTES, &below));
	assert_ok(double_open(below, &spot, 1, NULL, &disk));
	tree = build(disk);
	assert_ok(vr_plan_make(tree, &plan));
	assert_int_equal(plan->steps.count, 0);
	assert_true(tells(plan, "luks-keys-lost"));
	vr_plan_free(plan);
	vr_tree_free(tree);
	vr_source_free(disk);
	vr_source_free(below);
	free(bytes);
}

static void
test_lost_keys_are_told(void **state)
{
	(void)state;
	check_slots(1);
	check_slots(2);
}

/* cryptsetup rewrites a header that it does not like: these it must not. */
static void
judge(const uint8_t *bytes)
{
	char path[] = "/tmp/test-luks-XXXXXX";
	uint8_t *after = malloc(BYTES);
	int fd = mkstemp(path);

	assert_non_null(after);
	assert_true(fd >= 0);
	close(fd);
	save(path, bytes);
	assert_true(run(PATHS "cryptsetup luksDump %s >/dev/null", path));
	assert_true(run(PATHS "sh -c 'printf secret | cryptsetup open "
			      "--test-passphrase --key-file - %s'",
			path));
	load(path, after);
	assert_memory_equal(bytes, after, BYTES);
	unlink(path);
	free(after);
}

static void
test_first_header_from_the_second(void **state)
{
	uint8_t *bytes = format(2), *kept = malloc(HEADER);
	struct vr_source *disk, *repaired;
	struct vr_tree *tree;
	struct vr_plan *plan = NULL;

	(void)state;
	assert_non_null(kept);
	memcpy(kept, bytes, HEADER);
	scribble(bytes, HEADER);
	assert_ok(vr_mem_open(bytes, BYTES, &disk));
	tree = build(disk);
	assert_int_equal(tree->nodes.items[0].content.head, VR_HEAD_WRONG);
	assert_int_equal(tree->nodes.items[0].content.evidence, HEADER);
	assert_ok(vr_plan_make(tree, &plan));
	assert_int_equal(plan->steps.count, 1);
	assert_ok(vr_plan_overlay(plan, 0, disk, &repaired));
	vr_plan_free(plan);
	vr_tree_free(tree);

	assert_ok(vr_source_read_at(repaired, bytes, BYTES, 0));
	judge(bytes);
	/* All but salt and checksum is what it was. */
	memcpy(bytes + 104, kept + 104, 64);
	memcpy(bytes + 448, kept + 448, 64);
	assert_memory_equal(bytes, kept, HEADER);

	tree = build(repaired);
	assert_ok(vr_plan_make(tree, &plan));
	assert_int_equal(plan->steps.count, 0);
	vr_plan_free(plan);
	vr_tree_free(tree);
	vr_source_free(repaired);
	vr_source_free(disk);
	free(kept);
	free(bytes);
}

static void
test_met(void **state)
{
	uint8_t *bytes = format(2);
	struct vr_bids bids = {0};
	struct vr_source *disk;

	(void)state;
	assert_ok(vr_mem_open(bytes, BYTES, &disk));
	assert_ok(vr_prober_luks.met(disk, 0, &bids));
	assert_ok(vr_prober_luks.met(disk, HEADER, &bids));
	assert_int_equal(bids.count, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(bids.items[i].start, 0);
		assert_int_equal(bids.items[i].head, VR_HEAD_SOUND);
	}
	vr_bids_free(&bids);
	vr_source_free(disk);
	free(bytes);
}

/* Pieces of the first header, its text too; the sum finds each of them. */
static void
test_damage_sweep(void **state)
{
	uint8_t *bytes = format(2);

	(void)state;
	for (unsigned at = 0; at < HEADER; at += 64) {
		struct vr_bids bids = {0};
		struct vr_source *disk;
		uint8_t kept[64];

		memcpy(kept, bytes + at, 64);
		scribble(bytes + at, 64);
		assert_ok(vr_mem_open(bytes, HEADER * 2, &disk));
		assert_ok(vr_prober_luks.probe(disk, 0, HEADER * 2, &bids));
		for (size_t i = 0; i < bids.count; i++) {
			assert_true(bids.items[i].head != VR_HEAD_SOUND);
			assert_true(bids.items[i].score < VR_SCORE_CHECKSUM ||
				    bids.items[i].evidence == HEADER);
		}
		vr_bids_free(&bids);
		vr_source_free(disk);
		memcpy(bytes + at, kept, 64);
	}
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_1),
		cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_lost_keys_are_told),
		cmocka_unit_test(test_first_header_from_the_second),
		cmocka_unit_test(test_met),
		cmocka_unit_test(test_damage_sweep),
	};

	return cmocka_run_group_tests_name("luks", tests, NULL, NULL);
}
