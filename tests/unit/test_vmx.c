/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "format/vmx.h"

static const char esxi[] =
	".encoding = \"UTF-8\"\n"
	"config.version = \"8\"\n"
	"virtualHW.version = \"14\"\n"
	"displayName = \"web 01 |22prod|22\"\n"
	"guestOS = \"ubuntu-64\"\n"
	"memSize = \"4096\"\n"
	"scsi0.virtualDev = \"pvscsi\"\n"
	"scsi0.present = \"TRUE\"\n"
	"sata0.present = \"TRUE\"\n"
	"scsi0:0.deviceType = \"scsi-hardDisk\"\n"
	"scsi0:0.fileName = \"web01.vmdk\"\n"
	"sched.scsi0:0.shares = \"normal\"\n"
	"scsi0:0.present = \"TRUE\"\n"
	"sata0:0.deviceType = \"atapi-cdrom\"\n"
	"sata0:0.fileName = \"/usr/lib/vmware/isoimages/linux.iso\"\n"
	"sata0:0.present = \"TRUE\"\n"
	"scsi0:1.fileName = \"/vmfs/volumes/ds1/data/web01_1.vmdk\"\n"
	"scsi0:1.present = \"TRUE\"\n"
	"uuid.bios = \"56 4d 01 02 03 04 05 06-07 08 09 0a 0b 0c 0d 0e\"\n";

/* A configuration's least, to hang lines under test on. */
#define HEAD "config.version = \"8\"\n"

static struct vr_vmx *
parse_bytes(const char *bytes, size_t n)
{
	struct vr_vmx *vmx = NULL;
	int r = vr_vmx_parse(bytes, n, &vmx);

	if (r < 0)
		fail_msg("%d: %s", r, vr_error_sentence());
	assert_non_null(vmx);
	return vmx;
}

static struct vr_vmx *
parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void
expect_failure(int code, const char *words, const char *bytes, size_t n)
{
	struct vr_vmx *vmx = NULL;

	assert_int_equal(vr_vmx_parse(bytes, n, &vmx), code);
	assert_null(vmx);
	if (!strstr(vr_error_sentence(), words))
		fail_msg("'%s' does not say '%s'", vr_error_sentence(), words);
}

static void
has_value(const struct vr_vmx *vmx, const char *key, const char *value)
{
	const char *found = vr_vmx_get(vmx, key);

	assert_non_null(found);
	assert_string_equal(found, value);
}

static void
expect_disk(const struct vr_vmx *vmx, size_t index, const char *slot,
	    const char *file_name, const char *controller)
{
	struct vr_vmx_disk disk;

	if (!vr_vmx_disk(vmx, index, &disk))
		fail_msg("no disk %zu", index);
	assert_string_equal(disk.slot, slot);
	assert_memory_equal(disk.slot, disk.bus, strlen(disk.bus));
	assert_string_equal(disk.file_name, file_name);
	assert_string_equal(disk.controller, controller);
}

static void
expect_disks(const struct vr_vmx *vmx, size_t count)
{
	struct vr_vmx_disk disk;

	for (size_t i = 0; i < count; i++)
		assert_true(vr_vmx_disk(vmx, i, &disk));
	assert_false(vr_vmx_disk(vmx, count, &disk));
	assert_false(vr_vmx_disk(vmx, SIZE_MAX, &disk));
}

static char *
replaced(const char *text, char c, const char *by)
{
	struct vr_text t = {0};
	char *ret = NULL;

	for (; *text; text++)
		if (*text == c)
			vr_text_append(&t, by, strlen(by));
		else
			vr_text_append(&t, text, 1);
	assert_int_equal(vr_text_finish(&t, &ret), 0);
	return ret;
}

static void
expect_esxi(const struct vr_vmx *vmx)
{
	has_value(vmx, "virtualHW.version", "14");
	has_value(vmx, "MEMSIZE", "4096");
	expect_disk(vmx, 0, "scsi0:0", "web01.vmdk", "pvscsi");
	expect_disk(vmx, 1, "scsi0:1", "/vmfs/volumes/ds1/data/web01_1.vmdk",
		    "pvscsi");
	expect_disks(vmx, 2);
}

/* --- reading ------------------------------------------------------------ */

static void
test_esxi(void **state)
{
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx = parse(esxi);

	(void)state;
	expect_esxi(vmx);
	has_value(vmx, "displayName", "web 01 \"prod\"");
	assert_int_equal(vmx->entries.count, 19);
	assert_int_equal(vmx->bad_lines, 0);
	assert_null(vr_vmx_get(vmx, "firmware"));
	assert_string_equal(vmx->entries.items[0].key, ".encoding");
}

static void
test_shapes_of_lines(void **state)
{
	vr_cleanup(vr_free_p) char *windows = replaced(esxi, '\n', "\r\n");
	vr_cleanup(vr_free_p) char *mac = replaced(esxi, '\n', "\r");
	vr_cleanup(vr_free_p) char *deep = replaced(esxi, '\n', "\t\n  ");
	vr_cleanup(vr_free_p) char *wide = replaced(esxi, '=', " \t=\t ");
	vr_cleanup(vr_free_p) char *bare = replaced(esxi, '"', "");
	vr_cleanup(vr_free_p) char *marked = vr_format("\xEF\xBB\xBF%s", esxi);
	const char *const texts[] = {windows, mac, deep, wide, bare, marked};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx = parse(texts[i]);

		expect_esxi(vmx);
		assert_int_equal(vmx->bad_lines, 0);
	}
}

static void
test_comments_and_bad_lines(void **state)
{
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx = parse(
		"#!/usr/bin/vmware\n\n" HEAD "# a = \"b\"\nnonsense\n= 1\n"
		"two words = \"x\"\nmemSize = \"\x01\"\n");

	(void)state;
	assert_int_equal(vmx->entries.count, 1);
	assert_int_equal(vmx->bad_lines, 4);
}

static void
test_escapes(void **state)
{
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx =
		parse(HEAD "a = \"|22|7c|7C|0A\"\n"
			   "b = \"|\"\nc = \"|2\"\nd = \"|zz\"\ne = \"|00\"\n"
			   "f = \"||22\"\ng = \"|C3|BC\"\nh = \"|2g|22\"\n");

	(void)state;
	has_value(vmx, "a", "\"||\n");
	has_value(vmx, "b", "|");
	has_value(vmx, "c", "|2");
	has_value(vmx, "d", "|zz");
	has_value(vmx, "e", "|00");
	has_value(vmx, "f", "|\"");
	has_value(vmx, "g", "\xC3\xBC");
	has_value(vmx, "h", "|2g\"");
}

static void
test_last_value_wins(void **state)
{
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx =
		parse(HEAD "scsi0:0.fileName = \"a.vmdk\"\n"
			   "scsi0:1.fileName = \"b.vmdk\"\n"
			   "SCSI0:0.FILENAME = \"c.vmdk\"\n");

	(void)state;
	has_value(vmx, "scsi0:0.filename", "c.vmdk");
	expect_disk(vmx, 0, "scsi0:1", "b.vmdk", "");
	expect_disk(vmx, 1, "scsi0:0", "c.vmdk", "");
	expect_disks(vmx, 2);
}

static void
test_nul_ends_the_text(void **state)
{
	static const char text[] = "\x01\0\x02\n" HEAD "a=1\n\0b=2\n";
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx =
		parse_bytes(text, sizeof(text) - 1);

	(void)state;
	has_value(vmx, "a", "1");
	assert_null(vr_vmx_get(vmx, "b"));
	assert_int_equal(vmx->bad_lines, 2);
}

/* --- disks -------------------------------------------------------------- */

static void
test_buses(void **state)
{
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx =
		parse(HEAD "ide1:0.fileName = \"a.vmdk\"\n"
			   "sata2:29.fileName = \"b.vmdk\"\n"
			   "nvme0:0.fileName = \"c.vmdk\"\n"
			   "scsi3:64.fileName = \"D.VMDK\"\n"
			   "scsi3.virtualdev = \"lsisas1068\"\n");

	(void)state;
	expect_disk(vmx, 0, "ide1:0", "a.vmdk", "");
	expect_disk(vmx, 1, "sata2:29", "b.vmdk", "");
	expect_disk(vmx, 2, "nvme0:0", "c.vmdk", "");
	expect_disk(vmx, 3, "scsi3:64", "D.VMDK", "lsisas1068");
	expect_disks(vmx, 4);
}

static void
test_no_disks(void **state)
{
	static const char *const lines[] = {
		"ide0:0.fileName = \"x.vmdk\"\nide0:0.present = \"FALSE\"\n",
		"ide0:0.fileName = \"x.vmdk\"\nide0:0.present = \"false\"\n",
		"ide0:0.fileName = \"x.vmdk\"\nide0:0.present = \"0\"\n",
		"scsi0:0.fileName = \"x.vmdk\"\nscsi0.present = \"FALSE\"\n",
		"ide0:0.fileName = \"x.vmdk\"\n"
		"ide0:0.deviceType = \"cdrom-image\"\n",
		"ide0:0.fileName = \"x.vmdk\"\n"
		"ide0:0.deviceType = \"ATAPI-CDROM\"\n",
		"ide0:0.fileName = \"auto detect\"\n",
		"ide0:0.fileName = \"linux.iso\"\n",
		"ide0:0.fileName = \"\"\n",
		"floppy0.fileName = \"x.vmdk\"\n",
		"scsi0.fileName = \"x.vmdk\"\n",
		"scsi0:.fileName = \"x.vmdk\"\n",
		"scsi:0.fileName = \"x.vmdk\"\n",
		"scsi00:0.fileName = \"x.vmdk\"\n",
		"scsi+1:0.fileName = \"x.vmdk\"\n",
		"scsi1000:0.fileName = \"x.vmdk\"\n",
		"scsi0:0.fileName2 = \"x.vmdk\"\n",
		"scsi0:0xfileName = \"x.vmdk\"\n",
		"xscsi0:0.fileName = \"x.vmdk\"\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		vr_cleanup(vr_free_p) char *text =
			vr_format(HEAD "%s", lines[i]);
		vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx = parse(text);

		expect_disks(vmx, 0);
	}
}

static void
test_present_is_not_needed(void **state)
{
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx =
		parse("scsi0:0.fileName = \"x.vmdk\"\n");

	(void)state;
	expect_disks(vmx, 1);
}

static void
test_adapters(void **state)
{
	static const struct {
		const char *bus, *controller, *adapter;
	} rows[] = {
		{"scsi", "pvscsi", "lsilogic"},
		{"scsi", "lsilogic", "lsilogic"},
		{"scsi", "lsisas1068", "lsilogic"},
		{"scsi", "buslogic", "buslogic"},
		{"scsi", "BusLogic", "buslogic"},
		{"scsi", "", "lsilogic"},
		{"scsi", "what", "lsilogic"},
		{"sata", "", "lsilogic"},
		{"sata", "ahci", "lsilogic"},
		{"nvme", "", "lsilogic"},
		{"ide", "", "ide"},
		{"ide", "buslogic", "ide"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct vr_vmx_disk disk = {.bus = rows[i].bus,
					   .controller = rows[i].controller};

		assert_string_equal(vr_vmx_adapter(&disk), rows[i].adapter);
	}
}

static bool
is(const char *file_name, const char *descriptor, bool twin_exists)
{
	struct vr_vmx_disk disk = {.file_name = file_name};

	return vr_vmx_disk_is(&disk, descriptor, twin_exists);
}

static void
test_disk_is(void **state)
{
	(void)state;
	assert_true(is("web01.vmdk", "web01.vmdk", false));
	assert_true(is("web01.vmdk", "web01.vmdk", true));
	assert_true(is("/vmfs/volumes/a/web01.vmdk", "web01.vmdk", true));
	assert_false(is("web02.vmdk", "web01.vmdk", false));
	assert_false(is("WEB01.vmdk", "web01.vmdk", false));
	assert_false(is("", "web01.vmdk", false));
	assert_false(is("", "", true) && is("x", "", false));
}

static void
test_undo_of_the_edit(void **state)
{
	(void)state;
	assert_true(is("web011.vmdk", "web01.vmdk", false));
	assert_false(is("web011.vmdk", "web01.vmdk", true));
	assert_true(is("/v/web01-0000011.vmdk", "web01-000001.vmdk", false));
	assert_true(is("1.vmdk", ".vmdk", false));
	assert_false(is("web012.vmdk", "web01.vmdk", false));
	assert_false(is("web0111.vmdk", "web01.vmdk", false));
	assert_false(is("web01.vmdk", "web011.vmdk", false));
	assert_false(is("web011.vmdkx", "web01.vmdkx", false));
	assert_false(is("a", "b", false));
	assert_false(is("11.vmdk", "vmdk", false));
}

/* --- what is none ------------------------------------------------------- */

static void
test_other_texts(void **state)
{
	static const char *const texts[] = {
		"",
		"displayName = \"x\"\n",
		".encoding = \"UTF-8\"\nsnapshot0.uid = \"1\"\n"
		"snapshot0.displayName = \"a\"\n"
		"snapshot0.disk0.fileName = \"web01.vmdk\"\n"
		"snapshot0.disk0.node = \"scsi0:0\"\n",
		"# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\n"
		"CID=fffffffe\nparentCID=ffffffff\n"
		"RW 1 VMFS \"a\"\nddb.adapterType = \"ide\"\n",
		"<?xml version=\"1.0\"?>\n<Foundry>\n</Foundry>\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		expect_failure(VR_E_FORMAT, "not a configuration", texts[i],
			       strlen(texts[i]));
	expect_failure(VR_E_FORMAT, "not a configuration", NULL, 0);
}

static void
test_noise(void **state)
{
	uint32_t seed = 1;
	char bytes[4000];

	(void)state;
	for (int i = 0; i < 500; i++) {
		for (size_t j = 0; j < sizeof(bytes); j++) {
			seed = seed * 1664525 + 1013904223;
			bytes[j] = (char)(seed >> 24);
		}
		expect_failure(VR_E_FORMAT, "encrypted", bytes, sizeof(bytes));
	}
}

static void
test_cut_anywhere(void **state)
{
	size_t least = strlen(".encoding = \"UTF-8\"\nconfig.version =");

	(void)state;
	for (size_t n = 0; n < strlen(esxi); n++) {
		vr_cleanup(vr_free_p) char *text = malloc(n ? n : 1);
		vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx = NULL;

		assert_non_null(text);
		memcpy(text, esxi, n);
		assert_int_equal(vr_vmx_parse(text, n, &vmx),
				 n >= least ? 0 : VR_E_FORMAT);
	}
}

static void
test_limits(void **state)
{
	size_t n = VR_VMX_MOST + 1;
	vr_cleanup(vr_free_p) char *text = calloc(1, n);
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx = NULL;
	size_t end = strlen(HEAD);

	(void)state;
	assert_non_null(text);
	memcpy(text, HEAD, end);
	expect_failure(VR_E_LIMIT, "4194305 bytes", text, n);
	for (int i = 1; i < 4096; i++, end += 4)
		memcpy(text + end, "a=b\n", 4);
	vmx = parse_bytes(text, n - 1);
	assert_int_equal(vmx->entries.count, 4096);
	memcpy(text + end, "a=b\n", 4);
	expect_failure(VR_E_LIMIT, "4096 keys", text, n - 1);
}

static void
test_free_nothing(void **state)
{
	(void)state;
	vr_vmx_free(NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_esxi),
		cmocka_unit_test(test_shapes_of_lines),
		cmocka_unit_test(test_comments_and_bad_lines),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_last_value_wins),
		cmocka_unit_test(test_nul_ends_the_text),
		cmocka_unit_test(test_buses),
		cmocka_unit_test(test_no_disks),
		cmocka_unit_test(test_present_is_not_needed),
		cmocka_unit_test(test_adapters),
		cmocka_unit_test(test_disk_is),
		cmocka_unit_test(test_undo_of_the_edit),
		cmocka_unit_test(test_other_texts),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_free_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
