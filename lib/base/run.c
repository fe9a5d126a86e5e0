/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/run.h"

#include "base/checked.h"

bool
vr_run_make(uint64_t first, uint64_t length, uint64_t stride, uint64_t count,
	    struct vr_run *ret)
{
	uint64_t reach, end;

	if (length == 0 || count == 0)
		return false;
	if (count > 1 && stride < length)
		return false;
	if (count > 1 && stride == length) {
		if (!vr_mul(length, count, &length))
			return false;
		count = 1;
	}
	if (count == 1)
		stride = length;

	if (!vr_mul(count - 1, stride, &reach) ||
	    !vr_add(reach, length, &end) || !vr_add(end, first, &end))
		return false;

	*ret = (struct vr_run){first, length, stride, count};
	return true;
}

uint64_t
vr_run_end(const struct vr_run *run)
{
	return run->first + (run->count - 1) * run->stride + run->length;
}

uint64_t
vr_run_bytes_below(const struct vr_run *run, uint64_t off)
{
	uint64_t whole, into;

	if (off <= run->first)
		return 0;
	whole = (off - run->first) / run->stride;
	if (whole >= run->count)
		return run->count * run->length;
	into = (off - run->first) % run->stride;
	return whole * run->length + vr_min(into, run->length);
}

uint64_t
vr_run_bytes(const struct vr_run *run)
{
	return run->count * run->length;
}

bool
vr_run_contains(const struct vr_run *run, uint64_t off, uint64_t *ret_change)
{
	uint64_t piece, into, start;

	if (off < run->first) {
		*ret_change = run->first;
		return false;
	}
	if (off >= vr_run_end(run)) {
		*ret_change = UINT64_MAX;
		return false;
	}

	/* A single piece has stride == length, so it never lands in a gap. */
	piece = (off - run->first) / run->stride;
	into = (off - run->first) % run->stride;
	start = run->first + piece * run->stride;
	if (into < run->length) {
		*ret_change = start + run->length;
		return true;
	}
	*ret_change = start + run->stride;
	return false;
}

bool
vr_run_shift(const struct vr_run *run, uint64_t delta, struct vr_run *ret)
{
	uint64_t first;

	return vr_add(run->first, delta, &first) &&
	       vr_run_make(first, run->length, run->stride, run->count, ret);
}

static size_t
crop_piece(uint64_t first, uint64_t length, uint64_t start, uint64_t end,
	   struct vr_run *ret)
{
	uint64_t from = vr_max(first, start);
	uint64_t to = vr_min(first + length, end);

	return from < to && vr_run_make(from, to - from, to - from, 1, ret);
}

/* Number of the first piece that ends above off, from the run's beginning. */
static uint64_t
piece_ending_above(const struct vr_run *run, uint64_t off)
{
	if (off < run->first + run->length)
		return 0;
	return (off - run->first - run->length) / run->stride + 1;
}

/* Number of pieces that begin below off. */
static uint64_t
pieces_beginning_below(const struct vr_run *run, uint64_t off)
{
	if (off <= run->first)
		return 0;
	return vr_min(run->count, (off - run->first - 1) / run->stride + 1);
}

size_t
vr_run_crop(const struct vr_run *run, uint64_t start, uint64_t end,
	    struct vr_run ret[VR_RUN_CROP_MOST])
{
	uint64_t low = piece_ending_above(run, start);
	uint64_t high = pieces_beginning_below(run, end);
	uint64_t at;
	size_t n = 0;

	if (start >= end || low >= high)
		return 0;

	at = run->first + low * run->stride;
	if (at < start) {
		n += crop_piece(at, run->length, start, end, &ret[n]);
		low++;
	}
	if (low >= high)
		return n;

	at = run->first + (high - 1) * run->stride;
	if (at + run->length > end)
		high--;
	if (low < high)
		n += vr_run_make(run->first + low * run->stride, run->length,
				 run->stride, high - low, &ret[n]);
	if (at + run->length > end)
		n += crop_piece(at, run->length, start, end, &ret[n]);
	return n;
}

bool
vr_run_join(struct vr_run *run, const struct vr_run *next)
{
	uint64_t stride = run->count > 1    ? run->stride
			  : next->count > 1 ? next->stride
					    : next->first - run->first;

	if (next->first < vr_run_end(run))
		return false;
	if (next->first == vr_run_end(run))
		return run->count == 1 && next->count == 1 &&
		       vr_run_make(run->first, run->length + next->length, 0, 1,
				   run);
	if (run->length != next->length ||
	    (next->count > 1 && next->stride != stride) ||
	    next->first - run->first != run->count * stride)
		return false;
	return vr_run_make(run->first, run->length, stride,
			   run->count + next->count, run);
}
