/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SQLite databases say their page size and, since 3.7.0, their number of pages
 * (the file format of sqlite.org, section 1.3). Pages bear no checksums.
 */
#include "base/bytes.h"
#include "fs/content.h"

#define HEADER_BYTES 101 /* with the first page's type */

static bool
holds(const uint8_t *p, uint64_t size)
{
	uint64_t page = vr_load_be16(p + 16) == 1 ? 65536
						  : vr_load_be16(p + 16);
	bool counts = vr_load_be32(p + 24) == vr_load_be32(p + 92);
	uint8_t type = p[100];

	if (page < 512 || (page & (page - 1)) || size % page)
		return false;
	if (counts && vr_load_be32(p + 28) > size / page)
		return false;
	return type == 2 || type == 5 || type == 10 || type == 13;
}

static int
check(struct vr_source *file, enum vr_check *ret, const char **ret_why)
{
	uint8_t p[HEADER_BYTES];
	int r;

	*ret = VR_CHECK_BROKEN;
	*ret_why = "the database is not as long as it says, or its first page "
		   "is none";
	if (file->size < sizeof(p))
		return 0;
	r = vr_source_read_at(file, p, sizeof(p), 0);
	if (r == 0 && holds(p, file->size)) {
		*ret = VR_CHECK_SOUND;
		*ret_why = NULL;
	}
	return r;
}

const struct vr_content_row vr_content_sqlite = {
	.name = "sqlite",
	.magics = (const struct vr_magic[]){{0, 16, "SQLite format 3\0"}, {0}},
	.check = check,
};
