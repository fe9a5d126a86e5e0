/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libarchive unpacks and checks on the way: zip, which office documents and
 * Java programs are, 7z, xz, bzip2 and zstd. It is given our bytes only, and no
 * helper programs are run.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "fs/content.h"

#define PIECE	     ((size_t)256 << 10)
#define ENTRIES_MOST (UINT64_C(4) << 20)

struct reading {
	struct vr_source *file;
	uint64_t at;
	uint8_t *piece;
	int code; /* of what ended it, if that was not the archive's doing */
};

static la_ssize_t
read_piece(struct archive *a, void *data, const void **ret)
{
	struct reading *in = data;
	size_t n = (size_t)vr_min(PIECE, in->file->size - in->at);

	(void)a;
	in->code = vr_check_cancel();
	if (in->code == 0 && n)
		in->code = vr_source_read_at(in->file, in->piece, n, in->at);
	if (in->code < 0)
		return ARCHIVE_FATAL;
	in->at += n;
	*ret = in->piece;
	return (la_ssize_t)n;
}

static la_int64_t
seek(struct archive *a, void *data, la_int64_t off, int whence)
{
	struct reading *in = data;
	int64_t base = whence == SEEK_SET   ? 0
		       : whence == SEEK_CUR ? (int64_t)in->at
					    : (int64_t)in->file->size;
	int64_t to;

	(void)a;
	if (__builtin_add_overflow(base, off, &to) || to < 0 ||
	    (uint64_t)to > in->file->size)
		return ARCHIVE_FATAL;
	in->at = (uint64_t)to;
	return to;
}

static la_int64_t
skip(struct archive *a, void *data, la_int64_t n)
{
	struct reading *in = data;
	uint64_t left = in->file->size - in->at;
	uint64_t here = n > 0 ? vr_min((uint64_t)n, left) : 0;

	(void)a;
	in->at += here;
	return (la_int64_t)here;
}

static struct archive *
open_archive(struct reading *in)
{
	struct archive *a = archive_read_new();

	if (!a)
		return NULL;
	archive_read_support_format_zip(a);
	archive_read_support_format_7zip(a);
	archive_read_support_format_raw(a);
	/* Without its library a filter would start a program. */
	if (archive_liblzma_version())
		archive_read_support_filter_xz(a);
	if (archive_bzlib_version())
		archive_read_support_filter_bzip2(a);
	if (archive_libzstd_version())
		archive_read_support_filter_zstd(a);
	archive_read_set_read_callback(a, read_piece);
	archive_read_set_seek_callback(a, seek);
	archive_read_set_skip_callback(a, skip);
	archive_read_set_callback_data(a, in);
	return a;
}

/* ARCHIVE_EOF behind the last block, as everywhere in libarchive. */
static int
read_entry(struct archive *a, uint64_t *unpacked)
{
	int answer = ARCHIVE_OK;

	while (answer == ARCHIVE_OK && *unpacked <= VR_CONTENT_UNPACKED_MOST) {
		const void *block;
		size_t n = 0;
		la_int64_t off;

		answer = archive_read_data_block(a, &block, &n, &off);
		*unpacked += n;
	}
	return answer == ARCHIVE_EOF ? ARCHIVE_OK : answer;
}

/* A name that cannot be told is a warning, and nothing to us. */
static int
read_all(struct archive *a, uint64_t *unpacked, uint64_t *entries)
{
	int answer = archive_read_open1(a);

	while (answer == ARCHIVE_OK && *unpacked <= VR_CONTENT_UNPACKED_MOST &&
	       *entries <= ENTRIES_MOST) {
		struct archive_entry *entry;

		answer = archive_read_next_header(a, &entry);
		if (answer != ARCHIVE_OK && answer != ARCHIVE_WARN)
			break;
		++*entries;
		answer = read_entry(a, unpacked);
	}
	return answer;
}

static int
check(struct vr_source *file, enum vr_check *ret, const char **ret_why)
{
	vr_cleanup(vr_free_p) uint8_t *piece = malloc(PIECE);
	struct reading in = {.file = file, .piece = piece};
	struct archive *a = piece ? open_archive(&in) : NULL;
	uint64_t unpacked = 0, entries = 0;
	int answer;

	if (!a)
		return vr_fail_memory();
	answer = read_all(a, &unpacked, &entries);
	if (answer == ARCHIVE_EOF && entries) {
		*ret = VR_CHECK_SOUND;
	} else if (answer != ARCHIVE_OK && in.code == 0 &&
		   archive_read_has_encrypted_entries(a) != 1) {
		*ret = VR_CHECK_BROKEN;
		*ret_why = "it cannot be unpacked to the end, or not to what "
			   "its checksums say";
	}
	archive_read_free(a);
	return in.code;
}

const struct vr_content_row vr_content_archive = {
	.name = "archive",
	.checksummed = true,
	.magics =
		(const struct vr_magic[]){
			{0, 4, "PK\x03\x04"},
			{0, 6, "7z\xbc\xaf\x27\x1c"},
			{0, 6,
			 "\xfd"
			 "7zXZ\0"},
			{0, 3, "BZh"},
			{0, 4, "\x28\xb5\x2f\xfd"},
			{0},
		},
	.check = check,
};
