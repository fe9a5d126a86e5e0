/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile/profile.h"

#include <string.h>

#include "base/checked.h"

#define VR_ROW(name) extern const struct vr_profile vr_profile_##name;
#include "profile_rows.h"
#undef VR_ROW

static const struct vr_profile *const rows[] = {
#define VR_ROW(name) &vr_profile_##name,
#include "profile_rows.h"
#undef VR_ROW
	NULL,
};

const struct vr_profile *
vr_profile_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

bool
vr_profile_get(size_t index, struct vr_profile_info *ret)
{
	const struct vr_profile *row = vr_profile_row(index);

	if (!row)
		return false;
	*ret = (struct vr_profile_info){
		.name = row->name,
		.title = row->title,
		.rule = row->rule,
		.sidecar = row->sidecar,
		.source = row->source,
	};
	return true;
}

/* A third of a file is worth a look. */
#define CUT_TO_ONE_IN 3

uint64_t
vr_profile_case_longest(const struct vr_profile_case *c)
{
	uint64_t said = c->args ? c->args->bytes : 0, whole;

	if (c->runs_most > 0 || !vr_mul(c->length, CUT_TO_ONE_IN, &whole))
		whole = c->length;
	return vr_max(whole, said);
}

void
vr_profiles_predict(const struct vr_profile_case *c, struct vr_hypotheses *ret)
{
	if (c->by_hand) {
		vr_hypotheses_push(ret, c->by_hand);
		return;
	}
	for (size_t i = 0; vr_profile_row(i); i++) {
		const struct vr_profile *row = vr_profile_row(i);

		if (!c->only || strcmp(c->only, row->name) == 0)
			row->predict(c, ret);
	}
}

void
vr_profiles_others(const struct vr_profile_case *c,
		   const struct vr_hypothesis *found, struct vr_hypotheses *ret)
{
	for (size_t i = 0; vr_profile_row(i); i++) {
		const struct vr_profile *row = vr_profile_row(i);

		if (row->others &&
		    (!c->only || strcmp(c->only, row->name) == 0))
			row->others(c, found, ret);
	}
}

struct vr_hypothesis *
vr_hypotheses_push(struct vr_hypotheses *h, const struct vr_hypothesis *item)
{
	if (h->count == sizeof(h->items) / sizeof(*h->items))
		return NULL;
	h->items[h->count] = *item;
	return &h->items[h->count++];
}

void
vr_hypothesis_bound(struct vr_hypothesis *h, const char *name, uint64_t end)
{
	size_t at = 0;

	while (at < h->bound_count && h->bounds[at].end < end)
		at++;
	if (at < h->bound_count && h->bounds[at].end == end)
		return;
	if (h->bound_count == VR_BOUNDS_MOST)
		return;
	memmove(&h->bounds[at + 1], &h->bounds[at],
		(h->bound_count - at) * sizeof(*h->bounds));
	h->bounds[at] = (struct vr_bound){name, end};
	h->bound_count++;
}

uint64_t
vr_hypothesis_end(const struct vr_hypothesis *h)
{
	return h->bound_count ? h->bounds[h->bound_count - 1].end : 0;
}

uint64_t
vr_hypothesis_stripe(const struct vr_hypothesis *h, uint64_t index)
{
	return h->first + index * h->period;
}

uint64_t
vr_hypothesis_count(const struct vr_hypothesis *h, uint64_t end)
{
	return end > h->first ? (end - h->first - 1) / h->period + 1 : 0;
}
