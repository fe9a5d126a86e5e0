/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_LAYOUT_H
#define VR_GUEST_LAYOUT_H

#include "io/source.h"

/*
 * Where a volume's bytes lie on the disks: segments, each of them plain (one
 * place) or spread over several places in turns of stripe_bytes. A partition is
 * one plain segment; so is most of LVM.
 *
 * Invariant: segments ascend without gap from 0 to size; each has at least one
 * place; stripe_bytes is above zero where there are several, and length is then a
 * multiple of stripe_bytes times their number.
 */
#define VR_NO_DISK UINT32_MAX /* the disk with these bytes is not there */

struct vr_place {
	uint32_t disk;
	uint64_t off;
};

struct vr_layout_segment {
	uint64_t start, length, stripe_bytes;
	size_t first_place, place_count;
};

struct vr_layout {
	uint64_t size;
	struct {
		struct vr_layout_segment *items;
		size_t count, room;
	} segments;
	struct {
		struct vr_place *items;
		size_t count, room;
	} places;
};

/* VR_E_FORMAT for what breaks the invariant. */
int vr_layout_append(struct vr_layout *layout, uint64_t length,
		     const struct vr_place *places, size_t place_count,
		     uint64_t stripe_bytes);
void vr_layout_free(struct vr_layout *layout);

/* A copy of [off, off + length), which must be inside, behind what to holds. */
int vr_layout_append_slice(struct vr_layout *to, const struct vr_layout *from,
			   uint64_t off, uint64_t length);

/* The place of byte off (below the size), and how many bytes follow there. */
void vr_layout_at(const struct vr_layout *layout, uint64_t off,
		  struct vr_place *ret, uint64_t *ret_length);

/*
 * The volume's bytes. What lies on VR_NO_DISK, or behind a disk's end, reads as
 * zeros and is flagged DAMAGED. layout is copied, disks are referenced.
 */
int vr_layout_open(const struct vr_layout *layout,
		   struct vr_source *const *disks, size_t disk_count,
		   struct vr_source **ret);

#endif
