/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text form: a mapfile as the GNU ddrescue manual defines it ("Mapfile
 * structure"), block lines contiguous from 0. Its four statuses cannot tell an
 * encrypted byte from an unreadable one, nor one layer from another; so the
 * whole map stands in comments as well, a run a line:
 *
 *	# run LAYER DAMAGE FIRST LENGTH STRIDE COUNT
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "map/map.h"

#define MAGIC	    "# vmdk-rescue map 1"
#define LINES_LEFT  "# block lines left out: the runs above are the map"
#define WORDS_MOST  8
#define NUMBER_FORM "0x%08" PRIX64

/*
 * A run costs a line and counts to 2^64: what a text can make us do is bounded
 * here, at a second or two. Maps of our own making stay far below.
 */
#define EFFORT_MOST  (UINT64_C(1) << 26)
#define DETOURS_MOST (UINT64_C(1) << 20)

const char *
vr_damage_name(enum vr_damage damage)
{
	static const char *const names[VR_DAMAGES] = {
		[VR_UNKNOWN] = "unknown",	[VR_INTACT] = "intact",
		[VR_SUSPECT] = "suspect",	[VR_ENCRYPTED] = "encrypted",
		[VR_UNREADABLE] = "unreadable", [VR_RECOVERED] = "recovered",
	};

	return (unsigned)damage < VR_DAMAGES ? names[damage] : "?";
}

const char *
vr_layer_name(enum vr_layer layer)
{
	static const char *const names[VR_LAYERS] = {
		[VR_LAYER_PROFILE] = "profile",
		[VR_LAYER_MEASURED] = "measured",
		[VR_LAYER_HAND] = "hand",
	};

	return (unsigned)layer < VR_LAYERS ? names[layer] : "?";
}

static const uint8_t status_of[VR_DAMAGES] = {
	[VR_UNKNOWN] = '?',   [VR_INTACT] = '+',     [VR_SUSPECT] = '*',
	[VR_ENCRYPTED] = '-', [VR_UNREADABLE] = '-', [VR_RECOVERED] = '+',
};

/* A run of block lines of one status, as the file shows it. */
static char
status_span(const struct vr_map *map, uint64_t off, uint64_t *ret_end)
{
	struct vr_span span;

	vr_map_at(map, off, &span);
	*ret_end = vr_map_same(map, off, status_of);
	return (char)status_of[span.damage];
}

/* --- writing ------------------------------------------------------------ */

uint64_t
vr_map_lines(const struct vr_map *map, uint64_t most)
{
	uint64_t lines = 0;

	for (uint64_t off = 0; off < vr_map_size(map) && lines < most; lines++)
		status_span(map, off, &off);
	return lines;
}

static void
write_runs(const struct vr_map *map, FILE *to)
{
	struct vr_map_cursor cursor = {0};
	struct vr_map_item item;

	while (vr_map_walk(map, &cursor, &item))
		fprintf(to,
			"# run %s %s 0x%" PRIX64 " 0x%" PRIX64 " 0x%" PRIX64
			" %" PRIu64 "\n",
			vr_layer_name(item.layer), vr_damage_name(item.damage),
			item.run.first, item.run.length, item.run.stride,
			item.run.count);
}

static void
write_lines(const struct vr_map *map, FILE *to)
{
	for (uint64_t off = 0, end; off < vr_map_size(map) && !ferror(to);
	     off = end) {
		char status = status_span(map, off, &end);

		fprintf(to, NUMBER_FORM "  " NUMBER_FORM "  %c\n", off,
			end - off, status);
	}
}

int
vr_map_write(const struct vr_map *map, FILE *to, bool lines)
{
	fprintf(to,
		"# Mapfile. Damage map by vmdk-rescue %s\n" MAGIC "\n"
		"# size %" PRIu64 "\n"
		"# + intact or recovered   - encrypted or unreadable   "
		"* suspect   ? unknown\n",
		vr_version(), vr_map_size(map));
	write_runs(map, to);
	if (!lines)
		fputs(LINES_LEFT "\n", to);

	fputs("# current_pos  current_status  current_pass\n"
	      "0x00000000     +               1\n"
	      "#      pos        size  status\n",
	      to);
	if (lines)
		write_lines(map, to);
	else if (vr_map_size(map))
		fprintf(to, "0x00000000  " NUMBER_FORM "  ?\n",
			vr_map_size(map));

	if (fflush(to) != 0 || ferror(to))
		return vr_fail_errno("writing the damage map");
	return 0;
}

/* --- reading ------------------------------------------------------------ */

struct line {
	size_t number, words;
	struct word {
		const char *text;
		size_t length;
	} word[WORDS_MOST];
};

/* The text is gone through three times: for the heading, the runs, the lines. */
struct reader {
	const char *text, *at, *end;
	size_t number;
	struct vr_map *map;
	bool ours, lines_left_out, status_seen;
	uint64_t reached, detours;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next line into words; false at the end of the text. */
static bool
next_line(struct reader *reader, struct line *ret)
{
	const char *stop, *p = reader->at;

	if (p >= reader->end)
		return false;
	stop = memchr(p, '\n', (size_t)(reader->end - p));
	stop = stop ? stop : reader->end;
	*ret = (struct line){.number = ++reader->number};
	reader->at = stop < reader->end ? stop + 1 : stop;
	while (p < stop && ret->words < WORDS_MOST) {
		const char *start;

		while (p < stop && is_blank(*p))
			p++;
		start = p;
		while (p < stop && !is_blank(*p))
			p++;
		if (p > start)
			ret->word[ret->words++] =
				(struct word){start, (size_t)(p - start)};
	}
	return true;
}

static bool
word_is(const struct line *line, size_t i, const char *text)
{
	return i < line->words && line->word[i].length == strlen(text) &&
	       memcmp(line->word[i].text, text, line->word[i].length) == 0;
}

static bool
word_number(const struct line *line, size_t i, uint64_t *ret)
{
	return i < line->words &&
	       vr_parse_number(line->word[i].text, line->word[i].length, ret);
}

static int
bad_line(const struct line *line, const char *what)
{
	return vr_fail(VR_E_FORMAT, "line %zu of the map: %s", line->number,
		       what);
}

static bool
is_comment(const struct line *line)
{
	return line->words == 0 || line->word[0].text[0] == '#';
}

static int
word_name(const struct line *line, size_t i, const char *(*name)(unsigned),
	  unsigned count, unsigned *ret)
{
	for (unsigned v = 0; v < count; v++)
		if (word_is(line, i, name(v))) {
			*ret = v;
			return 0;
		}
	return bad_line(line, "a run of an unknown layer or damage");
}

static const char *
layer_name(unsigned v)
{
	return vr_layer_name((enum vr_layer)v);
}

static const char *
damage_name(unsigned v)
{
	return vr_damage_name((enum vr_damage)v);
}

/* # run LAYER DAMAGE FIRST LENGTH STRIDE COUNT */
static int
read_run(struct reader *reader, const struct line *line)
{
	uint64_t first, length, stride, count;
	unsigned layer = 0, damage = 0;
	struct vr_run run;
	int r;

	r = word_name(line, 2, layer_name, VR_LAYERS, &layer);
	if (r == 0)
		r = word_name(line, 3, damage_name, VR_DAMAGES, &damage);
	if (r < 0)
		return r;
	if (!word_number(line, 4, &first) || !word_number(line, 5, &length) ||
	    !word_number(line, 6, &stride) || !word_number(line, 7, &count) ||
	    !vr_run_make(first, length, stride, count, &run))
		return bad_line(line, "a run needs four sound numbers");
	return vr_map_add(reader->map, (enum vr_layer)layer,
			  (enum vr_damage)damage, &run);
}

static int
damage_of_status(const struct line *line, enum vr_damage *ret)
{
	switch (line->words == 3 && line->word[2].length == 1
			? line->word[2].text[0]
			: 0) {
	case '+':
		*ret = VR_INTACT;
		return 0;
	case '-':
		*ret = VR_ENCRYPTED;
		return 0;
	case '*':
	case '/':
		*ret = VR_SUSPECT;
		return 0;
	case '?':
		*ret = VR_UNKNOWN;
		return 0;
	default:
		return bad_line(line, "a block line is POSITION SIZE STATUS, "
				      "with one of + - * / ?");
	}
}

/*
 * What a person changed in a block line outweighs the comment above it; where
 * the lines were left out, only what was filled in.
 */
static int
lay_block(struct reader *reader, uint64_t pos, uint64_t end,
	  enum vr_damage damage)
{
	if (reader->lines_left_out && damage == VR_UNKNOWN)
		return 0;
	while (pos < end) {
		uint64_t change;
		char known = status_span(reader->map, pos, &change);
		int r = 0;

		change = vr_min(change, end);
		if (!reader->ours || known != status_of[damage])
			r = vr_map_add_range(reader->map, VR_LAYER_HAND, damage,
					     pos, change - pos);
		if (r < 0)
			return r;
		if (change < end && ++reader->detours > DETOURS_MOST)
			return vr_fail(VR_E_LIMIT,
				       "the map's lines and runs differ in "
				       "too many places; without its comments "
				       "the lines alone would count");
		pos = change;
	}
	return 0;
}

static int
read_block(struct reader *reader, const struct line *line)
{
	uint64_t pos, length, end;
	enum vr_damage damage;
	int r;

	if (!word_number(line, 0, &pos) || !word_number(line, 1, &length) ||
	    length == 0 || !vr_add(pos, length, &end))
		return bad_line(line, "position or size is no sound number");
	if (pos != reader->reached)
		return bad_line(line,
				"blocks must touch each other, from 0 on");
	if (end > vr_map_size(reader->map))
		return bad_line(line, "a block leaves the size of the map");
	r = damage_of_status(line, &damage);
	if (r < 0)
		return r;
	reader->reached = end;
	return lay_block(reader, pos, end, damage);
}

static void
rewind_to_start(struct reader *reader)
{
	reader->at = reader->text;
	reader->number = 0;
}

/* The size is said in a comment of ours, or is where the last block ends. */
static int
read_heading(struct reader *reader, uint64_t *ret_size)
{
	uint64_t said = 0, pos, length, end, reached = 0;
	bool is_said = false;
	struct line line;

	rewind_to_start(reader);
	while (next_line(reader, &line)) {
		if (!is_comment(&line)) {
			if (line.words >= 3 && word_number(&line, 0, &pos) &&
			    word_number(&line, 1, &length) &&
			    vr_add(pos, length, &end))
				reached = vr_max(reached, end);
			continue;
		}
		if (word_is(&line, 1, "vmdk-rescue") &&
		    word_is(&line, 2, "map"))
			reader->ours = true;
		if (reader->ours && !is_said && word_is(&line, 1, "size"))
			is_said = word_number(&line, 2, &said);
		if (reader->ours && word_is(&line, 1, "block") &&
		    word_is(&line, 2, "lines"))
			reader->lines_left_out = true;
	}
	if (!is_said && reached == 0)
		return vr_fail(VR_E_FORMAT,
			       "no block line: not a ddrescue map");
	*ret_size = is_said ? said : reached;
	return 0;
}

static int
read_runs(struct reader *reader)
{
	struct line line;
	int r = 0;

	rewind_to_start(reader);
	while (r == 0 && reader->ours && next_line(reader, &line))
		if (is_comment(&line) && word_is(&line, 1, "run"))
			r = read_run(reader, &line);
	return r;
}

static int
read_lines(struct reader *reader)
{
	struct line line;
	int r = 0;

	rewind_to_start(reader);
	while (r == 0 && next_line(reader, &line)) {
		if (is_comment(&line))
			continue;
		if (reader->status_seen)
			r = read_block(reader, &line);
		reader->status_seen = true;
	}
	if (r == 0 && !reader->status_seen)
		return vr_fail(VR_E_FORMAT,
			       "no status line: not a ddrescue map");
	return r;
}

static int
check_effort(const struct vr_map *map)
{
	if (vr_map_effort(map) <= EFFORT_MOST)
		return 0;
	return vr_fail(VR_E_LIMIT, "the map's runs overlap in a way that "
				   "would take too long to add up");
}

int
vr_map_read(const char *text, size_t n, struct vr_map **ret)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	struct reader reader = {.text = text, .end = text + n};
	uint64_t size = 0;
	int r;

	r = read_heading(&reader, &size);
	if (r == 0)
		r = vr_map_new(size, &map);
	if (r < 0)
		return r;
	reader.map = map;
	r = read_runs(&reader);
	if (r == 0)
		r = check_effort(map);
	if (r == 0)
		r = read_lines(&reader);
	if (r == 0)
		r = check_effort(map);
	if (r < 0)
		return r;
	*ret = vr_steal(map);
	return 0;
}
