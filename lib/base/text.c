/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/checked.h"
#include "base/error.h"

static bool
text_reserve(struct vr_text *t, size_t more)
{
	size_t wanted = t->room ? t->room : 64;
	char *grown;

	if (t->failed || more >= SIZE_MAX / 4 - t->length) {
		t->failed = true;
		return false;
	}
	while (wanted < t->length + more + 1)
		wanted *= 2;
	if (wanted == t->room)
		return true;

	grown = realloc(t->bytes, wanted);
	if (!grown) {
		t->failed = true;
		return false;
	}
	t->bytes = grown;
	t->room = wanted;
	return true;
}

void
vr_text_append(struct vr_text *t, const void *bytes, size_t n)
{
	if (!text_reserve(t, n))
		return;
	if (n)
		memcpy(t->bytes + t->length, bytes, n);
	t->length += n;
	t->bytes[t->length] = '\0';
}

static void
text_format_list(struct vr_text *t, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0)
		t->failed = true;
	if (n < 0 || !text_reserve(t, (size_t)n))
		return;
	vsnprintf(t->bytes + t->length, (size_t)n + 1, format, args);
	t->length += (size_t)n;
}

void
vr_text_format(struct vr_text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text_format_list(t, format, args);
	va_end(args);
}

int
vr_text_finish(struct vr_text *t, char **ret)
{
	vr_text_append(t, "", 0);
	if (t->failed) {
		vr_text_free(t);
		return vr_fail_memory();
	}
	*ret = vr_steal(t->bytes);
	vr_text_free(t);
	return 0;
}

void
vr_text_free(struct vr_text *t)
{
	free(t->bytes);
	*t = (struct vr_text){0};
}

char *
vr_format(const char *format, ...)
{
	struct vr_text t = {0};
	char *ret = NULL;
	va_list args;

	va_start(args, format);
	text_format_list(&t, format, args);
	va_end(args);
	return vr_text_finish(&t, &ret) < 0 ? NULL : ret;
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

static bool
parse_digits(const char *s, size_t n, int base, uint64_t *ret)
{
	uint64_t value = 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		int digit = digit_value(s[i]);

		if (digit >= base || !vr_mul(value, (uint64_t)base, &value) ||
		    !vr_add(value, (uint64_t)digit, &value))
			return false;
	}
	*ret = value;
	return true;
}

bool
vr_parse_decimal(const char *s, size_t n, uint64_t *ret)
{
	return parse_digits(s, n, 10, ret);
}

bool
vr_parse_number(const char *s, size_t n, uint64_t *ret)
{
	if (n > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return parse_digits(s + 2, n - 2, 16, ret);
	return parse_digits(s, n, 10, ret);
}

/* Length of the well-formed UTF-8 sequence at s, 0 where there is none. */
static size_t
utf8_length(const uint8_t *s, size_t n)
{
	size_t length = s[0] < 0x80   ? 1
			: s[0] < 0xC2 ? 0
			: s[0] < 0xE0 ? 2
			: s[0] < 0xF0 ? 3
			: s[0] < 0xF5 ? 4
				      : 0;

	if (length == 0 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies above U+10FFFF. */
	if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
	    (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
		return 0;
	return length;
}

bool
vr_is_utf8(const char *s, size_t n)
{
	for (size_t i = 0, step; i < n; i += step) {
		step = utf8_length((const uint8_t *)s + i, n - i);
		if (step == 0)
			return false;
	}
	return true;
}

/* C1 controls (U+0080 to U+009F) move a terminal's cursor like C0 does. */
static bool
is_control(const uint8_t *s, size_t length)
{
	return (length == 1 && (s[0] < 0x20 || s[0] == 0x7F)) ||
	       (length == 2 && s[0] == 0xC2 && s[1] < 0xA0);
}

char *
vr_printable(const char *name)
{
	const uint8_t *s = (const uint8_t *)name;
	size_t n = strlen(name);
	struct vr_text t = {0};
	char *ret = NULL;

	for (size_t i = 0, step; i < n; i += step) {
		step = utf8_length(s + i, n - i);
		if (s[i] == '\\')
			vr_text_append(&t, "\\\\", 2);
		else if (step && !is_control(s + i, step))
			vr_text_append(&t, s + i, step);
		else
			for (size_t j = 0; j < (step ? step : 1); j++)
				vr_text_format(&t, "\\x%02X", s[i + j]);
		step = step ? step : 1;
	}
	return vr_text_finish(&t, &ret) < 0 ? NULL : ret;
}

const char *
vr_human_size(uint64_t bytes, char room[32])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB",
					    "TiB",   "PiB", "EiB"};
	unsigned power = 0;
	double value = (double)bytes;

	while (value >= 1024 && power + 1 < sizeof(units) / sizeof(*units)) {
		value /= 1024;
		power++;
	}
	if (power == 0)
		snprintf(room, 32, "%" PRIu64 " %s", bytes,
			 bytes == 1 ? "byte" : "bytes");
	else if (bytes % (UINT64_C(1) << (10 * power)) == 0)
		snprintf(room, 32, "%.0f %s", value, units[power]);
	else
		snprintf(room, 32, "%.2f %s", value, units[power]);
	return room;
}

const char *
vr_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *
vr_folder_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/")
			     : strndup(path, (size_t)(slash - path));
}

bool
vr_ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcasecmp(s + n - m, suffix) == 0;
}
