/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/findings.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/vector.h"

int
vr_findings_add(struct vr_findings *f, enum vr_severity severity,
		const char *code, const char *format, ...)
{
	va_list args;
	char *text;
	int n, r;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return vr_fail_memory();

	r = VR_PUSH(f, {severity, code, text});
	if (r < 0)
		free(text);
	return r;
}

void
vr_findings_free(struct vr_findings *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->items[i].text);
	free(f->items);
	*f = (struct vr_findings){0};
}

void
vr_findings_get(const struct vr_findings *f, size_t index,
		struct vr_finding *ret)
{
	const struct vr_finding_row *row = &f->items[index];

	*ret = (struct vr_finding){row->severity, row->code, row->text};
}

const char *
vr_severity_name(enum vr_severity severity)
{
	switch (severity) {
	case VR_WARNING:
		return "warning";
	case VR_LOSS:
		return "loss";
	case VR_NOTE:
		break;
	}
	return "note";
}
