/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/lvm2_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "guest/lvm2_tree.h"

/* LVM's own limits are of this size; more is made to exhaust us. */
#define PVS_MOST     1024
#define LVS_MOST     16384
#define STRIPES_MOST 65536
#define NAME_MOST    128
/* Ids are 32 letters and digits in seven groups, with dashes between. */
#define ID_LENGTH 38

struct taker {
	const struct vr_lvm2_tree *tree;
	struct vr_lvm2_vg *vg;
};

static int
wrong(const char *why)
{
	return vr_fail(VR_E_FORMAT, "LVM text: %s", why);
}

/* Numbers that mean bytes in the end; UINT64_MAX, the unread one, never fits. */
static bool
sectors(uint64_t n, uint64_t *ret_bytes)
{
	return n != UINT64_MAX && vr_mul(n, VR_SECTOR, ret_bytes);
}

static char *
copy_name(const struct vr_lvm2_item *item)
{
	return strndup(item->key, item->key_length);
}

static bool
has_fair_name(const struct vr_lvm2_item *item)
{
	return item->key_length > 0 && item->key_length < NAME_MOST &&
	       !memchr(item->key, '/', item->key_length) && item->key[0] != '.';
}

static bool
take_id(const struct vr_lvm2_tree *tree, size_t of, char *ret)
{
	const struct vr_lvm2_item *item = vr_lvm2_child(tree, of, "id");

	if (!item || item->kind != VR_LVM2_STRING ||
	    item->word_length != ID_LENGTH ||
	    memchr(item->word, '\0', ID_LENGTH) ||
	    !vr_is_utf8(item->word, ID_LENGTH))
		return false;
	memcpy(ret, item->word, ID_LENGTH);
	ret[ID_LENGTH] = '\0';
	return true;
}

static size_t
index_of(const struct vr_lvm2_tree *tree, const struct vr_lvm2_item *item)
{
	return (size_t)(item - tree->items);
}

static const struct vr_lvm2_item *
section(const struct vr_lvm2_tree *tree, size_t of, const char *key)
{
	const struct vr_lvm2_item *item = vr_lvm2_child(tree, of, key);

	return item && item->kind == VR_LVM2_SECTION ? item : NULL;
}

static bool
is_word(const struct vr_lvm2_item *item, const char *word)
{
	return item->kind == VR_LVM2_STRING &&
	       item->word_length == strlen(word) &&
	       memcmp(item->word, word, item->word_length) == 0;
}

/* --- physical volumes ------------------------------------------------------ */

/* Old groups do not tell the device's size; no group leaves out the rest. */
static bool
pv_sizes(const struct taker *t, size_t at, struct vr_lvm2_pv *pv)
{
	uint64_t start = vr_lvm2_number(t->tree, at, "pe_start"), all;

	pv->extents = vr_lvm2_number(t->tree, at, "pe_count");
	if (!sectors(vr_lvm2_number(t->tree, at, "dev_size"), &pv->bytes))
		pv->bytes = 0;
	if (!sectors(vr_lvm2_number(t->tree, at, "ba_start"), &pv->boot_off) ||
	    !sectors(vr_lvm2_number(t->tree, at, "ba_size"), &pv->boot_bytes))
		pv->boot_off = pv->boot_bytes = 0;
	return sectors(start, &pv->data_bytes) && pv->extents != UINT64_MAX &&
	       vr_mul(pv->extents, t->vg->extent_bytes, &all) &&
	       vr_add(all, pv->data_bytes, &all);
}

static int
take_pv(const struct taker *t, const struct vr_lvm2_item *item)
{
	struct vr_lvm2_pv pv = {0};
	size_t at = index_of(t->tree, item);
	int r;

	if (item->kind != VR_LVM2_SECTION)
		return 0;
	if (!has_fair_name(item) || !take_id(t->tree, at, pv.uuid) ||
	    !pv_sizes(t, at, &pv) || t->vg->pvs.count >= PVS_MOST)
		return wrong("a physical volume with impossible numbers");
	pv.name = copy_name(item);
	r = pv.name ? VR_PUSH(&t->vg->pvs, pv) : vr_fail_memory();
	if (r < 0)
		free(pv.name);
	return r;
}

static int
for_children(const struct taker *t, const struct vr_lvm2_item *of,
	     int (*take)(const struct taker *t,
			 const struct vr_lvm2_item *item))
{
	int r = 0;

	for (size_t i = index_of(t->tree, of) + 1; r == 0 && i < of->end;
	     i = t->tree->items[i].end)
		r = take(t, &t->tree->items[i]);
	return r;
}

/* --- segments -------------------------------------------------------------- */

static size_t
find_pv(const struct vr_lvm2_vg *vg, const struct vr_lvm2_item *word)
{
	for (size_t i = 0; i < vg->pvs.count; i++)
		if (is_word(word, vg->pvs.items[i].name))
			return i;
	return SIZE_MAX;
}

/* "stripes" is a list of pairs: physical volume, first extent on it. */
static int
take_stripes(const struct taker *t, const struct vr_lvm2_item *list,
	     struct vr_lvm2_segment *s)
{
	const struct vr_lvm2_item *items = t->tree->items;
	size_t i = index_of(t->tree, list) + 1;
	uint64_t each = s->extents / s->stripe_count, end;
	int r = 0;

	if (list->end - i != 2 * s->stripe_count ||
	    t->vg->stripes.count + s->stripe_count > STRIPES_MOST)
		return wrong("a segment whose stripes are not as many as it "
			     "says");
	for (; r == 0 && i < list->end; i += 2) {
		struct vr_lvm2_stripe stripe = {find_pv(t->vg, &items[i]),
						items[i + 1].number};

		if (stripe.pv == SIZE_MAX || stripe.extent == UINT64_MAX ||
		    !vr_add(stripe.extent, each, &end) ||
		    end > t->vg->pvs.items[stripe.pv].extents)
			return wrong("a segment that leaves its physical "
				     "volumes");
		r = VR_PUSH(&t->vg->stripes, stripe);
	}
	return r;
}

static bool
segment_sizes(const struct taker *t, size_t at, struct vr_lvm2_segment *s)
{
	uint64_t end, count = vr_lvm2_number(t->tree, at, "stripe_count");

	s->start = vr_lvm2_number(t->tree, at, "start_extent");
	s->extents = vr_lvm2_number(t->tree, at, "extent_count");
	if (s->start == UINT64_MAX || s->extents == 0 ||
	    s->extents == UINT64_MAX || !vr_add(s->start, s->extents, &end) ||
	    !vr_mul(end, t->vg->extent_bytes, &end))
		return false;
	s->stripe_count = count <= PVS_MOST ? (size_t)count : 0;
	return true;
}

/* Turns must fill extents, and extents be shared evenly. */
static bool
stripe_sizes(const struct taker *t, size_t at, struct vr_lvm2_segment *s)
{
	if (s->stripe_count == 0)
		return false;
	if (s->stripe_count == 1)
		return true;
	return sectors(vr_lvm2_number(t->tree, at, "stripe_size"),
		       &s->stripe_bytes) &&
	       s->stripe_bytes > 0 && s->extents % s->stripe_count == 0 &&
	       t->vg->extent_bytes % s->stripe_bytes == 0;
}

static int
copy_word(const struct vr_lvm2_item *item, char **to)
{
	if (!item || item->kind != VR_LVM2_STRING || *to ||
	    item->word_length >= NAME_MOST ||
	    !vr_is_utf8(item->word, item->word_length))
		return 0;
	*to = strndup(item->word, item->word_length);
	return *to ? 0 : vr_fail_memory();
}

/* Of a mirror the images; in "raids" pairs of what is known of them and image. */
static const struct vr_lvm2_item *
first_image(const struct vr_lvm2_tree *tree, size_t at)
{
	const struct vr_lvm2_item *list = vr_lvm2_child(tree, at, "mirrors");
	size_t nth = 0;

	if (!list) {
		list = vr_lvm2_child(tree, at, "raids");
		nth = 1;
	}
	if (!list || list->kind != VR_LVM2_LIST ||
	    list->end - index_of(tree, list) - 1 <= nth)
		return NULL;
	return list + 1 + nth;
}

static int
set_odd(struct vr_lvm2_lv *lv, const char *type)
{
	if (!lv->odd_type)
		lv->odd_type = strdup(type);
	return lv->odd_type ? 0 : vr_fail_memory();
}

/* While pvmove(8) is under way, and in stacks of volumes. */
static bool
is_on_others(const struct taker *t, const struct vr_lvm2_item *list)
{
	return list->end > index_of(t->tree, list) + 1 &&
	       find_pv(t->vg, list + 1) == SIZE_MAX;
}

static int
take_odd(const struct taker *t, size_t at, const struct vr_lvm2_item *type,
	 struct vr_lvm2_lv *lv)
{
	int r = copy_word(type, &lv->odd_type);

	if (r == 0 && (is_word(type, "raid1") || is_word(type, "mirror")))
		r = copy_word(first_image(t->tree, at), &lv->other);
	if (r == 0 && is_word(type, "snapshot"))
		r = copy_word(vr_lvm2_child(t->tree, at, "cow_store"),
			      &lv->other);
	return r;
}

static int
take_segment(const struct taker *t, size_t at, struct vr_lvm2_lv *lv)
{
	const struct vr_lvm2_item *type = vr_lvm2_child(t->tree, at, "type");
	const struct vr_lvm2_item *list = vr_lvm2_child(t->tree, at, "stripes");
	struct vr_lvm2_segment s = {.first_stripe = t->vg->stripes.count};
	int r;

	if (!type || type->kind != VR_LVM2_STRING || !segment_sizes(t, at, &s))
		return wrong("a segment with impossible numbers");
	if (!is_word(type, "striped") && !is_word(type, "linear"))
		return take_odd(t, at, type, lv);
	if (!list || list->kind != VR_LVM2_LIST || !stripe_sizes(t, at, &s))
		return wrong("a segment with impossible stripes");
	if (is_on_others(t, list))
		return set_odd(lv, "striped over other volumes");
	r = take_stripes(t, list, &s);
	if (r == 0)
		r = VR_PUSH(&t->vg->segments, s);
	if (r == 0)
		lv->segment_count++;
	return r;
}

static int
compare_segments(const void *a, const void *b)
{
	const struct vr_lvm2_segment *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* In any order in the text, without gap or overlap in the volume. */
static int
order_segments(struct vr_lvm2_vg *vg, const struct vr_lvm2_lv *lv)
{
	struct vr_lvm2_segment *s;
	uint64_t reached = 0;

	if (lv->segment_count == 0)
		return 0;
	s = &vg->segments.items[lv->first_segment];
	qsort(s, lv->segment_count, sizeof(*s), compare_segments);
	for (size_t i = 0; i < lv->segment_count; i++) {
		if (s[i].start != reached && !lv->odd_type)
			return wrong("the segments of a volume leave a gap or "
				     "overlap");
		reached = s[i].start + s[i].extents;
	}
	return 0;
}

/* --- logical volumes ------------------------------------------------------- */

static bool
is_visible(const struct vr_lvm2_tree *tree, size_t at)
{
	const struct vr_lvm2_item *status = vr_lvm2_child(tree, at, "status");

	if (!status || status->kind != VR_LVM2_LIST)
		return false;
	for (size_t i = index_of(tree, status) + 1; i < status->end; i++)
		if (is_word(&tree->items[i], "VISIBLE"))
			return true;
	return false;
}

static int
take_segments(const struct taker *t, const struct vr_lvm2_item *of,
	      struct vr_lvm2_lv *lv)
{
	int r = 0;

	for (size_t i = index_of(t->tree, of) + 1; r == 0 && i < of->end;
	     i = t->tree->items[i].end)
		if (t->tree->items[i].kind == VR_LVM2_SECTION)
			r = take_segment(t, i, lv);
	return r == 0 ? order_segments(t->vg, lv) : r;
}

static void
free_lv(struct vr_lvm2_lv *lv)
{
	free(lv->name);
	free(lv->odd_type);
	free(lv->other);
}

static int
take_lv(const struct taker *t, const struct vr_lvm2_item *item)
{
	struct vr_lvm2_lv lv = {.first_segment = t->vg->segments.count};
	size_t at = index_of(t->tree, item);
	int r = 0;

	if (item->kind != VR_LVM2_SECTION)
		return 0;
	if (!has_fair_name(item) || !take_id(t->tree, at, lv.uuid) ||
	    t->vg->lvs.count >= LVS_MOST)
		return wrong("a logical volume without a name or an id");
	lv.visible = is_visible(t->tree, at);
	lv.name = copy_name(item);
	if (!lv.name)
		r = vr_fail_memory();
	if (r == 0)
		r = take_segments(t, item, &lv);
	if (r == 0)
		r = VR_PUSH(&t->vg->lvs, lv);
	if (r < 0)
		free_lv(&lv);
	return r;
}

/* --- claims on extents ----------------------------------------------------- */

struct stretch {
	size_t pv;
	uint64_t start, end;
};

static int
compare_stretches(const void *a, const void *b)
{
	const struct stretch *x = a, *y = b;

	if (x->pv != y->pv)
		return x->pv < y->pv ? -1 : 1;
	return (x->start > y->start) - (x->start < y->start);
}

static size_t
list_stretches(const struct vr_lvm2_vg *vg, struct stretch *list)
{
	size_t count = 0;

	for (size_t i = 0; i < vg->segments.count; i++) {
		const struct vr_lvm2_segment *s = &vg->segments.items[i];

		for (size_t j = 0; j < s->stripe_count; j++) {
			const struct vr_lvm2_stripe *stripe =
				&vg->stripes.items[s->first_stripe + j];

			list[count++] = (struct stretch){
				stripe->pv, stripe->extent,
				stripe->extent + s->extents / s->stripe_count};
		}
	}
	return count;
}

static int
refuse_overlaps(const struct vr_lvm2_vg *vg)
{
	struct stretch *list = calloc(vg->stripes.count + 1, sizeof(*list));
	size_t count;
	int r = 0;

	if (!list)
		return vr_fail_memory();
	count = list_stretches(vg, list);
	qsort(list, count, sizeof(*list), compare_stretches);
	for (size_t i = 1; i < count; i++)
		if (list[i].pv == list[i - 1].pv &&
		    list[i].start < list[i - 1].end)
			r = wrong("two volumes claim the same extents");
	free(list);
	return r;
}

/* --- the group ------------------------------------------------------------- */

static int
take_head(const struct taker *t, size_t at)
{
	uint64_t *extent = &t->vg->extent_bytes;

	t->vg->number = vr_lvm2_number(t->tree, at, "seqno");
	if (!take_id(t->tree, at, t->vg->uuid) || t->vg->number == UINT64_MAX ||
	    !sectors(vr_lvm2_number(t->tree, at, "extent_size"), extent) ||
	    *extent == 0)
		return wrong("a group without id, number or extent size");
	t->vg->name = copy_name(&t->tree->items[at]);
	return t->vg->name ? 0 : vr_fail_memory();
}

static int
take_group(const struct taker *t, size_t at)
{
	const struct vr_lvm2_item *pvs, *lvs;
	int r;

	pvs = section(t->tree, at, "physical_volumes");
	lvs = section(t->tree, at, "logical_volumes");
	r = take_head(t, at);
	if (r == 0 && !pvs)
		r = wrong("a group without physical volumes");
	if (r == 0)
		r = for_children(t, pvs, take_pv);
	if (r == 0 && lvs)
		r = for_children(t, lvs, take_lv);
	return r == 0 ? refuse_overlaps(t->vg) : r;
}

/* The one section at the top; VR_LVM2_NO_ITEM: none, or no text of a group. */
static size_t
find_group(const struct vr_lvm2_tree *tree)
{
	const struct vr_lvm2_item *contents =
		vr_lvm2_child(tree, VR_LVM2_NO_ITEM, "contents");

	if (contents && !is_word(contents, "Text Format Volume Group"))
		return VR_LVM2_NO_ITEM;
	for (size_t i = 0; i < tree->count; i = tree->items[i].end)
		if (tree->items[i].kind == VR_LVM2_SECTION)
			return has_fair_name(&tree->items[i]) ? i
							      : VR_LVM2_NO_ITEM;
	return VR_LVM2_NO_ITEM;
}

/* --- as metadata areas hold it --------------------------------------------- */

/* Without the indents and remarks that files have and metadata areas have not. */
static void
append_plain(struct vr_text *out, const char *p, size_t n)
{
	bool quoted = false, remark = false, begun = false;

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (c == '"' && !remark && (i == 0 || p[i - 1] != '\\'))
			quoted = !quoted;
		if (c == '#' && !quoted)
			remark = true;
		if (c == '\n')
			remark = begun = false;
		else if (remark || (c == '\t' && !quoted))
			continue;
		else if (c != ' ')
			begun = true;
		else if (!begun)
			continue;
		vr_text_append(out, &c, 1);
	}
}

static int
rewrite(const char *bytes, const struct vr_lvm2_tree *tree, size_t group,
	char **ret)
{
	const struct vr_lvm2_item *items = tree->items;
	struct vr_text out = {0};

	append_plain(&out, bytes + items[group].from,
		     items[group].to - items[group].from);
	vr_text_append(&out, "\n", 1);
	for (size_t i = 0; i < tree->count; i = items[i].end) {
		if (items[i].kind == VR_LVM2_SECTION)
			continue;
		append_plain(&out, bytes + items[i].from,
			     items[i].to - items[i].from);
		vr_text_append(&out, "\n", 1);
	}
	vr_text_append(&out, "\n", 1);
	return vr_text_finish(&out, ret);
}

/* Remarks and blanks behind the last item belong to the text. */
static size_t
length_of(const char *bytes, size_t n, const struct vr_lvm2_tree *tree)
{
	size_t end = 0;
	bool remark = false;

	for (size_t i = 0; i < tree->count; i = tree->items[i].end)
		end = tree->items[i].to;
	for (; end < n && bytes[end] != '\0'; end++) {
		if (bytes[end] == '#')
			remark = true;
		else if (bytes[end] == '\n')
			remark = false;
		else if (!remark && !strchr(" \t\r", bytes[end]))
			break;
	}
	return end;
}

static int
take_text(const char *bytes, size_t n, const struct vr_lvm2_tree *tree,
	  size_t group, struct vr_lvm2_vg *vg)
{
	/* Top items count from the start: nothing but blanks stands before. */
	vg->length = length_of(bytes, n, tree);
	if (group != 0 || !vr_lvm2_child(tree, VR_LVM2_NO_ITEM, "contents"))
		return rewrite(bytes, tree, group, &vg->text);
	vg->text = strndup(bytes, vg->length);
	return vg->text ? 0 : vr_fail_memory();
}

int
vr_lvm2_parse(const char *bytes, size_t n, struct vr_lvm2_vg *ret)
{
	struct vr_lvm2_vg vg = {0};
	struct vr_lvm2_tree tree = {0};
	struct taker t = {&tree, &vg};
	size_t group;
	int r;

	n = (size_t)vr_min(n, VR_LVM2_TEXT_MOST);
	r = vr_lvm2_tree_read(bytes, n, &tree);
	if (r < 0)
		return r;
	group = find_group(&tree);
	r = group == VR_LVM2_NO_ITEM ? wrong("no group")
				     : take_group(&t, group);
	if (r == 0)
		r = take_text(bytes, n, &tree, group, &vg);
	if (r == 0)
		*ret = vg;
	else
		vr_lvm2_vg_free(&vg);
	vr_lvm2_tree_free(&tree);
	return r;
}

void
vr_lvm2_vg_free(struct vr_lvm2_vg *vg)
{
	for (size_t i = 0; i < vg->pvs.count; i++)
		free(vg->pvs.items[i].name);
	for (size_t i = 0; i < vg->lvs.count; i++)
		free_lv(&vg->lvs.items[i]);
	free(vg->pvs.items);
	free(vg->lvs.items);
	free(vg->segments.items);
	free(vg->stripes.items);
	free(vg->name);
	free(vg->text);
	*vg = (struct vr_lvm2_vg){0};
}

size_t
vr_lvm2_find_lv(const struct vr_lvm2_vg *vg, const char *name)
{
	for (size_t i = 0; i < vg->lvs.count; i++)
		if (strcmp(vg->lvs.items[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}
