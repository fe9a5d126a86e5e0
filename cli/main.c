/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <vmdkrescue.h>

#include "mount_helper.h"
#include "options.h"
#include "progress.h"
#include "render.h"

static const struct command *
find_command(const char *name)
{
	for (unsigned i = 0; command_at(i); i++)
		if (strcmp(command_at(i)->name, name) == 0)
			return command_at(i);
	return NULL;
}

static bool
is_word(const char *given, const char *a, const char *b)
{
	return strcmp(given, a) == 0 || strcmp(given, b) == 0;
}

/* Output that did not arrive is a failure, too: a full disk under a redirect. */
static enum exit_status
flush(enum exit_status status)
{
	bool arrived = fflush(stdout) == 0 && !ferror(stdout);

	if (!arrived && status != EXIT_FAILED)
		render_error("standard output: %s", strerror(errno));
	return arrived ? status : EXIT_FAILED;
}

int
main(int argc, char **argv)
{
	const struct command *command;
	struct options options;
	enum exit_status status;

	if (argc > 0 && mount_helper_is_meant(argv[0]))
		return mount_helper_main(argc, argv);
	if (argc < 2) {
		render_error("which command? Begin with: vmdk-rescue --help");
		return EXIT_USAGE;
	}
	if (is_word(argv[1], "--help", "-h") ||
	    is_word(argv[1], "help", "help")) {
		help_overview();
		return flush(EXIT_DONE);
	}
	if (is_word(argv[1], "--version", "-V")) {
		printf("vmdk-rescue %s\n", vr_version());
		return flush(EXIT_DONE);
	}
	command = find_command(argv[1]);
	if (!command) {
		render_error("'%s' is not a command (see vmdk-rescue --help)",
			     argv[1]);
		return EXIT_USAGE;
	}
	if (!options_parse(command, argc - 1, argv + 1, &options, &status))
		return flush(status);
	progress_catch_signals();
	return flush(command->run(&options));
}
