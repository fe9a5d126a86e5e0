/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "background.h"
#include "fuse.h"
#include "mount_options.h"
#include "mountpoint.h"
#include "progress.h"
#include "render.h"
#include "show.h"

/* What becomes of one disk or folder, from its opening to the end of the mount. */
struct job {
	const struct options *options;
	const char *path;
	struct mount_options how;
	struct background background;
	struct vr_vm *vm;
	struct vr_guest *guest;
	struct tree *tree;
	char *mountpoint, *source;
};

static void
job_free(struct job *job)
{
	tree_free(job->tree);
	vr_guest_free(job->guest);
	vr_vm_free(job->vm);
	mount_options_free(&job->how);
	free(job->mountpoint);
	free(job->source);
}

static enum exit_status
fail(const struct job *job, const char *sentence)
{
	return show_failure(job->path, job->options, sentence);
}

static enum exit_status
fail_code(const struct job *job, int code)
{
	if (code == VR_E_MEMORY)
		return fail(job, "there is no memory left");
	return show_error(job->path, job->options, code);
}

/* --- what is said when all is ready ------------------------------------------ */

static void
show_volumes(const struct node *folder, const char *prefix)
{
	char size[32];

	for (size_t i = 0; i < folder->count; i++) {
		const struct node *node = folder->children[i];

		if (node->kind == NODE_BYTES)
			printf("  %s%s  %s\n", prefix, node->name,
			       vr_human_size(vr_source_size(node->bytes),
					     size));
		else if (node->kind == NODE_FOLDER) {
			char deeper[600];

			snprintf(deeper, sizeof(deeper), "%.300s%.255s/",
				 prefix, node->name);
			show_volumes(node, deeper);
		}
	}
}

static void
show_mounted(const struct job *job)
{
	static const char *const words[] = {
		[VR_DAMAGED_ZERO] = "lost bytes read as zeros",
		[VR_DAMAGED_ERROR] = "reading a lost byte is an error",
		[VR_DAMAGED_RAW] = "lost bytes read as the ciphertext",
	};
	char *shown = vr_printable(job->mountpoint);

	for (size_t i = 0; i < vr_vm_disks(job->vm); i++)
		show_disk_line(vr_vm_disk(job->vm, i));
	printf("\nMounted read-only on %s; %s:\n", shown ? shown : "?",
	       words[job->how.options.damaged]);
	show_volumes(job->tree->root, "");
	printf("%s", job->options->foreground ? "End it with Ctrl-C, or:  "
					      : "End it with:  ");
	printf("%s '%s'\n", geteuid() == 0 ? "umount" : "fusermount3 -u",
	       shown ? shown : "?");
	free(shown);
}

static void
show_findings(const struct job *job)
{
	struct vr_finding finding;

	for (size_t i = 0; i < vr_guest_findings(job->guest); i++) {
		vr_guest_finding(job->guest, i, &finding);
		if (finding.severity != VR_NOTE || job->options->verbose)
			render_finding(stdout, &finding);
	}
}

static int
on_ready(void *data)
{
	struct job *job = data;
	int r = 0;

	if (progress_cancelled())
		return -1;
	progress_clear();
	if (job->options->json)
		r = show_vm_json(job->vm, job->mountpoint);
	else if (job->options->quiet)
		printf("%s\n", job->mountpoint);
	else {
		show_mounted(job);
		show_findings(job);
	}
	if (r < 0 || fflush(stdout) != 0)
		return -1;
	if (!job->options->foreground) {
		openlog("vmdk-rescue", LOG_PID, LOG_DAEMON);
		background_detach(&job->background);
	}
	return 0;
}

/* --- from the path to the mount ------------------------------------------------ */

static int
open_all(struct job *job)
{
	const struct vr_options how = progress_options(&job->how.options);
	const struct vr_guest_options guest = progress_guest(&job->how.options);
	int r = vr_vm_open(job->path, &how, &job->vm);

	if (r == 0)
		r = vr_vm_apart(job->vm, job->mountpoint);
	if (r == 0)
		r = vr_guest_open(job->vm, &guest, &job->guest);
	if (r == 0)
		r = tree_open(job->vm, job->guest,
			      (enum vr_damaged)job->how.options.damaged,
			      &job->tree);
	return r;
}

static enum exit_status
serve(struct job *job)
{
	struct serve serve = {
		.mountpoint = job->mountpoint,
		.source = job->source ? job->source : job->path,
		.options = job->how.kernel,
		.cache = job->how.cache,
		.log = !job->options->foreground,
		.ready = on_ready,
		.ready_data = job,
	};
	char sentence[1024];
	int r = open_all(job);

	if (r < 0)
		return fail_code(job, r);
	if (!job->how.nonempty &&
	    !mountpoint_is_empty(job->mountpoint, sentence, sizeof(sentence)))
		return fail(job, sentence);
	serve.tree = job->tree;
	if (!fuse_serve(&serve, sentence, sizeof(sentence)))
		return fail(job, sentence);
	return EXIT_DONE;
}

static enum exit_status
mount_disk(struct job *job)
{
	enum exit_status status;
	char sentence[1024];

	if (!mountpoint_check(job->options->place, sentence, sizeof(sentence)))
		return fail(job, sentence);
	job->mountpoint = realpath(job->options->place, NULL);
	job->source = realpath(job->path, NULL);
	if (!job->mountpoint)
		return fail(job, strerror(errno));
	if (!job->options->foreground) {
		switch (background_start(&job->background, &status)) {
		case BACKGROUND_PARENT:
			return status;
		case BACKGROUND_FAILED:
			return fail(job, "no process can be started to serve "
					 "the mount");
		case BACKGROUND_CHILD:
			break;
		}
	}
	return serve(job);
}

static enum exit_status
mount_run(const struct options *options)
{
	struct job job = {.options = options, .path = options->paths[0]};
	enum exit_status status = EXIT_USAGE;

	if (!fuse_built())
		return fail(&job, "this vmdk-rescue was built without FUSE and "
				  "cannot mount: build it with libfuse3 there "
				  "(-Dfuse=enabled), or use 'recover'");
	if (!options->place)
		render_error("where to? Name an empty folder behind the disk: "
			     "vmdk-rescue mount %s FOLDER",
			     options->paths[0]);
	else if (options->path_count > 1)
		render_error("one disk or folder at a time can be mounted");
	else if (mount_options_take(options, &job.how))
		status = mount_disk(&job);
	job_free(&job);
	return status;
}

const struct command command_mount = {
	.name = "mount",
	.operands = "DISK|FOLDER PLACE",
	.summary = "show the disk and its volumes as files",
	.options = "DOgsacdmpSRVjqv",
	.needs_path = true,
	.takes_place = true,
	.run = mount_run,
};
