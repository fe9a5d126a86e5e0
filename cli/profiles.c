/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json-c/json.h>
#include <stdio.h>

#include "render.h"
#include "show.h"

static void
print_json(const struct vr_profile_info *info)
{
	struct json_object *root = json_object_new_object();

	json_object_object_add(root, "schema",
			       json_object_new_string("vmdk-rescue-profile-1"));
	json_object_object_add(root, "name",
			       json_object_new_string(info->name));
	json_object_object_add(root, "title",
			       json_object_new_string(info->title));
	json_object_object_add(root, "rule",
			       json_object_new_string(info->rule));
	json_object_object_add(
		root, "sidecar",
		info->sidecar ? json_object_new_string(info->sidecar) : NULL);
	json_object_object_add(root, "source",
			       json_object_new_string(info->source));
	printf("%s\n", json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PLAIN |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}

static enum exit_status
profiles_run(const struct options *options)
{
	struct vr_profile_info info;

	for (size_t i = 0; vr_profile_get(i, &info); i++) {
		if (options->json) {
			print_json(&info);
			continue;
		}
		printf("%s%s%s\n", render_colour(stdout, BOLD), info.name,
		       render_colour(stdout, PLAIN));
		render_field(stdout, 2, 12, "Attack", info.title);
		render_field(stdout, 2, 12, "Rule", info.rule);
		if (info.sidecar)
			render_field(stdout, 2, 12, "Side file", info.sidecar);
		render_field(stdout, 2, 12, "Source", info.source);
	}
	return EXIT_DONE;
}

const struct command command_profiles = {
	.name = "profiles",
	.operands = "",
	.summary = "list the attacks whose rule is known",
	.options = "j",
	.run = profiles_run,
};
