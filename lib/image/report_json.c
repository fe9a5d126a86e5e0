/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report, schema vmdk-rescue-report-1. No times, no random numbers: the same
 * evidence gives the same bytes. json-c keeps keys in the order of their adding.
 * Its adders fail only without memory, which shows in the end as a missing text.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "format/geometry.h"
#include "image/json.h"
#include "image/donor.h"

static const char *
weight_name(enum vr_weight weight)
{
	switch (weight) {
	case VR_DECIDED:
		return "decided";
	case VR_AGREES:
		return "agrees";
	case VR_CONTRADICTS:
		break;
	}
	return "contradicts";
}

static struct json_object *
json_of_clues(const struct vr_capacity *capacity)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < capacity->clues.count; i++) {
		const struct vr_clue *clue = &capacity->clues.items[i];
		struct json_object *one = json_object_new_object();

		put_text(one, "kind", clue->kind);
		put_text(one, "weight", weight_name(clue->weight));
		put_number(one, "bytes", clue->bytes);
		put_text(one, "text", clue->text);
		json_object_array_add(array, one);
	}
	return array;
}

static struct json_object *
json_of_args(const struct vr_hostfile *file)
{
	struct json_object *one;

	if (!file->has_args)
		return NULL;
	one = json_object_new_object();
	put_number(one, "step", file->args.step);
	put_number(one, "chunk", file->args.chunk);
	put_number(one, "bytes", file->args.bytes);
	return one;
}

static struct json_object *
json_of_hypothesis(const struct vr_hypothesis *h)
{
	struct json_object *one = json_object_new_object();
	struct json_object *bounds = json_object_new_array();

	put_text(one, "profile", h->profile);
	put_text(one, "from", h->reason);
	put_number(one, "first", h->first);
	put_number(one, "chunk", h->chunk);
	put_number(one, "period", h->period);
	for (size_t i = 0; i < h->bound_count; i++) {
		struct json_object *bound = json_object_new_object();

		put_text(bound, "name", h->bounds[i].name);
		put_number(bound, "end", h->bounds[i].end);
		json_object_array_add(bounds, bound);
	}
	put(one, "bounds", bounds);
	return one;
}

static struct json_object *
json_of_measure(const struct vr_diagnosis *d)
{
	const struct vr_measure *m = &d->measure;
	struct json_object *one = json_object_new_object();

	put_number(one, "stripes", m->stripes);
	put_number(one, "looked_at", m->looks.count);
	put_flag(one, "complete", m->complete);
	put_number(one, "encrypted", m->encrypted);
	put_number(one, "clear", m->clear);
	put_number(one, "unsure", m->unsure);
	put_number(one, "unreadable", m->unreadable);
	put_number(one, "contradictions", m->contradictions);
	put_flag(one, "decided", m->decided);
	put_number(one, "end", m->end);
	put_text(one, "bound",
		 m->bound == VR_NO_BOUND ? NULL
					 : d->hypothesis.bounds[m->bound].name);
	put_flag(one, "ambiguous", m->ambiguous);
	return one;
}

static struct json_object *
json_of_full(const struct vr_full *full)
{
	struct json_object *one;

	if (!full->done)
		return NULL;
	one = json_object_new_object();
	put_number(one, "encrypted", full->encrypted);
	put_number(one, "clear", full->clear);
	put_number(one, "mixed", full->mixed);
	put_number(one, "unreadable", full->unreadable);
	put_number(one, "gap_order_bytes", full->gap_order);
	put_number(one, "gap_noise_bytes", full->gap_noise);
	return one;
}

static struct json_object *
json_of_candidates(const struct vr_diagnosis *d)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < d->candidate_count; i++)
		json_object_array_add(array,
				      json_of_hypothesis(&d->candidates[i]));
	return array;
}

static struct json_object *
json_of_others(const struct vr_diagnosis *d)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < d->other_count; i++)
		json_object_array_add(
			array, json_of_hypothesis(&d->others[i].hypothesis));
	return array;
}

static struct json_object *
json_of_confidence(const struct vr_diagnosis *d)
{
	struct json_object *one = json_object_new_object();

	put_text(one, "word", vr_confidence_name(d->confidence));
	put(one, "bits", json_object_new_int64(d->bits));
	put_text(one, "reason", vr_confidence_reason(d->confidence));
	put_flag(one, "gaps_sure", d->gaps_sure);
	return one;
}

static void
put_diagnosis(struct json_object *to, const struct vr_diagnosis *d)
{
	put_text(to, "condition", vr_condition_name(d->condition));
	put_number(to, "bytes_read", d->bytes_read);
	put(to, "prediction",
	    d->chosen ? json_of_hypothesis(&d->hypothesis) : NULL);
	put(to, "measured", d->chosen ? json_of_measure(d) : NULL);
	put(to, "full_pass", json_of_full(&d->full));
	put(to, "other_runs", json_of_others(d));
	put(to, "candidates", json_of_candidates(d));
	put(to, "confidence", json_of_confidence(d));
}

static struct json_object *
json_of_file(const struct vr_hostfile *file)
{
	struct json_object *one = json_object_new_object();
	struct json_object *trailer = json_object_new_object();

	put_path(one, "path", file->path);
	put_number(one, "length", file->source->size);
	put_number(one, "allocated", (uint64_t)file->stat.st_blocks * 512);
	put_number(one, "modified", (uint64_t)file->stat.st_mtim.tv_sec);
	put_number(one, "capacity", file->capacity.bytes);
	put(one, "capacity_evidence", json_of_clues(&file->capacity));
	put_number(trailer, "bytes", file->capacity.trailer_bytes);
	put_number(trailer, "runs", file->capacity.trailers);
	put(one, "trailer", trailer);
	put(one, "args", json_of_args(file));
	put_diagnosis(one, &file->diagnosis);
	return one;
}

static struct json_object *
json_of_bytes(const struct vr_disk *disk)
{
	struct json_object *one = json_object_new_object();

	for (unsigned d = 0; d < VR_DAMAGES; d++)
		put_number(one, vr_damage_name((enum vr_damage)d),
			   disk->bytes[d]);
	return one;
}

static struct json_object *
json_of_descriptor(const struct vr_disk *disk)
{
	const struct vr_identity *id = &disk->identity;
	struct vr_geometry g =
		vr_geometry(disk->capacity / VR_SECTOR, id->adapter);
	struct json_object *one = json_object_new_object();
	char cid[9];

	snprintf(cid, sizeof(cid), "%08" PRIx32, id->cid);
	put_text(one, "adapter", id->adapter);
	put_text(one, "adapter_source", id->adapter_source);
	put_text(one, "cid", cid);
	put_text(one, "uuid", id->uuid);
	put_flag(one, "thin", id->thin);
	put_number(one, "hardware_version", id->hardware_version);
	put_number(one, "cylinders", g.cylinders);
	put_number(one, "heads", g.heads);
	put_number(one, "sectors", g.sectors);
	return one;
}

static struct json_object *
json_of_donor(const struct vr_donor *donor)
{
	struct json_object *one = json_object_new_object();

	put_path(one, "path", donor->path);
	put_number(one, "filled_bytes", donor->filled_bytes);
	put_number(one, "filled", donor->filled);
	put_number(one, "differ", donor->differ);
	put_number(one, "nothing_to_tell_by", donor->bare);
	put_number(one, "too_little_beside", donor->narrow);
	put_number(one, "noise", donor->noise);
	return one;
}

static struct json_object *
json_of_disk(const struct vr_disk *disk)
{
	struct json_object *one = json_object_new_object();
	struct json_object *files = json_object_new_array();
	struct vr_disk_info info = {.size = sizeof(info)};

	vr_disk_info(disk, &info);
	put_text(one, "name", info.name);
	put_number(one, "capacity", info.capacity);
	put_flag(one, "capacity_sure", info.capacity_sure);
	put_text(one, "condition", vr_condition_name(info.condition));
	put_text(one, "state", info.state);
	put_text(one, "next_step", info.next_step);
	put(one, "bytes", json_of_bytes(disk));
	put(one, "descriptor", json_of_descriptor(disk));
	for (size_t i = 0; i < disk->files.count; i++)
		json_object_array_add(files,
				      json_of_file(disk->files.items[i]));
	put(one, "files", files);
	put(one, "donor", disk->donor ? json_of_donor(disk->donor) : NULL);
	put(one, "findings", json_of_findings(&disk->findings));
	return one;
}

static struct json_object *
json_of_vm(const struct vr_vm *vm)
{
	struct json_object *root = json_object_new_object();
	struct json_object *disks = json_object_new_array();

	put_text(root, "schema", "vmdk-rescue-report-1");
	put_text(root, "generator", "vmdk-rescue " VR_VERSION);
	put_path(root, "name", vm->name);
	put_path(root, "path", vm->path);
	for (size_t i = 0; i < vm->disks.count; i++)
		json_object_array_add(disks, json_of_disk(vm->disks.items[i]));
	put(root, "disks", disks);
	put(root, "findings", json_of_findings(&vm->findings));
	return root;
}

int
vr_vm_report(const struct vr_vm *vm, char **ret)
{
	struct json_object *root = json_of_vm(vm);
	const char *text = json_object_to_json_string_ext(
		root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
			      JSON_C_TO_STRING_NOSLASHESCAPE);
	char *copy = text ? vr_format("%s\n", text) : NULL;

	json_object_put(root);
	if (!copy)
		return vr_fail_memory();
	*ret = copy;
	return 0;
}
