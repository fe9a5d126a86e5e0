/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/copy.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"

/* Holes are kept at the grain of most file systems. */
#define GRAIN ((size_t)4096)

static bool
is_zero(const uint8_t *bytes, size_t n)
{
	return n == 0 ||
	       (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

static int
write_at(int fd, const uint8_t *bytes, size_t n, uint64_t off)
{
	while (n > 0) {
		ssize_t wrote = pwrite(fd, bytes, n, (off_t)off);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return vr_fail_errno("writing the copy");
		bytes += wrote;
		n -= (size_t)wrote;
		off += (uint64_t)wrote;
	}
	return 0;
}

int
vr_copy_write(int fd, const uint8_t *bytes, size_t n, uint64_t off,
	      uint64_t *ret_wrote)
{
	size_t from = 0, wrote = 0;

	for (size_t at = 0; at < n;) {
		size_t here =
			(size_t)vr_min(GRAIN - (off + at) % GRAIN, n - at);
		bool zero = is_zero(bytes + at, here);

		if (zero && at > from) {
			int r = write_at(fd, bytes + from, at - from,
					 off + from);

			if (r < 0)
				return r;
		}
		wrote += zero ? 0 : here;
		at += here;
		if (zero)
			from = at;
	}
	*ret_wrote = wrote;
	return from < n ? write_at(fd, bytes + from, n - from, off + from) : 0;
}

int
vr_copy_read(struct vr_source *from, uint8_t *bytes, size_t n, uint64_t off)
{
	int r = vr_source_read_at(from, bytes, n, off);

	if (r != VR_E_IO)
		return r;
	if (n <= VR_SECTOR) {
		memset(bytes, 0, n);
		return 0;
	}
	r = 0;
	for (size_t at = 0; r == 0 && at < n; at += VR_SECTOR)
		r = vr_copy_read(from, bytes + at,
				 (size_t)vr_min(VR_SECTOR, n - at), off + at);
	return r;
}

static bool
needs_copying(const struct vr_extent *extent)
{
	return !(extent->flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO));
}

int
vr_copy_stored(struct vr_source *from, uint64_t *ret_bytes)
{
	struct vr_extent extent;
	uint64_t sum = 0;

	for (uint64_t off = 0; off < from->size; off += extent.length) {
		int r = vr_source_next(from, off, &extent);

		if (r < 0)
			return r;
		if (needs_copying(&extent))
			sum += extent.length;
	}
	*ret_bytes = sum;
	return 0;
}
