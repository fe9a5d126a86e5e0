/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_DAMAGE_H
#define VR_MEASURE_DAMAGE_H

#include "map/map.h"
#include "measure/full.h"
#include "measure/stripes.h"

/*
 * From hypotheses to a map of one host file: tries what the profiles predict on
 * the bytes, takes what they bear out, and lays prediction and measurement down
 * in layers of their own.
 */
#define VR_OTHERS_MOST	   4
#define VR_CANDIDATES_MOST 16

/* A run beside the chosen one: before it, mostly. */
struct vr_other {
	struct vr_hypothesis hypothesis;
	uint64_t encrypted; /* stripes that only it hit */
};

/* How much the bytes speak for what was chosen, and why. */
enum vr_confidence {
	VR_CONFIDENCE_NONE,	 /* nothing was chosen */
	VR_CONFIDENCE_RULE,	 /* the rule alone; the bytes do not tell */
	VR_CONFIDENCE_AMBIGUOUS, /* they fit other runs as well */
	VR_CONFIDENCE_LIKELY,
	VR_CONFIDENCE_SURE,
};

struct vr_diagnosis {
	enum vr_condition condition;
	bool predicted; /* hypothesis was said by a sidecar, not searched for */
	bool chosen;	/* hypothesis and measure are set */
	struct vr_hypothesis hypothesis;
	struct vr_measure measure;

	/* The side file's hypothesis, if the bytes speak for another one. */
	bool sidecar_refuted;
	struct vr_hypothesis refuted;
	/* It names the size that this very file had. */
	bool sidecar_fits;

	size_t other_count;
	struct vr_other others[VR_OTHERS_MOST];
	/*
	 * That no further run hit the file is known: by exclusion of all, or
	 * because what was found explains all there is. Else nothing between
	 * the stripes is called intact.
	 */
	bool gaps_sure;
	/* What it may be as well, where the bytes do not decide. */
	size_t candidate_count;
	struct vr_hypothesis candidates[VR_CANDIDATES_MOST];

	enum vr_confidence confidence;
	/* Log2 of how much likelier the bytes are by it than by chance. */
	int64_t bits;

	struct vr_full full; /* done only where it was asked for */
	uint64_t bytes_read;
	/* With nothing chosen: noise up to an edge, and which; */
	bool has_head;
	/* and noise among so many places looked at. */
	size_t looked, noisy, failed;
};

/* A lower-case word. */
const char *vr_confidence_name(enum vr_confidence confidence);
/* Why, as a clause. */
const char *vr_confidence_reason(enum vr_confidence confidence);

/*
 * source holds the file up to c->length. map is of that length and is added to.
 * runs: how many keys stand behind it, so many runs came to an end. full: look
 * at every byte, or NULL for what it takes to decide.
 * VR_E_CANCELLED and trouble with memory are the only errors; bytes that cannot
 * be read are damage. Free with vr_diagnosis_free().
 */
int vr_diagnose(struct vr_source *source, const struct vr_profile_case *c,
		unsigned runs, const struct vr_full_how *full,
		struct vr_map *map, struct vr_diagnosis *ret);
void vr_diagnosis_free(struct vr_diagnosis *d);

#endif
