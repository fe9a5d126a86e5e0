/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays inputs through a fuzz target, so that every test run meets what a
 * fuzzer once found. Folders are listed: a new input needs no edit.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
complain(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s\n", path, what);
	return -1;
}

/* In a block of exactly its size: a sanitizer then sees one byte too far. */
static int
replay_stream(FILE *from, size_t size)
{
	uint8_t *data = malloc(size ? size : 1);
	int r = -1;

	if (data && fread(data, 1, size, from) == size)
		r = LLVMFuzzerTestOneInput(data, size);
	free(data);
	return r;
}

static int
replay_file(const char *path)
{
	FILE *from = fopen(path, "rb");
	struct stat st;
	int r = -1;

	if (!from)
		return complain(path, strerror(errno));
	if (fstat(fileno(from), &st) == 0 && S_ISREG(st.st_mode))
		r = replay_stream(from, (size_t)st.st_size);
	fclose(from);
	return r < 0 ? complain(path, "cannot be replayed") : 1;
}

static int
is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int
replay_folder(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_shown, alphasort), bad = 0;
	char file[4096];

	if (n < 0)
		return complain(path, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		bad |= replay_file(file) < 0;
		free(entries[i]);
	}
	free(entries);
	if (n == 0)
		return complain(path, "holds no input");
	return bad ? -1 : n;
}

/* How many inputs were replayed; -1 when any could not be. */
static int
replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return complain(path, strerror(errno));
	return S_ISDIR(st.st_mode) ? replay_folder(path) : replay_file(path);
}

int
main(int argc, char **argv)
{
	int total = 0, bad = argc < 2;

	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);

		bad |= n < 0;
		total += n < 0 ? 0 : n;
	}
	printf("%d inputs\n", total);
	return bad;
}
