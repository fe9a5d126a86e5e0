/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_MOUNT_OPTIONS_H
#define CLI_MOUNT_OPTIONS_H

#include "fuse.h"
#include "options.h"

/*
 * The options of a mount with what the lists of -o add. A list is what stands in
 * the fourth column of fstab: some words are ours, some are the kernel's, some
 * are only for mount(8) and systemd.
 */
struct mount_options {
	struct options options;
	enum cache cache;
	bool nonempty;
	char *lists[MOUNT_OPTIONS_MOST]; /* owned; options points into them */
	char *kernel;			 /* with commas, or NULL */
};

/* False: what had to be said was said. Free in either case. */
bool mount_options_take(const struct options *options,
			struct mount_options *ret);
void mount_options_free(struct mount_options *how);

#endif
