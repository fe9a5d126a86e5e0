/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_VACANCY_H
#define VR_GUEST_VACANCY_H

#include "guest/tree.h"

/* Where on a tree's disks a member of a pool could lie unseen. */
struct vr_vacancies {
	struct vr_vacancy *items;
	size_t count, room;
};

int vr_vacancies_collect(const struct vr_tree *tree, struct vr_vacancies *ret);
void vr_vacancies_free(struct vr_vacancies *vacancies);

#endif
