/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes and repairs as JSON, schema vmdk-rescue-volumes-1: the same evidence
 * gives the same bytes.
 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "image/guest.h"
#include "image/json.h"

static struct json_object *
json_of_bytes(const uint64_t bytes[VR_DAMAGES])
{
	struct json_object *one = json_object_new_object();

	for (unsigned d = 0; d < VR_DAMAGES; d++)
		put_number(one, vr_damage_name((enum vr_damage)d), bytes[d]);
	return one;
}

static struct json_object *
json_of_entry(const struct vr_volume_info *v)
{
	struct json_object *one;

	if (!v->entry_type)
		return NULL;
	one = json_object_new_object();
	put_text(one, "type", v->entry_type);
	put_text(one, "meaning", v->entry_meaning);
	put_text(one, "label", v->entry_label);
	put_text(one, "uuid", v->entry_uuid);
	put_flag(one, "active", v->boot);
	return one;
}

static struct json_object *
json_of_mount(const struct vr_volume_info *v)
{
	struct json_object *one;

	if (!v->mount_type || !v->opens)
		return NULL;
	one = json_object_new_object();
	put_text(one, "type", v->mount_type);
	put_text(one, "options", v->mount_options);
	return one;
}

static struct json_object *
json_of_content(const struct vr_volume_info *v)
{
	struct json_object *one, *metadata = NULL;

	if (!v->type)
		return NULL;
	one = json_object_new_object();
	put_text(one, "type", v->type);
	put_text(one, "label", v->label);
	put_text(one, "uuid", v->uuid);
	put_text(one, "structure", v->structure);
	put_number(one, "evidence_at", v->evidence);
	put_text(one, "score", vr_score_name(v->type_score));
	put_text(one, "rival", v->rival);
	put_flag(one, "piece", v->piece);
	put_flag(one, "opened", v->opened);
	put_flag(one, "opens", v->opens);
	put(one, "mount", json_of_mount(v));
	if (v->metadata_bytes) {
		metadata = json_object_new_object();
		put_number(metadata, "bytes", v->metadata_bytes);
		put_number(metadata, "lost", v->metadata_lost);
	}
	put(one, "metadata", metadata);
	return one;
}

static struct json_object *
json_of_volume(const struct vr_guest *g, size_t index)
{
	struct json_object *one = json_object_new_object();
	struct vr_volume_info v = {.size = sizeof(v)}, parent = v;

	vr_guest_volume(g, index, &v);
	if (v.parent != SIZE_MAX)
		vr_guest_volume(g, v.parent, &parent);
	put_text(one, "name", v.name);
	put_text(one, "slot", vr_slot_name(v.slot));
	put_text(one, "parent", v.parent == SIZE_MAX ? NULL : parent.name);
	put_number(one, "disk", v.disk);
	put_number(one, "number", v.number);
	put_number(one, "start", v.start);
	put_number(one, "length", v.length);
	put_text(one, "bounds_from", v.how);
	put_text(one, "bounds_score", vr_score_name(v.score));
	put_flag(one, "missing", v.missing);
	put_text(one, "table", v.table);
	put(one, "entry", json_of_entry(&v));
	put(one, "content", json_of_content(&v));
	put_text(one, "second_opinion", v.second_opinion);
	put(one, "bytes", json_of_bytes(v.bytes));
	return one;
}

static struct json_object *
json_of_patches(const struct vr_guest *g, size_t step)
{
	struct json_object *array = json_object_new_array();
	struct vr_patch_info p = {.size = sizeof(p)};

	for (size_t i = 0; i < vr_guest_patches(g); i++) {
		struct json_object *one;

		vr_guest_patch(g, i, &p);
		if (p.step != step)
			continue;
		one = json_object_new_object();
		put_number(one, "disk", p.disk);
		put_number(one, "offset", p.off);
		put_number(one, "length", p.length);
		json_object_array_add(array, one);
	}
	return array;
}

static struct json_object *
json_of_step(const struct vr_guest *g, size_t index)
{
	struct json_object *one = json_object_new_object();
	struct vr_step_info step = {.size = sizeof(step)};
	struct vr_volume_info v = {.size = sizeof(v)};

	vr_guest_step(g, index, &step);
	vr_guest_volume(g, step.volume, &v);
	put_text(one, "repair", step.repair);
	put_text(one, "volume", v.name);
	put_text(one, "what", step.what);
	put_text(one, "evidence", step.evidence);
	put_text(one, "risk", vr_risk_name(step.risk));
	put(one, "patches", json_of_patches(g, index));
	return one;
}

static struct json_object *
json_of_guest_findings(const struct vr_guest *g)
{
	struct json_object *array = json_object_new_array();
	struct vr_finding finding;

	for (size_t i = 0; i < vr_guest_findings(g); i++) {
		struct json_object *one = json_object_new_object();

		vr_guest_finding(g, i, &finding);
		put_text(one, "severity", vr_severity_name(finding.severity));
		put_text(one, "code", finding.code);
		put_text(one, "text", finding.text);
		json_object_array_add(array, one);
	}
	return array;
}

static struct json_object *
json_of_guest(const struct vr_guest *g)
{
	struct json_object *root = json_object_new_object();
	struct json_object *volumes = json_object_new_array();
	struct json_object *steps = json_object_new_array();

	put_text(root, "schema", "vmdk-rescue-volumes-1");
	put_path(root, "name", g->vm->name);
	put_path(root, "path", g->vm->path);
	for (size_t i = 0; i < vr_guest_volumes(g); i++)
		json_object_array_add(volumes, json_of_volume(g, i));
	for (size_t i = 0; i < vr_guest_steps(g); i++)
		json_object_array_add(steps, json_of_step(g, i));
	put(root, "volumes", volumes);
	put(root, "repairs", steps);
	put(root, "findings", json_of_guest_findings(g));
	return root;
}

int
vr_guest_report(const struct vr_guest *g, char **ret)
{
	struct json_object *root = json_of_guest(g);
	const char *text = json_object_to_json_string_ext(
		root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *copy = text ? strdup(text) : NULL;

	json_object_put(root);
	if (!copy)
		return vr_fail_memory();
	*ret = copy;
	return 0;
}
