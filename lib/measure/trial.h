/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_TRIAL_H
#define VR_MEASURE_TRIAL_H

#include "measure/damage.h"

/*
 * One diagnosis in the making, shared by the files that make it: damage.c hears
 * the side file, search.c does without, others.c looks for further runs.
 */
struct vr_trial {
	struct vr_source *source;
	const struct vr_profile_case *c;
	struct vr_map *map;
	unsigned runs; /* that came to their end, by the keys behind the file */
	struct vr_diagnosis *d;
	struct vr_measure_how covered; /* by the runs that were found */
	/* What else was found out, to be laid on top of the chosen run. */
	struct {
		struct vr_sheet {
			enum vr_damage damage;
			struct vr_hypothesis hypothesis;
			uint64_t start, end;
		} * items;
		size_t count, room;
	} sheets;
	/* Where all is noise: so many stripes of a run are asked; else 0. */
	size_t hidden_most;
	/* No run but those found and those laid down as suspect is possible. */
	bool excluded;
	/* The search for others was given up because noise hides them. */
	bool hides_others;
	/* The chosen run's stripes are all among those of another that was found. */
	bool is_part;
};

/* Fewer proved stripes than this are no pattern. */
#define VR_PATTERN_LEAST 3

/* Of a run that noise hides, so many stripes tell as much as all. */
#define VR_HIDDEN_MOST 6

/* The longest period of a first wave, in units; none is longer than the file. */
uint64_t vr_trial_longest_period(const struct vr_trial *t, uint64_t unit);

/* Measures and counts what was read. */
int vr_trial_measure(struct vr_trial *t, const struct vr_hypothesis *h,
		     const struct vr_measure_how *how, struct vr_measure *ret);

/* Does the measure show stripes, and little that speaks against them? */
bool vr_trial_is_pattern(const struct vr_measure *m);

/* Is the very first stripe clear? Then no run began at the beginning. */
bool vr_trial_first_is_clear(const struct vr_measure *m);

/* Makes it the diagnosis' hypothesis; *m is empty afterwards. */
void vr_trial_take(struct vr_trial *t, const struct vr_hypothesis *h,
		   struct vr_measure *m, enum vr_condition condition);

/* Stripes of h between start and end, as runs of the map. */
int vr_trial_lay(struct vr_trial *t, enum vr_layer layer, enum vr_damage damage,
		 const struct vr_hypothesis *h, uint64_t start, uint64_t end);

/* All that the measure says of the stripes of h. */
int vr_trial_lay_measure(struct vr_trial *t, const struct vr_hypothesis *h,
			 const struct vr_measure *m);

int vr_trial_lay_exceptions(struct vr_trial *t, const struct vr_hypothesis *h,
			    const struct vr_measure *m);

/* Notes what others.c is to lay on top of the chosen run. */
int vr_trial_note(struct vr_trial *t, enum vr_damage damage,
		  const struct vr_hypothesis *h, uint64_t start, uint64_t end);

/* Tries the rules and then the bytes; takes what they bear out, if anything. */
int vr_search(struct vr_trial *t);

/* What can be said without a pattern. */
int vr_search_conclude(struct vr_trial *t);

/*
 * Looks for further runs beside the chosen one and notes in sheets what it finds
 * or cannot rule out; the second lays them down, and the chosen one on top again.
 */
int vr_others_find(struct vr_trial *t);
int vr_others_lay(struct vr_trial *t);

/* Appends to the list of what it might be as well. */
void vr_trial_candidate(struct vr_trial *t, const struct vr_hypothesis *h);

#endif
