/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/xfs_journal.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"
#include "base/vector.h"

#define SECTOR	     512u
#define RECORD_MAGIC UINT32_C(0xfeedbabe)
#define RECORD_MOST  (512u << 10)
#define HEAD_COVERS  32768u /* bytes whose first words one header keeps */
#define CYCLES_AT    44
#define STEP	     ((size_t)1 << 20)
#define OPERATION    12
#define FLAG_UNMOUNT 0x20
#define ITEM_INODE   0x123b /* of "inode log format", in the host's order */
#define INODES_MOST  (1u << 22)

/* A record that tells where it lies. */
struct record {
	uint64_t at;		 /* of the log, bytes */
	uint64_t sequence, tail; /* cycle and sector */
	uint32_t bytes, heads, operations;
};

struct log {
	struct vr_source *volume;
	const struct vr_xfs *fs;
	uint64_t off, size;
	struct {
		struct record *items;
		size_t count, room;
	} records;
	bool lost; /* a part of it is */
};

/* --- records -------------------------------------------------------------- */

static bool
decode_record(const struct log *log, struct vr_window *w, uint64_t at,
	      uint64_t log_at, struct record *ret)
{
	const uint8_t *p = vr_window_bytes(w, at, 324);
	uint32_t room;

	if (!p || vr_load_be32(p) != RECORD_MAGIC ||
	    memcmp(p + 304, log->fs->uuid, 16) != 0)
		return false;
	room = vr_load_be32(p + 8) == 2 ? vr_load_be32(p + 320) : HEAD_COVERS;
	*ret = (struct record){
		.at = log_at,
		.sequence = vr_load_be64(p + 16),
		.tail = vr_load_be64(p + 24),
		.bytes = vr_load_be32(p + 12),
		.heads = (uint32_t)vr_max(vr_div_up(room, HEAD_COVERS), 1),
		.operations = vr_load_be32(p + 40),
	};
	return (uint32_t)ret->sequence == log_at / SECTOR &&
	       ret->bytes <= RECORD_MOST && room <= RECORD_MOST;
}

static int
find_records(struct log *log)
{
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < log->size; at += STEP) {
		struct vr_window w;

		r = vr_check_cancel();
		if (r == 0)
			r = vr_window_read(
				&w, log->volume, log->off + at,
				(size_t)vr_min(STEP, log->size - at));
		if (r < 0)
			break;
		for (uint64_t i = 0; r == 0 && i < w.length; i += SECTOR) {
			struct record record;

			log->lost |= !vr_window_holds(&w, i, SECTOR);
			if (decode_record(log, &w, i, at + i, &record))
				r = VR_PUSH(&log->records, record);
		}
		log->lost |= w.length < vr_min(STEP, log->size - at);
		vr_window_free(&w);
	}
	return r;
}

static const struct record *
last_record(const struct log *log)
{
	const struct record *last = NULL;

	for (size_t i = 0; i < log->records.count; i++)
		if (log->records.items[i].bytes > 0 &&
		    (!last || log->records.items[i].sequence > last->sequence))
			last = &log->records.items[i];
	return last;
}

/* --- what a record holds -------------------------------------------------- */

/* The log is a ring: a record may go on at its beginning. */
static int
read_ring(const struct log *log, uint64_t at, struct vr_window *ret, size_t n)
{
	return vr_window_read(ret, log->volume, log->off + at,
			      (size_t)vr_min(n, log->size - at));
}

/*
 * The payload, the first word of each sector put back from the headers; what is
 * lost stays as zeros. *ret may be shorter than the record at the ring's end.
 */
static int
read_payload(const struct log *log, const struct record *record,
	     struct vr_window *ret)
{
	struct vr_window heads;
	int r = read_ring(log, record->at, &heads,
			  (size_t)record->heads * SECTOR);

	if (r < 0)
		return r;
	r = read_ring(log,
		      (record->at + (uint64_t)record->heads * SECTOR) %
			      log->size,
		      ret, record->bytes);
	for (uint64_t i = 0; r == 0 && i * SECTOR + 4 <= ret->length; i++) {
		uint64_t head = i / (HEAD_COVERS / SECTOR);
		uint64_t word = i % (HEAD_COVERS / SECTOR);
		uint64_t at = head ? head * SECTOR + 4 + 4 * word
				   : CYCLES_AT + 4 * word;
		const uint8_t *p = vr_window_bytes(&heads, at, 4);

		if (p)
			memcpy(ret->bytes + i * SECTOR, p, 4);
	}
	vr_window_free(&heads);
	return r;
}

/*
 * Every place that looks like the head of an inode's change: too many rather than
 * too few, for pieces of it may lie in records that are lost.
 */
static int
take_inodes(const struct log *log, struct vr_window *w,
	    struct vr_xfs_journal *to)
{
	int r = 0;

	for (uint64_t at = 0; r == 0 && at + 24 <= w->length; at += 4) {
		const uint8_t *p = w->bytes + at;
		uint64_t number, off;

		if (vr_load_le16(p) != ITEM_INODE || p[3] != 0 || p[2] < 2 ||
		    p[2] > 5)
			continue;
		number = vr_load_le64(p + 16);
		if (vr_xfs_inode_off(log->fs, number, &off) &&
		    to->count < INODES_MOST)
			r = VR_PUSH(to, number);
	}
	return r;
}

static int
take_record(const struct log *log, const struct record *record,
	    struct vr_xfs_journal *to)
{
	struct vr_window w;
	int r = vr_check_cancel();

	if (r == 0)
		r = read_payload(log, record, &w);
	if (r < 0)
		return r;
	r = take_inodes(log, &w, to);
	vr_window_free(&w);
	return r;
}

/* --- was it left clean? --------------------------------------------------- */

/* Where the record behind this one would begin. */
static uint64_t
end_of(const struct record *record)
{
	return record->at + (uint64_t)record->heads * SECTOR +
	       vr_div_up(record->bytes, SECTOR) * SECTOR;
}

/* The sector behind the last record, if it is there, is of an older cycle. */
static int
is_end_there(const struct log *log, const struct record *last, bool *ret)
{
	uint64_t next = end_of(last);
	struct vr_window w;
	uint32_t cycle;
	int r = read_ring(log, next % log->size, &w, SECTOR);

	if (r < 0)
		return r;
	cycle = vr_window_be32(&w, 0);
	if (cycle == RECORD_MAGIC)
		cycle = vr_window_be32(&w, 4);
	*ret = vr_window_holds(&w, 0, SECTOR) && cycle < last->sequence >> 32;
	/* At the ring's beginning the next cycle would go on. */
	if (next >= log->size)
		*ret = vr_window_holds(&w, 0, SECTOR) &&
		       cycle <= last->sequence >> 32;
	vr_window_free(&w);
	return 0;
}

/* Is anything of [from, to) lost, both bytes of the log? */
static int
is_lost_between(const struct log *log, uint64_t from, uint64_t to, bool *ret)
{
	while (!*ret && from < to) {
		struct vr_extent extent;
		int r = vr_source_next(log->volume, log->off + from, &extent);

		if (r < 0)
			return r;
		*ret = extent.flags & VR_EXTENT_DAMAGED;
		from += extent.length;
	}
	return 0;
}

/* From the oldest record that still counts to the last one's end, round the ring. */
static int
is_part_lost(const struct log *log, const struct record *last, bool *ret)
{
	uint64_t from = (last->tail & UINT32_MAX) * SECTOR;
	uint64_t to = end_of(last);
	int r = 0;

	*ret = from >= log->size;
	to = to > log->size ? to - log->size : to;
	if (from < to)
		return is_lost_between(log, from, to, ret);
	r = is_lost_between(log, from, log->size, ret);
	return r == 0 ? is_lost_between(log, 0, to, ret) : r;
}

static int
is_unmount(const struct log *log, const struct record *last, bool *ret)
{
	struct vr_window w;
	int r = read_payload(log, last, &w);

	if (r < 0)
		return r;
	*ret = last->operations == 1 && w.length >= OPERATION &&
	       w.bytes[9] & FLAG_UNMOUNT;
	vr_window_free(&w);
	return 0;
}

static int
judge(struct log *log, const struct record *last, struct vr_xfs_journal *to)
{
	bool unmounted = false, ended = false;
	int r = 0;

	if (last)
		r = is_unmount(log, last, &unmounted);
	if (r == 0 && last)
		r = is_end_there(log, last, &ended);
	if (r < 0 || (unmounted && (ended || !log->lost))) {
		to->clean = r == 0;
		return r;
	}
	to->any = log->lost && !ended;
	if (ended)
		r = is_part_lost(log, last, &to->any);
	/* Where the end is lost, any record may be younger than it seems. */
	for (size_t i = 0; r == 0 && i < log->records.count; i++) {
		const struct record *record = &log->records.items[i];

		if (record->bytes > 0 &&
		    (!ended || record->sequence >= last->tail))
			r = take_record(log, record, to);
	}
	return r;
}

/* --- all of it ------------------------------------------------------------ */

static int
compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int
vr_xfs_journal_read(struct vr_source *volume, const struct vr_xfs *fs,
		    struct vr_xfs_journal *ret)
{
	struct log log = {
		.volume = volume,
		.fs = fs,
		.size = (uint64_t)fs->log_blocks << fs->block_log,
	};
	int r;

	/* On a device of its own, or where none can be: it tells nothing. */
	if (!fs->log_start || !vr_xfs_block_off(fs, fs->log_start, &log.off) ||
	    log.size < SECTOR || !vr_inside(log.off, log.size, volume->size)) {
		ret->any = true;
		return 0;
	}
	r = find_records(&log);
	if (r == 0)
		r = judge(&log, last_record(&log), ret);
	if (r == 0 && ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items),
		      compare_numbers);
	free(log.records.items);
	return r;
}

void
vr_xfs_journal_free(struct vr_xfs_journal *journal)
{
	free(journal->items);
	*journal = (struct vr_xfs_journal){0};
}

bool
vr_xfs_journal_has(const struct vr_xfs_journal *journal, uint64_t number)
{
	size_t at = VR_FIRST(journal->count, i, journal->items[i] >= number);

	return journal->any ||
	       (at < journal->count && journal->items[at] == number);
}
