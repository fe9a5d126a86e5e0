/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile/args.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define FIELDS	   3
#define FIELD_MOST 20 /* digits of 2^64 */

/* Ends a field at the separator; the last field ends with the text. */
static int
cut_fields(const char *bytes, size_t n, char separator, uint64_t field[FIELDS])
{
	static const char *const names[FIELDS] = {"step", "chunk",
						  "byte count"};
	size_t at = 0;

	for (size_t i = 0; i < FIELDS; i++) {
		const char *stop = memchr(bytes + at, separator, n - at);
		size_t length =
			(stop && i + 1 < FIELDS ? (size_t)(stop - bytes) : n) -
			at;

		if (i + 1 < FIELDS && !stop)
			return vr_fail(VR_E_FORMAT,
				       "has %zu of the three numbers", i + 1);
		if (length > FIELD_MOST ||
		    !vr_parse_decimal(bytes + at, length, &field[i]))
			return vr_fail(VR_E_FORMAT,
				       "its %s is not a plain decimal number",
				       names[i]);
		at += length + 1;
	}
	return 0;
}

static int
check_fields(const uint64_t field[FIELDS], struct vr_args *ret)
{
	if (field[0] > INT32_MAX || field[1] > INT32_MAX ||
	    field[2] > INT64_MAX)
		return vr_fail(
			VR_E_FORMAT,
			"has a number beyond what the encryptor can hold");
	if (field[1] == 0)
		return vr_fail(VR_E_FORMAT,
			       "has a chunk of 0: nothing would be encrypted");
	if (field[2] == 0)
		return vr_fail(VR_E_FORMAT,
			       "has a byte count of 0, which the attack's "
			       "script never writes");
	ret->step = field[0];
	ret->chunk = field[1];
	ret->bytes = field[2];
	return 0;
}

static int
parse(const char *bytes, size_t n, char separator, struct vr_args *ret)
{
	uint64_t field[FIELDS];
	int r;

	r = cut_fields(bytes, n, separator, field);
	if (r < 0)
		return r;
	return check_fields(field, ret);
}

int
vr_args_parse(const char *bytes, size_t n, struct vr_args *ret)
{
	struct vr_args args = {0};
	int r;

	if (n == 0)
		return vr_fail(VR_E_FORMAT, "is empty");
	if (n > VR_ARGS_MOST)
		return vr_fail(VR_E_FORMAT, "is too long for three numbers");
	if (memchr(bytes, '\0', n))
		return vr_fail(VR_E_FORMAT, "holds NUL bytes, not text");

	args.carried = bytes[n - 1] != '\n';
	n -= !args.carried;
	if (!args.carried && n > 0 && bytes[n - 1] == '\r') {
		args.carried = true;
		n--;
	}
	if (memchr(bytes, '\n', n))
		return vr_fail(VR_E_FORMAT, "has more than one line");
	r = parse(bytes, n, ' ', &args);
	if (r < 0)
		return r;
	*ret = args;
	return 0;
}

int
vr_args_parse_option(const char *option, struct vr_args *ret)
{
	struct vr_args args = {0};
	int r;

	r = parse(option, strlen(option), ',', &args);
	if (r < 0)
		return r;
	*ret = args;
	return 0;
}
