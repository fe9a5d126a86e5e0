/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_CONTENT_H
#define VR_FS_CONTENT_H

#include "guest/prober.h"

/*
 * Files that can be checked by themselves: archives and pictures bear checksums,
 * databases and programs at least say how long they are. A kind is a row. Its
 * check may be deceived by a file that somebody made for that, so what it says
 * can cast doubt on a file, and never takes any away.
 */
struct vr_content_row {
	const char *name; /* "png" */
	bool checksummed; /* else only the structure can be looked at */
	const struct vr_magic *magics; /* length 0 behind the last */
	/* NONE where the check does not reach; why, static, where BROKEN. */
	int (*check)(struct vr_source *file, enum vr_check *ret,
		     const char **ret_why);
};

/* Leaves all but size and fate of *ret filled; reads no more than the file. */
int vr_content_check(struct vr_source *file, struct vr_content_info *ret);

/*
 * The bytes of [off, end) in pieces; an answer other than 0 ends it and is
 * returned.
 */
typedef int (*vr_content_each)(void *data, const uint8_t *p, size_t n);
int vr_content_feed(struct vr_source *file, uint64_t off, uint64_t end,
		    vr_content_each each, void *data);

/* What nobody means to unpack is not unpacked to the end. */
#define VR_CONTENT_UNPACKED_MOST (UINT64_C(64) << 30)

#endif
