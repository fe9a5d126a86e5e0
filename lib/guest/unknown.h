/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_UNKNOWN_H
#define VR_GUEST_UNKNOWN_H

#include "guest/tree.h"

/*
 * Partitions and disks that hold something in which nothing answers: tells what
 * is lost, what that means, and what to try. Empty ones are passed over.
 */
int vr_unknown_tell(struct vr_tree *tree);

#endif
