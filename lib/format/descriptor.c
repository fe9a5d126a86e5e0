/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader. A line is understood by itself, without its neighbours, because
 * any of them may be overwritten: it is an extent, a key, a comment, or bad.
 * The grammar is that of VMware's "Virtual Disk Format" note, widened by what
 * people, other programs and damage make of such files.
 *
 * Damaged text and encrypted bytes look alike for a while, and a line or two of
 * a descriptor's shape can be found in many texts. So lines carry weight, and a
 * text is a descriptor when it brings enough.
 */
#include "format/descriptor.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "format/lines.h"

/* Readers give up at 1100 lines (VirtualBox) or crawl at 5000 (qemu). */
#define EXTENTS_MOST 65536
#define ENTRIES_MOST 16384
/* PATH_MAX of Linux. */
#define NAME_BYTES 4096
#define TYPE_BYTES 32

struct extent_line {
	enum vr_access access;
	uint64_t sectors, offset_sectors;
	struct vr_part type, name;
};

struct line {
	enum { LINE_BAD, LINE_IDLE, LINE_EXTENT, LINE_PAIR } kind;
	unsigned weight;
	struct extent_line extent;
	struct vr_part key, value;
};

/* --- a number ----------------------------------------------------------- */

/*
 * A number above 64 bits becomes the largest one, which the limits then refuse:
 * left out as a bad line, it would make the disk shorter without a word.
 */
static bool
read_sectors(struct vr_part p, uint64_t *ret)
{
	for (size_t i = 0; i < p.n; i++)
		if (p.s[i] < '0' || p.s[i] > '9')
			return false;
	if (p.n && !vr_parse_decimal(p.s, p.n, ret))
		*ret = UINT64_MAX;
	return p.n > 0;
}

/* qemu writes a CID without its leading zeros. */
static bool
read_cid(struct vr_part p, uint32_t *ret)
{
	char digits[sizeof("0x00000000")] = "0x";
	uint64_t value;

	if (p.n == 0 || p.n > 8)
		return false;
	memcpy(digits + 2, p.s, p.n);
	if (!vr_parse_number(digits, p.n + 2, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* --- an extent line ----------------------------------------------------- */

static bool
read_access(struct vr_part word, enum vr_access *ret)
{
	static const char *const words[] = {
		[VR_ACCESS_RW] = "RW",
		[VR_ACCESS_RDONLY] = "RDONLY",
		[VR_ACCESS_NOACCESS] = "NOACCESS",
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!vr_part_is(word, words[i]))
			continue;
		*ret = (enum vr_access)i;
		return true;
	}
	return false;
}

/* Some programs make types up, so the shape of a word must do. */
static bool
is_type(struct vr_part p)
{
	if (p.n == 0 || p.n > TYPE_BYTES)
		return false;
	for (size_t i = 0; i < p.n; i++) {
		char c = vr_lower(p.s[i]);

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_')
			return false;
	}
	return true;
}

static bool
is_known_type(struct vr_part p)
{
	static const char *const types[] = {
		"FLAT",	    "VMFS", "SPARSE",  "VMFSSPARSE",
		"SESPARSE", "ZERO", "VMFSRDM", "VMFSRAW",
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (vr_part_is(p, types[i]))
			return true;
	return false;
}

/* What follows the name: nothing, or an offset with anything behind it. */
static bool
read_tail(struct vr_part tail, uint64_t *ret_offset)
{
	uint64_t offset = 0;

	tail = vr_part_trim(tail);
	if (tail.n && !read_sectors(vr_part_word(&tail), &offset))
		return false;
	*ret_offset = offset;
	return true;
}

/*
 * There is no escape: a name may hold quotes, and behind the offset a partition
 * and a device may be named in quotes as well. So the name ends at the first
 * quote that has a sound tail. The last such quote would take those identifiers
 * into the name of every raw disk; the first fails only a name that holds a
 * quote, a blank and a whole number in this order.
 */
static bool
read_quoted_name(struct vr_part text, struct extent_line *ret)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.s[i] != '"' ||
		    !read_tail(vr_part_from(text, i + 1), &ret->offset_sectors))
			continue;
		ret->name = (struct vr_part){text.s, i};
		return true;
	}
	return false;
}

/* Without quotes the name ends before the last word, if that is a number. */
static bool
read_bare_name(struct vr_part text, struct extent_line *ret)
{
	size_t end = text.n;

	while (end && !vr_is_blank(text.s[end - 1]))
		end--;
	ret->name = text;
	if (end && read_sectors(vr_part_from(text, end), &ret->offset_sectors))
		ret->name.n = end;
	ret->name = vr_part_trim(ret->name);
	return true;
}

static bool
read_name(struct vr_part text, struct extent_line *ret)
{
	bool found;

	ret->name = (struct vr_part){0};
	ret->offset_sectors = 0;
	if (vr_part_is(ret->type, "ZERO"))
		return true;

	if (text.n && text.s[0] == '"')
		text = vr_part_from(text, 1);
	found = text.n && memchr(text.s, '"', text.n)
			? read_quoted_name(text, ret)
			: read_bare_name(text, ret);
	return found && ret->name.n && vr_part_is_text(ret->name);
}

/* ACCESS SECTORS TYPE "NAME" OFFSET */
static bool
read_extent(struct vr_part text, struct extent_line *ret)
{
	if (!read_access(vr_part_word(&text), &ret->access))
		return false;
	if (!read_sectors(vr_part_word(&text), &ret->sectors) ||
	    ret->sectors == 0)
		return false;
	ret->type = vr_part_word(&text);
	return is_type(ret->type) && read_name(text, ret);
}

/* --- a line ------------------------------------------------------------- */

/*
 * A strong sign is enough, of the weak ones it takes two: another text may well
 * have a key of that name. Of lines of random bytes about one in 2^60 is a
 * strong sign, one in 2^39 a weak one.
 */
enum { WEIGHT_NONE, WEIGHT_WEAK, WEIGHT_STRONG, WEIGHT_ENOUGH = 2 };

/* VirtualBox knows it with and without the two blanks. */
static bool
is_signature(struct vr_part comment)
{
	struct vr_part text = vr_part_trim(vr_part_from(comment, 1));

	return vr_part_starts(text, "Disk DescriptorFile") ||
	       vr_part_starts(text, "Disk Descriptor File");
}

static unsigned
pair_weight(struct vr_part key, struct vr_part value)
{
	uint32_t cid;

	if (value.n == 0)
		return WEIGHT_NONE;
	if (vr_part_is(key, "createType") || vr_part_starts(key, "ddb."))
		return WEIGHT_WEAK;
	if (vr_part_is(key, "CID") || vr_part_is(key, "parentCID"))
		return read_cid(value, &cid) ? WEIGHT_WEAK : WEIGHT_NONE;
	return WEIGHT_NONE;
}

static void
read_line(struct vr_part text, struct line *ret)
{
	*ret = (struct line){.kind = LINE_BAD};
	if (text.n == 0) {
		ret->kind = LINE_IDLE;
	} else if (text.s[0] == '#') {
		ret->kind = LINE_IDLE;
		ret->weight = is_signature(text) ? WEIGHT_STRONG : WEIGHT_NONE;
	} else if (read_extent(text, &ret->extent)) {
		ret->kind = LINE_EXTENT;
		ret->weight = is_known_type(ret->extent.type) ? WEIGHT_STRONG
							      : WEIGHT_WEAK;
	} else if (vr_part_pair(text, &ret->key, &ret->value)) {
		ret->kind = LINE_PAIR;
		ret->weight = pair_weight(ret->key, ret->value);
	}
}

/* --- the text ----------------------------------------------------------- */

static void
append_utf8(struct vr_text *to, uint32_t c)
{
	static const uint8_t lead[] = {0x00, 0xC0, 0xE0, 0xF0};
	size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	uint8_t s[4];

	s[0] = (uint8_t)(lead[more] | c >> (6 * more));
	for (size_t i = 1; i <= more; i++)
		s[i] = (uint8_t)(0x80 | (c >> (6 * (more - i)) & 0x3F));
	vr_text_append(to, s, more + 1);
}

static uint32_t
utf16_unit(const uint8_t *p, bool big)
{
	uint32_t unit = vr_load_le16(p);

	return big ? unit >> 8 | (unit & 0xFF) << 8 : unit;
}

/* The character at *i; half a surrogate pair is U+FFFD, as Unicode advises. */
static uint32_t
utf16_next(const uint8_t *p, size_t n, bool big, size_t *i)
{
	uint32_t high = utf16_unit(p + *i, big), low;

	*i += 2;
	if (high < 0xD800 || high > 0xDFFF)
		return high;
	if (high > 0xDBFF || n - *i < 2)
		return 0xFFFD;
	low = utf16_unit(p + *i, big);
	if (low < 0xDC00 || low > 0xDFFF)
		return 0xFFFD;
	*i += 2;
	return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/*
 * Notepad's "Unicode". Converting loses nothing: as UTF-8 a name is what ESXi
 * and Linux call the file.
 */
static bool
decode_utf16(const char *bytes, size_t n, struct vr_text *to)
{
	const uint8_t *p = (const uint8_t *)bytes;
	bool big = n >= 2 && p[0] == 0xFE && p[1] == 0xFF;
	bool little = n >= 2 && p[0] == 0xFF && p[1] == 0xFE;

	if (!big && !little)
		return false;
	for (size_t i = 2; n - i >= 2;)
		append_utf8(to, utf16_next(p, n, big, &i));
	return true;
}

struct reader {
	struct vr_text decoded;
	struct vr_lines lines;
	unsigned weight;
	bool ended;
};

static void
reader_free(struct reader *reader)
{
	vr_text_free(&reader->decoded);
}

static int
reader_begin(struct reader *reader, const char *bytes, size_t n)
{
	if (!decode_utf16(bytes, n, &reader->decoded)) {
		reader->lines = vr_lines_begin(bytes, n);
		return 0;
	}
	if (reader->decoded.failed)
		return vr_fail_memory();
	reader->lines =
		vr_lines_begin(reader->decoded.bytes, reader->decoded.length);
	return 0;
}

/*
 * A NUL ends the text: what follows may be left from a longer one. Before the
 * first line of weight it is only one of the bytes that overwrote the front.
 */
static bool
reader_next(struct reader *reader, struct line *ret)
{
	struct vr_part text;
	char stop;

	if (reader->ended || !vr_lines_next(&reader->lines, &text, &stop))
		return false;
	read_line(text, ret);
	reader->weight += ret->weight;
	reader->ended = stop == '\0' && reader->weight > 0;
	return true;
}

/* Something other than padding behind the end. */
static bool
reader_left(const struct reader *reader)
{
	for (const char *p = reader->lines.at; p < reader->lines.end; p++)
		if (*p != '\0')
			return true;
	return false;
}

/*
 * Small sparse disks hold a descriptor in their second sector, but are none:
 * their data is in the same file, and the extent line names the file itself.
 * open-vmdk marks unfinished ones with "kdmv".
 */
static bool
is_container(const char *bytes, size_t n)
{
	struct vr_part all = {bytes, n};

	return vr_part_starts(all, "KDMV") || vr_part_starts(all, "COWD") ||
	       vr_part_starts(all, "\xBE\xBA\xFE\xCA");
}

bool
vr_descriptor_looks_like(const char *bytes, size_t n)
{
	vr_cleanup(reader_free) struct reader reader = {0};
	struct line line;

	n = vr_min(n, VR_DESCRIPTOR_LOOK);
	if (is_container(bytes, n) || reader_begin(&reader, bytes, n) < 0)
		return false;
	while (reader.weight < WEIGHT_ENOUGH)
		if (!reader_next(&reader, &line))
			return false;
	return true;
}

/* --- what the lines say ------------------------------------------------- */

int
vr_descriptor_add_up(size_t number, uint64_t sectors, uint64_t offset_sectors,
		     uint64_t *sum)
{
	uint64_t end, more, bytes;

	if (!vr_add(offset_sectors, sectors, &end) ||
	    !vr_mul(end, VR_SECTOR, &bytes) || bytes > INT64_MAX)
		return vr_fail(VR_E_LIMIT,
			       "extent %zu: ends beyond the 63 bits that "
			       "offsets have",
			       number);
	if (!vr_add(*sum, sectors, &more) || !vr_mul(more, VR_SECTOR, &bytes) ||
	    bytes > INT64_MAX)
		return vr_fail(VR_E_LIMIT,
			       "extent %zu: the capacity exceeds the 63 bits "
			       "that offsets have",
			       number);
	*sum = more;
	return 0;
}

static int
add_extent(struct vr_descriptor *d, const struct extent_line *line)
{
	vr_cleanup(vr_free_p) char *type = NULL;
	vr_cleanup(vr_free_p) char *name = NULL;
	int r;

	type = vr_part_copy(line->type);
	name = line->name.n ? vr_part_copy(line->name) : NULL;
	if (!type || (line->name.n && !name))
		return vr_fail_memory();
	for (char *c = type; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');

	r = VR_PUSH(&d->extents, {.access = line->access,
				  .sectors = line->sectors,
				  .type = type,
				  .name = name,
				  .offset_sectors = line->offset_sectors});
	if (r < 0)
		return r;
	type = name = NULL;
	return 0;
}

static int
take_extent(struct vr_descriptor *d, const struct extent_line *line)
{
	size_t number = d->extents.count + 1;
	int r;

	if (number > EXTENTS_MOST)
		return vr_fail(VR_E_LIMIT, "more than %d extent lines",
			       EXTENTS_MOST);
	if (line->name.n > NAME_BYTES)
		return vr_fail(VR_E_LIMIT,
			       "extent %zu: a file name of %zu bytes", number,
			       line->name.n);
	r = vr_descriptor_add_up(number, line->sectors, line->offset_sectors,
				 &d->sectors);
	if (r < 0)
		return r;
	return add_extent(d, line);
}

/* Where a key stands twice its last sound value counts. */
static void
note_pair(struct vr_descriptor *d, struct vr_part key, struct vr_part value)
{
	uint64_t version;

	if (vr_part_is(key, "version")) {
		if (vr_parse_decimal(value.s, value.n, &version) &&
		    version <= UINT32_MAX)
			d->version = (unsigned)version;
	} else if (vr_part_is(key, "CID")) {
		d->has_cid |= read_cid(value, &d->cid);
	} else if (vr_part_is(key, "parentCID")) {
		d->has_parent_cid |= read_cid(value, &d->parent_cid);
	}
}

static int
take_pair(struct vr_descriptor *d, struct vr_part key, struct vr_part value)
{
	vr_cleanup(vr_free_p) char *key_copy = NULL;
	vr_cleanup(vr_free_p) char *value_copy = NULL;
	int r;

	if (d->entries.count >= ENTRIES_MOST)
		return vr_fail(VR_E_LIMIT, "more than %d keys", ENTRIES_MOST);
	key_copy = vr_part_copy(key);
	value_copy = vr_part_copy(value);
	if (!key_copy || !value_copy)
		return vr_fail_memory();

	r = VR_PUSH(&d->entries, {key_copy, value_copy});
	if (r < 0)
		return r;
	key_copy = value_copy = NULL;
	note_pair(d, key, value);
	return 0;
}

static int
take_line(struct vr_descriptor *d, const struct line *line)
{
	switch (line->kind) {
	case LINE_EXTENT:
		return take_extent(d, &line->extent);
	case LINE_PAIR:
		return take_pair(d, line->key, line->value);
	case LINE_BAD:
		d->bad_lines++;
		break;
	case LINE_IDLE:
		break;
	}
	return 0;
}

/* --- what else it may be ------------------------------------------------ */

/* Of encrypted bytes every tenth is a control byte, of a text none. */
static bool
is_binary(const char *bytes, size_t n)
{
	size_t controls = 0;

	n = vr_min(n, VR_DESCRIPTOR_LOOK);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];

		controls += c < ' ' && (c < '\t' || c > '\r');
	}
	return controls > n / 50;
}

static int
no_descriptor(const char *bytes, size_t n)
{
	size_t filled = n;

	while (filled && bytes[filled - 1] == '\0')
		filled--;
	if (filled == 0)
		return vr_fail(VR_E_FORMAT, "not a descriptor: %s",
			       n ? "nothing but zeros" : "empty");
	if (is_container(bytes, n))
		return vr_fail(VR_E_FORMAT,
			       "not a descriptor but a sparse disk");
	if (is_binary(bytes, filled))
		return vr_fail(VR_E_FORMAT,
			       "not a descriptor: %zu bytes that are no text, "
			       "encrypted or overwritten",
			       filled);
	return vr_fail(VR_E_FORMAT,
		       "not a descriptor: text, but too little of it is a "
		       "virtual disk's");
}

/* --- verbs -------------------------------------------------------------- */

int
vr_descriptor_parse(const char *bytes, size_t n, struct vr_descriptor **ret)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;
	vr_cleanup(reader_free) struct reader reader = {0};
	struct line line;
	int r;

	if (n > VR_DESCRIPTOR_MOST)
		return vr_fail(VR_E_LIMIT, "a descriptor of %zu bytes", n);
	if (is_container(bytes, n))
		return no_descriptor(bytes, n);
	d = calloc(1, sizeof(*d));
	if (!d)
		return vr_fail_memory();
	r = reader_begin(&reader, bytes, n);
	if (r < 0)
		return r;

	while (reader_next(&reader, &line)) {
		r = take_line(d, &line);
		if (r < 0)
			return r;
	}
	if (reader.weight < WEIGHT_ENOUGH)
		return no_descriptor(bytes, n);
	d->bad_lines += reader_left(&reader);
	*ret = vr_steal(d);
	return 0;
}

void
vr_descriptor_free(struct vr_descriptor *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->extents.count; i++) {
		free(d->extents.items[i].type);
		free(d->extents.items[i].name);
	}
	free(d->extents.items);
	for (size_t i = 0; i < d->entries.count; i++) {
		free(d->entries.items[i].key);
		free(d->entries.items[i].value);
	}
	free(d->entries.items);
	free(d);
}

const char *
vr_descriptor_get(const struct vr_descriptor *d, const char *key)
{
	for (size_t i = d->entries.count; i-- > 0;)
		if (vr_same_word(d->entries.items[i].key, key))
			return d->entries.items[i].value;
	return NULL;
}
