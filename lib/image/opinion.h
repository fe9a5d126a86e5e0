/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_OPINION_H
#define VR_IMAGE_OPINION_H

#include "image/guest.h"

/*
 * Asks libblkid about every volume of the guest, as the repairs leave it, into
 * opinions, by node. Where it says otherwise than we do, that is a finding.
 */
int vr_opinions_ask(struct vr_guest *g);

#endif
