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
struct vr_diagnosis {
	enum vr_condition condition;
	bool predicted; /* hypothesis was said by a sidecar, not searched for */
	bool chosen;	/* hypothesis and measure are set */
	struct vr_hypothesis hypothesis;
	struct vr_measure measure;

	/* The side file's hypothesis, if the bytes speak for another one. */
	bool sidecar_refuted;
	struct vr_hypothesis refuted;

	/* A run before that one, if the bytes show it. */
	bool has_earlier;
	struct vr_hypothesis earlier;
	uint64_t earlier_encrypted; /* stripes that only it hit */

	struct vr_full full; /* done only where it was asked for */
	uint64_t bytes_read;
	/* With nothing chosen: noise up to an edge, and which; */
	bool has_head;
	/* and noise among so many places looked at. */
	size_t looked, noisy, failed;
};

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
