/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MEASURE_STRUCTURE_H
#define VR_MEASURE_STRUCTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Structures that check themselves. One that holds proves that its bytes were
 * not encrypted, whatever noise lies around it: an archive's, or that of a guest
 * that encrypts what it writes.
 */
struct vr_structure {
	const char *name;
	/* Does one begin at bytes, of which there are n, at off in the file? */
	bool (*holds)(const uint8_t *bytes, size_t n, uint64_t off);
};

/*
 * The first that holds at a whole sector; NULL where none does. *ret_at receives
 * its place in bytes, where ret_at is not NULL.
 */
const struct vr_structure *vr_structure_find(const uint8_t *bytes, size_t n,
					     uint64_t off, size_t *ret_at);

#endif
