/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_PROFILE_PATTERN_H
#define VR_PROFILE_PATTERN_H

#include "profile/profile.h"

/*
 * A pattern that a person says: "FIRST,CHUNK,PERIOD" in bytes. A period of 0 is
 * a single run. VR_E_USAGE says what is wrong with it.
 */
int vr_pattern_parse(const char *text, uint64_t length,
		     struct vr_hypothesis *ret);

/* The same the other way: the line to say for this hypothesis; free() it. */
char *vr_pattern_line(const struct vr_hypothesis *h);

/* Is this the name of a row? */
bool vr_profile_named(const char *name);

#endif
