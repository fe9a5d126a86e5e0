/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "measure/damage.h"
#include "profile/args.h"
#include "profile/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted must be what the grammar allows, and print back the same. */
static void
check_accepted(const struct vr_args *args)
{
	char option[80];
	struct vr_args again;

	if (args->chunk == 0 || args->bytes == 0 || args->step > INT32_MAX ||
	    args->chunk > INT32_MAX || args->bytes > INT64_MAX)
		abort();
	snprintf(option, sizeof(option), "%llu,%llu,%llu",
		 (unsigned long long)args->step,
		 (unsigned long long)args->chunk,
		 (unsigned long long)args->bytes);
	if (vr_args_parse_option(option, &again) < 0 ||
	    again.step != args->step || again.chunk != args->chunk ||
	    again.bytes != args->bytes)
		abort();
}

static void
check_hypothesis(const struct vr_hypothesis *h, uint64_t length)
{
	if (h->chunk == 0 || h->period < h->chunk || h->bound_count == 0 ||
	    vr_hypothesis_end(h) > length)
		abort();
	for (size_t b = 1; b < h->bound_count; b++)
		if (h->bounds[b].end <= h->bounds[b - 1].end)
			abort();
}

/* Every hypothesis stays inside its file, whatever the numbers say. */
static void
check_prediction(const struct vr_args *args, uint64_t length)
{
	const struct vr_profile_case c = {
		.length = length,
		.allocated = length,
		.args = args,
	};
	struct vr_hypotheses all = {0}, others = {0};

	vr_profiles_predict(&c, &all);
	for (size_t i = 0; i < all.count; i++)
		check_hypothesis(&all.items[i], length);
	if (all.count)
		vr_profiles_others(&c, &all.items[0], &others);
	for (size_t i = 0; i < others.count; i++)
		check_hypothesis(&others.items[i], length);
}

/* A pattern by hand, and the line that says it again. */
static void
check_pattern(const char *text, uint64_t length)
{
	struct vr_hypothesis h, again;
	char *line;

	if (vr_pattern_parse(text, length, &h) < 0)
		return;
	check_hypothesis(&h, length);
	line = vr_pattern_line(&h);
	if (line && (vr_pattern_parse(line, length, &again) < 0 ||
		     again.first != h.first || again.chunk != h.chunk))
		abort();
	free(line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_args args;
	char *text;

	if (vr_args_parse((const char *)data, size, &args) == 0) {
		check_accepted(&args);
		check_prediction(&args, 4096);
		check_prediction(&args, 200 * VR_MIB);
		check_prediction(&args, UINT64_C(62) << 40);
	}
	text = malloc(size + 1);
	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	if (vr_args_parse_option(text, &args) == 0)
		check_accepted(&args);
	check_pattern(text, 4096);
	check_pattern(text, UINT64_C(62) << 40);
	free(text);
	return 0;
}
