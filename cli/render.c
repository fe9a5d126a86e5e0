/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_LEAST 40
#define COLUMNS_MOST  160

static bool
is_plain(const char *s)
{
	/* What vr_printable() leaves alone, apart from backslashes. */
	char *shown = vr_printable(s);
	bool same = shown && strcmp(shown, s) == 0;

	free(shown);
	return same;
}

static void
print_plain(FILE *to, const char *s)
{
	char *shown;

	if (is_plain(s)) {
		fputs(s, to);
		return;
	}
	/* Backslashes were doubled already where a name was quoted. */
	for (const char *slash; (slash = strchr(s, '\\')); s = slash + 1) {
		char *part = strndup(s, (size_t)(slash - s));

		shown = part ? vr_printable(part) : NULL;
		fprintf(to, "%s\\", shown ? shown : "?");
		free(shown);
		free(part);
	}
	shown = vr_printable(s);
	fputs(shown ? shown : "?", to);
	free(shown);
}

void
render_error(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	fputs("vmdk-rescue: ", stderr);
	print_plain(stderr, text ? text : "out of memory");
	fputc('\n', stderr);
	free(text);
}

static bool
wants_colour(FILE *to)
{
	const char *no = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return !(no && *no) && isatty(fileno(to)) &&
	       !(term && strcmp(term, "dumb") == 0);
}

const char *
render_colour(FILE *to, enum colour colour)
{
	static const char *const codes[] = {
		[PLAIN] = "\033[0m",   [BOLD] = "\033[1m", [GREEN] = "\033[32m",
		[YELLOW] = "\033[33m", [RED] = "\033[31m",
	};

	return wants_colour(to) ? codes[colour] : "";
}

bool
render_is_loss(enum vr_condition condition)
{
	return condition == VR_CONDITION_WHOLE ||
	       condition == VR_CONDITION_FOREIGN ||
	       condition == VR_CONDITION_UNREADABLE ||
	       condition == VR_CONDITION_UNDECIDED;
}

enum colour
render_colour_of(enum vr_condition condition)
{
	if (condition == VR_CONDITION_UNTOUCHED ||
	    condition == VR_CONDITION_LOCKED)
		return GREEN;
	return render_is_loss(condition) ? RED : YELLOW;
}

unsigned
render_columns(FILE *to)
{
	struct winsize size;

	if (!isatty(fileno(to)) || ioctl(fileno(to), TIOCGWINSZ, &size) < 0 ||
	    size.ws_col == 0)
		return 80;
	return size.ws_col < COLUMNS_LEAST  ? COLUMNS_LEAST
	       : size.ws_col > COLUMNS_MOST ? COLUMNS_MOST
					    : size.ws_col;
}

/* Columns that UTF-8 text takes, near enough: continuation bytes take none. */
static unsigned
columns_of(const char *s, size_t n)
{
	unsigned columns = 0;

	for (size_t i = 0; i < n; i++)
		columns += (s[i] & 0xC0) != 0x80;
	return columns;
}

void
render_field(FILE *to, unsigned indent, unsigned at, const char *label,
	     const char *text)
{
	unsigned width = render_columns(to), column;

	fprintf(to, "%*s%s", (int)indent, "", label);
	column = indent + columns_of(label, strlen(label));
	if (column >= at) {
		fputc('\n', to);
		column = 0;
	}
	fprintf(to, "%*s", (int)(at - column), "");
	column = at;
	while (*text) {
		size_t n = strcspn(text, " ");
		unsigned word = columns_of(text, n);

		if (column > at && column + 1 + word > width) {
			fprintf(to, "\n%*s", (int)at, "");
			column = at;
		} else if (column > at) {
			fputc(' ', to);
			column++;
		}
		fwrite(text, 1, n, to);
		column += word;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', to);
}

void
render_field_f(FILE *to, unsigned at, const char *label, const char *format,
	       ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	render_field(to, 2, at, label, text ? text : "(no memory)");
	free(text);
}

/* --- the picture ---------------------------------------------------------- */

#define PICTURE_ROWS 12

/* What a cell shows: any loss is seen, however small its share. */
static char
cell_glyph(const uint64_t bytes[VR_DAMAGES], uint64_t length,
	   enum colour *ret_colour)
{
	uint64_t lost = bytes[VR_ENCRYPTED] + bytes[VR_UNREADABLE];

	*ret_colour = lost ? RED : YELLOW;
	if (lost >= length - length / 100)
		return '#';
	if (lost >= length / 4)
		return '+';
	if (lost)
		return '-';
	if (bytes[VR_SUSPECT])
		return '*';
	if (bytes[VR_UNKNOWN])
		return '?';
	*ret_colour = GREEN;
	return '.';
}

static void
picture_row(FILE *to, const struct vr_map *map, uint64_t first, uint64_t cells,
	    unsigned columns)
{
	uint64_t size = vr_map_size(map);
	enum colour colour, last = PLAIN;
	uint64_t bytes[VR_DAMAGES];

	for (uint64_t i = first; i < first + columns && i < cells; i++) {
		uint64_t start = (uint64_t)((__uint128_t)size * i / cells);
		uint64_t end = (uint64_t)((__uint128_t)size * (i + 1) / cells);
		char glyph;

		vr_map_totals_in(map, start, end - start, bytes);
		glyph = cell_glyph(bytes, end - start, &colour);
		if (colour != last)
			fputs(render_colour(to, colour), to);
		last = colour;
		fputc(glyph, to);
	}
	fprintf(to, "%s\n", render_colour(to, PLAIN));
}

void
render_picture(FILE *to, const struct vr_map *map)
{
	unsigned columns = render_columns(to) - 12;
	uint64_t size = vr_map_size(map), cells = columns * PICTURE_ROWS;
	char room[32], legend[128];

	if (size / 512 < cells)
		cells = size / 512 ? size / 512 : 1;
	for (uint64_t i = 0; i < cells; i += columns) {
		fprintf(to, "%10s  ",
			vr_human_size(
				(uint64_t)((__uint128_t)size * i / cells) >>
					20 << 20,
				room));
		picture_row(to, map, i, cells, columns);
	}
	fputc('\n', to);
	snprintf(
		legend, sizeof(legend),
		"a sign is %s:  . intact  - some lost  + a quarter lost  # all "
		"lost  * suspect  ? unknown",
		vr_human_size(size / cells, room));
	render_field(to, 0, 12, "", legend);
}

void
render_finding(FILE *to, const struct vr_finding *finding)
{
	static const char *const labels[] = {
		[VR_NOTE] = "note",
		[VR_WARNING] = "warning",
		[VR_LOSS] = "LOSS",
	};

	render_field(to, 2, 14, labels[finding->severity], finding->text);
}
