/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_DESCRIPTOR_WRITE_H
#define VR_FORMAT_DESCRIPTOR_WRITE_H

#include <vmdkrescue.h>

#include "format/geometry.h"

/* An extent line: type "FLAT" (offset written) or "VMFS" (none). Always RW. */
struct vr_extent_line {
	uint64_t sectors, offset_sectors;
	const char *type, *name;
};

struct vr_descriptor_plan {
	/*
	 * "twoGbMaxExtentFlat" for any number of FLAT extents, "monolithicFlat"
	 * for one, "vmfs" for one VMFS extent.
	 */
	const char *create_type;
	const struct vr_extent_line *extents;
	size_t extent_count;

	const char *adapter;	     /* lsilogic, buslogic, ide, legacyESX */
	uint32_t cid;		     /* not ffffffff */
	uint8_t long_content_id[12]; /* the 24 digits in front of the CID */
	const char *uuid;	     /* "60 00 C2 9x …", or NULL */
	unsigned hardware_version;   /* of the disk's format: 14 */
	bool thin;
};

/*
 * The text, LF line ends, at most VR_DESCRIPTOR_BYTES with its NUL not counted;
 * *ret is freed by the caller. VR_E_USAGE for a name that no descriptor can
 * carry, VR_E_LIMIT for a text that some reader would cut. Keys are in the
 * order that ESXi writes them.
 */
#define VR_DESCRIPTOR_BYTES 10239
int vr_descriptor_write(const struct vr_descriptor_plan *plan, char **ret);

/*
 * A plain name in the descriptor's own folder, because libvmdk drops the folder
 * part of a path: UTF-8, no '/', no quote, no control byte, not empty, not . or
 * .., at most 255 bytes, and without a word that qemu would take for a key.
 */
bool vr_descriptor_name_ok(const char *name);

#endif
