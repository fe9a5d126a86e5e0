/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile/pattern.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

#define NUMBERS 3

static int
not_a_pattern(const char *text)
{
	return vr_fail(VR_E_USAGE,
		       "'%s' is neither the name of a profile nor "
		       "FIRST,CHUNK,PERIOD in bytes, as in 0,1048576,2097152",
		       text);
}

static bool
cut_numbers(const char *text, uint64_t number[NUMBERS])
{
	for (size_t i = 0; i < NUMBERS; i++) {
		size_t n = strcspn(text, ",");

		if (!vr_parse_number(text, n, &number[i]) ||
		    (text[n] == ',') != (i + 1 < NUMBERS))
			return false;
		text += n + 1;
	}
	return true;
}

int
vr_pattern_parse(const char *text, uint64_t length, struct vr_hypothesis *ret)
{
	uint64_t number[NUMBERS];
	struct vr_hypothesis h;
	bool single;

	if (!cut_numbers(text, number))
		return not_a_pattern(text);
	single = number[2] == 0;
	h = (struct vr_hypothesis){
		.profile = "by hand",
		.reason = "the command line",
		.condition = single ? VR_CONDITION_HEAD : VR_CONDITION_STRIPED,
		.first = number[0],
		.chunk = number[1],
		.period = single ? vr_max(length, number[1]) : number[2],
	};
	if (h.chunk == 0 || h.period < h.chunk ||
	    (h.chunk < VR_SECTOR && h.period < 3 * h.chunk) ||
	    h.first >= length)
		return vr_fail(
			VR_E_USAGE,
			"'%s' is no pattern for this disk: a period is no "
			"shorter than its chunk, three times as long below "
			"512 bytes, and the first one begins on the disk",
			text);
	vr_hypothesis_bound(&h, "end of file",
			    single ? vr_min(h.first + h.chunk, length)
				   : length);
	*ret = h;
	return 0;
}

char *
vr_pattern_line(const struct vr_hypothesis *h)
{
	bool single = vr_hypothesis_count(h, vr_hypothesis_end(h)) <= 1;

	return vr_format("%" PRIu64 ",%" PRIu64 ",%" PRIu64, h->first, h->chunk,
			 single ? 0 : h->period);
}

bool
vr_profile_named(const char *name)
{
	for (size_t i = 0; vr_profile_row(i); i++)
		if (strcmp(vr_profile_row(i)->name, name) == 0)
			return true;
	return false;
}
