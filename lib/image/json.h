/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_JSON_H
#define VR_IMAGE_JSON_H

#include <json-c/json.h>

#include "base/findings.h"
#include "base/text.h"

/*
 * Short words for json-c. Its adders fail only without memory, which shows in
 * the end as a missing text.
 */
static inline void
put(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add(to, key, value);
}

static inline void
put_text(struct json_object *to, const char *key, const char *text)
{
	put(to, key, text ? json_object_new_string(text) : NULL);
}

static inline void
put_number(struct json_object *to, const char *key, uint64_t number)
{
	put(to, key, json_object_new_uint64(number));
}

static inline void
put_flag(struct json_object *to, const char *key, bool flag)
{
	put(to, key, json_object_new_boolean(flag));
}

/* Paths are raw bytes; JSON is not. */
static inline void
put_path(struct json_object *to, const char *key, const char *path)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(path);

	put_text(to, key, shown);
}

static inline struct json_object *
json_of_findings(const struct vr_findings *findings)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < findings->count; i++) {
		const struct vr_finding_row *row = &findings->items[i];
		struct json_object *one = json_object_new_object();

		put_text(one, "severity", vr_severity_name(row->severity));
		put_text(one, "code", row->code);
		put_text(one, "text", row->text);
		json_object_array_add(array, one);
	}
	return array;
}

#endif
