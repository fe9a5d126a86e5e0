/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_WALKER_H
#define VR_FS_WALKER_H

#include "io/source.h"

/*
 * Reading a file system that is damaged: no driver, but a walk over all that can
 * be held up by a checksum, a fixup, an own address or a link both ways. What is
 * lost is absent: never garbage, never an error that ends the walk.
 *
 * A walker is a row. It yields two streams of facts that need not agree, objects
 * (inodes, records) and names (directory entries), and the data of an object as
 * a source. What they add up to, paths and verdicts, is found elsewhere, the
 * same for all (fs/walk.h).
 */
enum vr_trust {
	/*
	 * Read from bytes that are not lost and that its own checks hold up. Free
	 * text without any check, read through structures that are sure, is sure.
	 */
	VR_TRUST_SURE,
	/* An older copy, doubted bytes, a guess: true or not, nobody can tell. */
	VR_TRUST_DOUBT,
};

/* Times are nanoseconds since 1970 began, UTC; VR_NO_TIME: not known. */
struct vr_object {
	uint64_t id; /* inode or record number, unique in its file system */
	uint32_t generation; /* tells uses of one number apart; 0: not kept */
	enum vr_file_kind kind;
	enum vr_trust
		trust; /* of the record: size, times, and the way to the data */
	const char *how; /* static: "inode table", "journal", "MFT mirror" */
	uint64_t size;
	int64_t modified, changed, accessed, created;
	uint32_t mode, uid, gid, links; /* mode: the twelve permission bits */
	uint32_t
		attributes; /* as the file system has them: DOS attributes, flags */
	uint32_t device_major, device_minor;
	unsigned streams; /* named ones, numbered from 1 */
	bool has_owner;	  /* mode, uid and gid mean something */
};

struct vr_name {
	uint64_t parent, child; /* ids */
	/* Of the uses of those numbers that are meant; 0: any. */
	uint32_t parent_generation, child_generation;
	enum vr_trust trust;
	const char *how; /* static: "directory", "record", "directory index" */
	const char *
		name; /* raw bytes without '/', any but NUL; UTF-8 where the file
			   * system has UTF-16 */
	size_t length;
	/* What the name's bearer tells of a child that is lost itself. */
	enum vr_file_kind kind; /* VR_FILE_OTHER: not told */
	bool has_size;
	uint64_t size;
	int64_t modified;
};

typedef int (*vr_object_each)(void *data, const struct vr_object *object);
typedef int (*vr_name_each)(void *data, const struct vr_name *name);
/* Of an extended attribute: name as the kernel shows it, "user.comment". */
typedef int (*vr_xattr_each)(void *data, const char *name, const void *value,
			     size_t n);

/* A file system that is open: embedded by each walker's own, immutable. */
struct vr_fs {
	const struct vr_walker *walker;
	struct vr_source *volume; /* referenced */
	uint64_t root;		  /* id of the top directory */
};

/*
 * All functions answer 0, a negative code (memory, cancellation, misuse), or what
 * a callback answered if that was not 0, which ends the call.
 *
 *   open     volume is repaired as far as it goes, with damage in its extents.
 *            VR_E_FORMAT says what is missing where nothing can be walked.
 *   objects  every object in use, each once, by ascending id. No object for a
 *            record that is lost.
 *   names    every name that is known, "." and ".." left out; the same one twice
 *            does no harm.
 *   stream   the bytes of a file or its index-th named stream (0: the unnamed
 *            one), as long as its size says, DAMAGED where they or the way to them
 *            are lost, SUSPECT where that is in doubt, HOLE where none are stored.
 *            vr_extents_open() makes it of plain extents. May be called from
 *            several threads. VR_E_MISSING: there is no such stream.
 *   stream_name  of a named one; free() it. NULL: there are none.
 *   link     the target of a symbolic link as raw bytes; free() it. VR_E_MISSING:
 *            lost. NULL: there are none.
 *   xattrs   NULL: there are none.
 */
struct vr_walker {
	const char *name;
	const char *const
		*types; /* contents it reads, a NULL behind the last */
	int (*open)(struct vr_source *volume, struct vr_fs **ret);
	int (*objects)(struct vr_fs *fs, vr_object_each each, void *data);
	int (*names)(struct vr_fs *fs, vr_name_each each, void *data);
	int (*stream)(struct vr_fs *fs, uint64_t id, unsigned index,
		      struct vr_source **ret);
	int (*stream_name)(struct vr_fs *fs, uint64_t id, unsigned index,
			   char **ret);
	int (*link)(struct vr_fs *fs, uint64_t id, char **ret);
	int (*xattrs)(struct vr_fs *fs, uint64_t id, vr_xattr_each each,
		      void *data);
	void (*close)(struct vr_fs *fs);
};

/* NULL behind the last. */
const struct vr_walker *vr_walker_row(size_t index);

/* The one that reads contents of that type, or NULL. */
const struct vr_walker *vr_walker_for(const char *type);

int vr_fs_open(const struct vr_walker *walker, struct vr_source *volume,
	       struct vr_fs **ret);
void vr_fs_free(struct vr_fs *fs);
VR_CLEANUP_FOR(struct vr_fs, vr_fs_free)

#endif
