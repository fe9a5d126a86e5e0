/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_HOSTED_H
#define VR_FORMAT_HOSTED_H

#include "format/container.h"

/* What hosted sparse files (VMDK4) have in common; sectors are of 512 bytes. */
#define VR_HOSTED_GRAIN	  UINT64_C(65536) /* of every known writer */
#define VR_HOSTED_ENTRIES 512u
#define VR_HOSTED_TABLE	  (VR_HOSTED_ENTRIES * UINT64_C(4))

/* The copy of the header at the end of a stream: its offset; 0 where none is. */
int vr_hosted_find_footer(struct vr_source *file, uint64_t *ret);

/* From a header at off of the file, which may be a footer. */
int vr_hosted_read_header(struct vr_source *file, uint64_t off,
			  struct vr_container *ret);

/* Walks the stream where parts of its tables are lost. */
int vr_hosted_index(struct vr_source *file, struct vr_container *c,
		    bool start_is_grain);

/* hosted_rebuild.c */
int vr_hosted_rebuild(struct vr_source *file,
		      const struct vr_container_hints *hints,
		      struct vr_container *ret);

#endif
