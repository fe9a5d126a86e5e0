/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool say(char *room, size_t n, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool
say(char *room, size_t n, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(room, n, format, args);
	va_end(args);
	return false;
}

static bool
check_device(char *room, size_t n)
{
	if (access("/dev/fuse", R_OK | W_OK) == 0)
		return true;
	if (errno == ENOENT || errno == ENODEV)
		return say(room, n,
			   "this system has no /dev/fuse: load the module with "
			   "'modprobe fuse' (a container has to be given it, "
			   "for instance with '--device /dev/fuse --cap-add "
			   "SYS_ADMIN')");
	return say(room, n,
		   "/dev/fuse cannot be used: %s; ask the system's "
		   "administrator, or mount as root",
		   strerror(errno));
}

static bool
say_errno(const char *path, int number, char *room, size_t n)
{
	switch (number) {
	case ENOENT:
		return say(room, n,
			   "'%s' is not there: make an empty folder for the "
			   "mount with 'mkdir' first",
			   path);
	case ENOTCONN:
		return say(room, n,
			   "'%s' still holds a mount whose program has ended: "
			   "release it with 'fusermount3 -u' or 'umount' first",
			   path);
	default:
		return say(room, n, "'%s' cannot be mounted on: %s", path,
			   strerror(number));
	}
}

/* A mount has another device than the folder above it; the root is one, too. */
static bool
is_mounted_on(const char *path, const struct stat *st)
{
	char up[4096];
	struct stat above;

	snprintf(up, sizeof(up), "%s/..", path);
	return stat(up, &above) == 0 &&
	       (above.st_dev != st->st_dev || above.st_ino == st->st_ino);
}

bool
mountpoint_check(const char *path, char *room, size_t n)
{
	struct stat st;

	if (!check_device(room, n))
		return false;
	if (stat(path, &st) < 0)
		return say_errno(path, errno, room, n);
	if (!S_ISDIR(st.st_mode))
		return say(room, n,
			   "'%s' is no folder: the mount needs an empty one",
			   path);
	if (is_mounted_on(path, &st))
		return say(room, n,
			   "something is mounted on '%s' already: release it "
			   "with 'umount', or name another folder",
			   path);
	return true;
}

bool
mountpoint_is_empty(const char *path, char *room, size_t n)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	bool empty = true;

	/* Who may not look may still mount there: fusermount3 decides. */
	if (!folder)
		return true;
	while (empty && (entry = readdir(folder)))
		empty = strcmp(entry->d_name, ".") == 0 ||
			strcmp(entry->d_name, "..") == 0;
	closedir(folder);
	return empty || say(room, n,
			    "'%s' is not empty, and a mount would hide what is "
			    "in it: name an empty folder, or add '-o "
			    "nonempty'",
			    path);
}
