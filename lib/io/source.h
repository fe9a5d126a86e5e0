/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_SOURCE_H
#define VR_IO_SOURCE_H

#include <stdatomic.h>
#include <vmdkrescue.h>

#include "base/cleanup.h"

/*
 * The seam: bytes that can be read at any offset, and what is known of them.
 *
 * A source is immutable once open and may be read from any thread. It is
 * counted: layers hold a reference to what they lie on, vr_source_free() drops
 * one. A layer is one file that fills one table and embeds struct vr_source as
 * its first member.
 *
 *   read_at  the whole range or an error; the range is inside the source.
 *   next     describes the extent that contains off (off < size); NULL means
 *            plain data to the end. Hints may be vague, never wrong: HOLE and
 *            ZERO never lie over real data, DAMAGED is never left out.
 *   in_file  says where the bytes at off stand in a file as they are shown; what
 *            the file fails to give is asked of read_at all the same. NULL means
 *            that they do not.
 *   close    frees the object and drops what it holds.
 */
struct vr_source_ops {
	const char *name;
	int (*read_at)(struct vr_source *s, void *buf, size_t n, uint64_t off);
	int (*next)(struct vr_source *s, uint64_t off, struct vr_extent *ret);
	int (*in_file)(struct vr_source *s, uint64_t off,
		       struct vr_in_file *ret);
	void (*close)(struct vr_source *s);
};

struct vr_source {
	const struct vr_source_ops *ops;
	uint64_t size;
	atomic_uint references;
};

/* For the makers of layers: one reference, held by the caller. */
void vr_source_init(struct vr_source *s, const struct vr_source_ops *ops,
		    uint64_t size);
struct vr_source *vr_source_ref(struct vr_source *s);

VR_CLEANUP_FOR(struct vr_source, vr_source_free)

#endif
