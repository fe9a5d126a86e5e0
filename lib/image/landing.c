/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/cleanup.h"
#include "base/vector.h"
#include "image/landing.h"

struct level {
	char name[NAME_MAX + 1];
	int fd;
};

struct vr_landing {
	int fd; /* the top */
	struct {
		struct level *items;
		size_t count, room;
	} levels;
	char last[NAME_MAX + 1];
};

#define DEPTH_MOST 600

int
vr_landing_open(const char *path, struct vr_landing **ret)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(path);
	struct vr_landing *l;
	int fd;

	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		return vr_fail_errno("the folder '%s' cannot be made",
				     shown ? shown : "?");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vr_fail_errno("'%s'", shown ? shown : "?");
	l = calloc(1, sizeof(*l));
	if (!l) {
		close(fd);
		return vr_fail_memory();
	}
	l->fd = fd;
	*ret = l;
	return 0;
}

static void
leave(struct vr_landing *l, size_t depth)
{
	while (l->levels.count > depth)
		close(l->levels.items[--l->levels.count].fd);
}

void
vr_landing_free(struct vr_landing *l)
{
	if (!l)
		return;
	leave(l, 0);
	free(l->levels.items);
	close(l->fd);
	free(l);
}

/* The beginning of a long name and a sum of all of it, so that two stay two. */
static void
shorten(const char *name, size_t n, char room[NAME_MAX + 1])
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		sum = (sum ^ (uint8_t)name[i]) * UINT64_C(0x100000001b3);
	snprintf(room, NAME_MAX + 1, "%.200s~%016llx", name,
		 (unsigned long long)sum);
}

static void
safe_component(const char *name, size_t n, char room[NAME_MAX + 1])
{
	if (n == 0 || (n <= 2 && memcmp(name, "..", n) == 0)) {
		snprintf(room, NAME_MAX + 1, "dots~%zu", n);
		return;
	}
	if (n > NAME_MAX) {
		shorten(name, n, room);
		return;
	}
	memcpy(room, name, n);
	room[n] = '\0';
}

static int
current(const struct vr_landing *l)
{
	return l->levels.count ? l->levels.items[l->levels.count - 1].fd
			       : l->fd;
}

/* A link or a file that stands in the way is not followed, and not replaced. */
static int
enter(struct vr_landing *l, const char *name)
{
	struct level level;
	int r;

	if (l->levels.count >= DEPTH_MOST)
		return vr_fail(VR_E_LIMIT, "folders nested deeper than %d",
			       DEPTH_MOST);
	if (mkdirat(current(l), name, 0755) < 0 && errno != EEXIST)
		return vr_fail_errno("the folder '%s' cannot be made", name);
	level.fd = openat(current(l), name,
			  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (level.fd < 0)
		return vr_fail_errno("the folder '%s'", name);
	snprintf(level.name, sizeof(level.name), "%s", name);
	r = VR_PUSH(&l->levels, level);
	if (r < 0)
		close(level.fd);
	return r;
}

static int
step(struct vr_landing *l, size_t depth, const char *name)
{
	if (depth < l->levels.count &&
	    strcmp(l->levels.items[depth].name, name) == 0)
		return 0;
	leave(l, depth);
	return enter(l, name);
}

int
vr_landing_folder(struct vr_landing *l, const char *path, int *ret_fd,
		  const char **ret_name)
{
	size_t depth = 0;
	const char *slash;

	for (; (slash = strchr(path, '/')); path = slash + 1) {
		char name[NAME_MAX + 1];
		int r;

		if (slash == path)
			continue;
		safe_component(path, (size_t)(slash - path), name);
		r = step(l, depth++, name);
		if (r < 0)
			return r;
	}
	leave(l, depth);
	safe_component(path, strlen(path), l->last);
	*ret_fd = current(l);
	*ret_name = l->last;
	return 0;
}
