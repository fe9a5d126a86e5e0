/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include "options.h"

#include <json-c/json.h>
#include <vmdkrescue.h>

/*
 * The files of a disk, for the commands that deal in them. The first operand is
 * the disk, what follows are paths in the guest: VOLUME/PATH, or PATH in whatever
 * volume; a folder means all below it.
 */
struct files {
	struct vr_vm *vm;
	struct vr_guest *guest;
	const struct options *options;
	const struct vr_volume_info *volume; /* during each */
	uint64_t volumes;		     /* that could be read */
	uint64_t unread;		     /* that could not */
};

/* A volume whose files are read; the walk is freed behind the call. */
typedef int (*files_each)(void *data, struct files *files,
			  const struct vr_walk *walk, const char *volume);

/* Opens, calls each for every volume that is meant, and closes. */
enum exit_status
files_run(const struct options *options, files_each each, void *data,
	  enum exit_status (*end)(void *data, struct files *files));

/* Is this entry of that volume one of the paths, and not left out? */
bool files_wants(const struct options *options, const char *volume,
		 const struct vr_entry_info *entry);

/* All that is known of an entry; content NULL: that was not looked at. */
struct json_object *files_json(const struct vr_walk *walk, size_t index,
			       const char *volume,
			       const struct vr_entry_info *entry,
			       const struct vr_content_info *content);

/* The content where it is asked for, and the fate that it leaves the entry. */
int files_check(const struct options *options, const struct vr_walk *walk,
		size_t index, struct vr_entry_info *entry,
		struct vr_content_info *ret);

/*
 * The bytes of a file in runs that are alike: in what is left of them, and in
 * lying in the volume one behind the other.
 */
struct files_run {
	uint64_t off, length;
	unsigned flags; /* of enum vr_extent_flag */
	struct vr_standing place;
};

/* The one at off. False at the end, or where the file cannot be read. */
bool files_next(struct vr_source *file, uint64_t off, struct files_run *ret);

/* Where it lies on its disk; false where it does not, or in several pieces. */
bool files_on_disk(const struct vr_volume_info *volume,
		   const struct vr_standing *place, uint64_t *ret);

/* "2023-02-03 14:05", or dashes. */
const char *files_time(int64_t time, char room[20]);

#endif
