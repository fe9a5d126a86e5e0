/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "progress.h"
#include "render.h"

/* What a child that ended has to say by its status. */
static enum exit_status
status_of(pid_t child)
{
	int how = 0;

	while (waitpid(child, &how, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(how))
		return (enum exit_status)WEXITSTATUS(how);
	render_error("the process that was to serve the mount was killed by "
		     "signal %d",
		     WTERMSIG(how));
	return EXIT_FAILED;
}

/* A signal that only we got is the child's, too. */
static enum exit_status
wait_until_ready(int from_child, pid_t child)
{
	char byte;
	ssize_t n;

	while ((n = read(from_child, &byte, 1)) < 0 && errno == EINTR)
		if (progress_cancelled())
			kill(child, SIGTERM);
	close(from_child);
	return n == 1 ? EXIT_DONE : status_of(child);
}

enum background_side
background_start(struct background *b, enum exit_status *ret_status)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return BACKGROUND_FAILED;
	fflush(NULL);
	child = fork();
	if (child < 0) {
		close(ends[0]);
		close(ends[1]);
		return BACKGROUND_FAILED;
	}
	if (child == 0) {
		close(ends[0]);
		b->to_parent = ends[1];
		return BACKGROUND_CHILD;
	}
	close(ends[1]);
	*ret_status = wait_until_ready(ends[0], child);
	return BACKGROUND_PARENT;
}

void
background_detach(struct background *b)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0)
		render_error("the mount keeps the current folder in use");
	for (int fd = 0; nowhere >= 0 && fd < 3; fd++)
		dup2(nowhere, fd);
	if (nowhere > 2)
		close(nowhere);
	if (write(b->to_parent, "", 1) == 1)
		close(b->to_parent);
}
