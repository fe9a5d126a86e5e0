/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "io/file.h"

/* What tells a result of ours from somebody's folder. */
#define MARK	  "report.json"
#define SCHEMA	  "\"vmdk-rescue-report-"
#define MARK_MOST ((size_t)256 << 20)

struct name {
	char *name;
	bool is_link;
};

struct vr_stage {
	char *final_path, *temp_path, *shown;
	int fd;
	bool force, made, committed;
	/* Products and folders in the order of their making. */
	struct {
		struct name *items;
		size_t count, room;
	} names;
};

static int
exists_error(const struct vr_stage *stage)
{
	return vr_fail(VR_E_EXISTS,
		       "'%s' is there already: give another name with -o, or "
		       "--force to replace an earlier result",
		       stage->shown);
}

/* A folder that some other program's report lies in is not ours. */
bool
vr_stage_is_result(const char *folder)
{
	vr_cleanup(vr_free_p) char *path = vr_format("%s/" MARK, folder);
	vr_cleanup(vr_free_p) char *text = NULL;
	struct stat st;
	size_t n;

	return path && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       vr_file_read_small(path, MARK_MOST, &text, &n) == 0 &&
	       strstr(text, SCHEMA) != NULL;
}

static int
check_final(const struct vr_stage *stage)
{
	struct stat st;

	if (lstat(stage->final_path, &st) < 0)
		return errno == ENOENT ? 0
				       : vr_fail_errno("'%s'", stage->shown);
	if (!stage->force)
		return exists_error(stage);
	if (!S_ISDIR(st.st_mode) || !vr_stage_is_result(stage->final_path))
		return vr_fail(VR_E_EXISTS,
			       "'%s' is not an earlier result of this program, "
			       "so --force does not replace it",
			       stage->shown);
	return 0;
}

static int
make_temp(struct vr_stage *stage)
{
	if (!mkdtemp(stage->temp_path))
		return vr_fail_errno("a folder beside '%s' cannot be made",
				     stage->shown);
	stage->made = true;
	stage->fd = open(stage->temp_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (stage->fd < 0)
		return vr_fail_errno("'%s'", stage->shown);
	/* mkdtemp() shuts everybody out; a result is an ordinary folder. */
	if (fchmod(stage->fd, 0755) < 0)
		return vr_fail_errno("'%s'", stage->shown);
	return 0;
}

static void
strip_slashes(char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
}

int
vr_stage_open(const char *final_path, bool force, struct vr_stage **ret)
{
	vr_cleanup(vr_stage_free_p) struct vr_stage *stage =
		calloc(1, sizeof(*stage));
	int r;

	if (!stage)
		return vr_fail_memory();
	stage->fd = -1;
	stage->force = force;
	stage->final_path = strdup(final_path);
	if (!stage->final_path)
		return vr_fail_memory();
	strip_slashes(stage->final_path);
	stage->shown = vr_printable(stage->final_path);
	if (!stage->shown)
		return vr_fail_memory();
	r = check_final(stage);
	if (r < 0)
		return r;

	stage->temp_path = vr_format("%s.partial-XXXXXX", stage->final_path);
	r = stage->temp_path ? make_temp(stage) : vr_fail_memory();
	if (r < 0)
		return r;
	*ret = vr_steal(stage);
	return 0;
}

/* Somebody may have put a copy of a disk in the place of a link to it. */
static bool
is_ours(int fd, const struct name *name)
{
	struct stat st;

	return fstatat(fd, name->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISLNK(st.st_mode) == name->is_link;
}

/* The products of a stage, newest first, so that folders are empty in turn. */
static void
remove_names(const struct vr_stage *stage, int fd)
{
	for (size_t i = stage->names.count; i-- > 0;) {
		const struct name *name = &stage->names.items[i];

		if (is_ours(fd, name) && unlinkat(fd, name->name, 0) < 0 &&
		    (errno == EISDIR || errno == EPERM))
			unlinkat(fd, name->name, AT_REMOVEDIR);
	}
}

void
vr_stage_free(struct vr_stage *stage)
{
	if (!stage)
		return;
	if (stage->fd >= 0 && !stage->committed)
		remove_names(stage, stage->fd);
	if (stage->made && !stage->committed)
		rmdir(stage->temp_path);
	if (stage->fd >= 0)
		close(stage->fd);
	for (size_t i = 0; i < stage->names.count; i++)
		free(stage->names.items[i].name);
	free(stage->names.items);
	free(stage->final_path);
	free(stage->temp_path);
	free(stage->shown);
	free(stage);
}

static int
remember(struct vr_stage *stage, const char *name, bool is_link)
{
	char *copy = strdup(name);
	int r;

	if (!copy)
		return vr_fail_memory();
	r = VR_PUSH(&stage->names, {copy, is_link});
	if (r < 0)
		free(copy);
	return r;
}

static int
write_error(const struct vr_stage *stage, const char *name)
{
	return vr_fail_errno("writing '%s/%s'", stage->shown, name);
}

int
vr_stage_folder(struct vr_stage *stage, const char *name)
{
	if (remember(stage, name, false) < 0)
		return VR_E_MEMORY;
	return mkdirat(stage->fd, name, 0755) < 0 ? write_error(stage, name)
						  : 0;
}

int
vr_stage_link(struct vr_stage *stage, const char *name, const char *target)
{
	if (remember(stage, name, true) < 0)
		return VR_E_MEMORY;
	return symlinkat(target, stage->fd, name) < 0 ? write_error(stage, name)
						      : 0;
}

bool
vr_stage_has(const struct vr_stage *stage, const char *name)
{
	for (size_t i = 0; i < stage->names.count; i++)
		if (strcmp(stage->names.items[i].name, name) == 0)
			return true;
	return false;
}

int
vr_stage_create(struct vr_stage *stage, const char *name, FILE **ret)
{
	int fd;

	if (remember(stage, name, false) < 0)
		return VR_E_MEMORY;
	fd = openat(stage->fd, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return write_error(stage, name);
	*ret = fdopen(fd, "w");
	if (!*ret) {
		close(fd);
		return vr_fail_memory();
	}
	return 0;
}

int
vr_stage_close(struct vr_stage *stage, const char *name, FILE *file)
{
	bool failed = ferror(file) || fflush(file) != 0 ||
		      fsync(fileno(file)) < 0;
	int number = errno;

	if (fclose(file) != 0 && !failed) {
		failed = true;
		number = errno;
	}
	errno = number;
	return failed ? write_error(stage, name) : 0;
}

int
vr_stage_text(struct vr_stage *stage, const char *name, const char *text)
{
	FILE *file;
	int r = vr_stage_create(stage, name, &file);

	if (r < 0)
		return r;
	fputs(text, file);
	return vr_stage_close(stage, name, file);
}

int
vr_stage_zeros(struct vr_stage *stage, const char *name, uint64_t length)
{
	FILE *file;
	int r = vr_stage_create(stage, name, &file);

	if (r < 0)
		return r;
	if (ftruncate(fileno(file), (off_t)length) < 0) {
		r = write_error(stage, name);
		fclose(file);
		return r;
	}
	return vr_stage_close(stage, name, file);
}

/* --- committing ----------------------------------------------------------- */

/* Filesystems without the exclusive rename get the plain one, looked at twice. */
static int
rename_fresh(const struct vr_stage *stage)
{
	struct stat st;

	if (renameat2(AT_FDCWD, stage->temp_path, AT_FDCWD, stage->final_path,
		      RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (lstat(stage->final_path, &st) == 0) {
		errno = EEXIST;
		return -1;
	}
	return rename(stage->temp_path, stage->final_path);
}

/* The old result lies under the temporary name: its products go, the rest stays. */
static int
clear_old(struct vr_stage *stage)
{
	vr_cleanup(vr_free_p) char *kept = NULL;
	int fd = open(stage->temp_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		remove_names(stage, fd);
		close(fd);
	}
	if (rmdir(stage->temp_path) == 0)
		return 0;
	for (unsigned i = 1; i < 1000; i++) {
		free(kept);
		kept = vr_format("%s.old-%u", stage->final_path, i);
		if (!kept)
			return vr_fail_memory();
		if (renameat2(AT_FDCWD, stage->temp_path, AT_FDCWD, kept,
			      RENAME_NOREPLACE) == 0)
			return 0;
	}
	return 0;
}

static int
replace_old(struct vr_stage *stage)
{
	if (renameat2(AT_FDCWD, stage->temp_path, AT_FDCWD, stage->final_path,
		      RENAME_EXCHANGE) < 0)
		return vr_fail_errno("'%s' cannot be replaced", stage->shown);
	stage->committed = true;
	return clear_old(stage);
}

int
vr_stage_commit(struct vr_stage *stage)
{
	if (fsync(stage->fd) < 0 && errno != EINVAL)
		return vr_fail_errno("'%s'", stage->shown);
	if (rename_fresh(stage) == 0) {
		stage->committed = true;
		return 0;
	}
	if (errno == EEXIST && stage->force)
		return replace_old(stage);
	if (errno == EEXIST)
		return exists_error(stage);
	return vr_fail_errno("'%s' cannot be put in place", stage->shown);
}
