/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of MD by the book, judged by mdadm where it is installed. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "double.h"
#include "guest/md.h"
#include "guest/tree.h"
#include "io/mem.h"

#define BYTES	 (2u << 20)
#define DATA_OFF (128u << 10)
#define CHUNK	 65536u
#define MEMBERS	 2

struct shape {
	unsigned major, minor;
	int level;
};

struct fixture {
	struct shape shape;
	uint8_t *disks[MEMBERS];
	uint64_t super_off, data_off, data_bytes;
	struct vr_source *sources[MEMBERS];
	struct vr_tree *tree;
};

static void
put_le(uint8_t *p, uint64_t value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static void
put_sum(uint8_t *p, unsigned bytes, unsigned at)
{
	uint64_t sum = 0;

	put_le(p + at, 0, 4);
	for (unsigned i = 0; i < bytes; i += 2)
		sum += (uint64_t)(p[i] | p[i + 1] << 8) << (i % 4 ? 16 : 0);
	put_le(p + at, (sum & UINT32_MAX) + (sum >> 32), 4);
}

static void
put_super_1(const struct fixture *f, uint8_t *p, unsigned role)
{
	put_le(p, 0xA92B4EFC, 4);
	put_le(p + 4, 1, 4);
	memcpy(p + 16, "0123456789abcdef", 16);
	memcpy(p + 32, "host:pool/7", 11);
	put_le(p + 72, (uint32_t)f->shape.level, 4);
	put_le(p + 80, f->shape.level == 1 ? f->data_bytes / 512 : 0, 8);
	put_le(p + 88, f->shape.level == 0 ? CHUNK / 512 : 0, 4);
	put_le(p + 92, MEMBERS, 4);
	put_le(p + 128, f->data_off / 512, 8);
	put_le(p + 136, f->data_bytes / 512, 8);
	put_le(p + 144, f->super_off / 512, 8);
	put_le(p + 160, role, 4);
	memcpy(p + 168, "fedcba9876543210", 15);
	p[183] = (uint8_t)role;
	put_le(p + 192, 1700000000, 5);
	put_le(p + 200, 17, 8);
	put_le(p + 208, UINT64_MAX, 8);
	put_le(p + 220, 128, 4);
	memset(p + 256, 0xFF, 256);
	put_le(p + 256, 0, 2);
	put_le(p + 258, 1, 2);
	put_sum(p, 512, 216);
}

static void
put_super_090(const struct fixture *f, uint8_t *p, unsigned role)
{
	put_le(p, 0xA92B4EFC, 4);
	put_le(p + 8, 90, 4);
	put_le(p + 20, 0x30313233, 4);
	put_le(p + 24, 1700000000, 4);
	put_le(p + 28, (uint32_t)f->shape.level, 4);
	put_le(p + 32, f->data_bytes / 1024, 4);
	put_le(p + 36, MEMBERS, 4);
	put_le(p + 40, MEMBERS, 4);
	put_le(p + 44, 3, 4);
	put_le(p + 52, 0x34353637, 4);
	put_le(p + 56, 0x38396162, 4);
	put_le(p + 60, 0x63646566, 4);
	put_le(p + 128, 1700000000, 4);
	put_le(p + 132, 1, 4);
	put_le(p + 136, MEMBERS, 4);
	put_le(p + 140, MEMBERS, 4);
	put_le(p + 156, 17, 4);
	for (unsigned i = 0; i < MEMBERS; i++) {
		put_le(p + 512 + 128 * i, i, 4);
		put_le(p + 512 + 128 * i + 12, i, 4);
		put_le(p + 512 + 128 * i + 16, 6, 4);
	}
	put_le(p + 3968, role, 4);
	put_le(p + 3980, role, 4);
	put_le(p + 3984, 6, 4);
	put_sum(p, 4096, 152);
}

static void
place(struct fixture *f)
{
	f->data_off = DATA_OFF;
	if (f->shape.major == 0)
		f->super_off = BYTES - 65536;
	else if (f->shape.minor == 0)
		f->super_off = BYTES - 8192;
	else
		f->super_off = f->shape.minor == 1 ? 0 : 4096;
	if (f->shape.major == 0 || f->shape.minor == 0)
		f->data_off = 0;
	f->data_bytes = f->shape.major == 0   ? BYTES - 65536
			: f->shape.minor == 0 ? f->super_off - 24576
					      : BYTES - DATA_OFF;
}

/* The disks as sources, which copy the bytes. */
static void
lay(struct fixture *f)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		vr_source_free(f->sources[i]);
		assert_ok(vr_mem_open(f->disks[i], BYTES, &f->sources[i]));
	}
}

static void
make(struct fixture *f, struct shape shape)
{
	struct dice dice = {11};

	memset(f, 0, sizeof(*f));
	f->shape = shape;
	place(f);
	for (unsigned i = 0; i < MEMBERS; i++) {
		uint8_t *p = calloc(1, BYTES);

		assert_non_null(p);
		for (uint64_t at = 0; at < f->data_bytes; at += 4096)
			put_le(p + f->data_off + at, roll(&dice), 8);
		if (shape.major)
			put_super_1(f, p + f->super_off, i);
		else
			put_super_090(f, p + f->super_off, i);
		f->disks[i] = p;
	}
	lay(f);
}

static void
drop(struct fixture *f)
{
	vr_tree_free(f->tree);
	for (unsigned i = 0; i < MEMBERS; i++) {
		vr_source_free(f->sources[i]);
		free(f->disks[i]);
	}
}

/* The array's volume, of the first so many disks; NULL: none. */
static const struct vr_node *
assemble(struct fixture *f, struct vr_source *const *disks, size_t count)
{
	const struct vr_tree_how how = {.scan = VR_SCAN_NEVER, .threads = 1};

	vr_tree_free(f->tree);
	f->tree = NULL;
	assert_ok(vr_tree_build(disks, count, &how, &f->tree));
	for (size_t i = 0; i < f->tree->nodes.count; i++)
		if (f->tree->nodes.items[i].slot == VR_SLOT_LOGICAL)
			return &f->tree->nodes.items[i];
	return NULL;
}

static bool
tells(const struct fixture *f, const char *code)
{
	for (size_t i = 0; i < f->tree->findings.count; i++)
		if (strcmp(f->tree->findings.items[i].code, code) == 0)
			return true;
	return false;
}

static void
assert_bytes(const struct vr_node *node, uint64_t off, const uint8_t *wanted,
	     size_t n)
{
	uint8_t *got = malloc(n);

	assert_non_null(got);
	assert_ok(vr_source_read_at(node->source, got, n, off));
	assert_memory_equal(got, wanted, n);
	free(got);
}

static const struct shape mirrors[] = {
	{0, 90, 1},
	{1, 0, 1},
	{1, 1, 1},
	{1, 2, 1},
};

static void
test_bids(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(mirrors); i++) {
		struct vr_bids bids = {0};
		struct fixture f;

		make(&f, mirrors[i]);
		assert_ok(vr_prober_md.probe(f.sources[1], 0, BYTES, &bids));
		assert_int_equal(bids.count, 1);
		assert_int_equal(bids.items[0].score, VR_SCORE_CHECKSUM);
		assert_int_equal(bids.items[0].length, BYTES);
		assert_int_equal(bids.items[0].evidence, f.super_off);
		assert_string_equal(bids.items[0].uuid,
				    "30313233:34353637:38396162:63646566");
		bids.count = 0;
		assert_ok(vr_prober_md.met(f.sources[1], f.super_off, &bids));
		assert_int_equal(bids.count, 1);
		assert_int_equal(bids.items[0].start, 0);
		vr_bids_free(&bids);
		drop(&f);
	}
}

static void
test_any_member_is_the_mirror(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ITEMS(mirrors); i++) {
		struct fixture f;
		const struct vr_node *node;

		make(&f, mirrors[i / 2]);
		node = assemble(&f, &f.sources[i % 2], 1);
		assert_non_null(node);
		assert_false(node->missing);
		assert_string_equal(node->name, mirrors[i / 2].major
							? "md-pool_7"
							: "md-md3");
		assert_int_equal(node->length, f.data_bytes);
		assert_bytes(node, 0, f.disks[i % 2] + f.data_off,
			     f.data_bytes);
		drop(&f);
	}
}

static void
test_the_newer_member_wins(void **state)
{
	struct fixture f;
	const struct vr_node *node;

	(void)state;
	make(&f, mirrors[3]);
	put_le(f.disks[1] + f.super_off + 200, 18, 8);
	put_sum(f.disks[1] + f.super_off, 512, 216);
	lay(&f);
	node = assemble(&f, f.sources, 2);
	assert_non_null(node);
	assert_bytes(node, 0, f.disks[1] + f.data_off, f.data_bytes);
	put_le(f.disks[1] + f.super_off + 258, 0xFFFE, 2); /* failed */
	put_sum(f.disks[1] + f.super_off, 512, 216);
	lay(&f);
	node = assemble(&f, f.sources, 2);
	assert_non_null(node);
	assert_bytes(node, 0, f.disks[0] + f.data_off, f.data_bytes);
	drop(&f);
}

static void
test_stripes(void **state)
{
	struct fixture f;
	struct vr_source *turned[MEMBERS];
	const struct vr_node *node;

	(void)state;
	make(&f, (struct shape){1, 2, 0});
	turned[0] = f.sources[1];
	turned[1] = f.sources[0];
	node = assemble(&f, turned, 2);
	assert_non_null(node);
	assert_false(node->missing);
	assert_int_equal(node->length, 2 * f.data_bytes);
	for (unsigned i = 0; i < 2 * f.data_bytes / CHUNK; i++)
		assert_bytes(node, (uint64_t)i * CHUNK,
			     f.disks[i % 2] + f.data_off + i / 2 * CHUNK,
			     CHUNK);
	node = assemble(&f, f.sources, 1);
	assert_non_null(node);
	assert_true(node->missing);
	assert_true(tells(&f, "md-missing"));
	assert_int_equal(node->length, 2 * f.data_bytes);
	assert_bytes(node, 2 * CHUNK, f.disks[0] + f.data_off + CHUNK, CHUNK);
	drop(&f);
}

static void
test_chain(void **state)
{
	struct fixture f;
	const struct vr_node *node;

	(void)state;
	make(&f, (struct shape){1, 2, -1});
	node = assemble(&f, f.sources, 2);
	assert_non_null(node);
	assert_int_equal(node->length, 2 * f.data_bytes);
	assert_bytes(node, 0, f.disks[0] + f.data_off, f.data_bytes);
	assert_bytes(node, f.data_bytes, f.disks[1] + f.data_off, f.data_bytes);
	node = assemble(&f, f.sources, 1);
	assert_non_null(node);
	assert_true(node->missing);
	assert_int_equal(node->length, f.data_bytes);
	node = assemble(&f, f.sources + 1, 1);
	assert_null(node);
	assert_true(tells(&f, "md-type"));
	drop(&f);
}

static void
test_what_needs_the_kernel(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, (struct shape){1, 2, 5});
	for (unsigned i = 0; i < MEMBERS; i++) {
		put_le(f.disks[i] + f.super_off + 88, 128, 4);
		put_sum(f.disks[i] + f.super_off, 512, 216);
	}
	lay(&f);
	assert_null(assemble(&f, f.sources, 2));
	assert_true(tells(&f, "md-type"));
	drop(&f);
	make(&f, mirrors[3]);
	for (unsigned i = 0; i < MEMBERS; i++) {
		put_le(f.disks[i] + f.super_off + 8, 4, 4); /* reshaping */
		put_sum(f.disks[i] + f.super_off, 512, 216);
	}
	lay(&f);
	assert_null(assemble(&f, f.sources, 2));
	assert_true(tells(&f, "md-type"));
	drop(&f);
}

/* Only what the sum covers; that is 512 bytes, or all 4096 of 0.90. */
static void
test_damage_sweep(void **state)
{
	struct dice dice = {5};

	(void)state;
	for (size_t i = 0; i < ITEMS(mirrors); i++) {
		unsigned covered = mirrors[i].major ? 512 : 4096;
		struct fixture f;

		make(&f, mirrors[i]);
		for (unsigned at = 0; at < covered; at += 64) {
			uint8_t *p = f.disks[0] + f.super_off + at, kept[64];
			struct vr_bids bids = {0};

			memcpy(kept, p, 64);
			for (unsigned k = 0; k < 64; k++)
				p[k] = (uint8_t)roll(&dice);
			lay(&f);
			assert_ok(vr_prober_md.probe(f.sources[0], 0, BYTES,
						     &bids));
			for (size_t k = 0; k < bids.count; k++) {
				assert_true(bids.items[k].score <
					    VR_SCORE_CHECKSUM);
				assert_true(bids.items[k].head !=
					    VR_HEAD_SOUND);
			}
			vr_bids_free(&bids);
			memcpy(p, kept, 64);
		}
		drop(&f);
	}
}

static void
test_lost_or_absurd_is_no_bid(void **state)
{
	static const struct {
		unsigned at, n;
		uint64_t value;
	} lies[] = {
		{72, 4, 3},   {92, 4, 0},	    {92, 4, UINT32_MAX},
		{128, 8, 0},  {128, 8, UINT64_MAX}, {136, 8, UINT64_MAX},
		{144, 8, 16}, {144, 8, UINT64_MAX}, {220, 4, UINT32_MAX},
		{4, 4, 2},
	};
	static const struct double_spot spot = {4096, 512, 0,
						VR_EXTENT_DAMAGED};
	struct vr_bids bids = {0};
	struct vr_source *above;
	struct fixture f;

	(void)state;
	make(&f, mirrors[3]);
	for (size_t i = 0; i < ITEMS(lies); i++) {
		uint8_t kept[4096];

		memcpy(kept, f.disks[0] + 4096, 4096);
		put_le(f.disks[0] + 4096 + lies[i].at, lies[i].value,
		       lies[i].n);
		lay(&f);
		assert_ok(vr_prober_md.probe(f.sources[0], 0, BYTES, &bids));
		assert_int_equal(bids.count, 0);
		memcpy(f.disks[0] + 4096, kept, 4096);
	}
	lay(&f);
	assert_ok(double_open(f.sources[0], &spot, 1, NULL, &above));
	assert_ok(vr_prober_md.probe(above, 0, BYTES, &bids));
	assert_int_equal(bids.count, 0);
	vr_source_free(above);
	vr_bids_free(&bids);
	drop(&f);
}

/* What mdadm has to say about a member, or NULL where it is not installed. */
static char *
examine(const uint8_t *disk)
{
	char path[] = "/tmp/test-md-XXXXXX", command[128];
	char *said = calloc(1, 65536);
	int fd = mkstemp(path);
	FILE *out;
	size_t n;

	assert_non_null(said);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, disk, BYTES), BYTES);
	close(fd);
	snprintf(command, sizeof(command),
		 "PATH=$PATH:/sbin:/usr/sbin mdadm --examine %s 2>&1", path);
	out = popen(command, "r");
	assert_non_null(out);
	n = fread(said, 1, 65535, out);
	said[n] = 0;
	pclose(out);
	unlink(path);
	return said;
}

static void
test_mdadm_agrees(void **state)
{
	(void)state;
	if (system("PATH=$PATH:/sbin:/usr/sbin command -v mdadm >/dev/null"))
		skip();
	for (size_t i = 0; i < ITEMS(mirrors); i++) {
		struct fixture f;
		char *said;

		make(&f, mirrors[i]);
		said = examine(f.disks[1]);
		if (!strstr(said, "- correct") || !strstr(said, "raid1") ||
		    !strstr(said, "30313233:34353637:38396162:63646566"))
			fail_msg("%u.%u: %s", mirrors[i].major,
				 mirrors[i].minor, said);
		free(said);
		drop(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bids),
		cmocka_unit_test(test_any_member_is_the_mirror),
		cmocka_unit_test(test_the_newer_member_wins),
		cmocka_unit_test(test_stripes),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_what_needs_the_kernel),
		cmocka_unit_test(test_damage_sweep),
		cmocka_unit_test(test_lost_or_absurd_is_no_bid),
		cmocka_unit_test(test_mdadm_agrees),
	};

	return cmocka_run_group_tests_name("md", tests, NULL, NULL);
}
