/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_LVM2_AREA_H
#define VR_GUEST_LVM2_AREA_H

#include "guest/lvm2_text.h"

/*
 * What LVM2 writes at the head of a physical volume: a label in one of the first
 * four sectors, which names the device and its metadata areas, and those areas:
 * a header of one sector and a ring of texts, of which the header names the one
 * that counts. Older texts stay in the ring until they are written over.
 */
#define VR_LVM2_AREAS_MOST 4
#define VR_LVM2_AREA_OFF   4096u /* where the first area lies, always */

enum vr_lvm2_state {
	VR_LVM2_ABSENT, /* other bytes are there */
	VR_LVM2_LOST,
	VR_LVM2_SOUND,
};

struct vr_lvm2_label {
	unsigned sector; /* 0 to 3 */
	char uuid[VR_UUID_ROOM];
	uint64_t device_bytes, data_off;
	uint64_t boot_off, boot_bytes;
	struct {
		uint64_t off, bytes;
	} areas[VR_LVM2_AREAS_MOST];
	size_t area_count;
};

struct vr_lvm2_area {
	enum vr_lvm2_state header, text;
	uint64_t off, bytes;
	/* Of the text that counts, from off on; bytes 0: there is none yet. */
	uint64_t text_off, text_bytes;
	uint32_t text_crc;
};

#define VR_LVM2_LABEL_MAGIC "LABELONE"
#define VR_LVM2_AREA_MAGIC  " LVM2 x[5A%r0N*>"

/* start is that of the physical volume. */
int vr_lvm2_read_label(struct vr_source *space, uint64_t start,
		       struct vr_lvm2_label *ret,
		       enum vr_lvm2_state *ret_state);

/* Of the area at start + off; nothing but the states is set if header is not
 * sound. */
int vr_lvm2_read_area(struct vr_source *space, uint64_t start, uint64_t off,
		      struct vr_lvm2_area *ret);

/* The last area of a device of that many bytes begins here, if there are two. */
uint64_t vr_lvm2_last_area(uint64_t device_bytes);

/* A text of the ring, with its place from off on. */
struct vr_lvm2_copy {
	struct vr_lvm2_vg vg;
	uint64_t off;
	bool current; /* the header names it, and its checksum agrees */
};

struct vr_lvm2_copies {
	struct vr_lvm2_copy *items;
	size_t count, room;
};

/*
 * Adds the text that the area's header names if it is sound; otherwise, or if
 * all are wanted, what can be read in the ring of bytes bytes at start + off.
 */
int vr_lvm2_read_texts(struct vr_source *space, uint64_t start,
		       const struct vr_lvm2_area *area, bool all,
		       struct vr_lvm2_copies *ret);
void vr_lvm2_copies_free(struct vr_lvm2_copies *copies);

/* The sectors as LVM2 writes them; the area's header names its text. */
void vr_lvm2_write_label(const struct vr_lvm2_label *label, uint8_t *sector);
void vr_lvm2_write_area(const struct vr_lvm2_area *area, uint8_t *sector);
uint32_t vr_lvm2_crc(const void *bytes, size_t n);

#endif
