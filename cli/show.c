/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "show.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>

#include "progress.h"
#include "render.h"

#define AT 14

static void
show_clues(const struct vr_disk *disk, size_t file,
	   const struct vr_file_info *info)
{
	static const char *const words[] = {
		[VR_DECIDED] = "decides",
		[VR_AGREES] = "agrees",
		[VR_CONTRADICTS] = "contradicts",
	};
	struct vr_capacity_clue clue;

	for (size_t i = 0; i < info->clues; i++) {
		vr_disk_clue(disk, file, i, &clue);
		render_field_f(stdout, AT, i ? "" : "Evidence",
			       "%s: %" PRIu64 " bytes (%s): %s",
			       words[clue.weight], clue.bytes, clue.kind,
			       clue.text);
	}
}

static void
show_full(const struct vr_file_info *info)
{
	char a[32], b[32];

	render_field_f(
		stdout, AT, "Full pass",
		"%" PRIu64 " stripes encrypted, %" PRIu64 " clear, %" PRIu64
		" in part, %" PRIu64 " unreadable; between them "
		"%s shown to be clear, %s noise that only its place "
		"clears",
		info->full_encrypted, info->full_clear, info->full_mixed,
		info->full_unreadable, vr_human_size(info->full_gap_order, a),
		vr_human_size(info->full_gap_noise, b));
}

static void
show_file(const struct vr_disk *disk, size_t index)
{
	struct vr_file_info info = {.size = sizeof(info)};
	char a[32], b[32];

	vr_disk_file(disk, index, &info);
	render_field_f(stdout, AT, "File",
		       "%" PRIu64 " bytes, %s allocated, %" PRIu64
		       " bytes behind the disk's end",
		       info.length, vr_human_size(info.allocated, a),
		       info.trailer_length);
	show_clues(disk, index, &info);
	if (info.has_args)
		render_field_f(stdout, AT, ".args",
			       "skip %" PRIu64 " MiB, encrypt %" PRIu64
			       " MiB, %" PRIu64 " bytes",
			       info.args_step, info.args_chunk,
			       info.args_bytes);
	if (info.profile)
		render_field_f(stdout, AT, "Measured",
			       "%" PRIu64 " stripes possible, %" PRIu64
			       " looked at, %" PRIu64 " encrypted, up to %s "
			       "(bound: %s); %s read to decide",
			       info.stripes_predicted, info.stripes_read,
			       info.stripes_encrypted,
			       vr_human_size(info.bound_bytes, a),
			       info.bound ? info.bound : "none of the rule",
			       vr_human_size(info.measure_bytes, b));
	if (info.profile || info.candidates)
		render_field_f(stdout, AT, "Confidence",
			       "%s (%" PRId64 " bits): %s%s", info.confidence,
			       info.confidence_bits, info.confidence_reason,
			       info.candidates ? "; what it may be stands in "
						 "the report (--json)"
					       : "");
	if (info.full)
		show_full(&info);
}

static void
show_bytes(const struct vr_disk_info *info)
{
	uint64_t lost = info->bytes[VR_ENCRYPTED] + info->bytes[VR_UNREADABLE];
	uint64_t doubt = info->bytes[VR_SUSPECT] + info->bytes[VR_UNKNOWN];
	char a[32], b[32], c[32];

	render_field_f(stdout, AT, "Bytes", "%s intact, %s lost, %s not known",
		       vr_human_size(info->bytes[VR_INTACT] +
					     info->bytes[VR_RECOVERED],
				     a),
		       vr_human_size(lost, b), vr_human_size(doubt, c));
}

static void
show_findings(const struct vr_disk *disk, const struct vr_disk_info *info)
{
	struct vr_finding finding;

	for (size_t i = 0; i < info->findings; i++) {
		vr_disk_finding(disk, i, &finding);
		render_finding(stdout, &finding);
	}
}

static void
show_disk(const struct vr_disk *disk, bool verbose)
{
	struct vr_disk_info info = {.size = sizeof(info)};
	char room[32];

	vr_disk_info(disk, &info);
	printf("%s%s%s  %s  %s%s%s\n", render_colour(stdout, BOLD), info.name,
	       render_colour(stdout, PLAIN), vr_human_size(info.capacity, room),
	       render_colour(stdout, render_colour_of(info.condition)),
	       vr_condition_name(info.condition), render_colour(stdout, PLAIN));
	render_field(stdout, 2, AT, "State", info.state);
	show_bytes(&info);
	if (verbose)
		render_field_f(stdout, AT, "Capacity", "%" PRIu64 " bytes%s",
			       info.capacity,
			       info.capacity_sure ? "" : ", not sure");
	for (size_t i = 0; verbose && i < info.files; i++)
		show_file(disk, i);
	if (verbose)
		render_field_f(stdout, AT, "Adapter", "%s (%s); %s",
			       info.adapter, info.adapter_source,
			       info.thin ? "thin" : "thick");
	show_findings(disk, &info);
	render_field(stdout, 2, AT, "Next step", info.next_step);
}

void
show_disk_line(const struct vr_disk *disk)
{
	struct vr_disk_info info = {.size = sizeof(info)};
	char size[32], lost[32];

	vr_disk_info(disk, &info);
	printf("%-24s %10s  %s%-15s%s  %s lost\n", info.name,
	       vr_human_size(info.capacity, size),
	       render_colour(stdout, render_colour_of(info.condition)),
	       vr_condition_name(info.condition), render_colour(stdout, PLAIN),
	       vr_human_size(info.bytes[VR_ENCRYPTED] +
				     info.bytes[VR_UNREADABLE],
			     lost));
}

void
show_vm(const struct vr_vm *vm, const struct options *options)
{
	struct vr_finding finding;

	progress_clear();
	for (size_t i = 0; i < vr_vm_disks(vm); i++)
		if (options->quiet)
			show_disk_line(vr_vm_disk(vm, i));
		else
			show_disk(vr_vm_disk(vm, i), options->verbose);
	for (size_t i = 0; !options->quiet && i < vr_vm_findings(vm); i++) {
		vr_vm_finding(vm, i, &finding);
		render_finding(stdout, &finding);
	}
}

static void
show_repairs_made(const struct vr_guest *guest, const struct options *options)
{
	struct vr_step_info step = {.size = sizeof(step)};

	for (size_t i = 0; i < vr_guest_steps(guest); i++) {
		vr_guest_step(guest, i, &step);
		render_field_f(stdout, AT, i ? "" : "Repairs",
			       "%s (%s; %" PRIu64 " bytes)%s%s", step.what,
			       vr_risk_name(step.risk), step.bytes,
			       options->verbose ? ": " : "",
			       options->verbose ? step.evidence : "");
	}
}

void
show_repairs(const struct vr_guest *guest, const struct options *options)
{
	struct vr_finding finding;

	show_repairs_made(guest, options);
	for (size_t i = 0; i < vr_guest_findings(guest); i++) {
		vr_guest_finding(guest, i, &finding);
		render_finding(stdout, &finding);
	}
}

int
show_vm_json(const struct vr_vm *vm, const char *folder)
{
	struct json_object *root;
	char *report;
	int r = vr_vm_report(vm, &report);

	if (r < 0)
		return r;
	root = json_tokener_parse(report);
	free(report);
	if (folder) {
		char *shown = vr_printable(folder);

		json_object_object_add(
			root, "folder",
			json_object_new_string(shown ? shown : "?"));
		free(shown);
	}
	printf("%s\n", json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PLAIN |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	return 0;
}

static void
show_error_json(const char *path, const char *sentence)
{
	struct json_object *root = json_object_new_object();

	json_object_object_add(root, "schema",
			       json_object_new_string("vmdk-rescue-error-1"));
	json_object_object_add(root, "path", json_object_new_string(path));
	json_object_object_add(root, "error", json_object_new_string(sentence));
	printf("%s\n", json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PLAIN |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}

enum exit_status
show_failure(const char *path, const struct options *options,
	     const char *sentence)
{
	char *shown = vr_printable(path);

	progress_clear();
	render_error("%s", sentence);
	if (options->json)
		show_error_json(shown ? shown : "?", sentence);
	free(shown);
	return EXIT_FAILED;
}

enum exit_status
show_error(const char *path, const struct options *options, int code)
{
	show_failure(path, options, vr_error_sentence());
	return code == VR_E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static bool
disk_has_loss(const struct vr_disk *disk)
{
	struct vr_disk_info info = {.size = sizeof(info)};
	struct vr_finding finding;

	vr_disk_info(disk, &info);
	for (size_t i = 0; i < info.findings; i++) {
		vr_disk_finding(disk, i, &finding);
		if (finding.severity == VR_LOSS)
			return true;
	}
	return render_is_loss(info.condition);
}

enum exit_status
show_status(const struct vr_vm *vm)
{
	struct vr_finding finding;

	for (size_t i = 0; i < vr_vm_disks(vm); i++)
		if (disk_has_loss(vr_vm_disk(vm, i)))
			return EXIT_LOSSES;
	for (size_t i = 0; i < vr_vm_findings(vm); i++) {
		vr_vm_finding(vm, i, &finding);
		if (finding.severity == VR_LOSS)
			return EXIT_LOSSES;
	}
	return EXIT_DONE;
}

enum exit_status
show_guest_status(const struct vr_vm *vm, const struct vr_guest *guest)
{
	struct vr_finding finding;

	for (size_t i = 0; guest && i < vr_guest_findings(guest); i++) {
		vr_guest_finding(guest, i, &finding);
		if (finding.severity == VR_LOSS)
			return EXIT_LOSSES;
	}
	return show_status(vm);
}

enum exit_status
show_combine(uint64_t done, uint64_t lost, uint64_t failed)
{
	if (failed && !done && !lost)
		return EXIT_FAILED;
	return failed || lost ? EXIT_LOSSES : EXIT_DONE;
}

enum exit_status
show_each(const struct options *options,
	  enum exit_status (*one)(const char *path, const struct options *o))
{
	unsigned counts[EXIT_USAGE + 1] = {0};

	for (int i = 0; i < options->path_count; i++) {
		enum exit_status status;

		if (i > 0 && !options->json && !options->quiet &&
		    options->format != FORMAT_JSON)
			putchar('\n');
		status = one(options->paths[i], options);
		counts[status]++;
		if (status == EXIT_USAGE)
			return status;
	}
	return show_combine(counts[EXIT_DONE], counts[EXIT_LOSSES],
			    counts[EXIT_FAILED]);
}
