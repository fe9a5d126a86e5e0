/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_WINDOW_H
#define VR_IO_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "io/source.h"

/*
 * Some bytes of a source, and which of them are lost. Structures are decoded
 * through it: every load beyond the end or on a lost byte yields 0 and sets a
 * flag that stays, so that a decoder reads straight down and asks once. Belongs
 * to one thread.
 */
struct vr_window {
	uint8_t *bytes;
	/* A bit a byte, set where it is lost; NULL where none is. */
	uint8_t *lost;
	size_t length;
	bool touched_lost, touched_end;
};

/* At most this many bytes: windows are for structures, not for bulk. */
#define VR_WINDOW_MOST (UINT64_C(4) << 20)

/*
 * Reads [off, off + n) of the source; what lies behind the source's end is
 * missing, not an error. A damaged extent is marked lost, and bytes that cannot
 * be read are too. Call vr_window_free() when it returns 0.
 */
int vr_window_read(struct vr_window *w, struct vr_source *source, uint64_t off,
		   size_t n);
void vr_window_free(struct vr_window *w);

/* Are all n bytes at off there and not lost? Sets the flags if not. */
bool vr_window_holds(struct vr_window *w, uint64_t off, uint64_t n);

/* NULL where vr_window_holds() is false. */
const uint8_t *vr_window_bytes(struct vr_window *w, uint64_t off, uint64_t n);

uint8_t vr_window_u8(struct vr_window *w, uint64_t off);
uint16_t vr_window_le16(struct vr_window *w, uint64_t off);
uint32_t vr_window_le32(struct vr_window *w, uint64_t off);
uint64_t vr_window_le64(struct vr_window *w, uint64_t off);
uint16_t vr_window_be16(struct vr_window *w, uint64_t off);
uint32_t vr_window_be32(struct vr_window *w, uint64_t off);
uint64_t vr_window_be64(struct vr_window *w, uint64_t off);

/* Did any load since the read, or since the last call, meet trouble? */
bool vr_window_trouble(struct vr_window *w);

#endif
