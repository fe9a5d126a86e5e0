/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_LUKS_H
#define VR_GUEST_LUKS_H

#include "guest/prober.h"

/*
 * Headers of LUKS, by the format specifications of the cryptsetup project.
 * Version 2 has two of them, one right behind the other, which differ in magic,
 * place, salt and checksum. Neither tells how large the volume is.
 */
#define VR_LUKS_SLOTS_MOST 32

struct vr_luks {
	unsigned version;
	bool second;	       /* it is the copy */
	bool checked;	       /* version 2: its sha256 agrees */
	uint64_t off;	       /* from the volume's start */
	uint64_t header_bytes; /* version 2: of each of the two */
	uint64_t head_bytes;   /* of all before the data, slots too */
	char uuid[VR_UUID_ROOM], label[VR_LABEL_ROOM];
	/* Where the keys are, of slots in use; bytes of the volume. */
	struct {
		unsigned number;
		uint64_t off, length;
	} slots[VR_LUKS_SLOTS_MOST];
	unsigned slot_count;
};

#define VR_LUKS2_LEAST UINT64_C(0x4000)
#define VR_LUKS2_MOST  UINT64_C(0x400000)

extern const struct vr_prober vr_prober_luks;

/* The header that begins at off; false: none. */
int vr_luks_read(struct vr_source *source, uint64_t off, struct vr_luks *ret,
		 bool *ret_found);

/*
 * The other header of version 2 that a checked one at off makes; free() it. The
 * salt of a lost one cannot be known and is there only to make the two differ:
 * it becomes the complement of this one's.
 */
int vr_luks2_other(struct vr_source *source, uint64_t off,
		   const struct vr_luks *luks, uint8_t **ret);

#endif
