/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "render.h"
#include "show.h"

static void
print_json(const char *target, const struct vr_patch_result *result)
{
	struct json_object *root = json_object_new_object();
	char *shown = vr_printable(target);

	json_object_object_add(root, "schema",
			       json_object_new_string("vmdk-rescue-patch-1"));
	json_object_object_add(root, "file",
			       json_object_new_string(shown ? shown : "?"));
	json_object_object_add(root, "patches",
			       json_object_new_uint64(result->patches));
	json_object_object_add(root, "changed",
			       json_object_new_uint64(result->changed));
	json_object_object_add(root, "bytes",
			       json_object_new_uint64(result->bytes));
	printf("%s\n", json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PLAIN |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	free(shown);
}

static enum exit_status
patch_run(const struct options *options)
{
	struct vr_patch_result result = {.size = sizeof(result)};
	const char *target = options->path_count == 2 ? options->paths[1] : "";
	int r;

	if (options->path_count != 2) {
		render_error("patch takes a list of patches and a copy of the "
			     "disk (see vmdk-rescue patch --help)");
		return EXIT_USAGE;
	}
	r = vr_patch_file(options->paths[0], target, options->undo, &result);
	if (r < 0)
		return show_error(target, options, r);
	if (options->json)
		print_json(target, &result);
	else if (!options->quiet)
		printf("%zu of %zu patches %s, %" PRIu64 " bytes changed\n",
		       result.changed, result.patches,
		       options->undo ? "taken back" : "applied", result.bytes);
	return EXIT_DONE;
}

const struct command command_patch = {
	.name = "patch",
	.operands = "LIST COPY",
	.summary = "apply the repairs to a copy of a disk, or undo it",
	.options = "ujq",
	.needs_path = true,
	.run = patch_run,
};
