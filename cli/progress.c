/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static bool shown;
static volatile sig_atomic_t cancelled;

int
progress_show(void *data, const char *doing, uint64_t done, uint64_t total)
{
	(void)data;
	if (!isatty(STDERR_FILENO))
		return 0;
	fprintf(stderr, "\r\033[K%s", doing);
	if (total > 1)
		fprintf(stderr, " (%" PRIu64 " of %" PRIu64 ")", done + 1,
			total);
	fflush(stderr);
	shown = true;
	return 0;
}

void
progress_clear(void)
{
	if (shown)
		fputs("\r\033[K", stderr);
	shown = false;
}

static void
on_signal(int number)
{
	(void)number;
	cancelled = 1;
	vr_cancel();
}

bool
progress_cancelled(void)
{
	return cancelled;
}

void
progress_catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};

	/* A second one kills: the work may hang in a dying disk. */
	action.sa_flags = (int)SA_RESETHAND;
	/* A file above a limit is a failed write with its sentence, no death. */
	signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
}

struct vr_options
progress_options(const struct options *options)
{
	return (struct vr_options){
		.size = sizeof(struct vr_options),
		.args = options->args,
		.capacity = options->capacity,
		.adapter = options->adapter,
		.map = options->map,
		.profile = options->profile,
		.snapshot = options->snapshot,
		.donor = options->donor,
		.verify = options->verify_full ? VR_VERIFY_FULL
					       : VR_VERIFY_SAMPLE,
		.progress = options->quiet || options->json ? NULL
							    : progress_show,
	};
}

struct vr_guest_options
progress_guest(const struct options *options)
{
	return (struct vr_guest_options){
		.size = sizeof(struct vr_guest_options),
		.scan = options->scan ? VR_SCAN_ALWAYS : VR_SCAN_GAPS,
		.count_metadata = true,
		.progress = options->quiet || options->json ? NULL
							    : progress_show,
	};
}
