/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_LVM2_ASSEMBLER_H
#define VR_GUEST_LVM2_ASSEMBLER_H

#include "guest/lvm2_text.h"
#include "guest/pool.h"

/*
 * What the parts of LVM's pool work on together: texts are learned, physical
 * volumes seated, logical ones laid out; one file each. Of one thread.
 */
extern const struct vr_prober vr_prober_lvm2;

/* The newest text of a group. */
struct vr_lvm2_group {
	struct vr_lvm2_vg vg;
	enum vr_score score;
	char *how;
	size_t *seats; /* by physical volume: index of a place, or VR_LVM2_NOWHERE */
	enum vr_score *seat_scores;
};
#define VR_LVM2_NOWHERE SIZE_MAX

/* Where a physical volume is, or may be. */
struct vr_lvm2_place {
	size_t node;
	uint32_t disk;
	uint64_t start, length;
	const struct vr_layout *layout;
	struct vr_source *source;
	const struct vr_bid *bid; /* NULL: a vacancy */
	const struct vr_partition *entry;
	bool has_volumes;
	bool headless; /* its head is lost, or not what it should be: */
	bool lost;
	bool taken;
};

struct vr_lvm2_assembler {
	struct vr_pool_job *job;
	struct {
		struct vr_lvm2_group *items;
		size_t count, room;
	} groups;
	struct {
		struct vr_lvm2_place *items;
		size_t count, room;
	} places;
	bool unread; /* a search for texts left bytes of a disk unread */
};

struct vr_lvm2_pair {
	size_t pv, place;
	unsigned witnesses;
};

struct vr_lvm2_pairs {
	struct vr_lvm2_pair *items;
	size_t count, room;
};

void vr_lvm2_group_free(struct vr_lvm2_group *g);
void vr_lvm2_logical_free(struct vr_logical *v);

/* lvm2_learn.c: texts, from members and from files of the guest. */
int vr_lvm2_learn_member(struct vr_lvm2_assembler *a,
			 const struct vr_lvm2_place *p);
int vr_lvm2_learn_files(struct vr_lvm2_assembler *a);

/* lvm2_places.c: where physical volumes are, or may be. */
int vr_lvm2_add_members(struct vr_lvm2_assembler *a);
int vr_lvm2_add_vacancies(struct vr_lvm2_assembler *a);
bool vr_lvm2_may_be_on(const struct vr_partition *entry);

/* lvm2_seats.c: which of them lies where. */
int vr_lvm2_seat_all(struct vr_lvm2_assembler *a);
int vr_lvm2_list_pairs(struct vr_lvm2_assembler *a,
		       const struct vr_lvm2_group *g,
		       struct vr_lvm2_pairs *ret);
/* The pair that no other rivals, with the most witnesses; pv NOWHERE: none. */
int vr_lvm2_find_pair(struct vr_lvm2_assembler *a,
		      const struct vr_lvm2_group *g, struct vr_lvm2_pair *ret,
		      bool *ret_rivals);

/* lvm2_volumes.c */
int vr_lvm2_add_volumes(struct vr_lvm2_assembler *a,
			const struct vr_lvm2_group *g);

/* lvm2_guess.c: without any text. */
int vr_lvm2_guess_all(struct vr_lvm2_assembler *a);

#endif
