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

#define MOUNT_OPTIONS_MOST 16

struct options {
	bool json, quiet, verbose, force, esxi;
	const char *out, *args, *adapter, *map, *profile, *snapshot, *donor;
	int layer; /* an enum vr_layer, or -1: what all of them say */
	uint64_t capacity;
	enum map_format format;
	bool verify_full, scan, undo, no_repairs, resume;
	const char *volume, *export_format, *only, *exclude;
	bool partial, check, dfxml;
	int64_t newer;		 /* ns since 1970, or VR_NO_TIME */
	int damaged;		 /* an enum vr_damaged */
	bool foreground, sloppy; /* sloppy: unknown words of -o are none */
	const char *mount[MOUNT_OPTIONS_MOST]; /* each a list with commas */
	unsigned mount_count;
	const char *place; /* the last operand, of commands that take a place */
	char **paths;
	int path_count;
};

struct command {
	const char *name, *operands, *summary;
	const char *options; /* letters of the option table that it takes */
	bool needs_path;
	bool takes_place; /* where to: behind the paths */
	enum exit_status (*run)(const struct options *options);
};

extern const struct command command_recover, command_info, command_map,
	command_scan, command_profiles, command_volumes, command_mount,
	command_patch, command_export, command_ls, command_copy, command_stat;

/* NULL behind the last. */
const struct command *command_at(unsigned index);

/*
 * Reads what stands behind the command's word. False: the status to leave with
 * is in *ret_status, and what had to be said was said.
 */
bool options_parse(const struct command *command, int argc, char **argv,
		   struct options *ret, enum exit_status *ret_status);

void help_overview(void);

/* What a list of mount options says, too: see mount_options.c. */
bool options_take_damaged(struct options *options, const char *name);
bool options_take_capacity(struct options *options, const char *text);

#endif
