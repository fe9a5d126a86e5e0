/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/checked.h"
#include "format/geometry.h"

#define MIB_SECTORS UINT64_C(2048)
#define GIB_SECTORS (UINT64_C(1024) * MIB_SECTORS)

static void
expect(uint64_t sectors, const char *adapter, uint64_t cylinders,
       unsigned heads, unsigned track)
{
	struct vr_geometry g = vr_geometry(sectors, adapter);

	assert_int_equal(g.cylinders, cylinders);
	assert_int_equal(g.heads, heads);
	assert_int_equal(g.sectors, track);
}

/* Figures printed in descriptors that ESXi 5 to 8 wrote. */
static void
test_scsi_samples(void **state)
{
	(void)state;
	expect(16 * MIB_SECTORS, "lsilogic", 16, 64, 32);
	expect(512 * MIB_SECTORS, "lsilogic", 512, 64, 32);
	expect(40 * GIB_SECTORS, "lsilogic", 5221, 255, 63);
	expect(50 * GIB_SECTORS, "lsilogic", 6527, 255, 63);
	expect(128 * GIB_SECTORS, "buslogic", 16709, 255, 63);
	expect(500 * GIB_SECTORS, "lsilogic", 65270, 255, 63);
	/* A knowledge base example: rounded down from 652.96. */
	expect(10489856, "lsilogic", 652, 255, 63);
}

static void
test_scsi_steps(void **state)
{
	(void)state;
	expect(GIB_SECTORS - 1, "lsilogic", 1023, 64, 32);
	expect(GIB_SECTORS, "lsilogic", 512, 128, 32);
	expect(2 * GIB_SECTORS - 1, "lsilogic", 1023, 128, 32);
	expect(2 * GIB_SECTORS, "lsilogic", 261, 255, 63);
}

static void
test_ide(void **state)
{
	(void)state;
	expect(20 * GIB_SECTORS, "ide", 41610, 16, 63);
	expect(100 * MIB_SECTORS, "ide", 203, 16, 63);
	expect(GIB_SECTORS, "ide", 2080, 16, 63);
	expect(2 * GIB_SECTORS, "ide", 4161, 16, 63);
}

static void
test_no_cap(void **state)
{
	(void)state;
	expect(1024 * GIB_SECTORS, "lsilogic", 133674, 255, 63);
	expect(62 * 1024 * GIB_SECTORS, "lsilogic", 8287829, 255, 63);
	expect(UINT64_MAX, "lsilogic", UINT64_MAX / 16065, 255, 63);
	expect(UINT64_MAX, "ide", UINT64_MAX / 1008, 16, 63);
}

static void
test_less_than_a_cylinder(void **state)
{
	(void)state;
	expect(0, "lsilogic", 1, 64, 32);
	expect(2047, "lsilogic", 1, 64, 32);
	expect(2048, "lsilogic", 1, 64, 32);
	expect(4096, "lsilogic", 2, 64, 32);
	expect(1007, "ide", 1, 16, 63);
}

static void
test_other_adapters_are_scsi(void **state)
{
	(void)state;
	expect(40 * GIB_SECTORS, NULL, 5221, 255, 63);
	expect(40 * GIB_SECTORS, "legacyESX", 5221, 255, 63);
	expect(40 * GIB_SECTORS, "", 5221, 255, 63);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scsi_samples),
		cmocka_unit_test(test_scsi_steps),
		cmocka_unit_test(test_ide),
		cmocka_unit_test(test_no_cap),
		cmocka_unit_test(test_less_than_a_cylinder),
		cmocka_unit_test(test_other_adapters_are_scsi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
