/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes as they are, sparse. Threads read and write; the caller's hashes in
 * order and keeps a journal: a damage map, OUT.partial.map, that calls recovered
 * what is on the storage for sure. Whoever goes on reads that much back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "io/file.h"
#include "io/slice.h"
#include "map/map.h"
#include "output/export.h"
#include "output/pipeline.h"
#include "output/sparse_file.h"

#define JOURNAL_EVERY (UINT64_C(64) << 20)
#define JOURNAL_MOST  ((size_t)1 << 20)

struct raw {
	struct vr_export *e;
	uint64_t journaled;
	char *journal; /* its path */
};

/* --- the journal ---------------------------------------------------------- */

static int
write_map(FILE *file, uint64_t size, uint64_t done)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	int r = vr_map_new(size, &map);

	if (r == 0 && done)
		r = vr_map_add_range(map, VR_LAYER_MEASURED, VR_RECOVERED, 0,
				     done);
	return r == 0 ? vr_map_write(map, file, true) : r;
}

static int
replace_journal(struct raw *raw, const char *fresh, uint64_t done)
{
	FILE *file = fopen(fresh, "w");
	int r, failed;

	if (!file)
		return vr_fail_errno("'%s.partial.map'", raw->e->shown);
	r = write_map(file, raw->e->view->size, done);
	failed = fflush(file) != 0 || fsync(fileno(file)) < 0;
	failed |= fclose(file) != 0;
	if (r == 0 && (failed || rename(fresh, raw->journal) < 0))
		r = vr_fail_errno("'%s.partial.map'", raw->e->shown);
	return r;
}

/* First the bytes, then the word that they are there. */
static int
keep_journal(struct raw *raw, uint64_t done)
{
	vr_cleanup(vr_free_p) char *fresh = vr_format("%s.new", raw->journal);

	if (!fresh)
		return vr_fail_memory();
	if (fdatasync(raw->e->fd) < 0)
		return vr_fail_errno("writing '%s.partial'", raw->e->shown);
	raw->journaled = done;
	return replace_journal(raw, fresh, done);
}

static int
read_journal(struct raw *raw, uint64_t *ret_done)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	vr_cleanup(vr_free_p) char *text = NULL;
	struct vr_span span = {0};
	size_t n;
	int r = vr_file_read_small(raw->journal, JOURNAL_MOST, &text, &n);

	if (r == 0)
		r = vr_map_read(text, n, &map);
	if (r < 0)
		return vr_context(r, "the journal of the earlier export");
	if (vr_map_size(map) != raw->e->view->size)
		return vr_fail(VR_E_FORMAT,
			       "'%s.partial' is of a disk of another size: "
			       "leave out --resume",
			       raw->e->shown);
	if (vr_map_size(map) > 0)
		vr_map_at(map, 0, &span);
	*ret_done = span.damage == VR_RECOVERED
			    ? vr_round_down(span.length, VR_BLOCK_BYTES)
			    : 0;
	return 0;
}

/* --- going on ------------------------------------------------------------- */

static int
read_back(int fd, uint8_t *bytes, size_t n, uint64_t off)
{
	while (n > 0) {
		ssize_t got = pread(fd, bytes, n, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? vr_fail_errno("reading it back")
				       : vr_fail(VR_E_IO, "it is cut short");
		bytes += got;
		n -= (size_t)got;
		off += (uint64_t)got;
	}
	return 0;
}

struct back {
	struct vr_export *e;
	uint8_t *bytes;
};

/* Every byte is compared: what was written must be what would be. */
static int
compare_block(void *data, const struct vr_block *block)
{
	struct back *back = data;
	struct vr_export *e = back->e;
	uint64_t done = 0;
	int r = vr_export_tick(e, block->off);

	while (r == 0 && done < block->length) {
		size_t n = (size_t)vr_min(VR_BLOCK_BYTES, block->length - done);
		bool same;

		r = read_back(e->fd, back->bytes, n, block->off + done);
		if (r < 0)
			break;
		same = block->zero ? back->bytes[0] == 0 &&
					     memcmp(back->bytes,
						    back->bytes + 1, n - 1) == 0
				   : memcmp(back->bytes, block->bytes, n) == 0;
		if (!same)
			return vr_fail(VR_E_FORMAT,
				       "'%s.partial' differs from the disk "
				       "around byte %" PRIu64
				       ": it was made of other evidence or "
				       "with other options; begin anew with "
				       "--force",
				       e->shown, block->off + done);
		r = vr_digest_add(e->digest, back->bytes, n);
		done += n;
	}
	return r;
}

static int
go_on(struct raw *raw)
{
	struct vr_export *e = raw->e;
	vr_cleanup(vr_free_p) uint8_t *bytes = malloc(VR_BLOCK_BYTES);
	vr_cleanup(vr_source_free_p) struct vr_source *done = NULL;
	struct back back = {e, bytes};
	const struct vr_pipeline_how how = {
		.threads = e->threads,
		.align = VR_BLOCK_BYTES,
		.zeros_for_unreadable = e->zeros_for_unreadable,
		.take = compare_block,
		.data = &back,
	};
	int r = bytes ? read_journal(raw, &e->resumed) : vr_fail_memory();

	if (r == 0)
		r = vr_slice_open(e->view, 0, e->resumed, &done);
	if (r == 0)
		r = vr_pipeline_run(done, 0, &how);
	raw->journaled = e->resumed;
	return r;
}

/* --- writing -------------------------------------------------------------- */

static int
write_block(void *data, struct vr_block *block)
{
	struct raw *raw = data;
	int r = vr_sparse_block(raw->e->fd, block);

	return r < 0 ? vr_context(r, "'%s.partial'", raw->e->shown) : 0;
}

static int
take_block(void *data, const struct vr_block *block)
{
	struct raw *raw = data;
	struct vr_export *e = raw->e;
	uint64_t done = block->off + block->length;
	int r = vr_export_tick(e, block->off);

	if (r < 0)
		return r;
	r = block->zero ? vr_digest_zeros(e->digest, block->length)
			: vr_digest_add(e->digest, block->bytes,
					(size_t)block->length);
	e->written += block->made_length;
	if (r == 0 && done - raw->journaled >= JOURNAL_EVERY)
		r = keep_journal(raw, done);
	return r;
}

static int
write_blocks(struct raw *raw)
{
	struct vr_export *e = raw->e;
	const struct vr_pipeline_how how = {
		.threads = e->threads,
		.align = 4096,
		.zeros_for_unreadable = e->zeros_for_unreadable,
		.work = write_block,
		.take = take_block,
		.data = raw,
	};

	/* Behind the journal's word nobody knows what stands there. */
	if (ftruncate(e->fd, (off_t)e->resumed) < 0 ||
	    ftruncate(e->fd, (off_t)e->view->size) < 0)
		return vr_fail_errno("making '%s.partial' of %" PRIu64 " bytes",
				     e->shown, e->view->size);
	return vr_pipeline_run(e->view, e->resumed, &how);
}

int
vr_export_raw(struct vr_export *e)
{
	vr_cleanup(vr_free_p) char *journal = vr_format("%s.map", e->partial);
	struct raw raw = {.e = e, .journal = journal};
	int r = 0;

	if (!journal)
		return vr_fail_memory();
	r = e->resume ? go_on(&raw) : keep_journal(&raw, 0);
	if (r == 0)
		r = write_blocks(&raw);
	if (r == 0)
		unlink(journal);
	return r;
}

const struct vr_export_format vr_export_export_raw = {
	.name = "raw",
	.resumes = true,
	.write = vr_export_raw,
};
