/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_PACKED_H
#define VR_FORMAT_PACKED_H

#include "io/source.h"

/*
 * A compressed grain: eight bytes of its place in the disk, in sectors, four of
 * its length, and a zlib stream, whose checksum shows what inflates to be what
 * was written.
 */
struct vr_packed {
	uint64_t sector;    /* where in the disk it belongs */
	uint64_t length;    /* with its head, without padding */
	bool lost, doubted; /* of any of its bytes */
};

#define VR_PACKED_HEAD 12u
/* Deflate grows incompressible data by a little; nothing genuine by half. */
#define VR_PACKED_MOST(grain_bytes) ((grain_bytes) + (grain_bytes) / 2 + 1024)

/*
 * What stands at off of the file. VR_E_FORMAT where that cannot be a grain of
 * so many bytes; a lost head is reported as lost, with a length of 0.
 */
int vr_packed_look(struct vr_source *file, uint64_t off, uint64_t grain_bytes,
		   struct vr_packed *ret);

/*
 * Inflates it into n bytes. VR_E_FORMAT unless it fills at least least of them
 * and its checksum is right; what it does not fill becomes zeros.
 */
int vr_packed_inflate(struct vr_source *file, uint64_t off,
		      const struct vr_packed *packed, uint8_t *bytes, size_t n,
		      size_t least);

#endif
