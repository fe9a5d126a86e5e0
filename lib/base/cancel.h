/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_CANCEL_H
#define VR_BASE_CANCEL_H

/* 0, or VR_E_CANCELLED with its sentence once vr_cancel() was called. */
int vr_check_cancel(void);

#endif
