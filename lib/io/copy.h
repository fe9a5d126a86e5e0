/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_COPY_H
#define VR_IO_COPY_H

#include "io/source.h"

/* Reads; sectors that nobody can read become zeros, and no others. */
int vr_copy_read(struct vr_source *from, uint8_t *bytes, size_t n,
		 uint64_t off);

/* Writes all but grains of 4 KiB of zeros, which the file has as holes already. */
int vr_copy_write(int fd, const uint8_t *bytes, size_t n, uint64_t off,
		  uint64_t *ret_wrote);

/* Bytes that a copy would have to store, at most. */
int vr_copy_stored(struct vr_source *from, uint64_t *ret_bytes);

#endif
