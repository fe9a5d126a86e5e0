/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_STRIPES_H
#define VR_MEASURE_STRIPES_H

#include "io/source.h"
#include "profile/profile.h"

/*
 * Asks the bytes about one hypothesis. Few stripes are all looked at; of many,
 * the ends, the surroundings of every bound, an even spread, and whatever it
 * takes to find the one place where a sequential encryptor stopped.
 *
 * A block alone proves only that it is NOT encrypted. That it is takes the
 * contrast: noise inside the stripe, order just outside.
 */
enum vr_verdict {
	VR_STRIPE_CLEAR,      /* ordinary bytes, zeros, a hole: never hit */
	VR_STRIPE_ENCRYPTED,  /* noise to its end, order right beside it */
	VR_STRIPE_PARTLY,     /* noise at first, order before its end */
	VR_STRIPE_UNSURE,     /* noise amid noise: as predicted, no proof */
	VR_STRIPE_UNREADABLE, /* the storage fails here */
};

/* A stripe that was looked at. */
struct vr_look {
	uint64_t stripe;
	enum vr_verdict verdict;
	bool before, after; /* order right before it, right behind it */
};

struct vr_measure {
	uint64_t stripes; /* under the largest bound */
	uint64_t bytes_read;

	/* Ascending, each stripe once; complete: every stripe is in it. */
	struct {
		struct vr_look *items;
		size_t count, room;
	} looks;
	bool complete;
	size_t clear, encrypted, unsure, unreadable;
	/* Of the encrypted: not the one at the beginning, which any run hits. */
	size_t exact;

	/*
	 * The boundary: stripes below hit_end are encrypted as far as was seen,
	 * those from clear_from on are not; what lies between could not be told.
	 * Both are counts of stripes. Undecided: nothing showed either way.
	 */
	uint64_t hit_end, clear_from;
	bool decided;
	/* Clear below hit_end, or noise behind it: see vr_look_contradicts(). */
	size_t contradictions;

	/*
	 * The same in bytes: encrypted below end, clear from clear_end on. They differ
	 * where the place is not sharp: by a block where a run broke off inside a
	 * stripe, by more where the bytes cannot tell.
	 */
	uint64_t end, clear_end;
	int bound, low_bound; /* the bounds that explain it, or VR_NO_BOUND */
	bool ambiguous;	      /* those two differ */
};

#define VR_NO_BOUND (-1)

/* Stripes of another run, up to end, that say nothing of the one asked about. */
struct vr_covered {
	uint64_t chunk, period, end;
};
#define VR_COVERED_MOST 6

/* A stripe that the run broke off in can still be asked about. */
uint64_t vr_covered_end(const struct vr_covered *c);

/*
 * neighbour is how far from a stripe's edges order is looked for: 0 is right at
 * the edge; in the gaps of another run the next gap's distance. A stripe that
 * begins in what is covered is not looked at.
 */
struct vr_measure_how {
	uint64_t neighbour;
	size_t covered_count;
	struct vr_covered covered[VR_COVERED_MOST];
};

bool vr_is_covered(const struct vr_measure_how *how, uint64_t off);

/* Free the measure with vr_measure_free(). */
int vr_measure_stripes(struct vr_source *source, const struct vr_hypothesis *h,
		       const struct vr_measure_how *how,
		       struct vr_measure *ret);
void vr_measure_free(struct vr_measure *m);

/* Does this look speak against a single sequential run up to the boundary? */
bool vr_look_contradicts(const struct vr_measure *m,
			 const struct vr_look *look);

/*
 * One stripe by itself, as vr_measure_stripes() would see it. ret->stripe is the
 * caller's to set.
 */
int vr_judge_stripe(struct vr_source *source, const struct vr_hypothesis *h,
		    const struct vr_measure_how *how, struct vr_look *look,
		    uint64_t *bytes_read);

/* How the first of n bytes at off look: the sampling that stripes are judged by. */
#define VR_SAMPLE_BYTES (16 * 1024)
int vr_sample_looks(struct vr_source *source, uint64_t off, uint64_t n,
		    uint64_t *bytes_read);

#endif
