/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_FINDINGS_H
#define VR_BASE_FINDINGS_H

#include <vmdkrescue.h>

struct vr_finding_row {
	enum vr_severity severity;
	const char *code; /* static */
	char *text;
};

/* Sentences about the evidence, in the order they were found. Owns the texts. */
struct vr_findings {
	struct vr_finding_row *items;
	size_t count, room;
};

/* 0 or VR_E_MEMORY. */
int vr_findings_add(struct vr_findings *f, enum vr_severity severity,
		    const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void vr_findings_free(struct vr_findings *f);
void vr_findings_get(const struct vr_findings *f, size_t index,
		     struct vr_finding *ret);

const char *vr_severity_name(enum vr_severity severity);

#endif
