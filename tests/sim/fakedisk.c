/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fakedisk: a filesystem for tests whose files are computed, not stored.
 *
 *	fakedisk [-f] [-o OPTIONS] SPECFILE MOUNTPOINT
 *
 * A 62 TB disk with every second MiB encrypted needs no storage here, and the
 * filesystem notices what no ordinary one tells: how much was read, and
 * whether anybody asked to write.  The mount is NOT read-only on purpose, or
 * the kernel would refuse a writer before we could count it.
 *
 * Specification, one directive a line; numbers are decimal or 0x:
 *
 *	file NAME LENGTH              starts a file; bytes of NAME may be %XX;
 *	                              LENGTH '-' is the end of its literals
 *	base zero|text|random|structured
 *	seed N                        for the random kinds (default: the name)
 *	stripes FIRST LENGTH STRIDE COUNT
 *	random START LENGTH           the same as one stripe
 *	bytes OFFSET HEX              literals win over everything else
 *	content HEX                   the same as bytes 0
 *	copy START LENGTH OFFSET PATH bytes of a real file, from OFFSET on and
 *	                              over again; below stripes and literals
 *	text LINE                     appends LINE and a newline, from 0 on
 *	blocks N                      st_blocks (default: all allocated)
 *	fail START LENGTH             reads that touch it give EIO
 *	direct                        no page cache: reads arrive as asked
 *	changing                      its time of change goes on with every read
 *	holes                         what base zero leaves alone is a hole
 *
 * What the kinds hold is told above each fill function; fake.py has the same
 * rules once more, for checking.
 *
 * SIGUSR1 and the end of the mount write SPECFILE.stats:
 *
 *	NAME reads N bytes N failed N opens N refused N
 *	(total) changes_refused N
 *
 * `refused` counts opens for writing; chmod, unlink and the like are counted
 * in the last line.
 */
#define FUSE_USE_VERSION 31
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <fuse.h>

enum base { BASE_ZERO, BASE_TEXT, BASE_RANDOM, BASE_STRUCTURED };

struct stripes {
	uint64_t first, length, stride, count;
};

struct literal {
	uint64_t off, size;
	uint8_t *data;
};

struct range {
	uint64_t start, length;
};

/* A real file's bytes, repeated: byte start + i is byte (from + i) % size. */
struct copied {
	uint64_t start, length, from, size;
	const uint8_t *data;
};

struct file {
	char *name;
	uint64_t length, blocks, seed;
	bool length_from_literals, blocks_given, direct, changing, holes;
	enum base base;

	struct stripes *stripes;
	size_t n_stripes;
	struct copied *copies;
	size_t n_copies;
	struct literal *literals;
	size_t n_literals;
	struct range *fails;
	size_t n_fails;
	uint64_t text_at;

	_Atomic uint64_t reads, bytes, failed, opens, refused;
};

static struct file *files;
static size_t n_files;
static _Atomic uint64_t changes_refused;
static char *stats_path;
static time_t born;

/* ---- content ---------------------------------------------------------- */

/* SplitMix64 as a counter: word i of a stream needs no other word. */
static uint64_t
mix(uint64_t key, uint64_t i)
{
	uint64_t z = key + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* FNV-1a, so that two disks without a seed differ. */
static uint64_t
name_seed(const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return h;
}

static void
put_le64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* Makes one aligned unit of a kind; fill() cuts units to what was asked. */
typedef void make_unit(uint8_t *unit, uint64_t index, uint64_t key);

#define UNIT 64

static void
fill(uint8_t *buf, uint64_t n, uint64_t off, make_unit *make, uint64_t key)
{
	uint8_t unit[UNIT];

	while (n > 0) {
		uint64_t skip = off % UNIT;
		uint64_t part = UNIT - skip < n ? UNIT - skip : n;

		if (part == UNIT) {
			make(buf, off / UNIT, key);
		} else {
			make(unit, off / UNIT, key);
			memcpy(buf, unit + skip, part);
		}
		buf += part;
		off += part;
		n -= part;
	}
}

/* Eight little-endian words of the counter stream; word i covers bytes
 * [8i, 8i+8) of the file. */
static void
make_random(uint8_t *unit, uint64_t index, uint64_t key)
{
	for (unsigned int i = 0; i < UNIT / 8; i++)
		put_le64(unit + 8 * i, mix(key, index * (UNIT / 8) + i));
}

/* Lines of 64 bytes that say where they are. */
static void
make_text(uint8_t *unit, uint64_t index, uint64_t key)
{
	static const char line[] =
		"offset 0x................ of a plain text file, nothing to see.\n";
	static const char hex[] = "0123456789abcdef";
	uint64_t off = index * UNIT;

	_Static_assert(sizeof(line) == UNIT + 1, "a line is one unit");
	(void)key;
	memcpy(unit, line, UNIT);
	for (int i = 0; i < 16; i++)
		unit[9 + i] = (uint8_t)hex[(off >> (60 - 4 * i)) & 15];
}

/* Records of 64 bytes, as tables on a disk look: le64 record number, le64
 * its number modulo 1000, the rest zero. */
static void
make_structured(uint8_t *unit, uint64_t index, uint64_t key)
{
	(void)key;
	memset(unit, 0, UNIT);
	put_le64(unit, index);
	put_le64(unit + 8, index % 1000);
}

static void
fill_base(const struct file *f, uint8_t *buf, uint64_t n, uint64_t off)
{
	switch (f->base) {
	case BASE_ZERO:
		memset(buf, 0, n);
		break;
	case BASE_TEXT:
		fill(buf, n, off, make_text, 0);
		break;
	case BASE_RANDOM:
		fill(buf, n, off, make_random, mix(f->seed, 0));
		break;
	case BASE_STRUCTURED:
		fill(buf, n, off, make_structured, 0);
		break;
	}
}

/* Another key than the base's: a stripe over random data must change it. */
static void
fill_stripes(const struct file *f, const struct stripes *s, uint8_t *buf,
	     uint64_t n, uint64_t off)
{
	uint64_t key = mix(f->seed, 1), end = off + n;
	uint64_t k = off <= s->first ? 0 : (off - s->first) / s->stride;

	for (; k < s->count; k++) {
		uint64_t start = s->first + k * s->stride;
		uint64_t stop = start + s->length;

		if (start >= end)
			break;
		if (start < off)
			start = off;
		if (stop > end)
			stop = end;
		if (start < stop)
			fill(buf + (start - off), stop - start, start,
			     make_random, key);
	}
}

static void
fill_literal(const struct literal *l, uint8_t *buf, uint64_t n, uint64_t off)
{
	uint64_t start = l->off > off ? l->off : off;
	uint64_t stop = l->off + l->size < off + n ? l->off + l->size : off + n;

	if (start < stop)
		memcpy(buf + (start - off), l->data + (start - l->off),
		       stop - start);
}

static void
fill_copied(const struct copied *c, uint8_t *buf, uint64_t n, uint64_t off)
{
	uint64_t start = c->start > off ? c->start : off;
	uint64_t stop = c->start + c->length;

	if (stop > off + n)
		stop = off + n;
	while (start < stop) {
		uint64_t at = (c->from + (start - c->start)) % c->size;
		uint64_t part = c->size - at;

		if (part > stop - start)
			part = stop - start;
		memcpy(buf + (start - off), c->data + at, part);
		start += part;
	}
}

static bool
touches_failure(const struct file *f, uint64_t n, uint64_t off)
{
	for (size_t i = 0; i < f->n_fails; i++)
		if (off < f->fails[i].start + f->fails[i].length &&
		    f->fails[i].start < off + n)
			return true;
	return false;
}

/* ---- specification ---------------------------------------------------- */

struct parser {
	const char *path;
	unsigned long line;
};

static _Noreturn __attribute__((format(printf, 2, 3))) void
die(const struct parser *p, const char *format, ...)
{
	va_list ap;

	if (p != NULL)
		fprintf(stderr, "fakedisk: %s:%lu: ", p->path, p->line);
	else
		fprintf(stderr, "fakedisk: ");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static void *
grow(void *array, size_t count, size_t size)
{
	void *p = reallocarray(array, count + 1, size);

	if (p == NULL)
		die(NULL, "out of memory");
	return p;
}

static char *
copy(const char *s)
{
	char *p = strdup(s);

	if (p == NULL)
		die(NULL, "out of memory");
	return p;
}

/* Cuts the next blank-separated word off *rest; NULL when there is none. */
static char *
next_word(char **rest)
{
	char *s = *rest + strspn(*rest, " \t");
	size_t n = strcspn(s, " \t");

	if (n == 0)
		return NULL;
	*rest = s + n;
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return s;
}

static uint64_t
number(const struct parser *p, const char *s)
{
	char *end;
	unsigned long long v;

	if (s == NULL)
		die(p, "a number is missing");
	/* No octal: a leading zero is just that. */
	errno = 0;
	v = strtoull(s, &end, strncmp(s, "0x", 2) == 0 ? 16 : 10);
	if (!isdigit((unsigned char)*s) || *end != '\0' || errno != 0)
		die(p, "'%s' is not a number", s);
	if (v > INT64_MAX)
		die(p, "%llu is beyond any file", v);
	return v;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void
unescape_name(const struct parser *p, char *s)
{
	char *out = s;

	for (; *s != '\0'; s++) {
		if (*s != '%') {
			*out++ = *s;
			continue;
		}
		if (hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0)
			die(p, "'%%' without two hex digits");
		*out++ = (char)(hex_digit(s[1]) * 16 + hex_digit(s[2]));
		s += 2;
	}
	*out = '\0';
}

static void
add_literal(struct file *f, uint64_t off, const uint8_t *data, size_t size)
{
	struct literal *l;

	f->literals = grow(f->literals, f->n_literals, sizeof(*l));
	l = &f->literals[f->n_literals++];
	l->off = off;
	l->size = size;
	l->data = malloc(size + 1);
	if (l->data == NULL)
		die(NULL, "out of memory");
	memcpy(l->data, data, size);
	if (f->length_from_literals && off + size > f->length)
		f->length = off + size;
}

static void
add_hex(const struct parser *p, struct file *f, uint64_t off, char *hex)
{
	size_t n = hex == NULL ? 0 : strlen(hex);
	uint8_t *data = (uint8_t *)hex;

	if (n % 2 != 0)
		die(p, "an odd number of hex digits");
	for (size_t i = 0; i < n; i += 2) {
		int high = hex_digit(hex[i]), low = hex_digit(hex[i + 1]);

		if (high < 0 || low < 0)
			die(p, "'%c%c' is not hex", hex[i], hex[i + 1]);
		data[i / 2] = (uint8_t)(high * 16 + low);
	}
	if (n > 0)
		add_literal(f, off, data, n / 2);
}

static void
add_stripes(const struct parser *p, struct file *f, uint64_t first,
	    uint64_t length, uint64_t stride, uint64_t count)
{
	uint64_t last, stop;

	if (length == 0 || count == 0)
		return;
	if (count > 1 && length > stride)
		die(p, "stripes overlap: length %" PRIu64 ", stride %" PRIu64,
		    length, stride);
	if (stride == 0)
		stride = length;
	if (__builtin_mul_overflow(count - 1, stride, &last) ||
	    __builtin_add_overflow(last, first, &last) ||
	    __builtin_add_overflow(last, length, &stop) || stop > INT64_MAX)
		die(p, "stripes end beyond any file");
	f->stripes = grow(f->stripes, f->n_stripes, sizeof(*f->stripes));
	f->stripes[f->n_stripes++] = (struct stripes){
		.first = first,
		.length = length,
		.stride = stride,
		.count = count,
	};
}

static void
add_copy(const struct parser *p, struct file *f, uint64_t start,
	 uint64_t length, uint64_t from, const char *path)
{
	struct copied *c;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *data;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0)
		die(p, "cannot copy from '%s'", path);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		die(p, "cannot map '%s': %s", path, strerror(errno));
	close(fd);
	if (length > INT64_MAX - start)
		die(p, "a copy ends beyond any file");
	f->copies = grow(f->copies, f->n_copies, sizeof(*c));
	f->copies[f->n_copies++] = (struct copied){
		.start = start,
		.length = length,
		.from = from % (uint64_t)st.st_size,
		.size = (uint64_t)st.st_size,
		.data = data,
	};
}

static void
parse_base(const struct parser *p, struct file *f, const char *word)
{
	static const char *const names[] = {
		[BASE_ZERO] = "zero",
		[BASE_TEXT] = "text",
		[BASE_RANDOM] = "random",
		[BASE_STRUCTURED] = "structured",
	};

	for (size_t i = 0; word != NULL && i < 4; i++)
		if (strcmp(word, names[i]) == 0) {
			f->base = (enum base)i;
			return;
		}
	die(p, "base is one of zero, text, random, structured");
}

/* The length is the last word: a name may hold blanks. */
static struct file *
parse_file(const struct parser *p, char *rest)
{
	struct file *f;
	char *length;

	rest += strspn(rest, " \t");
	length = strrchr(rest, ' ');
	if (length == NULL || length == rest)
		die(p, "expected: file NAME LENGTH");
	*length++ = '\0';
	unescape_name(p, rest);
	if (*rest == '\0' || strchr(rest, '/') != NULL ||
	    strcmp(rest, ".") == 0 || strcmp(rest, "..") == 0)
		die(p, "'%s' cannot name a file", rest);

	files = grow(files, n_files, sizeof(*files));
	f = &files[n_files++];
	memset(f, 0, sizeof(*f));
	f->name = copy(rest);
	f->seed = name_seed(rest);
	f->length_from_literals = strcmp(length, "-") == 0;
	if (!f->length_from_literals)
		f->length = number(p, length);
	return f;
}

static void
parse_directive(const struct parser *p, struct file *f, const char *verb,
		char *rest)
{
	uint64_t a, b, c;

	if (strcmp(verb, "base") == 0) {
		parse_base(p, f, next_word(&rest));
	} else if (strcmp(verb, "seed") == 0) {
		f->seed = number(p, next_word(&rest));
	} else if (strcmp(verb, "stripes") == 0) {
		a = number(p, next_word(&rest));
		b = number(p, next_word(&rest));
		c = number(p, next_word(&rest));
		add_stripes(p, f, a, b, c, number(p, next_word(&rest)));
	} else if (strcmp(verb, "random") == 0) {
		a = number(p, next_word(&rest));
		b = number(p, next_word(&rest));
		add_stripes(p, f, a, b, b, 1);
	} else if (strcmp(verb, "bytes") == 0) {
		a = number(p, next_word(&rest));
		add_hex(p, f, a, next_word(&rest));
	} else if (strcmp(verb, "content") == 0) {
		add_hex(p, f, 0, next_word(&rest));
	} else if (strcmp(verb, "copy") == 0) {
		a = number(p, next_word(&rest));
		b = number(p, next_word(&rest));
		c = number(p, next_word(&rest));
		add_copy(p, f, a, b, c, rest);
		rest[0] = '\0';
	} else if (strcmp(verb, "text") == 0) {
		size_t n = strlen(rest);

		rest[n] = '\n';
		add_literal(f, f->text_at, (uint8_t *)rest, n + 1);
		f->text_at += n + 1;
		rest[0] = '\0';
	} else if (strcmp(verb, "blocks") == 0) {
		f->blocks = number(p, next_word(&rest));
		f->blocks_given = true;
	} else if (strcmp(verb, "fail") == 0) {
		a = number(p, next_word(&rest));
		b = number(p, next_word(&rest));
		f->fails = grow(f->fails, f->n_fails, sizeof(*f->fails));
		f->fails[f->n_fails++] = (struct range){a, b};
	} else if (strcmp(verb, "direct") == 0) {
		f->direct = true;
	} else if (strcmp(verb, "changing") == 0) {
		f->changing = true;
	} else if (strcmp(verb, "holes") == 0) {
		f->holes = true;
	} else {
		die(p, "unknown directive '%s'", verb);
	}
	if (next_word(&rest) != NULL)
		die(p, "more words than '%s' takes", verb);
}

static void
parse_spec(const char *path)
{
	struct parser p = {.path = path};
	struct file *f = NULL;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	FILE *in = fopen(path, "re");

	if (in == NULL)
		die(NULL, "%s: %s", path, strerror(errno));
	while ((n = getline(&line, &room, in)) >= 0) {
		char *rest = line, *verb;

		p.line++;
		if (n > 0 && line[n - 1] == '\n')
			line[--n] = '\0';
		verb = next_word(&rest);
		if (verb == NULL || *verb == '#')
			continue;
		if (strcmp(verb, "file") == 0)
			f = parse_file(&p, rest);
		else if (f == NULL)
			die(&p, "'%s' before the first 'file'", verb);
		else
			parse_directive(&p, f, verb, rest);
	}
	if (ferror(in))
		die(NULL, "%s: %s", path, strerror(errno));
	free(line);
	fclose(in);

	for (size_t i = 0; i < n_files; i++)
		if (!files[i].blocks_given)
			files[i].blocks = files[i].length / 512 +
					  (files[i].length % 512 != 0);
}

/* ---- counters --------------------------------------------------------- */

static void
write_name(FILE *out, const char *name)
{
	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;

		if (c <= ' ' || c >= 127 || c == '%')
			fprintf(out, "%%%02X", c);
		else
			fputc(c, out);
	}
}

/* Renamed into place: a reader never sees half of it. */
static void
write_stats(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	char tmp[PATH_MAX + 8];
	FILE *out;

	pthread_mutex_lock(&lock);
	snprintf(tmp, sizeof(tmp), "%s.tmp", stats_path);
	out = fopen(tmp, "we");
	if (out != NULL) {
		for (size_t i = 0; i < n_files; i++) {
			struct file *f = &files[i];

			write_name(out, f->name);
			fprintf(out,
				" reads %" PRIu64 " bytes %" PRIu64
				" failed %" PRIu64 " opens %" PRIu64
				" refused %" PRIu64 "\n",
				f->reads, f->bytes, f->failed, f->opens,
				f->refused);
		}
		fprintf(out, "(total) changes_refused %" PRIu64 "\n",
			changes_refused);
		if (fclose(out) == 0)
			(void)rename(tmp, stats_path);
	}
	pthread_mutex_unlock(&lock);
}

/* A thread of its own: a handler could not use stdio. */
static void *
wait_for_usr1(void *arg)
{
	sigset_t usr1;
	int which;

	(void)arg;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	while (sigwait(&usr1, &which) == 0)
		write_stats();
	return NULL;
}

/* ---- filesystem ------------------------------------------------------- */

static struct file *
find(const char *path)
{
	for (size_t i = 0; i < n_files; i++)
		if (strcmp(path + 1, files[i].name) == 0)
			return &files[i];
	return NULL;
}

static void *
fake_init(struct fuse_conn_info *conn, struct fuse_config *cfg)
{
	pthread_t thread;

	(void)conn;
	cfg->use_ino = 0;
	/* Here and not in main(): going to the background loses threads. */
	if (pthread_create(&thread, NULL, wait_for_usr1, NULL) == 0)
		pthread_detach(thread);
	return NULL;
}

static void
fake_destroy(void *data)
{
	(void)data;
	write_stats();
}

static int
fake_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	const struct file *f;

	(void)fi;
	memset(st, 0, sizeof(*st));
	st->st_uid = getuid();
	st->st_gid = getgid();
	st->st_atime = st->st_mtime = st->st_ctime = born;
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
		return 0;
	}
	f = find(path);
	if (f == NULL)
		return -ENOENT;
	/* Writable by mode, as evidence often is: only open() says no. */
	st->st_mode = S_IFREG | 0644;
	st->st_nlink = 1;
	st->st_size = (off_t)f->length;
	if (f->changing)
		st->st_mtime += (time_t)f->reads;
	st->st_blocks = (blkcnt_t)f->blocks;
	st->st_blksize = 4096;
	return 0;
}

static int
fake_readdir(const char *path, void *buf, fuse_fill_dir_t filler, off_t off,
	     struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
	(void)off;
	(void)fi;
	(void)flags;
	if (strcmp(path, "/") != 0)
		return -ENOENT;
	filler(buf, ".", NULL, 0, 0);
	filler(buf, "..", NULL, 0, 0);
	for (size_t i = 0; i < n_files; i++)
		filler(buf, files[i].name, NULL, 0, 0);
	return 0;
}

static int
fake_open(const char *path, struct fuse_file_info *fi)
{
	struct file *f = find(path);

	if (f == NULL)
		return -ENOENT;
	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC) != 0) {
		f->refused++;
		return -EROFS;
	}
	f->opens++;
	fi->fh = (uint64_t)(uintptr_t)f;
	fi->direct_io = f->direct;
	/* Contents never change, so pages may outlive the open. */
	fi->keep_cache = !f->direct;
	return 0;
}

static int
fake_read(const char *path, char *out, size_t size, off_t offset,
	  struct fuse_file_info *fi)
{
	struct file *f = (struct file *)(uintptr_t)fi->fh;
	uint64_t off = (uint64_t)offset, n = size;
	uint8_t *buf = (uint8_t *)out;

	(void)path;
	f->reads++;
	if (off >= f->length)
		return 0;
	if (n > f->length - off)
		n = f->length - off;
	if (touches_failure(f, n, off)) {
		f->failed++;
		return -EIO;
	}

	fill_base(f, buf, n, off);
	for (size_t i = 0; i < f->n_copies; i++)
		fill_copied(&f->copies[i], buf, n, off);
	for (size_t i = 0; i < f->n_stripes; i++)
		fill_stripes(f, &f->stripes[i], buf, n, off);
	for (size_t i = 0; i < f->n_literals; i++)
		fill_literal(&f->literals[i], buf, n, off);
	f->bytes += n;
	return (int)n;
}

/* Where the first piece that holds something begins at or behind off. */
static uint64_t
next_data(const struct file *f, uint64_t off)
{
	uint64_t best = f->base == BASE_ZERO && f->holes ? UINT64_MAX : off;

	for (size_t i = 0; i < f->n_stripes; i++) {
		const struct stripes *s = &f->stripes[i];
		uint64_t k = off <= s->first ? 0 : (off - s->first) / s->stride;

		if (k < s->count && off >= s->first + k * s->stride + s->length)
			k++;
		if (k < s->count && s->first + k * s->stride < best)
			best = s->first + k * s->stride;
	}
	for (size_t i = 0; i < f->n_copies; i++)
		if (off < f->copies[i].start + f->copies[i].length &&
		    f->copies[i].start < best)
			best = f->copies[i].start;
	for (size_t i = 0; i < f->n_literals; i++)
		if (off < f->literals[i].off + f->literals[i].size &&
		    f->literals[i].off < best)
			best = f->literals[i].off;
	return best > off ? best / 4096 * 4096 > off ? best / 4096 * 4096 : off
			  : off;
}

/* The end of the piece that covers off; off itself where none does. */
static uint64_t
piece_end(const struct file *f, uint64_t off)
{
	uint64_t end = off;

	for (size_t i = 0; i < f->n_stripes; i++) {
		const struct stripes *s = &f->stripes[i];
		uint64_t k = off < s->first ? 0 : (off - s->first) / s->stride;
		uint64_t start = s->first + k * s->stride;

		if (k < s->count && start <= off && start + s->length > end)
			end = start + s->length;
	}
	for (size_t i = 0; i < f->n_copies; i++) {
		const struct copied *c = &f->copies[i];

		if (c->start <= off && c->start + c->length > end)
			end = c->start + c->length;
	}
	for (size_t i = 0; i < f->n_literals; i++) {
		const struct literal *l = &f->literals[i];

		if (l->off <= off && l->off + l->size > end)
			end = l->off + l->size;
	}
	return end;
}

/* The end of the 4 KiB blocks in a row, from off on, that hold something. */
static uint64_t
next_hole(const struct file *f, uint64_t off)
{
	uint64_t end;

	while (off < f->length && next_data(f, off) <= off) {
		end = piece_end(f, off);
		end = end > off ? end : off + 1;
		off = (end + 4095) / 4096 * 4096;
	}
	return off < f->length ? off : f->length;
}

static off_t
fake_lseek(const char *path, off_t off, int whence, struct fuse_file_info *fi)
{
	const struct file *f = (const struct file *)(uintptr_t)fi->fh;
	uint64_t at;

	(void)path;
	if ((uint64_t)off >= f->length)
		return -ENXIO;
	if (!f->holes)
		return whence == SEEK_DATA ? off : (off_t)f->length;
	at = whence == SEEK_DATA ? next_data(f, (uint64_t)off)
				 : next_hole(f, (uint64_t)off);
	return at < f->length || whence == SEEK_HOLE ? (off_t)at : -ENXIO;
}

/* Everything that would change something, refused and counted. */
static int
refuse(void)
{
	changes_refused++;
	return -EROFS;
}

static int
fake_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	(void)path;
	(void)mode;
	(void)fi;
	return refuse();
}

static int
fake_mknod(const char *path, mode_t mode, dev_t dev)
{
	(void)path;
	(void)mode;
	(void)dev;
	return refuse();
}

static int
fake_mkdir(const char *path, mode_t mode)
{
	(void)path;
	(void)mode;
	return refuse();
}

static int
fake_remove(const char *path)
{
	(void)path;
	return refuse();
}

static int
fake_link(const char *from, const char *to)
{
	(void)from;
	(void)to;
	return refuse();
}

static int
fake_rename(const char *from, const char *to, unsigned int flags)
{
	(void)from;
	(void)to;
	(void)flags;
	return refuse();
}

static int
fake_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	(void)path;
	(void)mode;
	(void)fi;
	return refuse();
}

static int
fake_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
	(void)path;
	(void)uid;
	(void)gid;
	(void)fi;
	return refuse();
}

static int
fake_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	(void)path;
	(void)size;
	(void)fi;
	return refuse();
}

static int
fake_utimens(const char *path, const struct timespec tv[2],
	     struct fuse_file_info *fi)
{
	(void)path;
	(void)tv;
	(void)fi;
	return refuse();
}

static int
fake_setxattr(const char *path, const char *name, const char *value,
	      size_t size, int flags)
{
	(void)path;
	(void)name;
	(void)value;
	(void)size;
	(void)flags;
	return refuse();
}

static int
fake_removexattr(const char *path, const char *name)
{
	(void)path;
	(void)name;
	return refuse();
}

static const struct fuse_operations operations = {
	.init = fake_init,
	.destroy = fake_destroy,
	.getattr = fake_getattr,
	.readdir = fake_readdir,
	.open = fake_open,
	.read = fake_read,
	.lseek = fake_lseek,
	.create = fake_create,
	.mknod = fake_mknod,
	.mkdir = fake_mkdir,
	.unlink = fake_remove,
	.rmdir = fake_remove,
	.link = fake_link,
	.symlink = fake_link,
	.rename = fake_rename,
	.chmod = fake_chmod,
	.chown = fake_chown,
	.truncate = fake_truncate,
	.utimens = fake_utimens,
	.setxattr = fake_setxattr,
	.removexattr = fake_removexattr,
};

/* ---- start ------------------------------------------------------------ */

/* The first word that is no option is ours, the rest is libfuse's. */
static int
take_spec(void *data, const char *arg, int key, struct fuse_args *args)
{
	char **spec = data;

	(void)args;
	if (key != FUSE_OPT_KEY_NONOPT || *spec != NULL)
		return 1;
	*spec = copy(arg);
	return 0;
}

static void
set_stats_path(const char *spec)
{
	/* Absolute, for the background process lives in "/". */
	char *full = realpath(spec, NULL);

	if (full == NULL || asprintf(&stats_path, "%s.stats", full) < 0)
		die(NULL, "%s: %s", spec, strerror(errno));
	free(full);
}

int
main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	sigset_t usr1;
	char *spec = NULL;
	int r;

	if (fuse_opt_parse(&args, &spec, NULL, take_spec) != 0)
		return 2;
	if (spec == NULL) {
		fprintf(stderr, "usage: fakedisk [-f] [-o OPTIONS] "
				"SPECFILE MOUNTPOINT\n");
		return 2;
	}
	parse_spec(spec);
	set_stats_path(spec);
	born = time(NULL);

	/* Blocked in every thread to come; one of them waits for it. */
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);

	if (fuse_opt_add_arg(&args, "-ofsname=fakedisk,subtype=fakedisk") != 0)
		die(NULL, "out of memory");
	r = fuse_main(args.argc, args.argv, &operations, NULL);
	fuse_opt_free_args(&args);
	free(spec);
	return r;
}
