/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_PIECES_H
#define VR_GUEST_PIECES_H

#include "guest/tree.h"

/*
 * Marks the volumes of a tree that are not whole where they lie: those that
 * reach past their place, and those whose own copies are not where they must be.
 * A logical volume that was laid over two disks looks so when both lost what
 * would tell. Repairing or checking such a piece by itself would destroy it.
 */
int vr_pieces_mark(struct vr_tree *tree);

#endif
