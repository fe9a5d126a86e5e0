/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_BACKGROUND_H
#define CLI_BACKGROUND_H

#include "options.h"

/*
 * Work that goes on behind the prompt. The process forks before it begins, and
 * the child keeps the terminal until all that can fail has been done and said;
 * only then the parent leaves, with the status that is due.
 */
struct background {
	int to_parent; /* of the child: a byte says that it is ready */
};

enum background_side { BACKGROUND_FAILED, BACKGROUND_PARENT, BACKGROUND_CHILD };

/* The parent returns only when the child is ready or has ended. */
enum background_side background_start(struct background *b,
				      enum exit_status *ret_status);

/* Of the child: lets the parent go, and the terminal. */
void background_detach(struct background *b);

#endif
