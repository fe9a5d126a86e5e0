/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PDF: the end of the file says where its cross-reference table begins, and one
 * begins there (ISO 32000-1, 7.5.5). Nothing is checksummed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "fs/content.h"

#define TAIL_BYTES 4096
#define WORD	   "startxref"

/* The last one counts: each revision appends its own. */
static const char *
last_word(const char *tail, size_t n)
{
	const char *found = NULL;

	for (const char *p = tail;
	     (p = memmem(p, n - (size_t)(p - tail), WORD, strlen(WORD))); p++)
		found = p;
	return found;
}

/* A table, or the object of one that is compressed: "12 0 obj". */
static int
check_place(struct vr_source *file, uint64_t off, bool *ret)
{
	char p[24] = "";
	size_t n = (size_t)vr_min(sizeof(p) - 1, file->size - off);
	int r = vr_source_read_at(file, p, n, off);
	size_t blank = strspn(p, " \t\r\n\f");

	*ret = r == 0 && (strncmp(p + blank, "xref", 4) == 0 ||
			  (p[blank] >= '0' && p[blank] <= '9'));
	return r;
}

static int
check(struct vr_source *file, enum vr_check *ret, const char **ret_why)
{
	char tail[TAIL_BYTES + 1] = "";
	size_t n = (size_t)vr_min(TAIL_BYTES, file->size);
	int r = vr_source_read_at(file, tail, n, file->size - n);
	const char *word = r == 0 ? last_word(tail, n) : NULL;
	uint64_t off = word ? strtoull(word + strlen(WORD), NULL, 10) : 0;
	bool holds = false;

	if (off && off < file->size)
		r = check_place(file, off, &holds);
	*ret = holds ? VR_CHECK_SOUND : VR_CHECK_BROKEN;
	if (!holds)
		*ret_why = "the document's end does not lead to its table of "
			   "contents";
	return r;
}

const struct vr_content_row vr_content_pdf = {
	.name = "pdf",
	.magics = (const struct vr_magic[]){{0, 5, "%PDF-"}, {0}},
	.check = check,
};
