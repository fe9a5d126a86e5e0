/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cancel.h"

#include <stdatomic.h>

#include "base/error.h"

/* The one global of the library: a signal handler has no other place. */
static atomic_int cancelled;

void
vr_cancel(void)
{
	atomic_store(&cancelled, 1);
}

int
vr_check_cancel(void)
{
	return atomic_load(&cancelled) ? vr_fail(VR_E_CANCELLED, "cancelled")
				       : 0;
}

const char *
vr_version(void)
{
	return VR_VERSION;
}
