/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_DEEP_H
#define VR_GUEST_DEEP_H

#include "guest/tree.h"

/*
 * Where the head is lost and nothing answered: rows that know of further
 * witnesses go through the volume for them, at the cost of some hundred MiB.
 */
int vr_deep_search(struct vr_tree *tree);

#endif
