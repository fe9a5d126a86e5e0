/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_PROFILE_PROFILE_H
#define VR_PROFILE_PROFILE_H

#include <vmdkrescue.h>

#include "profile/args.h"

/* What is known of a host file before its bytes are asked. */
struct vr_profile_case {
	uint64_t length;	    /* before the attack */
	uint64_t allocated;	    /* as the filesystem says, now */
	const struct vr_args *args; /* NULL: none, or none that is sound */
	const char *only;	    /* a row's name, or NULL: all rows */
	const struct vr_hypothesis *by_hand; /* outweighs every row, or NULL */
	unsigned
		runs_most; /* the keys behind it stand for no more, 0: unknown */
};

/*
 * The most bytes that the file can have had: a copy that broke off has lost its
 * keys, too, and a run's period was made from the whole.
 */
uint64_t vr_profile_case_longest(const struct vr_profile_case *c);

/* Where the stripes may have ended, exclusive, at most length. */
struct vr_bound {
	const char *name; /* "value", "end of file", "32-bit" */
	uint64_t end;
};
#define VR_BOUNDS_MOST 4

/*
 * Stripes of chunk bytes, period apart from start to start, from first up to one
 * of the bounds; period == chunk is one contiguous run. Bounds ascend, each end
 * once.
 */
struct vr_hypothesis {
	const char *profile, *reason;
	enum vr_condition condition; /* where the bytes bear it out */
	uint64_t head; /* bytes of one piece at the beginning, before first */
	uint64_t first, chunk, period;
	size_t bound_count;
	struct vr_bound bounds[VR_BOUNDS_MOST];
};

struct vr_hypotheses {
	size_t count;
	struct vr_hypothesis items[48];
};

/*
 * A family, and what its published rule says happened to a file. predict()
 * appends what the rule makes of the case: with its sidecar what it says, and then
 * readings that are less likely; without it alternatives to be tried on the bytes.
 * others() appends every run that may have gone over the same file before or
 * after the one that was found: what is not on that list did not happen. NULL: a
 * second run hits the same bytes.
 */
struct vr_profile {
	const char *name, *title, *rule, *sidecar, *source;
	void (*predict)(const struct vr_profile_case *c,
			struct vr_hypotheses *ret);
	void (*others)(const struct vr_profile_case *c,
		       const struct vr_hypothesis *found,
		       struct vr_hypotheses *ret);
};

/* The rows of this layer; NULL behind the last. */
const struct vr_profile *vr_profile_row(size_t index);

/* What the rows make of a case, or what a person said of it. */
void vr_profiles_predict(const struct vr_profile_case *c,
			 struct vr_hypotheses *ret);

/* The runs that may lie over or below one that was found. */
void vr_profiles_others(const struct vr_profile_case *c,
			const struct vr_hypothesis *found,
			struct vr_hypotheses *ret);

/* Appends; NULL when there is no room, which ends a row's list of guesses. */
struct vr_hypothesis *vr_hypotheses_push(struct vr_hypotheses *h,
					 const struct vr_hypothesis *item);

/* Keeps bounds ascending and single; the first name of an end stays. */
void vr_hypothesis_bound(struct vr_hypothesis *h, const char *name,
			 uint64_t end);

/* The largest bound. */
uint64_t vr_hypothesis_end(const struct vr_hypothesis *h);

/* Where a stripe begins, and how many begin below an offset. */
uint64_t vr_hypothesis_stripe(const struct vr_hypothesis *h, uint64_t index);
uint64_t vr_hypothesis_count(const struct vr_hypothesis *h, uint64_t end);

#endif
