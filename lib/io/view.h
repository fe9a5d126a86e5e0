/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_VIEW_H
#define VR_IO_VIEW_H

#include "io/source.h"

/*
 * vr_view_open(), declared in <vmdkrescue.h>: lower, with the one decision what
 * a damaged range reads as. It lies on top of a stack of sources, below whoever
 * shows bytes to somebody.
 *
 * Extents stay DAMAGED under every policy. Only where damage reads as zeros are
 * they ZERO, too; under the others whoever skips holes must still meet them.
 */

#endif
