/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/lvm2_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"

/* A group of ten thousand volumes has fewer. */
#define ITEMS_MOST ((size_t)1 << 20)
/* LVM's own texts are five deep. */
#define DEPTH_MOST 16

struct reader {
	const char *text;
	size_t n, at;
	struct vr_lvm2_tree *tree;
	size_t open[DEPTH_MOST], depth;
	size_t whole; /* items up to the end of the last whole one at the top */
	bool wrong;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What names of groups, volumes and settings are made of (lvm(8)). */
static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' ||
	       c == '+' || c == '/' || c == '@';
}

static bool
is_at(const struct reader *r, char c)
{
	return r->at < r->n && r->text[r->at] == c;
}

static void
skip_blanks(struct reader *r)
{
	for (bool comment = false; r->at < r->n; r->at++) {
		char c = r->text[r->at];

		if (c == '#')
			comment = true;
		else if (c == '\n')
			comment = false;
		if (c == '\0' || (!comment && !is_blank(c) && c != '#'))
			return;
	}
}

static bool
take(struct reader *r, char c)
{
	skip_blanks(r);
	if (!is_at(r, c))
		return false;
	r->at++;
	return true;
}

static size_t
take_name(struct reader *r, const char **ret)
{
	size_t start;

	skip_blanks(r);
	start = r->at;
	while (r->at < r->n && is_name(r->text[r->at]))
		r->at++;
	*ret = r->text + start;
	return r->at - start;
}

/* The item that is being filled; children point to it. */
static size_t
parent(const struct reader *r)
{
	return r->depth ? r->open[r->depth - 1] : VR_LVM2_NO_ITEM;
}

static int
push(struct reader *r, const struct vr_lvm2_item *item)
{
	size_t index = r->tree->count;
	int code;

	if (index >= ITEMS_MOST) {
		r->wrong = true;
		return 0;
	}
	code = VR_PUSH(r->tree, *item);
	if (code < 0)
		return code;
	r->tree->items[index].parent = parent(r);
	r->tree->items[index].end = index + 1;
	return 0;
}

static void
open_item(struct reader *r)
{
	if (r->depth == DEPTH_MOST || r->wrong)
		r->wrong = true;
	else
		r->open[r->depth++] = r->tree->count - 1;
}

static void
close_item(struct reader *r)
{
	struct vr_lvm2_item *item = &r->tree->items[r->open[--r->depth]];

	item->end = r->tree->count;
	item->to = r->at;
}

/* From behind the opening quote to behind the closing one. */
static bool
take_string(struct reader *r, struct vr_lvm2_item *item)
{
	size_t start = r->at;

	while (r->at < r->n && r->text[r->at] != '"' &&
	       r->text[r->at] != '\0') {
		if (r->text[r->at] == '\\' && r->at + 1 < r->n)
			r->at++;
		r->at++;
	}
	if (!is_at(r, '"'))
		return false;
	item->kind = VR_LVM2_STRING;
	item->word = r->text + start;
	item->word_length = r->at++ - start;
	return true;
}

static bool
take_number(struct reader *r, struct vr_lvm2_item *item)
{
	item->kind = VR_LVM2_NUMBER;
	item->word_length = take_name(r, &item->word);
	if (!vr_parse_decimal(item->word, item->word_length, &item->number))
		item->number = UINT64_MAX;
	return item->word_length > 0;
}

static int
read_scalar(struct reader *r, struct vr_lvm2_item *item)
{
	bool ok = take(r, '"') ? take_string(r, item) : take_number(r, item);

	item->to = r->at;
	if (!ok) {
		r->wrong = true;
		return 0;
	}
	return push(r, item);
}

static int
read_list(struct reader *r)
{
	int code = 0;

	if (r->wrong)
		return 0;
	open_item(r);
	while (code == 0 && !r->wrong && !take(r, ']')) {
		struct vr_lvm2_item item = {.from = r->at,
					    .number = UINT64_MAX};

		code = read_scalar(r, &item);
		if (!take(r, ',') && !is_at(r, ']'))
			r->wrong = true;
	}
	if (code == 0 && !r->wrong)
		close_item(r);
	return code;
}

static int
read_setting(struct reader *r, struct vr_lvm2_item *item)
{
	int code;

	if (take(r, '{')) {
		item->kind = VR_LVM2_SECTION;
		code = push(r, item);
		if (code == 0)
			open_item(r);
		return code;
	}
	if (!take(r, '=')) {
		r->wrong = true;
		return 0;
	}
	if (!take(r, '['))
		return read_scalar(r, item);
	item->kind = VR_LVM2_LIST;
	code = push(r, item);
	return code == 0 ? read_list(r) : code;
}

static int
read_item(struct reader *r)
{
	struct vr_lvm2_item item = {.number = UINT64_MAX};

	if (r->depth > 0 && take(r, '}')) {
		close_item(r);
		return 0;
	}
	item.key_length = take_name(r, &item.key);
	item.from = r->at - item.key_length;
	if (item.key_length == 0) {
		r->wrong = true;
		return 0;
	}
	return read_setting(r, &item);
}

int
vr_lvm2_tree_read(const char *text, size_t n, struct vr_lvm2_tree *ret)
{
	struct vr_lvm2_tree tree = {0};
	struct reader r = {.text = text, .n = n, .tree = &tree};
	int code = 0;

	while (code == 0 && !r.wrong && r.at < r.n) {
		code = read_item(&r);
		if (r.depth == 0 && !r.wrong)
			r.whole = tree.count;
	}
	if (code < 0) {
		vr_lvm2_tree_free(&tree);
		return code;
	}
	tree.count = r.whole;
	*ret = tree;
	return 0;
}

void
vr_lvm2_tree_free(struct vr_lvm2_tree *tree)
{
	free(tree->items);
	*tree = (struct vr_lvm2_tree){0};
}

const struct vr_lvm2_item *
vr_lvm2_child(const struct vr_lvm2_tree *tree, size_t of, const char *key)
{
	size_t i = of == VR_LVM2_NO_ITEM ? 0 : of + 1;
	size_t end = of == VR_LVM2_NO_ITEM ? tree->count : tree->items[of].end;
	size_t n = strlen(key);

	for (; i < end; i = tree->items[i].end) {
		const struct vr_lvm2_item *item = &tree->items[i];

		if (item->key && item->key_length == n &&
		    memcmp(item->key, key, n) == 0)
			return item;
	}
	return NULL;
}

uint64_t
vr_lvm2_number(const struct vr_lvm2_tree *tree, size_t of, const char *key)
{
	const struct vr_lvm2_item *item = vr_lvm2_child(tree, of, key);

	return item && item->kind == VR_LVM2_NUMBER ? item->number : UINT64_MAX;
}
