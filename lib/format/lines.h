/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_LINES_H
#define VR_FORMAT_LINES_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * What VMware's text files have in common: a text cut into lines, and lines
 * into parts, without copying. A part has no NUL behind it and lives as long as
 * the text. Every function looks at each byte once, so a parser that calls them
 * line by line is linear in the text.
 */
struct vr_part {
	const char *s;
	size_t n;
};

/* Not tolower(): in a Turkish locale FILENAME would not match fileName. */
static inline char
vr_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* In any letter case. */
static inline bool
vr_part_starts(struct vr_part p, const char *word)
{
	size_t i = 0;

	while (word[i] && i < p.n && vr_lower(p.s[i]) == vr_lower(word[i]))
		i++;
	return word[i] == '\0';
}

static inline bool
vr_part_is(struct vr_part p, const char *word)
{
	return p.n == strlen(word) && vr_part_starts(p, word);
}

/* Two whole words in any letter case. */
static inline bool
vr_same_word(const char *a, const char *b)
{
	return vr_part_is((struct vr_part){a, strlen(a)}, b);
}

static inline bool
vr_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline struct vr_part
vr_part_from(struct vr_part p, size_t start)
{
	return (struct vr_part){p.s + start, p.n - start};
}

static inline struct vr_part
vr_part_trim(struct vr_part p)
{
	while (p.n && vr_is_blank(p.s[0]))
		p = vr_part_from(p, 1);
	while (p.n && vr_is_blank(p.s[p.n - 1]))
		p.n--;
	return p;
}

/* Takes the first word, up to a blank or a quote, off the rest. */
static inline struct vr_part
vr_part_word(struct vr_part *rest)
{
	struct vr_part word = vr_part_trim(*rest);
	size_t n = 0;

	while (n < word.n && !vr_is_blank(word.s[n]) && word.s[n] != '"')
		n++;
	*rest = vr_part_trim(vr_part_from(word, n));
	word.n = n;
	return word;
}

/* Control bytes stand in no text that a person or VMware wrote. */
static inline bool
vr_part_is_text(struct vr_part p)
{
	for (size_t i = 0; i < p.n; i++) {
		unsigned char c = (unsigned char)p.s[i];

		if ((c < 0x20 && c != '\t') || c == 0x7F)
			return false;
	}
	return true;
}

/* NULL when memory ran out. */
static inline char *
vr_part_copy(struct vr_part p)
{
	char *copy = malloc(p.n + 1);

	if (!copy)
		return NULL;
	if (p.n)
		memcpy(copy, p.s, p.n);
	copy[p.n] = '\0';
	return copy;
}

/* Either quote may be missing; what stands behind the last one is no value. */
static inline struct vr_part
vr_part_unquote(struct vr_part p)
{
	const char *last;

	if (p.n && p.s[0] == '"') {
		p = vr_part_from(p, 1);
		last = p.n ? memrchr(p.s, '"', p.n) : NULL;
		if (last)
			p.n = (size_t)(last - p.s);
	} else if (p.n && p.s[p.n - 1] == '"') {
		p.n--;
	}
	return p;
}

/* Longer than any key that VMware knows. */
#define VR_KEY_BYTES 256

static inline bool
vr_part_is_key(struct vr_part p)
{
	if (p.n == 0 || p.n > VR_KEY_BYTES)
		return false;
	for (size_t i = 0; i < p.n; i++)
		if (p.s[i] <= ' ' || p.s[i] > '~' || p.s[i] == '"')
			return false;
	return true;
}

/* key = value, with or without quotes and blanks. */
static inline bool
vr_part_pair(struct vr_part line, struct vr_part *ret_key,
	     struct vr_part *ret_value)
{
	const char *equals = line.n ? memchr(line.s, '=', line.n) : NULL;
	struct vr_part key, value;

	if (!equals)
		return false;
	key = vr_part_trim((struct vr_part){line.s, (size_t)(equals - line.s)});
	value = vr_part_trim(vr_part_from(line, (size_t)(equals - line.s) + 1));
	if (!vr_part_is_key(key) || !vr_part_is_text(value))
		return false;
	*ret_key = key;
	*ret_value = vr_part_unquote(value);
	return true;
}

struct vr_lines {
	const char *at, *end;
};

/* A byte order mark is not part of the first line. */
static inline struct vr_lines
vr_lines_begin(const char *bytes, size_t n)
{
	size_t mark = n >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

	return (struct vr_lines){n ? bytes + mark : NULL, n ? bytes + n : NULL};
}

/*
 * The next line, trimmed; false behind the last. LF, CR and NUL end a line: so
 * CRLF makes an empty line more, which nobody minds. *ret_stop is the byte that
 * ended it, LF at the end of the text.
 */
static inline bool
vr_lines_next(struct vr_lines *lines, struct vr_part *ret_line, char *ret_stop)
{
	const char *start = lines->at, *p = start;

	if (start == lines->end)
		return false;
	while (p < lines->end && *p != '\n' && *p != '\r' && *p != '\0')
		p++;
	*ret_stop = p < lines->end ? *p : '\n';
	lines->at = p < lines->end ? p + 1 : p;
	*ret_line = vr_part_trim((struct vr_part){start, (size_t)(p - start)});
	return true;
}

#endif
