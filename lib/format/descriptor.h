/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_DESCRIPTOR_H
#define VR_FORMAT_DESCRIPTOR_H

#include <vmdkrescue.h>

#include "base/cleanup.h"

/*
 * The text descriptor of a virtual disk. Parsed tolerantly, because what comes
 * here was edited by hand, converted, cut or half overwritten; written strictly
 * (descriptor_write.h), because every reader is strict in its own way.
 */
enum vr_access { VR_ACCESS_RW, VR_ACCESS_RDONLY, VR_ACCESS_NOACCESS };

/*
 * From the parser: sectors > 0, type and name not empty, and the end in the
 * file, (offset_sectors + sectors) * 512, fits 64 bits.
 */
struct vr_descriptor_extent {
	enum vr_access access;
	uint64_t sectors;
	char *type; /* upper case: "VMFS", "FLAT", "SESPARSE", "ZERO", … */
	char *name; /* raw bytes as written; NULL for ZERO. Hostile. */
	uint64_t offset_sectors; /* 0 where none is written */
};

/* key = value, quotes and blanks taken off, key as written. */
struct vr_descriptor_entry {
	char *key, *value;
};

struct vr_descriptor {
	unsigned version;
	bool has_cid, has_parent_cid;
	uint32_t cid, parent_cid; /* ffffffff: no parent */

	struct {
		struct vr_descriptor_extent *items;
		size_t count, room;
	} extents;
	/* Header keys and ddb. keys in their order, CID and version too. */
	struct {
		struct vr_descriptor_entry *items;
		size_t count, room;
	} entries;

	/* Neither comment, key nor extent; all behind a NUL is one. */
	size_t bad_lines;
	uint64_t sectors; /* sum of the extents; as bytes it fits 64 bits */
};

/* Larger texts are no descriptor; a reader that tolerates 10 MB is generous. */
#define VR_DESCRIPTOR_MOST ((size_t)16 << 20)

/*
 * Is this text a descriptor at all? Cheap, for telling an encrypted one from a
 * plain one: looks at no more than the first VR_DESCRIPTOR_LOOK bytes.
 */
#define VR_DESCRIPTOR_LOOK 4096
bool vr_descriptor_looks_like(const char *bytes, size_t n);

/*
 * VR_E_FORMAT when nothing of a descriptor can be read (encrypted bytes, some
 * other text, a sparse container), VR_E_LIMIT for absurd sizes or counts. Half
 * a descriptor is one: there may be no extent, no CID, no key. Names and values
 * are kept as raw bytes; a NUL ends the text once it has begun. UTF-16 with a
 * byte order mark is read as UTF-8.
 */
int vr_descriptor_parse(const char *bytes, size_t n,
			struct vr_descriptor **ret);
void vr_descriptor_free(struct vr_descriptor *d);
VR_CLEANUP_FOR(struct vr_descriptor, vr_descriptor_free)

/*
 * Adds the number-th extent (from 1) to a sum of sectors. VR_E_LIMIT when its
 * end in its file, or the sum, does not fit 64 bits as bytes.
 */
int vr_descriptor_add_up(size_t number, uint64_t sectors,
			 uint64_t offset_sectors, uint64_t *sum);

/* The last value of a key ("ddb.uuid") in any letter case, or NULL. */
const char *vr_descriptor_get(const struct vr_descriptor *d, const char *key);

#endif
