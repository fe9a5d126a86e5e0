/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Exit status, the same for every command. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_LOSSES = 1, /* done, but something could not be recovered */
	EXIT_FAILED = 2,
	EXIT_USAGE = 3,
};

enum map_format { FORMAT_AUTO, FORMAT_DDRESCUE, FORMAT_PICTURE, FORMAT_JSON };

struct options {
	bool json, quiet, verbose, force, esxi;
	const char *out, *args, *adapter, *map, *profile;
	int layer; /* an enum vr_layer, or -1: what all of them say */
	uint64_t capacity;
	enum map_format format;
	bool verify_full, scan;
	char **paths;
	int path_count;
};

struct command {
	const char *name, *operands, *summary;
	const char *options; /* letters of the option table that it takes */
	bool needs_path;
	enum exit_status (*run)(const struct options *options);
};

extern const struct command command_recover, command_info, command_map,
	command_scan, command_profiles, command_volumes;

/* NULL behind the last. */
const struct command *command_at(unsigned index);

/*
 * Reads what stands behind the command's word. False: the status to leave with
 * is in *ret_status, and what had to be said was said.
 */
bool options_parse(const struct command *command, int argc, char **argv,
		   struct options *ret, enum exit_status *ret_status);

void help_overview(void);

#endif
