/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ELF programs and libraries: tables and sections lie inside the file (System V
 * ABI, chapter 4). Nothing in them is checksummed.
 */
#include <elf.h>

#include "base/bytes.h"
#include "fs/content.h"

struct shape {
	bool wide, big;
};

static uint64_t
load(const struct shape *s, const uint8_t *p, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)p[s->big ? bytes - 1 - i : i] << 8 * i;
	return value;
}

static bool
fits(uint64_t off, uint64_t n, uint64_t size)
{
	return off <= size && n <= size - off;
}

/* Sections that take room in the file are in it. */
static int
check_sections(struct vr_source *file, const struct shape *s, uint64_t off,
	       unsigned count, unsigned bytes, bool *ret)
{
	for (unsigned i = 0; *ret && i < count; i++) {
		uint8_t p[64];
		unsigned w = s->wide ? 8 : 4;
		unsigned at = s->wide ? 24 : 16;
		int r = vr_source_read_at(file, p, s->wide ? 64 : 40,
					  off + (uint64_t)i * bytes);

		if (r < 0)
			return r;
		if (load(s, p + 4, 4) != SHT_NOBITS && load(s, p + 4, 4))
			*ret = fits(load(s, p + at, w), load(s, p + at + w, w),
				    file->size);
	}
	return 0;
}

static int
check_tables(struct vr_source *file, const uint8_t *p, const struct shape *s,
	     bool *ret)
{
	unsigned at = s->wide ? 52 : 40, w = s->wide ? 8 : 4;
	uint64_t programs = load(s, p + 24 + w, w);
	uint64_t sections = load(s, p + 24 + 2 * w, w);
	unsigned program_bytes = (unsigned)load(s, p + at + 2, 2);
	unsigned program_count = (unsigned)load(s, p + at + 4, 2);
	unsigned section_bytes = (unsigned)load(s, p + at + 6, 2);
	unsigned section_count = (unsigned)load(s, p + at + 8, 2);

	*ret = fits(programs, (uint64_t)program_bytes * program_count,
		    file->size) &&
	       fits(sections, (uint64_t)section_bytes * section_count,
		    file->size);
	if (!*ret || !section_count)
		return 0;
	*ret = section_bytes == (s->wide ? 64 : 40);
	return check_sections(file, s, sections, section_count, section_bytes,
			      ret);
}

static int
check(struct vr_source *file, enum vr_check *ret, const char **ret_why)
{
	struct shape s;
	uint8_t p[64];
	bool holds = false;
	int r = 0;

	if (file->size >= sizeof(p)) {
		r = vr_source_read_at(file, p, sizeof(p), 0);
		s = (struct shape){p[EI_CLASS] == ELFCLASS64,
				   p[EI_DATA] == ELFDATA2MSB};
		if (r == 0)
			r = check_tables(file, p, &s, &holds);
	}
	*ret = holds ? VR_CHECK_SOUND : VR_CHECK_BROKEN;
	if (!holds)
		*ret_why = "parts of the program lie behind its end";
	return r;
}

const struct vr_content_row vr_content_elf = {
	.name = "elf",
	.magics = (const struct vr_magic[]){{0, 4,
					     "\x7f"
					     "ELF"},
					    {0}},
	.check = check,
};
