/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Fixed, because the sentence about lost memory must not need any. */
#define SENTENCE_BYTES 2048

static _Thread_local char sentence[SENTENCE_BYTES];

static void
set_sentence(const char *format, va_list args)
{
	char fresh[SENTENCE_BYTES];

	/* Through a copy: an argument may be the old sentence itself. */
	vsnprintf(fresh, sizeof(fresh), format, args);
	memcpy(sentence, fresh, sizeof(fresh));
}

int
vr_fail(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_sentence(format, args);
	va_end(args);
	return code;
}

static int
code_of_errno(int number)
{
	switch (number) {
	case ENOMEM:
		return VR_E_MEMORY;
	case EACCES:
	case EPERM:
	case EROFS:
		return VR_E_DENIED;
	case ENOENT:
	case ENOTDIR:
		return VR_E_MISSING;
	case EEXIST:
	case ENOTEMPTY:
		return VR_E_EXISTS;
	case ENOSPC:
	case EDQUOT:
		return VR_E_FULL;
	default:
		return VR_E_IO;
	}
}

int
vr_fail_errno(const char *format, ...)
{
	int number = errno;
	va_list args;
	size_t used;

	va_start(args, format);
	set_sentence(format, args);
	va_end(args);

	used = strlen(sentence);
	snprintf(sentence + used, sizeof(sentence) - used, ": %s",
		 strerrordesc_np(number) ? strerrordesc_np(number)
					 : "unknown error");
	return code_of_errno(number);
}

int
vr_fail_memory(void)
{
	return vr_fail(VR_E_MEMORY, "out of memory");
}

int
vr_context(int code, const char *format, ...)
{
	char noun[SENTENCE_BYTES / 2], fresh[SENTENCE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(noun, sizeof(noun), format, args);
	va_end(args);

	/* A sentence cut at the end of the room is still a sentence. */
	if (snprintf(fresh, sizeof(fresh), "%s: %s", noun, sentence) < 0)
		return code;
	memcpy(sentence, fresh, sizeof(fresh));
	return code;
}

const char *
vr_error_sentence(void)
{
	return sentence;
}
