/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From disks to volumes. A table that checks itself is believed; without one the
 * bytes are asked where volumes usually begin, each volume that is found says
 * where the next one may begin, and what still is not explained is scanned.
 */
#include "guest/tree.h"

#include <inttypes.h>
#include <string.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "guest/contest.h"
#include "guest/deep.h"
#include "guest/find.h"
#include "guest/pieces.h"
#include "guest/unknown.h"
#include "guest/vacancy.h"
#include "io/cache.h"

#define CACHE_BYTES ((size_t)8 << 20)
/* What pools may read of a disk unless a scan is asked for: some seconds. */
#define POOLS_READ_MOST (UINT64_C(1) << 30)

struct builder {
	struct vr_tree *tree;
	const struct vr_tree_how *how;
};

/* --- nodes ---------------------------------------------------------------- */

static void
free_node(struct vr_node *n)
{
	vr_source_free(n->source);
	vr_layout_free(&n->layout);
	vr_table_free(n->table);
	free(n->name);
	free(n->how);
	free(n->pool);
	free(n->memo);
}

/* Takes the node's fields over, even on failure. */
static int
push_node(struct vr_tree *tree, struct vr_node *node)
{
	int r = 0;

	if (!node->name || !node->how)
		r = vr_fail_memory();
	if (r == 0)
		r = vr_layout_open(&node->layout, tree->disks, tree->disk_count,
				   &node->source);
	if (r == 0)
		r = VR_PUSH(&tree->nodes, *node);
	if (r < 0)
		free_node(node);
	return r;
}

static int
take_content(struct vr_node *node, struct vr_source *space,
	     const struct vr_bids *bids, uint64_t start)
{
	const struct vr_bid *best;
	int r = vr_contest_bids(space, bids, start, &best, &node->rival);

	if (r < 0 || !best)
		return r;
	node->content = *best;
	node->content.start = 0;
	node->content.evidence = best->evidence - vr_min(best->evidence, start);
	return 0;
}

/* What lies at the beginning of a stretch of a disk. */
static int
look_into(struct builder *b, struct vr_node *node)
{
	struct vr_bids bids = {0};
	struct vr_source *disk = b->tree->disks[node->disk];
	int r = vr_probe_all(disk, node->start, node->start + node->length,
			     &bids);

	if (r == 0)
		r = take_content(node, disk, &bids, node->start);
	vr_bids_free(&bids);
	return r;
}

static int
lay_on_disk(struct vr_node *node)
{
	const struct vr_place place = {node->disk, node->start};

	return node->length ? vr_layout_append(&node->layout, node->length,
					       &place, 1, 0)
			    : 0;
}

/* --- disks ---------------------------------------------------------------- */

static int
add_disk(struct builder *b, uint32_t disk, size_t *ret_node)
{
	struct vr_node node = {
		.slot = VR_SLOT_DISK,
		.parent = VR_NO_NODE,
		.disk = disk,
		.length = b->tree->disks[disk]->size,
		.name = vr_format("disk%" PRIu32, disk + 1),
		.how = strdup("the disk's capacity"),
		.score = VR_SCORE_CHECKSUM,
	};
	int r = lay_on_disk(&node);

	if (r == 0)
		r = vr_table_read(b->tree->disks[disk], NULL, &node.table);
	if (r < 0) {
		free_node(&node);
		return r;
	}
	*ret_node = b->tree->nodes.count;
	return push_node(b->tree, &node);
}

static int
tell_outside(struct builder *b, const struct vr_partition *p, uint32_t disk)
{
	return vr_findings_add(
		&b->tree->findings, VR_WARNING, "partition-outside",
		"Partition %u of disk %" PRIu32 " (%" PRIu64
		" bytes at byte %" PRIu64
		") reaches behind the disk's end; what lies there is missing.",
		p->number, disk + 1, p->length, p->start);
}

static int
add_partition(struct builder *b, size_t parent, const struct vr_partition *p)
{
	uint32_t disk = b->tree->nodes.items[parent].disk;
	const struct vr_table *table = b->tree->nodes.items[parent].table;
	uint64_t size = b->tree->disks[disk]->size;
	struct vr_node node = {
		.slot = VR_SLOT_PARTITION,
		.parent = parent,
		.disk = disk,
		.start = p->start,
		.number = p->number,
		.name = vr_format("disk%" PRIu32 "-p%u", disk + 1, p->number),
		.how = strdup(table->structure),
		.score = table->score,
		.entry = p,
	};
	int r = 0;

	if (p->start >= size || !vr_inside(p->start, p->length, size))
		r = tell_outside(b, p, disk);
	node.length = p->start < size ? vr_min(p->length, size - p->start) : 0;
	if (r == 0 && node.length > 0)
		r = lay_on_disk(&node);
	if (r == 0 && node.length > 0)
		r = look_into(b, &node);
	if (r < 0 || node.length == 0) {
		free_node(&node);
		return r;
	}
	return push_node(b->tree, &node);
}

static int
tell_oddities(struct builder *b, uint32_t disk, const struct vr_table *table)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < table->oddities.count; i++)
		r = vr_findings_add(&b->tree->findings, VR_WARNING, "table-odd",
				    "Disk %" PRIu32 ": %s", disk + 1,
				    table->oddities.items[i]);
	return r;
}

static int
add_partitions(struct builder *b, size_t disk_node)
{
	const struct vr_table *table = b->tree->nodes.items[disk_node].table;
	uint32_t disk = b->tree->nodes.items[disk_node].disk;
	int r = 0;

	for (size_t i = 0; r == 0 && i < table->partitions.count; i++)
		r = add_partition(b, disk_node, &table->partitions.items[i]);
	return r == 0 ? tell_oddities(b, disk, table) : r;
}

/* --- disks without a table ------------------------------------------------ */

static char *
how_of(const struct vr_bid *bid)
{
	return vr_format("%s %s at byte %" PRIu64, bid->type, bid->structure,
			 bid->evidence);
}

static int
add_found(struct builder *b, size_t parent, const struct vr_found *found,
	  unsigned number)
{
	uint32_t disk = b->tree->nodes.items[parent].disk;
	struct vr_node node = {
		.slot = VR_SLOT_FOUND,
		.parent = parent,
		.disk = disk,
		.start = found->bid.start,
		.length = found->length,
		.number = number,
		.name = vr_format("disk%" PRIu32 "-v%u", disk + 1, number),
		.how = how_of(&found->bid),
		.score = found->bid.score,
		.content = found->bid,
		.rival = found->rival,
	};
	int r = lay_on_disk(&node);

	node.content.start = 0;
	node.content.evidence -= vr_min(node.content.evidence, node.start);
	if (r < 0) {
		free_node(&node);
		return r;
	}
	return push_node(b->tree, &node);
}

/* A volume that begins with the disk is the disk's own content. */
static void
take_whole_disk(struct vr_node *node, const struct vr_found *found)
{
	node->content = found->bid;
	node->rival = found->rival;
}

/* Known by now: volumes, between which the remains of a table may lie. */
static int
read_table_again(struct builder *b, size_t disk_node,
		 const struct vr_finds *finds)
{
	struct vr_node *node = &b->tree->nodes.items[disk_node];
	vr_cleanup(vr_table_free_p) struct vr_table *table = NULL;
	struct vr_ranges volumes = {0};
	const struct vr_table_hints hints = {
		.volumes = &volumes,
		.met = finds->met.items,
		.met_count = finds->met.count,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < finds->count; i++)
		r = VR_PUSH(&volumes, {finds->items[i].bid.start,
				       finds->items[i].length});
	if (r == 0)
		r = vr_table_read(b->tree->disks[node->disk], &hints, &table);
	vr_ranges_free(&volumes);
	if (r == 0 && table) {
		vr_table_free(node->table);
		node->table = vr_steal(table);
	}
	return r;
}

static bool
is_in_partition(const struct vr_table *table, const struct vr_found *found)
{
	for (size_t i = 0; table && i < table->partitions.count; i++) {
		const struct vr_partition *p = &table->partitions.items[i];

		if (found->bid.start >= p->start &&
		    found->bid.start - p->start < p->length)
			return true;
	}
	return false;
}

/* By start: what is left of the table, and between that what was found. */
static int
add_both(struct builder *b, size_t disk_node, const struct vr_finds *finds)
{
	const struct vr_table *table = b->tree->nodes.items[disk_node].table;
	size_t count = table ? table->partitions.count : 0, p = 0;
	uint32_t disk = b->tree->nodes.items[disk_node].disk;
	unsigned number = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < finds->count; i++) {
		const struct vr_found *found = &finds->items[i];

		if (found->bid.start == 0)
			take_whole_disk(&b->tree->nodes.items[disk_node],
					found);
		if (found->bid.start == 0 || is_in_partition(table, found))
			continue;
		while (r == 0 && p < count &&
		       table->partitions.items[p].start < found->bid.start)
			r = add_partition(b, disk_node,
					  &table->partitions.items[p++]);
		if (r == 0)
			r = add_found(b, disk_node, found, ++number);
	}
	while (r == 0 && p < count)
		r = add_partition(b, disk_node, &table->partitions.items[p++]);
	return r == 0 && table ? tell_oddities(b, disk, table) : r;
}

static int
add_finds(struct builder *b, size_t disk_node, const struct vr_finds *finds)
{
	bool whole = finds->count && finds->items[0].bid.start == 0;
	const struct vr_table *table = b->tree->nodes.items[disk_node].table;
	int r = 0;

	/* A disk that is one volume never had a table. */
	if (!whole && (!table || table->partial))
		r = read_table_again(b, disk_node, finds);
	table = b->tree->nodes.items[disk_node].table;
	if (r == 0 && table && !table->partial &&
	    b->how->scan != VR_SCAN_ALWAYS)
		return add_partitions(b, disk_node);
	return r == 0 ? add_both(b, disk_node, finds) : r;
}

static int
tell_unread(struct builder *b, uint32_t disk, uint64_t unread)
{
	char room[32];

	return vr_findings_add(&b->tree->findings, VR_WARNING, "gaps-unread",
			       "Up to %s of disk %" PRIu32
			       " hold data that no volume found so far "
			       "explains, and were not read for signatures; "
			       "--scan reads the whole disk.",
			       vr_human_size(unread, room), disk + 1);
}

static int
add_without_table(struct builder *b, size_t disk_node)
{
	struct vr_node *node = &b->tree->nodes.items[disk_node];
	const struct vr_find_how how = {
		.when = b->how->scan,
		.threads = b->how->threads,
		.progress = b->how->progress,
		.progress_data = b->how->progress_data,
	};
	struct vr_finds finds = {0};
	int r;

	r = vr_find_volumes(b->tree->disks[node->disk], &how, &finds);
	b->tree->scanned |= finds.scanned;
	if (r == 0 && finds.unread)
		r = tell_unread(b, b->tree->nodes.items[disk_node].disk,
				finds.unread);
	if (r == 0)
		r = add_finds(b, disk_node, &finds);
	vr_finds_free(&finds);
	return r;
}

static int
tell_stale(struct builder *b, uint32_t disk, const struct vr_bid *whole)
{
	return vr_findings_add(
		&b->tree->findings, VR_WARNING, "table-stale",
		"Disk %" PRIu32 " is one volume (%s) from its first byte. A "
		"backup GPT that still stands on it is older: none of its "
		"partitions holds anything whole. It is not put back.",
		disk + 1, whole->type);
}

static int
tell_open(struct builder *b, uint32_t disk, const struct vr_bid *whole)
{
	return vr_findings_add(
		&b->tree->findings, VR_WARNING, "table-rivals",
		"Disk %" PRIu32 " has a backup GPT with partitions that hold "
		"something, and copies of the structures of one volume (%s) "
		"over the whole disk; one of both is left from former times. "
		"The partitions are shown, and the table that is put back is a "
		"guess.",
		disk + 1, whole->type);
}

static int
settle_table(struct builder *b, size_t disk_node)
{
	struct vr_node *node = &b->tree->nodes.items[disk_node];
	enum vr_contest contest;
	struct vr_bid whole;
	int r = vr_contest_table(b->tree->disks[node->disk], node->table,
				 &whole, &contest);

	if (r < 0 || contest == VR_CONTEST_TABLE)
		return r;
	if (contest == VR_CONTEST_OPEN) {
		node->table->rival = whole.type;
		return tell_open(b, node->disk, &whole);
	}
	vr_table_free(node->table);
	node->table = NULL;
	return tell_stale(b, node->disk, &whole);
}

static int
add_disk_tree(struct builder *b, uint32_t disk)
{
	const struct vr_table *table;
	size_t node;
	int r = vr_check_cancel();

	if (r == 0)
		r = add_disk(b, disk, &node);
	if (r == 0 && b->tree->nodes.items[node].table)
		r = settle_table(b, node);
	if (r < 0)
		return r;
	table = b->tree->nodes.items[node].table;
	if (table && !table->partial && b->how->scan != VR_SCAN_ALWAYS)
		return add_partitions(b, node);
	return add_without_table(b, node);
}

/* --- pools ---------------------------------------------------------------- */

static bool
is_member(const struct vr_node *node)
{
	return node->content.score != VR_SCORE_NONE &&
	       node->content.prober->content == VR_CONTENT_MEMBER;
}

static int
collect_members(struct builder *b, struct vr_member **ret, size_t *ret_count)
{
	struct vr_tree *tree = b->tree;
	struct vr_member *members =
		calloc(tree->nodes.count + 1, sizeof(*members));
	size_t count = 0;

	if (!members)
		return vr_fail_memory();
	for (size_t i = 0; i < tree->nodes.count; i++) {
		const struct vr_node *node = &tree->nodes.items[i];

		if (is_member(node))
			members[count++] = (struct vr_member){
				.node = i,
				.bid = &node->content,
				.source = node->source,
				.layout = &node->layout,
			};
	}
	*ret = members;
	*ret_count = count;
	return 0;
}

static int
look_into_logical(struct builder *b, struct vr_node *node)
{
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	struct vr_bids bids = {0};
	int r;

	r = vr_layout_open(&node->layout, b->tree->disks, b->tree->disk_count,
			   &source);
	if (r == 0)
		r = vr_probe_all(source, 0, source->size, &bids);
	if (r == 0)
		r = take_content(node, source, &bids, 0);
	vr_bids_free(&bids);
	return r;
}

/* Takes layout and texts over. */
static int
add_logical(struct builder *b, struct vr_logical *v)
{
	struct vr_node node = {
		.slot = VR_SLOT_LOGICAL,
		.parent = VR_NO_NODE,
		.length = v->layout.size,
		.name = vr_format("%s-%s", v->pool, v->name),
		.how = vr_steal(v->how),
		.score = v->score,
		.layout = v->layout,
		.pool = vr_steal(v->pool),
		.missing = v->missing,
	};
	int r = 0;

	v->layout = (struct vr_layout){0};
	if (node.layout.places.count)
		node.disk = node.layout.places.items[0].disk;
	if (node.length > 0)
		r = look_into_logical(b, &node);
	if (r < 0 || node.length == 0) {
		free_node(&node);
		return r;
	}
	return push_node(b->tree, &node);
}

/* The pool knows whose the bytes are, though they do not say so. */
static void
take_claim(struct vr_tree *tree, struct vr_claim *claim)
{
	struct vr_node *node = &tree->nodes.items[claim->node];

	node->content = claim->bid;
	node->content.start = 0;
	free(node->memo);
	node->memo = vr_steal(claim->memo);
}

/* Behind the last node of its disk that does not begin behind it. */
static size_t
place_for(const struct vr_tree *tree, const struct vr_claim *claim,
	  size_t *ret_parent, unsigned *ret_number)
{
	size_t place = 0;

	*ret_number = 1;
	for (size_t i = 0; i < tree->nodes.count; i++) {
		const struct vr_node *node = &tree->nodes.items[i];

		if (node->slot == VR_SLOT_LOGICAL || node->disk != claim->disk)
			continue;
		if (node->slot == VR_SLOT_DISK)
			*ret_parent = i;
		else if (node->number >= *ret_number)
			*ret_number = node->number + 1;
		if (node->start <= claim->bid.start)
			place = i + 1;
	}
	return place;
}

/* The last node moves there, and those behind make room. */
static void
move_last_node(struct vr_tree *tree, size_t place)
{
	struct vr_node *items = tree->nodes.items, last;
	size_t count = tree->nodes.count;

	last = items[count - 1];
	memmove(items + place + 1, items + place,
		(count - 1 - place) * sizeof(*items));
	items[place] = last;
	for (size_t i = place + 1; i < count; i++)
		if (items[i].parent != VR_NO_NODE && items[i].parent >= place)
			items[i].parent++;
}

static int
add_claimed(struct builder *b, struct vr_claim *claim)
{
	const struct vr_found found = {.bid = claim->bid,
				       .length = claim->bid.length};
	size_t parent = 0, place;
	unsigned number;
	int r;

	place = place_for(b->tree, claim, &parent, &number);
	r = add_found(b, parent, &found, number);
	if (r == 0) {
		struct vr_node *nodes = b->tree->nodes.items;

		nodes[b->tree->nodes.count - 1].memo = vr_steal(claim->memo);
		move_last_node(b->tree, place);
	}
	return r;
}

static bool
is_covered(const struct vr_node *node, const struct vr_node *by)
{
	return node->slot == VR_SLOT_FOUND && node->disk == by->disk &&
	       by->slot != VR_SLOT_LOGICAL && is_member(by) &&
	       node->start - by->start < by->length;
}

/* What was found inside a member belongs to its pool. */
static void
drop_covered(struct vr_tree *tree)
{
	struct vr_node *items = tree->nodes.items;
	size_t kept = 0, parent = 0, member = 0;

	for (size_t i = 0; i < tree->nodes.count; i++) {
		struct vr_node node = items[i];

		if (kept > 0 && is_covered(&node, &items[member])) {
			free_node(&node);
			continue;
		}
		if (node.slot == VR_SLOT_DISK)
			parent = kept;
		else if (node.parent != VR_NO_NODE)
			node.parent = parent;
		if (node.slot != VR_SLOT_LOGICAL && is_member(&node))
			member = kept;
		items[kept++] = node;
	}
	tree->nodes.count = kept;
}

static int
take_claims(struct builder *b, struct vr_pool_job *job)
{
	int r = 0;

	for (size_t i = 0; i < job->claims.count; i++)
		if (job->claims.items[i].node != VR_NO_NODE)
			take_claim(b->tree, &job->claims.items[i]);
	for (size_t i = 0; r == 0 && i < job->claims.count; i++)
		if (job->claims.items[i].node == VR_NO_NODE)
			r = add_claimed(b, &job->claims.items[i]);
	drop_covered(b->tree);
	return r;
}

/* What was found where a pool's member may have lain, nobody knows which. */
static void
take_doubts(struct vr_tree *tree, const struct vr_pool_job *job)
{
	for (size_t i = 0; i < tree->nodes.count; i++) {
		struct vr_node *n = &tree->nodes.items[i];

		for (size_t j = 0; j < job->doubts.count; j++)
			n->piece |= n->slot == VR_SLOT_FOUND &&
				    n->disk == job->doubts.items[j].disk &&
				    n->start >= job->doubts.items[j].start;
	}
}

static int
add_pool(struct builder *b, const struct vr_pool_row *row)
{
	struct vr_pool_job job = {
		.disks = b->tree->disks,
		.disk_count = b->tree->disk_count,
		.read_most = b->how->scan == VR_SCAN_NEVER  ? 0
			     : b->how->scan == VR_SCAN_GAPS ? POOLS_READ_MOST
							    : UINT64_MAX,
		.findings = &b->tree->findings,
	};
	struct vr_vacancies vacancies = {0};
	struct vr_member *members = NULL;
	int r;

	r = collect_members(b, &members, &job.member_count);
	if (r == 0)
		r = vr_vacancies_collect(b->tree, &vacancies);
	job.members = members;
	job.vacancies = vacancies.items;
	job.vacancy_count = vacancies.count;
	if (r == 0)
		r = row->assemble(&job);
	/* Members and vacancies go by nodes, which claims may move. */
	if (r == 0)
		r = take_claims(b, &job);
	if (r == 0)
		take_doubts(b->tree, &job);
	for (size_t i = 0; r == 0 && i < job.volumes.count; i++)
		r = add_logical(b, &job.volumes.items[i]);
	vr_pool_job_free(&job);
	vr_vacancies_free(&vacancies);
	free(members);
	return r;
}

/* --- building ------------------------------------------------------------- */

static int
take_disks(struct vr_tree *tree, struct vr_source *const *disks, size_t count)
{
	int r = 0;

	tree->disks = calloc(count + 1, sizeof(*tree->disks));
	if (!tree->disks)
		return vr_fail_memory();
	for (; r == 0 && tree->disk_count < count; tree->disk_count++)
		r = vr_cache_open(disks[tree->disk_count], CACHE_BYTES,
				  &tree->disks[tree->disk_count]);
	if (r < 0)
		tree->disk_count--;
	return r;
}

static int
build(struct builder *b)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < b->tree->disk_count; i++)
		r = add_disk_tree(b, i);
	for (size_t i = 0; r == 0 && vr_pool_row(i); i++)
		r = add_pool(b, vr_pool_row(i));
	if (r == 0 && b->how->scan != VR_SCAN_NEVER)
		r = vr_deep_search(b->tree);
	if (r == 0)
		r = vr_pieces_mark(b->tree);
	return r == 0 ? vr_unknown_tell(b->tree) : r;
}

int
vr_tree_build(struct vr_source *const *disks, size_t disk_count,
	      const struct vr_tree_how *how, struct vr_tree **ret)
{
	vr_cleanup(vr_tree_free_p) struct vr_tree *tree =
		calloc(1, sizeof(*tree));
	struct builder b = {tree, how};
	int r;

	if (!tree)
		return vr_fail_memory();
	r = take_disks(tree, disks, disk_count);
	if (r == 0)
		r = build(&b);
	if (r == 0)
		*ret = vr_steal(tree);
	return r;
}

void
vr_tree_free(struct vr_tree *tree)
{
	if (!tree)
		return;
	for (size_t i = 0; i < tree->nodes.count; i++)
		free_node(&tree->nodes.items[i]);
	for (size_t i = 0; i < tree->disk_count; i++)
		vr_source_free(tree->disks[i]);
	free(tree->nodes.items);
	free(tree->disks);
	vr_findings_free(&tree->findings);
	free(tree);
}
