/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_DOUBT_H
#define VR_IO_DOUBT_H

#include "io/source.h"

/* The same bytes, none of which is vouched for: every extent is SUSPECT. */
int vr_doubt_open(struct vr_source *lower, struct vr_source **ret);

#endif
