/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mount_helper.h"

#include <string.h>
#include <unistd.h>

#include "options.h"
#include "progress.h"
#include "render.h"

/* What mount(8) expects of its helpers. */
enum { HELPER_DONE = 0, HELPER_USAGE = 1, HELPER_FAILED = 32 };

bool
mount_helper_is_meant(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strcmp(slash ? slash + 1 : program, "mount.fuse.vmdk-rescue") ==
	       0;
}

static bool
take_option(struct options *o, int letter, bool *fake)
{
	switch (letter) {
	case 'o':
		if (o->mount_count == MOUNT_OPTIONS_MOST)
			return false;
		o->mount[o->mount_count++] = optarg;
		return true;
	case 's':
		return o->sloppy = true;
	case 'f':
		return *fake = true;
	case 'v':
		o->quiet = false;
		return true;
	case 'n':
	case 't':
		return true;
	default:
		return false;
	}
}

int
mount_helper_main(int argc, char **argv)
{
	struct options o = {.layer = -1, .quiet = true};
	bool fake = false;
	int letter;

	while ((letter = getopt(argc, argv, "o:sfnvt:")) != -1)
		if (!take_option(&o, letter, &fake))
			return HELPER_USAGE;
	if (argc - optind != 2) {
		render_error("mount(8) runs this as: mount.fuse.vmdk-rescue "
			     "DISK|FOLDER PLACE [-o LIST]");
		return HELPER_USAGE;
	}
	o.paths = argv + optind;
	o.path_count = 1;
	o.place = argv[optind + 1];
	if (fake)
		return HELPER_DONE;
	progress_catch_signals();
	switch (command_mount.run(&o)) {
	case EXIT_DONE:
		return HELPER_DONE;
	case EXIT_USAGE:
		return HELPER_USAGE;
	default:
		return HELPER_FAILED;
	}
}
