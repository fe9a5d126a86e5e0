/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table of options for all commands: a command names the letters it takes.
 * The table makes getopt's input, the help, and the refusal of everything else.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vmdkrescue.h>

#include "render.h"

static const struct option_row {
	char letter;
	char brief; /* the short letter: true for its own, false for none */
	const char *name, *argument, *help;
} rows[] = {
	{'o', true, "out", "DIR",
	 "folder to make (default NAME.rescue); of "
	 "several VMs, the folder for all of them"},
	{'f', false, "force", NULL, "replace an earlier result"},
	{'e', false, "esxi", NULL,
	 "also write a repaired flat file for an ESXi host"},
	{'a', false, "args", "S,C,B",
	 "take these for the .args file: MiB "
	 "skipped, MiB encrypted, bytes"},
	{'c', false, "capacity", "SIZE",
	 "the disk's size, if you know it: bytes, K, M, G or T"},
	{'d', false, "adapter", "NAME", "lsilogic, buslogic, ide or legacyESX"},
	{'m', false, "map", "FILE", "a ddrescue map that knows better"},
	{'F', false, "format", "NAME",
	 "ddrescue, picture or json; a picture on "
	 "a terminal if not said"},
	{'p', false, "profile", "NAME",
	 "go by this rule only, see profiles; or "
	 "by FIRST,CHUNK,PERIOD in bytes"},
	{'L', false, "layer", "NAME",
	 "one layer of evidence: profile, measured "
	 "or hand"},
	{'S', false, "snapshot", "NAME",
	 "the disk as this snapshot left it, not its base"},
	{'R', false, "donor", "FILE",
	 "an older copy that fills lost stripes where it fits"},
	{'V', false, "verify", "HOW",
	 "sample (default) or full: look at every "
	 "byte of the disk"},
	{'s', false, "scan", NULL,
	 "read the whole disk for signatures of volumes"},
	{'D', false, "damaged", "HOW",
	 "lost bytes read as zero (default), give an error, or raw: "
	 "the ciphertext"},
	{'O', 'o', "options", "LIST",
	 "mount options: allow_other, damaged=error, cache=kernel, …"},
	{'g', 'f', "foreground", NULL, "stay here until it is unmounted"},
	{'X', false, "format", "NAME",
	 "raw (default), vmdk-flat or vmdk-stream"},
	{'w', false, "volume", "NAME",
	 "only this volume, as `volumes` names it, or its number"},
	{'r', false, "resume", NULL, "go on with an export that was cut short"},
	{'P', false, "partial", NULL,
	 "also what bytes are lost of, with a list of them"},
	{'k', false, "check", NULL,
	 "look into archives, pictures and documents, too: what does not hold "
	 "up by its own checksums is not called intact"},
	{'M', false, "dfxml", NULL,
	 "Digital Forensics XML, with each file's place on the disk"},
	{'y', false, "only", "GLOB", "only files whose name or path fits"},
	{'x', false, "exclude", "GLOB", "no files whose name or path fits"},
	{'N', false, "newer", "DATE",
	 "only files changed after that day, 2023-01-31"},
	{'u', false, "undo", NULL, "take the patches back"},
	{'n', false, "no-repairs", NULL,
	 "leave the guest's structures as they are"},
	{'j', false, "json", NULL, "one JSON object a line"},
	{'q', true, "quiet", NULL, "only the result, in short"},
	{'v', true, "verbose", NULL, "the evidence, too"},
	{'h', true, "help", NULL, "this help"},
};
#define ROWS (sizeof(rows) / sizeof(*rows))

static const struct command *const commands[] = {
	&command_recover, &command_info,   &command_map,  &command_volumes,
	&command_mount,	  &command_export, &command_ls,	  &command_copy,
	&command_stat,	  &command_patch,  &command_scan, &command_profiles,
};

const struct command *
command_at(unsigned index)
{
	return index < sizeof(commands) / sizeof(*commands) ? commands[index]
							    : NULL;
}

static bool
takes(const struct command *command, char letter)
{
	return letter == 'h' || strchr(command->options, letter) != NULL;
}

static char
short_of(const struct option_row *row)
{
	return row->brief == true ? row->letter : row->brief;
}

/* getopt tells the letter that was typed; the row's own is what we go by. */
static int
letter_of(const struct command *command, int typed)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].brief == typed && takes(command, rows[i].letter))
			return rows[i].letter;
	return typed;
}

/* --- help ----------------------------------------------------------------- */

void
help_overview(void)
{
	printf("Brings back what ransomware left unencrypted in VMware disks.\n"
	       "Evidence is only read, never changed.\n\n"
	       "Usage:  vmdk-rescue COMMAND [OPTION...] PATH...\n\n");
	for (unsigned i = 0; command_at(i); i++)
		printf("  %-9s %-16s %s\n", command_at(i)->name,
		       command_at(i)->operands, command_at(i)->summary);
	printf("\nBegin with:  vmdk-rescue recover web01-flat.vmdk\n"
	       "Options:     vmdk-rescue COMMAND --help     "
	       "Manual:  man vmdk-rescue\n\n"
	       "Exit status: 0 done, 1 done but something could not be "
	       "recovered,\n             2 failed, 3 wrong usage\n");
}

static void
help_command(const struct command *command)
{
	printf("Usage:  vmdk-rescue %s [OPTION...]%s%s\n\n%s\n\n",
	       command->name, *command->operands ? " " : "", command->operands,
	       command->summary);
	for (size_t i = 0; i < ROWS; i++) {
		char left[40], dash[5] = "    ";

		if (!takes(command, rows[i].letter))
			continue;
		if (short_of(&rows[i]))
			snprintf(dash, sizeof(dash), "-%c, ",
				 short_of(&rows[i]));
		snprintf(left, sizeof(left), "%s--%s%s%s", dash, rows[i].name,
			 rows[i].argument ? " " : "",
			 rows[i].argument ? rows[i].argument : "");
		render_field(stdout, 2, 24, left, rows[i].help);
	}
}

/* --- parsing -------------------------------------------------------------- */

/* getopt's tables, cut to what the command takes. */
static void
make_tables(const struct command *command, char shorts[3 * ROWS + 2],
	    struct option longs[ROWS + 1])
{
	size_t n = 0;

	*shorts++ = ':';
	for (size_t i = 0; i < ROWS; i++) {
		if (!takes(command, rows[i].letter))
			continue;
		longs[n++] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].argument ? required_argument
						    : no_argument,
			.val = rows[i].letter,
		};
		if (!short_of(&rows[i]))
			continue;
		*shorts++ = short_of(&rows[i]);
		if (rows[i].argument)
			*shorts++ = ':';
	}
	*shorts = '\0';
	longs[n] = (struct option){0};
}

static bool
parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	unsigned long long value;
	unsigned shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	value = strtoull(text, &end, 10);
	if (*end && strchr(units, *end & ~0x20)) {
		shift = 10 *
			(unsigned)(strchr(units, *end & ~0x20) - units + 1);
		end++;
	}
	if (*end || value == 0 || value > (UINT64_MAX >> 1) >> shift)
		return false;
	*ret = (uint64_t)value << shift;
	return true;
}

static bool
parse_format(const char *text, enum map_format *ret)
{
	static const char *const names[] = {
		[FORMAT_DDRESCUE] = "ddrescue",
		[FORMAT_PICTURE] = "picture",
		[FORMAT_JSON] = "json",
	};

	for (unsigned i = FORMAT_DDRESCUE; i <= FORMAT_JSON; i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum map_format)i;
			return true;
		}
	return false;
}

static bool
parse_layer(const char *text, int *ret)
{
	for (int i = 0; i < VR_LAYERS; i++)
		if (strcmp(text, vr_layer_name((enum vr_layer)i)) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

bool
options_take_damaged(struct options *o, const char *name)
{
	static const char *const names[] = {
		[VR_DAMAGED_ZERO] = "zero",
		[VR_DAMAGED_ERROR] = "error",
		[VR_DAMAGED_RAW] = "raw",
	};

	for (int i = 0; i < VR_DAMAGEDS; i++)
		if (strcmp(name, names[i]) == 0) {
			o->damaged = i;
			return true;
		}
	return false;
}

bool
options_take_capacity(struct options *o, const char *text)
{
	return parse_size(text, &o->capacity);
}

/* The day's beginning, UTC. */
static bool
parse_day(const char *text, int64_t *ret)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%d", &tm);

	if (!end || *end)
		return false;
	*ret = (int64_t)timegm(&tm) * 1000000000;
	return true;
}

static bool
is_export_format(const char *name)
{
	for (size_t i = 0; vr_export_format_name(i); i++)
		if (strcmp(vr_export_format_name(i), name) == 0)
			return true;
	return false;
}

static bool
take(struct options *o, int letter, const char *argument)
{
	switch (letter) {
	case 'o':
		o->out = argument;
		return *argument != '\0';
	case 'f':
		return o->force = true;
	case 'e':
		return o->esxi = true;
	case 'a':
		o->args = argument;
		return true;
	case 'c':
		return parse_size(argument, &o->capacity);
	case 'd':
		o->adapter = argument;
		return true;
	case 'm':
		o->map = argument;
		return true;
	case 'F':
		return parse_format(argument, &o->format);
	case 'p':
		o->profile = argument;
		return true;
	case 'L':
		return parse_layer(argument, &o->layer);
	case 'S':
		o->snapshot = argument;
		return *argument != '\0';
	case 'R':
		o->donor = argument;
		return *argument != '\0';
	case 'V':
		o->verify_full = strcmp(argument, "full") == 0;
		return o->verify_full || strcmp(argument, "sample") == 0;
	case 's':
		return o->scan = true;
	case 'D':
		return options_take_damaged(o, argument);
	case 'O':
		if (o->mount_count == MOUNT_OPTIONS_MOST)
			return false;
		o->mount[o->mount_count++] = argument;
		return true;
	case 'g':
		return o->foreground = true;
	case 'X':
		o->export_format = argument;
		return is_export_format(argument);
	case 'w':
		o->volume = argument;
		return *argument != '\0';
	case 'r':
		return o->resume = true;
	case 'P':
		return o->partial = true;
	case 'k':
		return o->check = true;
	case 'M':
		return o->dfxml = true;
	case 'y':
		o->only = argument;
		return true;
	case 'x':
		o->exclude = argument;
		return true;
	case 'N':
		return parse_day(argument, &o->newer);
	case 'u':
		return o->undo = true;
	case 'n':
		return o->no_repairs = true;
	case 'j':
		return o->json = true;
	case 'q':
		return o->quiet = true;
	case 'v':
		return o->verbose = true;
	default:
		return false;
	}
}

static bool
usage_error(const struct command *command, const char *what,
	    const char *argument)
{
	render_error("%s%s%s%s (see vmdk-rescue %s --help)", what,
		     argument ? " '" : "", argument ? argument : "",
		     argument ? "'" : "", command->name);
	return false;
}

/* A letter in a bundle is told by itself, a long name by its word. */
static bool
unknown_option(const struct command *command, const char *word)
{
	const char letter[] = {'-', (char)optopt, '\0'};
	bool is_letter = optopt > ' ' && optopt < 0x7F &&
			 strncmp(word, "--", 2) != 0;

	return usage_error(command, "not an option of this command:",
			   is_letter ? letter : word);
}

static bool
check(const struct command *command, const struct options *o)
{
	if (command->needs_path && o->path_count == 0)
		return usage_error(command, "which disk or folder?", NULL);
	if (!command->needs_path && o->path_count)
		return usage_error(command, "no operand is taken here, but got",
				   o->paths[0]);
	if (o->quiet && o->verbose)
		return usage_error(command,
				   "quiet and verbose exclude each "
				   "other",
				   NULL);
	if (o->json && o->dfxml)
		return usage_error(
			command, "--json and --dfxml exclude each other", NULL);
	if (o->path_count > 1 &&
	    (o->args || o->capacity || o->map || o->snapshot || o->donor))
		return usage_error(command,
				   "--args, --capacity, --map, --snapshot and "
				   "--donor speak of one disk: name only one",
				   NULL);
	return true;
}

bool
options_parse(const struct command *command, int argc, char **argv,
	      struct options *ret, enum exit_status *ret_status)
{
	struct option longs[ROWS + 1];
	char shorts[3 * ROWS + 2];
	struct options o = {.layer = -1, .newer = VR_NO_TIME};
	int letter;

	*ret_status = EXIT_USAGE;
	make_tables(command, shorts, longs);
	opterr = 0;
	while ((letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (letter == 'h') {
			help_command(command);
			*ret_status = EXIT_DONE;
			return false;
		}
		if (letter == ':')
			return usage_error(command,
					   "an argument is missing for",
					   argv[optind - 1]);
		if (letter == '?')
			return unknown_option(command, argv[optind - 1]);
		if (!take(&o, letter_of(command, letter), optarg))
			return usage_error(command,
					   "cannot be understood:", optarg);
	}
	o.paths = argv + optind;
	o.path_count = argc - optind;
	if (command->takes_place && o.path_count > 1)
		o.place = o.paths[--o.path_count];
	if (!check(command, &o))
		return false;
	*ret = o;
	return true;
}
