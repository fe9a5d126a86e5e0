/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mount_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render.h"

/* The kernel's and libfuse's; nothing here lets anybody write. */
static const char *const for_kernel[] = {
	"allow_other", "allow_root",  "auto_unmount", "dev",
	"nodev",       "suid",	      "nosuid",	      "exec",
	"noexec",      "atime",	      "noatime",      "relatime",
	"norelatime",  "diratime",    "nodiratime",   "context=",
	"fscontext=",  "defcontext=", "rootcontext=",
};

/* For whoever reads fstab; rw is what mount says when nobody said ro. */
static const char *const for_others[] = {
	"rw",	 "ro",	     "defaults", "auto",   "noauto",  "user",  "nouser",
	"users", "owner",    "group",	 "nofail", "_netdev", "user=", "x-",
	"X-",	 "comment=", "async",	 "sync",   "dirsync",
};

/* A row that ends in '=' or '-' stands for all that begin so. */
static bool
is_one_of(const char *word, const char *const *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(rows[i]);
		bool open = strchr("=-", rows[i][n - 1]) != NULL;

		if (open ? strncmp(word, rows[i], n) == 0
			 : strcmp(word, rows[i]) == 0)
			return true;
	}
	return false;
}
#define IS_ONE_OF(word, rows)                                                  \
	is_one_of(word, rows, sizeof(rows) / sizeof(*(rows)))

/* Behind "key=", or NULL where the word is another. */
static const char *
value_of(const char *word, const char *key)
{
	size_t n = strlen(key);

	return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1
							    : NULL;
}

static bool
take_cache(const char *name, enum cache *ret)
{
	static const char *const names[] = {
		[CACHE_AUTO] = "auto",
		[CACHE_DIRECT] = "direct",
		[CACHE_KERNEL] = "kernel",
	};

	for (int i = CACHE_AUTO; i <= CACHE_KERNEL; i++)
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum cache)i;
			return true;
		}
	return false;
}

static bool
take_verify(const char *how, bool *ret_full)
{
	*ret_full = strcmp(how, "full") == 0;
	return *ret_full || strcmp(how, "sample") == 0;
}

/* *ret_known: is it a word of ours? The answer: can its value be understood? */
static bool
take_own(struct mount_options *how, const char *word, bool *ret_known)
{
	struct options *o = &how->options;
	const char *value;

	*ret_known = true;
	if (strcmp(word, "nonempty") == 0)
		return how->nonempty = true;
	if ((value = value_of(word, "damaged")))
		return options_take_damaged(o, value);
	if ((value = value_of(word, "cache")))
		return take_cache(value, &how->cache);
	if ((value = value_of(word, "capacity")))
		return options_take_capacity(o, value);
	if ((value = value_of(word, "verify")))
		return take_verify(value, &o->verify_full);
	if ((value = value_of(word, "adapter")))
		return (o->adapter = value);
	if ((value = value_of(word, "map")))
		return (o->map = value);
	if ((value = value_of(word, "profile")))
		return (o->profile = value);
	*ret_known = false;
	return true;
}

static bool
add_for_kernel(struct mount_options *how, const char *word)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", how->kernel ? how->kernel : "",
		     how->kernel ? "," : "", word) < 0) {
		render_error("there is no memory left");
		return false;
	}
	free(how->kernel);
	how->kernel = longer;
	return true;
}

static bool
take_word(struct mount_options *how, const char *word)
{
	bool known;

	if (!take_own(how, word, &known)) {
		render_error("cannot be understood: '-o %s' (see vmdk-rescue "
			     "mount --help)",
			     word);
		return false;
	}
	if (known || *word == '\0' || IS_ONE_OF(word, for_others))
		return true;
	if (IS_ONE_OF(word, for_kernel))
		return add_for_kernel(how, word);
	if (how->options.sloppy)
		return true;
	render_error("no mount option: '-o %s' (see man vmdk-rescue-mount)",
		     word);
	return false;
}

bool
mount_options_take(const struct options *options, struct mount_options *ret)
{
	ret->options = *options;
	for (unsigned i = 0; i < options->mount_count; i++) {
		char *rest = strdup(options->mount[i]), *word;

		ret->lists[i] = rest;
		if (!rest) {
			render_error("there is no memory left");
			return false;
		}
		while ((word = strsep(&rest, ",")))
			if (!take_word(ret, word))
				return false;
	}
	return true;
}

void
mount_options_free(struct mount_options *how)
{
	for (unsigned i = 0; i < MOUNT_OPTIONS_MOST; i++)
		free(how->lists[i]);
	free(how->kernel);
}
