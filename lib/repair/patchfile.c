/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repair/patchfile.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"

#define MAGIC	     "vmdk-rescue-patches 1"
#define BYTES_A_LINE 32

/* --- writing -------------------------------------------------------------- */

static const char *
risk_word(enum vr_risk risk)
{
	static const char *const words[] = {
		[VR_RISK_EXACT] = "exact",
		[VR_RISK_REBUILT] = "rebuilt",
		[VR_RISK_GUESSED] = "guessed",
	};

	return words[risk];
}

static void
write_fresh(FILE *to, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i += BYTES_A_LINE) {
		fputs("+ ", to);
		for (size_t j = i; j < n && j < i + BYTES_A_LINE; j++)
			fprintf(to, "%02x", bytes[j]);
		fputc('\n', to);
	}
}

/* Sector by sector: one that fails must not hide the others. */
static int
write_old(FILE *to, struct vr_source *lower, uint64_t off, size_t n)
{
	for (size_t at = 0, here; at < n; at += here) {
		uint8_t bytes[BYTES_A_LINE];
		int r;

		here = (size_t)vr_min(BYTES_A_LINE, n - at);
		r = vr_source_read_at(lower, bytes, here, off + at);
		if (r < 0 && r != VR_E_IO)
			return r;
		fputs("- ", to);
		for (size_t i = 0; i < here; i++)
			if (r == 0)
				fprintf(to, "%02x", bytes[i]);
			else
				fputs("??", to);
		fputc('\n', to);
	}
	return 0;
}

static void
write_words(FILE *to, const char *key, const char *words)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(words);

	fprintf(to, "%s %s\n", key, shown ? shown : "?");
}

static void
write_head(FILE *to, const struct vr_patchfile_head *head)
{
	fputs(MAGIC
	      "\n"
	      "# Bytes that give the guest its structures back. The evidence "
	      "stays as it is;\n"
	      "# to apply them to a copy of it, and to take them back:\n"
	      "#   vmdk-rescue patch THIS-FILE COPY\n"
	      "#   vmdk-rescue patch --undo THIS-FILE COPY\n",
	      to);
	write_words(to, "disk", head->disk);
	fprintf(to, "capacity %" PRIu64 "\n", head->capacity);
	for (size_t i = 0; i < head->evidence_count; i++)
		write_words(to, "evidence", head->evidence[i]);
}

static void
write_step(FILE *to, const struct vr_repair_step *step)
{
	fprintf(to, "step %s %s\n", step->row->name, risk_word(step->risk));
	write_words(to, "what", step->what);
	write_words(to, "from", step->evidence);
}

int
vr_patchfile_write(const struct vr_plan *plan, uint32_t disk,
		   struct vr_source *lower,
		   const struct vr_patchfile_head *head, FILE *to)
{
	size_t last = SIZE_MAX;

	write_head(to, head);
	for (size_t i = 0; i < plan->patches.count; i++) {
		const struct vr_repair_patch *p = &plan->patches.items[i];
		int r;

		if (p->disk != disk)
			continue;
		if (p->step != last)
			write_step(to, &plan->steps.items[p->step]);
		last = p->step;
		fprintf(to, "patch %" PRIu64 " %zu\n", p->off, p->length);
		r = write_old(to, lower, p->off, p->length);
		if (r < 0)
			return r;
		write_fresh(to, p->bytes, p->length);
	}
	return 0;
}

/* --- reading -------------------------------------------------------------- */

struct reader {
	struct vr_patchfile *file;
	const char *line;
	size_t length, number;
	size_t old, fresh; /* bytes of the patch under way that were read */
	size_t total;	   /* bytes of the text */
	bool started;
};

static int
bad(const struct reader *r, const char *what)
{
	return vr_fail(VR_E_FORMAT, "line %zu: %s", r->number, what);
}

static bool
has_key(const struct reader *r, const char *key)
{
	size_t n = strlen(key);

	return r->length > n && memcmp(r->line, key, n) == 0 &&
	       r->line[n] == ' ';
}

static struct vr_patchfile_item *
last_patch(const struct reader *r)
{
	struct vr_patchfile *f = r->file;

	return f->patches.count ? &f->patches.items[f->patches.count - 1]
				: NULL;
}

static bool
is_complete(const struct reader *r)
{
	const struct vr_patchfile_item *p = last_patch(r);

	return !p || (r->old == p->length && r->fresh == p->length);
}

static bool
allocate(struct vr_patchfile_item *p)
{
	p->old = calloc(1, p->length);
	p->fresh = calloc(1, p->length);
	p->known = calloc(p->length, sizeof(*p->known));
	return p->old && p->fresh && p->known;
}

static void
free_item(struct vr_patchfile_item *p)
{
	free(p->old);
	free(p->fresh);
	free(p->known);
}

static int
push_patch(struct reader *r, uint64_t off, uint64_t length)
{
	const struct vr_patchfile_item *last = last_patch(r);
	struct vr_patchfile_item p = {.off = off, .length = (size_t)length};
	int code;

	/* A short text cannot fill a long patch: that bounds the memory. */
	if (length > r->total)
		return bad(r, "a patch longer than the list");
	if (length == 0 || length > VR_PLAN_BYTES_MOST ||
	    !vr_inside(off, length, r->file->capacity))
		return bad(r, "a patch outside the disk");
	if (last && off < last->off + last->length)
		return bad(r, "patches must ascend and not overlap");
	code = allocate(&p) ? VR_PUSH(&r->file->patches, p) : vr_fail_memory();
	if (code < 0)
		free_item(&p);
	r->old = r->fresh = 0;
	return code;
}

static int
read_patch(struct reader *r)
{
	const char *numbers = r->line + 6;
	size_t n = r->length - 6;
	const char *blank = memchr(numbers, ' ', n);
	uint64_t off, length;

	if (!is_complete(r))
		return bad(r, "the patch above is not complete");
	if (!blank ||
	    !vr_parse_decimal(numbers, (size_t)(blank - numbers), &off) ||
	    !vr_parse_decimal(blank + 1, (size_t)(numbers + n - blank - 1),
			      &length))
		return bad(r, "a patch is 'patch OFFSET LENGTH'");
	return push_patch(r, off, length);
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int
read_hex(struct reader *r, bool fresh)
{
	struct vr_patchfile_item *p = last_patch(r);
	size_t *at = fresh ? &r->fresh : &r->old;
	size_t n = (r->length - 2) / 2;

	if (!p || r->length % 2 || n > p->length - *at)
		return bad(r, "bytes that belong to no patch");
	for (size_t i = 0; i < n; i++) {
		const char *c = r->line + 2 + 2 * i;
		bool unknown = c[0] == '?' && c[1] == '?';
		int high = digit(c[0]), low = digit(c[1]);

		if ((unknown && fresh) || (!unknown && (high < 0 || low < 0)))
			return bad(r, "not a byte in hexadecimal");
		if (fresh) {
			p->fresh[*at + i] = (uint8_t)(high << 4 | low);
			continue;
		}
		p->known[*at + i] = !unknown;
		p->old[*at + i] = (uint8_t)(unknown ? 0 : high << 4 | low);
	}
	*at += n;
	return 0;
}

/* vr_printable() backwards, in place: a path is to be found again. */
static void
unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] == '\\') {
			s++;
		} else if (s[0] == '\\' && s[1] == 'x') {
			int high = s[2] ? digit((char)(s[2] | 0x20)) : -1;
			int low = high >= 0 ? digit((char)(s[3] | 0x20)) : -1;

			if (low >= 0) {
				*to++ = (char)(high << 4 | low);
				s += 3;
				continue;
			}
		}
		*to++ = *s;
	}
	*to = '\0';
}

static int
read_evidence(struct reader *r)
{
	char *path = strndup(r->line + 9, r->length - 9);
	int code;

	if (path)
		unescape(path);
	code = path ? VR_PUSH(&r->file->evidence, path) : vr_fail_memory();

	if (code < 0)
		free(path);
	return code;
}

static int
read_line(struct reader *r)
{
	if (r->length == 0 || r->line[0] == '#')
		return 0;
	if (!r->started) {
		r->started = r->length == strlen(MAGIC) &&
			     memcmp(r->line, MAGIC, r->length) == 0;
		return r->started ? 0
				  : bad(r, "not a list of patches: its first "
					   "line is not '" MAGIC "'");
	}
	if (has_key(r, "-") || has_key(r, "+"))
		return read_hex(r, r->line[0] == '+');
	if (has_key(r, "patch"))
		return read_patch(r);
	if (has_key(r, "capacity"))
		return vr_parse_decimal(r->line + 9, r->length - 9,
					&r->file->capacity)
			       ? 0
			       : bad(r, "not a number of bytes");
	if (has_key(r, "evidence"))
		return read_evidence(r);
	if (has_key(r, "disk") || has_key(r, "step") || has_key(r, "what") ||
	    has_key(r, "from"))
		return 0;
	return bad(r, "a line that no list of patches has");
}

static int
read_lines(struct reader *r, const char *text, size_t n)
{
	const char *end = text + n;
	int code = 0;

	while (code == 0 && text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		r->line = text;
		r->length = (size_t)((stop ? stop : end) - text);
		r->number++;
		code = read_line(r);
		text = stop ? stop + 1 : end;
	}
	if (code == 0 && !r->started)
		return bad(r, "an empty list of patches");
	if (code == 0 && !is_complete(r))
		return bad(r, "the last patch is not complete");
	return code;
}

int
vr_patchfile_read(const char *text, size_t n, struct vr_patchfile **ret)
{
	vr_cleanup(vr_patchfile_free_p) struct vr_patchfile *file =
		calloc(1, sizeof(*file));
	struct reader r = {.file = file, .total = n};
	int code;

	if (!file)
		return vr_fail_memory();
	if (n > VR_PATCHFILE_MOST)
		return vr_fail(VR_E_LIMIT, "a list of patches of %zu bytes", n);
	code = read_lines(&r, text, n);
	if (code == 0)
		*ret = vr_steal(file);
	return code;
}

void
vr_patchfile_free(struct vr_patchfile *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->evidence.count; i++)
		free(p->evidence.items[i]);
	for (size_t i = 0; i < p->patches.count; i++)
		free_item(&p->patches.items[i]);
	free(p->evidence.items);
	free(p->patches.items);
	free(p);
}
