/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_GPT_TYPES_H
#define VR_GUEST_GPT_TYPES_H

#define VR_GPT_TYPE_ESP	 "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define VR_GPT_TYPE_BIOS "21686148-6449-6e6f-744e-656564454649"
#define VR_GPT_TYPE_MSR	 "e3c9e316-0b5c-4db8-817d-f92df00215ae"

/* What a partition's type, a GUID in lower case, means; NULL: unknown. */
const char *vr_gpt_type_meaning(const char *type);

#endif
