/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/checked.h"
#include "base/text.h"
#include "format/descriptor.h"
#include "format/descriptor_write.h"

#define UUID "60 00 C2 91 02 03 04 05-06 07 08 09 0a 0b 0c 0d"

/* As ESXi 6.7 writes it, thick, 40 GiB. */
static const char esxi[] =
	"# Disk DescriptorFile\n"
	"version=1\n"
	"encoding=\"UTF-8\"\n"
	"CID=fffffffe\n"
	"parentCID=ffffffff\n"
	"createType=\"vmfs\"\n"
	"\n"
	"# Extent description\n"
	"RW 83886080 VMFS \"web01-flat.vmdk\"\n"
	"\n"
	"# The Disk Data Base \n"
	"#DDB\n"
	"\n"
	"ddb.adapterType = \"lsilogic\"\n"
	"ddb.geometry.cylinders = \"5221\"\n"
	"ddb.geometry.heads = \"255\"\n"
	"ddb.geometry.sectors = \"63\"\n"
	"ddb.longContentID = \"0102030405060708090a0b0cfffffffe\"\n"
	"ddb.uuid = \"" UUID "\"\n"
	"ddb.virtualHWVersion = \"14\"\n";

/* Two weak signs: a descriptor's least, to hang a line under test on. */
#define HEAD "CID=1\nparentCID=ffffffff\n"

static struct vr_descriptor *
parse_bytes(const char *bytes, size_t n)
{
	struct vr_descriptor *d = NULL;
	int r = vr_descriptor_parse(bytes, n, &d);

	if (r < 0)
		fail_msg("%d: %s", r, vr_error_sentence());
	assert_non_null(d);
	return d;
}

static struct vr_descriptor *
parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void
expect_failure(int code, const char *words, const char *bytes, size_t n)
{
	struct vr_descriptor *d = NULL;

	assert_int_equal(vr_descriptor_parse(bytes, n, &d), code);
	assert_null(d);
	if (!strstr(vr_error_sentence(), words))
		fail_msg("'%s' does not say '%s'", vr_error_sentence(), words);
}

static void
has_value(const struct vr_descriptor *d, const char *key, const char *value)
{
	const char *found = vr_descriptor_get(d, key);

	assert_non_null(found);
	assert_string_equal(found, value);
}

static void
expect_esxi(const struct vr_descriptor *d)
{
	assert_int_equal(d->version, 1);
	assert_true(d->has_cid);
	assert_int_equal(d->cid, 0xFFFFFFFE);
	assert_true(d->has_parent_cid);
	assert_int_equal(d->parent_cid, 0xFFFFFFFF);
	assert_int_equal(d->extents.count, 1);
	assert_int_equal(d->extents.items[0].access, VR_ACCESS_RW);
	assert_int_equal(d->extents.items[0].sectors, 83886080);
	assert_string_equal(d->extents.items[0].type, "VMFS");
	assert_string_equal(d->extents.items[0].name, "web01-flat.vmdk");
	assert_int_equal(d->extents.items[0].offset_sectors, 0);
	assert_int_equal(d->sectors, 83886080);
	assert_int_equal(d->entries.count, 12);
	has_value(d, "encoding", "UTF-8");
	has_value(d, "createType", "vmfs");
	has_value(d, "ddb.uuid", UUID);
}

/* The line alone, under a head that makes it a descriptor's. */
static void
expect_line(const char *line, const char *type, const char *name,
	    uint64_t offset_sectors)
{
	vr_cleanup(vr_free_p) char *text = vr_format(HEAD "%s\n", line);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = parse(text);

	if (d->extents.count != 1)
		fail_msg("%s: no extent", line);
	assert_string_equal(d->extents.items[0].type, type);
	if (name)
		assert_string_equal(d->extents.items[0].name, name);
	else
		assert_null(d->extents.items[0].name);
	assert_int_equal(d->extents.items[0].sectors, 2048);
	assert_int_equal(d->extents.items[0].offset_sectors, offset_sectors);
	assert_int_equal(d->bad_lines, 0);
}

static void
expect_bad_line(const char *line)
{
	vr_cleanup(vr_free_p) char *text = vr_format(HEAD "%s\n", line);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = parse(text);

	if (d->extents.count || d->bad_lines != 1)
		fail_msg("%s: taken", line);
	assert_int_equal(d->entries.count, 2);
}

/* The text with every c replaced; free() it. */
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

/* Numbers that look random, the same every time. */
static uint8_t
noise(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return (uint8_t)(*state >> 24);
}

static char *
noise_bytes(size_t n, uint32_t seed)
{
	char *bytes = malloc(n);

	assert_non_null(bytes);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)noise(&seed);
	return bytes;
}

/* --- whole texts -------------------------------------------------------- */

static void
test_esxi(void **state)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = parse(esxi);

	(void)state;
	expect_esxi(d);
	assert_int_equal(d->bad_lines, 0);
	assert_true(vr_descriptor_looks_like(esxi, strlen(esxi)));
}

static void
test_entries_keep_their_order(void **state)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = parse(esxi);

	(void)state;
	assert_string_equal(d->entries.items[0].key, "version");
	assert_string_equal(d->entries.items[2].key, "CID");
	assert_string_equal(d->entries.items[5].key, "ddb.adapterType");
	assert_string_equal(d->entries.items[11].key, "ddb.virtualHWVersion");
}

static void
test_line_ends(void **state)
{
	static const char *const ends[] = {"\r\n", "\r", "\n\n", "\r\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		vr_cleanup(vr_free_p) char *text =
			replaced(esxi, '\n', ends[i]);
		vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d =
			parse(text);

		expect_esxi(d);
		assert_int_equal(d->bad_lines, 0);
	}
}

static void
test_no_line_end_at_the_end(void **state)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d =
		parse_bytes(esxi, strlen(esxi) - 1);

	(void)state;
	has_value(d, "ddb.virtualHWVersion", "14");
}

static void
test_blanks_and_tabs(void **state)
{
	vr_cleanup(vr_free_p) char *tabs = replaced(esxi, ' ', "\t  ");
	vr_cleanup(vr_free_p) char *deep = replaced(esxi, '\n', " \t\n\t ");
	vr_cleanup(vr_free_p) char *wide = replaced(esxi, '=', "\t = ");
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *a = parse(tabs);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *b = parse(deep);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *c = parse(wide);

	(void)state;
	assert_int_equal(a->extents.items[0].sectors, 83886080);
	assert_string_equal(a->extents.items[0].name, "web01-flat.vmdk");
	has_value(a, "ddb.adapterType", "lsilogic");
	expect_esxi(b);
	expect_esxi(c);
	assert_int_equal(a->bad_lines + b->bad_lines + c->bad_lines, 0);
}

static void
test_no_quotes(void **state)
{
	vr_cleanup(vr_free_p) char *text = replaced(esxi, '"', "");
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = parse(text);

	(void)state;
	expect_esxi(d);
}

static void
test_byte_order_mark(void **state)
{
	vr_cleanup(vr_free_p) char *text = vr_format("\xEF\xBB\xBF%s", esxi);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = parse(text);

	(void)state;
	expect_esxi(d);
	assert_int_equal(d->bad_lines, 0);
	assert_true(vr_descriptor_looks_like(text, strlen(text)));
}

static void
test_letter_case(void **state)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d =
		parse("VERSION=3\ncid=0000ABCD\nPARENTcid=FFFFFFFF\n"
		      "CREATETYPE=\"vmfs\"\nrw 2048 vmfs \"A-flat.vmdk\"\n"
		      "DDB.ADAPTERTYPE=\"ide\"\n");

	(void)state;
	assert_int_equal(d->version, 3);
	assert_int_equal(d->cid, 0xABCD);
	assert_int_equal(d->parent_cid, 0xFFFFFFFF);
	assert_string_equal(d->extents.items[0].type, "VMFS");
	assert_string_equal(d->extents.items[0].name, "A-flat.vmdk");
	has_value(d, "createType", "vmfs");
	has_value(d, "ddb.adaptertype", "ide");
	assert_string_equal(d->entries.items[4].key, "DDB.ADAPTERTYPE");
}

static void
test_nul_ends_the_text(void **state)
{
	vr_cleanup(vr_free_p) char *padded = calloc(1, 10240);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;

	(void)state;
	assert_non_null(padded);
	memcpy(padded, esxi, strlen(esxi));
	d = parse_bytes(padded, 10240);
	expect_esxi(d);
	assert_int_equal(d->bad_lines, 0);
}

static void
test_stale_text_behind_a_nul(void **state)
{
	static const char stale[] = "\nRW 1 FLAT \"stale\" 0\nCID=5\n";
	vr_cleanup(vr_free_p) char *text = calloc(1, 2048);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;

	(void)state;
	assert_non_null(text);
	memcpy(text, esxi, strlen(esxi));
	memcpy(text + 1024, stale, strlen(stale));
	d = parse_bytes(text, 2048);
	expect_esxi(d);
	assert_int_equal(d->bad_lines, 1);
}

static void
test_utf16(void **state)
{
	static const char little[] = "\xFF\xFE"
				     "c\0i\0d\0=\0"
				     "1\0\r\0\n\0"
				     "R\0W\0 \0"
				     "1\0 \0V\0M\0F\0S\0 \0\"\0\xE4\0\xAC\x20"
				     "\x3D\xD8\x00\xDE"
				     "\x00\xD8"
				     ".\0\"\0\r\0\n\0"
				     "\x00\xDC\x00\xD8";
	static const char big[] = "\xFE\xFF"
				  "\0c\0i\0d\0=\0"
				  "1\0\n"
				  "\0R\0W\0 \0"
				  "1\0 \0V\0M\0F\0S\0 \0x";
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *a =
		parse_bytes(little, sizeof(little) - 1);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *b =
		parse_bytes(big, sizeof(big) - 1);

	(void)state;
	/* Latin, euro, a pair, half a pair; two more halves at the end. */
	assert_string_equal(a->extents.items[0].name,
			    "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"
			    "\xEF\xBF\xBD.");
	assert_int_equal(a->cid, 1);
	assert_int_equal(a->bad_lines, 1);
	assert_string_equal(b->extents.items[0].name, "x");
	assert_int_equal(b->cid, 1);
	assert_true(vr_descriptor_looks_like(little, sizeof(little) - 1));
}

static void
test_delta(void **state)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = parse(
		"# Disk DescriptorFile\nversion=3\nencoding=\"UTF-8\"\n"
		"CID=36cf8e2b\nparentCID=fffffffe\nisNativeSnapshot=\"no\"\n"
		"createType=\"seSparse\"\nparentFileNameHint=\"web01.vmdk\"\n"
		"# Extent description\n"
		"RW 83886080 SESPARSE \"web01-000001-sesparse.vmdk\"\n\n"
		"# Change Tracking File\n"
		"changeTrackPath=\"web01-000001-ctk.vmdk\"\n\n"
		"# The Disk Data Base \n#DDB\n\nddb.grain = \"8\"\n");

	(void)state;
	assert_int_equal(d->version, 3);
	assert_int_equal(d->parent_cid, 0xFFFFFFFE);
	assert_string_equal(d->extents.items[0].type, "SESPARSE");
	has_value(d, "parentFileNameHint", "web01.vmdk");
	has_value(d, "changeTrackPath", "web01-000001-ctk.vmdk");
	has_value(d, "ddb.grain", "8");
	assert_null(vr_descriptor_get(d, "ddb.uuid"));
}

/* The shape that VMware's hosted products give a partly used raw disk. */
static void
test_many_extents(void **state)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d =
		parse(HEAD "RW 63 FLAT \"raw-pt.vmdk\" 0\n"
			   "RDONLY 1000 FLAT \"/dev/sda\" 63\n"
			   "RW 200 ZERO\n"
			   "NOACCESS 63 FLAT \"raw-pt.vmdk\" 63\n");
	static const enum vr_access access[] = {VR_ACCESS_RW, VR_ACCESS_RDONLY,
						VR_ACCESS_RW,
						VR_ACCESS_NOACCESS};

	(void)state;
	assert_int_equal(d->extents.count, 4);
	assert_int_equal(d->sectors, 63 + 1000 + 200 + 63);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(d->extents.items[i].access, access[i]);
	assert_string_equal(d->extents.items[1].name, "/dev/sda");
	assert_int_equal(d->extents.items[3].offset_sectors, 63);
}

/* --- lines -------------------------------------------------------------- */

static void
test_extent_lines(void **state)
{
	(void)state;
	expect_line("RW 2048 VMFS \"a-flat.vmdk\"", "VMFS", "a-flat.vmdk", 0);
	expect_line("RW 2048 FLAT \"a-flat.vmdk\" 0", "FLAT", "a-flat.vmdk", 0);
	expect_line("RW 2048 FLAT \"a.bin\" 77", "FLAT", "a.bin", 77);
	expect_line("RW 2048 FLAT \"a.bin\"", "FLAT", "a.bin", 0);
	expect_line("RW 2048 VMFS \"a.bin\" 5", "VMFS", "a.bin", 5);
	expect_line("Rw 2048 Flat \"a.bin\" 77", "FLAT", "a.bin", 77);
	expect_line(" \t RW\t2048 \t FLAT\t\"a.bin\"\t77 \t", "FLAT", "a.bin",
		    77);
	expect_line("RW 2048 FLAT\"a.bin\"77", "FLAT", "a.bin", 77);
	expect_line("RW 02048 FLAT \"a.bin\" 007", "FLAT", "a.bin", 7);
	expect_line("RW 2048 STREAMOPTIMIZED \"a\"", "STREAMOPTIMIZED", "a", 0);
	expect_line("RW 2048 ZERO", "ZERO", NULL, 0);
	expect_line("RW 2048 zero \"a\" 0", "ZERO", NULL, 0);
}

static void
test_text_behind_the_offset(void **state)
{
	(void)state;
	expect_line("RW 2048 FLAT \"a.bin\" 77 what is this", "FLAT", "a.bin",
		    77);
	expect_line("RW 2048 FLAT \"/dev/sda\" 63 \"0123-uuid\" \"t10.ATA\"",
		    "FLAT", "/dev/sda", 63);
	expect_line("RW 2048 FLAT \"a\" 0\"b\"", "FLAT", "a", 0);
}

static void
test_quotes_in_names(void **state)
{
	(void)state;
	expect_line("RW 2048 VMFS \"19\" rack-flat.vmdk\"", "VMFS",
		    "19\" rack-flat.vmdk", 0);
	expect_line("RW 2048 FLAT \"19\" rack 2.vmdk\" 4", "FLAT",
		    "19\" rack 2.vmdk", 4);
	expect_line("RW 2048 VMFS \"a\"b\"c\"", "VMFS", "a\"b\"c", 0);
	expect_line("RW 2048 VMFS \"\"a\"\"", "VMFS", "\"a\"", 0);
}

static void
test_missing_quotes(void **state)
{
	(void)state;
	expect_line("RW 2048 FLAT a.bin 77", "FLAT", "a.bin", 77);
	expect_line("RW 2048 FLAT \"a.bin 77", "FLAT", "a.bin", 77);
	expect_line("RW 2048 FLAT a.bin\" 77", "FLAT", "a.bin", 77);
	expect_line("RW 2048 VMFS a.bin", "VMFS", "a.bin", 0);
	expect_line("RW 2048 VMFS \"my disk-flat.vmdk", "VMFS",
		    "my disk-flat.vmdk", 0);
	expect_line("RW 2048 FLAT my disk.vmdk 77", "FLAT", "my disk.vmdk", 77);
}

static void
test_names_are_raw_bytes(void **state)
{
	(void)state;
	expect_line("RW 2048 VMFS \"Z\xFCrich\x80.vmdk\"", "VMFS",
		    "Z\xFCrich\x80.vmdk", 0);
	expect_line("RW 2048 VMFS \"..\\..\\x;y z\"", "VMFS", "..\\..\\x;y z",
		    0);
	expect_line("RW 2048 VMFS \"/etc/passwd\"", "VMFS", "/etc/passwd", 0);
}

static void
test_bad_extent_lines(void **state)
{
	static const char *const lines[] = {
		"RW",
		"RW 2048",
		"RW 2048 VMFS",
		"RW 2048 VMFS \"\"",
		"RW 2048 VMFS \"",
		"RW 2048 \"a.vmdk\"",
		"RW 0 VMFS \"a.vmdk\"",
		"RW -1 VMFS \"a.vmdk\"",
		"RW 0x800 VMFS \"a.vmdk\"",
		"RW 20x48 VMFS \"a.vmdk\"",
		"RW VMFS \"a.vmdk\"",
		"RX 2048 VMFS \"a.vmdk\"",
		"2048 VMFS \"a.vmdk\"",
		"RW2048 VMFS \"a.vmdk\"",
		"RW 2048 VM?S \"a.vmdk\"",
		"RW 2048 A_TYPE_OF_MORE_THAN_THIRTY_TWO_LETTERS \"a.vmdk\"",
		"RW 2048 FLAT \"a.vmdk\" 12x",
		"RW 2048 FLAT \"a.vmdk\" -1",
		"RW 2048 FLAT \"a.vmdk\" zero",
		"RW 2048 VMFS \"web\x01-flat.vmdk\"",
		"RW 2048 VMFS \"web\x7F\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		expect_bad_line(lines[i]);
}

static void
test_values(void **state)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = parse(
		HEAD "a=\"x\nb=x\"\nc=\"\"\nd=\ne=\"he said \"no\"\"\n"
		     "f = \" x \" # y\ng=\"\nh==\ni.j-k:l = 1=2\nm=\xFC\n");

	(void)state;
	has_value(d, "a", "x");
	has_value(d, "b", "x");
	has_value(d, "c", "");
	has_value(d, "d", "");
	has_value(d, "e", "he said \"no\"");
	has_value(d, "f", " x ");
	has_value(d, "g", "");
	has_value(d, "h", "=");
	has_value(d, "i.j-k:l", "1=2");
	has_value(d, "m", "\xFC");
	assert_int_equal(d->bad_lines, 0);
}

static void
test_bad_keys(void **state)
{
	(void)state;
	expect_bad_line("no equals sign");
	expect_bad_line("=value");
	expect_bad_line("two words=1");
	expect_bad_line("\"quoted\"=1");
	expect_bad_line("k\xFC"
			"che=1");
	expect_bad_line("bell=\a");
}

static void
test_last_value_wins(void **state)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d =
		parse(HEAD "CID=22\nddb.uuid=\"a\"\nDDB.UUID=\"b\"\nCID=xyz\n");

	(void)state;
	has_value(d, "ddb.uuid", "b");
	/* Of the numbers the last one that is a number. */
	assert_int_equal(d->cid, 0x22);
	has_value(d, "CID", "xyz");
}

static void
test_content_ids(void **state)
{
	static const char *const bad[] = {"",	   "123456789", "0x12",
					  "12 34", "xyz",	"-1"};
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *none =
		parse("createType=\"vmfs\"\nddb.uuid=\"x\"\n");

	(void)state;
	assert_false(none->has_cid || none->has_parent_cid);
	assert_int_equal(none->version, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		vr_cleanup(vr_free_p) char *text = vr_format(
			"# Disk DescriptorFile\nCID=%s\nparentCID=\"0fF\"\n"
			"version=99999999999\n",
			bad[i]);
		vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d =
			parse(text);

		assert_false(d->has_cid);
		assert_int_equal(d->parent_cid, 0xFF);
		assert_int_equal(d->version, 0);
	}
}

/* --- damage ------------------------------------------------------------- */

/* Whatever byte range is overwritten, the lines outside it are read. */
static void
test_overwritten(void **state)
{
	size_t n = strlen(esxi), uuid = strstr(esxi, "ddb.uuid") - esxi,
	       extent = strstr(esxi, "\n\n# The") - esxi;

	(void)state;
	for (uint32_t seed = 0; seed < 1000; seed++) {
		vr_cleanup(vr_free_p) char *text = noise_bytes(n, seed);
		vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;
		bool back = seed % 2;

		if (back)
			memcpy(text + uuid - 1, esxi + uuid - 1, n - uuid + 1);
		else
			memcpy(text, esxi, extent + 1);
		d = parse_bytes(text, n);
		if (back)
			has_value(d, "ddb.uuid", UUID);
		else
			assert_int_equal(d->extents.items[0].sectors, 83886080);
		assert_true(d->bad_lines > 0);
		assert_true(vr_descriptor_looks_like(text, n));
	}
}

static void
test_cut_anywhere(void **state)
{
	(void)state;
	for (size_t n = 0; n <= strlen(esxi); n++) {
		/* To the byte, so that a sanitizer sees a read behind it. */
		vr_cleanup(vr_free_p) char *text = malloc(n ? n : 1);
		vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;
		bool whole = n >= strlen("# Disk DescriptorFile");

		assert_non_null(text);
		memcpy(text, esxi, n);
		assert_int_equal(vr_descriptor_looks_like(text, n), whole);
		assert_int_equal(vr_descriptor_parse(text, n, &d),
				 whole ? 0 : VR_E_FORMAT);
	}
}

static void
test_noise_is_no_descriptor(void **state)
{
	(void)state;
	for (uint32_t seed = 0; seed < 2000; seed++) {
		vr_cleanup(vr_free_p) char *text = noise_bytes(600, seed);

		assert_false(vr_descriptor_looks_like(text, 600));
		expect_failure(VR_E_FORMAT, "encrypted", text, 600);
	}
}

static void
test_other_texts(void **state)
{
	static const char *const texts[] = {
		/* One weak sign each. */
		"cid=12345678\n",
		"createType=database\n",
		"ddb.url = jdbc:foo\n",
		"rw 5 foo bar\n",
		"config.version = \"8\"\nscsi0:0.fileName = \"web01.vmdk\"\n",
		"[core]\n\tversion = 1\n\tname = x\n",
		"<html><body>How to Restore Your Files</body></html>\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		size_t n = strlen(texts[i]);

		assert_false(vr_descriptor_looks_like(texts[i], n));
		expect_failure(VR_E_FORMAT, "text", texts[i], n);
	}
}

static void
test_nothing(void **state)
{
	static const char zeros[4096];

	(void)state;
	expect_failure(VR_E_FORMAT, "empty", NULL, 0);
	expect_failure(VR_E_FORMAT, "empty", "", 0);
	expect_failure(VR_E_FORMAT, "zeros", zeros, sizeof(zeros));
	assert_false(vr_descriptor_looks_like(NULL, 0));
	assert_false(vr_descriptor_looks_like(zeros, sizeof(zeros)));
}

static void
test_containers(void **state)
{
	static const char *const magics[] = {"KDMV", "kdmv", "COWD",
					     "\xBE\xBA\xFE\xCA"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		vr_cleanup(vr_free_p) char *bytes = calloc(1, 4096);

		assert_non_null(bytes);
		memcpy(bytes, magics[i], 4);
		memcpy(bytes + 512, esxi, strlen(esxi));
		assert_false(vr_descriptor_looks_like(bytes, 4096));
		expect_failure(VR_E_FORMAT, "sparse", bytes, 4096);
	}
}

static void
test_few_signs_are_enough(void **state)
{
	static const char *const texts[] = {
		"# Disk DescriptorFile",
		"#disk descriptorfile",
		"  # Disk Descriptor File",
		"RW 1 FLAT \"a\" 0",
		"CID=1\nparentCID=2",
		"ddb.adapterType = \"ide\"\nddb.uuid = \"x\"",
		"createType=\"vmfs\"\nrw 5 foo bar",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d =
			parse(texts[i]);

		assert_int_equal(d->bad_lines, 0);
		assert_true(
			vr_descriptor_looks_like(texts[i], strlen(texts[i])));
	}
}

/* --- limits ------------------------------------------------------------- */

static void
expect_limit(const char *text, const char *words)
{
	expect_failure(VR_E_LIMIT, words, text, strlen(text));
}

static void
test_huge_numbers(void **state)
{
	(void)state;
	expect_limit(HEAD "RW 18446744073709551616 FLAT \"a\" 0\n", "extent 1");
	expect_limit(HEAD "RW 99999999999999999999999 ZERO\n", "63 bits");
	expect_limit(HEAD "RW 18014398509481984 ZERO\n", "63 bits");
	expect_limit(HEAD "RW 1 FLAT \"a\" 18014398509481983\n", "63 bits");
	expect_limit(HEAD "RW 1 FLAT \"a\" 99999999999999999999\n", "63 bits");
	expect_limit(HEAD "RW 18014398509481983 FLAT \"a\" 0\nRW 1 ZERO\n",
		     "extent 2: the capacity");
}

static void
test_largest_numbers(void **state)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d =
		parse(HEAD "RW 18014398509481982 FLAT \"a\" 1\nRW 1 ZERO\n");

	(void)state;
	assert_int_equal(d->sectors, INT64_MAX / VR_SECTOR);
}

static char *
repeated(const char *head, const char *line, size_t times)
{
	struct vr_text t = {0};
	char *ret = NULL;

	vr_text_append(&t, head, strlen(head));
	for (size_t i = 0; i < times; i++)
		vr_text_append(&t, line, strlen(line));
	assert_int_equal(vr_text_finish(&t, &ret), 0);
	return ret;
}

static void
test_counts(void **state)
{
	vr_cleanup(vr_free_p) char *extents =
		repeated(HEAD, "RW 1 FLAT \"a\" 0\n", 65536);
	vr_cleanup(vr_free_p) char *too_many =
		repeated(extents, "RW 1 FLAT \"a\" 0\n", 1);
	vr_cleanup(vr_free_p) char *keys = repeated(HEAD, "a=b\n", 16382);
	vr_cleanup(vr_free_p) char *too_many_keys = repeated(keys, "a=b\n", 1);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d =
		parse(extents);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *e = parse(keys);

	(void)state;
	assert_int_equal(d->extents.count, 65536);
	assert_int_equal(e->entries.count, 16384);
	expect_limit(too_many, "extent lines");
	expect_limit(too_many_keys, "keys");
}

static void
test_name_length(void **state)
{
	vr_cleanup(vr_free_p) char *fits =
		repeated(HEAD "RW 2048 VMFS \"", "x", 4096);
	vr_cleanup(vr_free_p) char *longer =
		repeated(HEAD "RW 2048 VMFS \"", "x", 4097);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = parse(fits);

	(void)state;
	assert_int_equal(strlen(d->extents.items[0].name), 4096);
	expect_limit(longer, "4097 bytes");
}

static void
test_text_length(void **state)
{
	size_t n = VR_DESCRIPTOR_MOST + 1;
	vr_cleanup(vr_free_p) char *text = calloc(1, n);
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;

	(void)state;
	assert_non_null(text);
	memcpy(text, esxi, strlen(esxi));
	expect_failure(VR_E_LIMIT, "16777217 bytes", text, n);
	d = parse_bytes(text, n - 1);
	expect_esxi(d);
}

/* Quadratic reading of any of these would take hours. */
static void
test_long_lines(void **state)
{
	static const char *const parts[] = {
		"\"", " ",  "\" ", "\" 1x", "1",	  "=",
		"\\", "\r", "#",   "RW ",   "\" 1\t\t\t", "a\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		vr_cleanup(vr_free_p) char *text =
			repeated(HEAD "RW 2048 FLAT \"a", parts[i],
				 2000000 / strlen(parts[i]));
		struct vr_descriptor *d = NULL;

		vr_descriptor_parse(text, strlen(text), &d);
		vr_descriptor_free(d);
	}
}

/* --- writing ------------------------------------------------------------ */

static const struct vr_extent_line flat_line = {
	.sectors = 83886080, .type = "VMFS", .name = "web01-flat.vmdk"};

static struct vr_descriptor_plan
esxi_plan(void)
{
	return (struct vr_descriptor_plan){
		.create_type = "vmfs",
		.extents = &flat_line,
		.extent_count = 1,
		.adapter = "lsilogic",
		.cid = 0xFFFFFFFE,
		.long_content_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		.uuid = UUID,
		.hardware_version = 14,
	};
}

static char *
written(const struct vr_descriptor_plan *plan)
{
	char *text = NULL;
	int r = vr_descriptor_write(plan, &text);

	if (r < 0)
		fail_msg("%d: %s", r, vr_error_sentence());
	assert_non_null(text);
	return text;
}

static void
refused(const struct vr_descriptor_plan *plan, int code, const char *words)
{
	char *text = NULL;

	assert_int_equal(vr_descriptor_write(plan, &text), code);
	assert_null(text);
	if (!strstr(vr_error_sentence(), words))
		fail_msg("'%s' does not say '%s'", vr_error_sentence(), words);
}

static void
test_write_esxi(void **state)
{
	struct vr_descriptor_plan plan = esxi_plan();
	vr_cleanup(vr_free_p) char *text = written(&plan);

	(void)state;
	assert_string_equal(text, esxi);
}

static void
test_write_composite(void **state)
{
	const struct vr_extent_line lines[] = {
		{2048, 0, "FLAT", "web01-repair.bin"},
		{38912, 2048, "FLAT", "web01-flat.vmdk"},
	};
	struct vr_descriptor_plan plan = {
		.create_type = "twoGbMaxExtentFlat",
		.extents = lines,
		.extent_count = 2,
		.adapter = "ide",
		.cid = 0xAB,
		.hardware_version = 4,
		.thin = true,
	};
	vr_cleanup(vr_free_p) char *text = written(&plan);

	(void)state;
	assert_string_equal(
		text,
		"# Disk DescriptorFile\n"
		"version=1\n"
		"encoding=\"UTF-8\"\n"
		"CID=000000ab\n"
		"parentCID=ffffffff\n"
		"createType=\"twoGbMaxExtentFlat\"\n"
		"\n"
		"# Extent description\n"
		"RW 2048 FLAT \"web01-repair.bin\" 0\n"
		"RW 38912 FLAT \"web01-flat.vmdk\" 2048\n"
		"\n"
		"# The Disk Data Base \n"
		"#DDB\n"
		"\n"
		"ddb.adapterType = \"ide\"\n"
		"ddb.geometry.cylinders = \"40\"\n"
		"ddb.geometry.heads = \"16\"\n"
		"ddb.geometry.sectors = \"63\"\n"
		"ddb.longContentID = \"000000000000000000000000000000ab\"\n"
		"ddb.thinProvisioned = \"1\"\n"
		"ddb.virtualHWVersion = \"4\"\n");
}

static void
test_write_thin_between_id_and_uuid(void **state)
{
	struct vr_descriptor_plan plan = esxi_plan();
	vr_cleanup(vr_free_p) char *text = NULL;

	(void)state;
	plan.thin = true;
	text = written(&plan);
	assert_non_null(strstr(text, "fffffffe\"\nddb.thinProvisioned = "
				     "\"1\"\nddb.uuid = "));
}

static void
test_round_trip(void **state)
{
	const struct vr_extent_line lines[] = {
		{2048, 0, "FLAT", "r.bin"},
		{5, 2048, "FLAT",
		 "B\xC3\xBC"
		 "ro; 2-flat.vmdk"},
		{100, 2048, "FLAT", "r.bin"},
		{UINT64_C(1) << 50, 7, "FLAT", " Z\xC3\xBCrich 19' 0 "},
	};
	struct vr_descriptor_plan plan = esxi_plan();
	vr_cleanup(vr_free_p) char *text = NULL;
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;

	(void)state;
	plan.create_type = "twoGbMaxExtentFlat";
	plan.extents = lines;
	plan.extent_count = 4;
	text = written(&plan);
	d = parse(text);
	assert_int_equal(d->bad_lines, 0);
	assert_int_equal(d->extents.count, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(d->extents.items[i].sectors, lines[i].sectors);
		assert_string_equal(d->extents.items[i].name, lines[i].name);
		assert_int_equal(d->extents.items[i].offset_sectors,
				 lines[i].offset_sectors);
	}
	has_value(d, "ddb.longContentID", "0102030405060708090a0b0cfffffffe");
}

static void
test_write_refuses_types(void **state)
{
	const struct vr_extent_line two[] = {flat_line, flat_line};
	struct vr_extent_line line = flat_line;
	struct vr_descriptor_plan plan = esxi_plan();

	(void)state;
	plan.extents = two;
	plan.extent_count = 2;
	refused(&plan, VR_E_USAGE, "2 extents");
	plan.extent_count = 0;
	refused(&plan, VR_E_USAGE, "0 extents");

	plan.extents = &line;
	plan.extent_count = 1;
	line.offset_sectors = 1;
	refused(&plan, VR_E_USAGE, "sector 1");
	line.type = "FLAT";
	refused(&plan, VR_E_USAGE, "needs VMFS");
	plan.create_type = "monolithicFlat";
	line.type = "VMFS";
	refused(&plan, VR_E_USAGE, "needs FLAT");
	plan.create_type = "custom";
	refused(&plan, VR_E_USAGE, "'custom'");
	plan.create_type = NULL;
	refused(&plan, VR_E_USAGE, "''");
}

static void
test_write_refuses_sizes(void **state)
{
	struct vr_extent_line lines[] = {
		{0, 0, "FLAT", "a"}, {INT64_MAX / VR_SECTOR, 0, "FLAT", "b"}};
	struct vr_descriptor_plan plan = esxi_plan();

	(void)state;
	plan.create_type = "twoGbMaxExtentFlat";
	plan.extents = lines;
	plan.extent_count = 2;
	refused(&plan, VR_E_USAGE, "extent 1: no sectors");
	lines[0].sectors = 1;
	refused(&plan, VR_E_LIMIT, "extent 2: the capacity");
	lines[1].offset_sectors = 1;
	refused(&plan, VR_E_LIMIT, "extent 2: ends");
	lines[1].sectors = UINT64_MAX;
	refused(&plan, VR_E_LIMIT, "extent 2: ends");
}

static void
test_write_refuses_database(void **state)
{
	struct vr_descriptor_plan plan = esxi_plan();
	static const char *const uuids[] = {
		"",
		"60 00",
		UUID " ",
		"60 00 C2 91 02 03 04 05 06 07 08 09 0a 0b 0c 0d",
		"60 00 C2 9x 02 03 04 05-06 07 08 09 0a 0b 0c 0d",
	};

	(void)state;
	plan.adapter = "pvscsi";
	refused(&plan, VR_E_USAGE, "'pvscsi'");
	plan.adapter = NULL;
	refused(&plan, VR_E_USAGE, "''");
	plan = esxi_plan();
	plan.cid = 0xFFFFFFFF;
	refused(&plan, VR_E_USAGE, "parent");
	plan = esxi_plan();
	plan.hardware_version = 0;
	refused(&plan, VR_E_USAGE, "hardware");
	for (size_t i = 0; i < sizeof(uuids) / sizeof(*uuids); i++) {
		plan = esxi_plan();
		plan.uuid = uuids[i];
		refused(&plan, VR_E_USAGE, "uuid");
	}
}

/* About 250 lines fit; the last one that does is written, the next is not. */
static void
test_write_length(void **state)
{
	struct vr_extent_line lines[1000];
	struct vr_descriptor_plan plan = esxi_plan();
	char *text = NULL;
	size_t length = 0;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		lines[i] = (struct vr_extent_line){1, i, "FLAT", "web01.bin"};
	plan.create_type = "twoGbMaxExtentFlat";
	plan.extents = lines;
	for (plan.extent_count = 1; vr_descriptor_write(&plan, &text) == 0;
	     plan.extent_count++) {
		length = strlen(text);
		free(text);
		text = NULL;
	}
	assert_in_range(length, VR_DESCRIPTOR_BYTES - 40, VR_DESCRIPTOR_BYTES);
	assert_in_range(plan.extent_count, 300, 400);
	refused(&plan, VR_E_LIMIT, "readers stop");
}

static void
test_names(void **state)
{
	static const char *const good[] = {"a",	    "web01-flat.vmdk",
					   "a b;c", "\xC3\xBC\xE2\x82\xAC",
					   "nbd:x", "a\\b",
					   "CID=1", "...",
					   " a "};
	static const char *const bad[] = {"",
					  ".",
					  "..",
					  "/a",
					  "a/b",
					  "a\"b",
					  "a\nb",
					  "a\rb",
					  "a\tb",
					  "a\x7F",
					  "\x1B[2J",
					  "Z\xFCrich",
					  "parentFileNameHint=x"};
	vr_cleanup(vr_free_p) char *longest = repeated("", "x", 255);
	vr_cleanup(vr_free_p) char *longer = repeated("", "x", 256);

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(vr_descriptor_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct vr_extent_line line = flat_line;
		struct vr_descriptor_plan plan = esxi_plan();

		assert_false(vr_descriptor_name_ok(bad[i]));
		line.name = bad[i];
		plan.extents = &line;
		refused(&plan, VR_E_USAGE, "extent 1 '");
	}
	assert_true(vr_descriptor_name_ok(longest));
	assert_false(vr_descriptor_name_ok(longer));
}

/* qemu would take a key from a name; it must find the header's first. */
static void
test_write_words_in_names(void **state)
{
	struct vr_extent_line line = {2048, 0, "FLAT", "parentCID=CID=1"};
	struct vr_descriptor_plan plan = esxi_plan();
	const char *cid;
	char *text;

	(void)state;
	plan.create_type = "monolithicFlat";
	plan.extents = &line;
	text = written(&plan);
	cid = strstr(text, "CID=");
	assert_non_null(cid);
	assert_int_equal(strncmp(cid, "CID=fffffffe", 12), 0);
	free(text);
}

static void
test_free_nothing(void **state)
{
	(void)state;
	vr_descriptor_free(NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_esxi),
		cmocka_unit_test(test_entries_keep_their_order),
		cmocka_unit_test(test_line_ends),
		cmocka_unit_test(test_no_line_end_at_the_end),
		cmocka_unit_test(test_blanks_and_tabs),
		cmocka_unit_test(test_no_quotes),
		cmocka_unit_test(test_byte_order_mark),
		cmocka_unit_test(test_letter_case),
		cmocka_unit_test(test_nul_ends_the_text),
		cmocka_unit_test(test_stale_text_behind_a_nul),
		cmocka_unit_test(test_utf16),
		cmocka_unit_test(test_delta),
		cmocka_unit_test(test_many_extents),
		cmocka_unit_test(test_extent_lines),
		cmocka_unit_test(test_text_behind_the_offset),
		cmocka_unit_test(test_quotes_in_names),
		cmocka_unit_test(test_missing_quotes),
		cmocka_unit_test(test_names_are_raw_bytes),
		cmocka_unit_test(test_bad_extent_lines),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_last_value_wins),
		cmocka_unit_test(test_content_ids),
		cmocka_unit_test(test_overwritten),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_noise_is_no_descriptor),
		cmocka_unit_test(test_other_texts),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_few_signs_are_enough),
		cmocka_unit_test(test_huge_numbers),
		cmocka_unit_test(test_largest_numbers),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_name_length),
		cmocka_unit_test(test_text_length),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_write_esxi),
		cmocka_unit_test(test_write_composite),
		cmocka_unit_test(test_write_thin_between_id_and_uuid),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_write_refuses_types),
		cmocka_unit_test(test_write_refuses_sizes),
		cmocka_unit_test(test_write_refuses_database),
		cmocka_unit_test(test_write_length),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_write_words_in_names),
		cmocka_unit_test(test_free_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
