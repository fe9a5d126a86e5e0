/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes and repairs of a VM. The tree is built from the evidence; the plan's
 * patches are laid over the disks; a second tree of the repaired disks tells
 * what opens now, and that nothing is left to repair.
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "fs/walker.h"
#include "image/guest.h"
#include "image/opinion.h"
#include "io/lost.h"

static int
build_tree(const struct vr_guest *g, struct vr_source *const *disks,
	   struct vr_tree **ret)
{
	const struct vr_tree_how how = {
		.scan = g->options.scan,
		.threads = g->options.threads,
		.progress = g->options.progress,
		.progress_data = g->options.progress_data,
	};

	return vr_tree_build(disks, g->disk_count, &how, ret);
}

static int
take_disks(struct vr_guest *g)
{
	g->disk_count = g->vm->disks.count;
	g->disks = calloc(g->disk_count + 1, sizeof(*g->disks));
	g->repaired = calloc(g->disk_count + 1, sizeof(*g->repaired));
	if (!g->disks || !g->repaired)
		return vr_fail_memory();
	for (size_t i = 0; i < g->disk_count; i++)
		g->disks[i] = vr_source_ref(g->vm->disks.items[i]->source);
	return 0;
}

static int
lay_patches(struct vr_guest *g)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < g->disk_count; i++)
		r = vr_plan_overlay(g->plan, i, g->disks[i], &g->repaired[i]);
	return r;
}

static int
tell_leftovers(struct vr_guest *g)
{
	vr_cleanup(vr_plan_free_p) struct vr_plan *again = NULL;
	int r = vr_plan_make(g->after, &again);

	if (r < 0 || again->steps.count == 0)
		return r;
	return vr_findings_add(&g->plan->findings, VR_WARNING,
			       "repair-incomplete",
			       "After the repairs one more would be due (%s): "
			       "look at the result with care.",
			       again->steps.items[0].what);
}

/* The same volumes over the repaired disks, in the same order. */
static int
open_sources(struct vr_guest *g)
{
	size_t count = g->tree->nodes.count;
	int r = 0;

	g->sources = calloc(count + 1, sizeof(*g->sources));
	if (!g->sources)
		return vr_fail_memory();
	for (size_t i = 0; r == 0 && i < count; i++)
		r = vr_layout_open(&g->tree->nodes.items[i].layout, g->repaired,
				   g->disk_count, &g->sources[i]);
	return r;
}

/* Every volume once more by itself: does its first structure stand now? */
static int
look_again(struct vr_guest *g)
{
	size_t count = g->tree->nodes.count;
	int r = 0;

	g->heads = calloc(count + 1, sizeof(*g->heads));
	if (!g->heads)
		return vr_fail_memory();
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct vr_bid *was = &g->tree->nodes.items[i].content;
		struct vr_bids bids = {0};

		g->heads[i] = was->head;
		if (was->score == VR_SCORE_NONE || was->head == VR_HEAD_SOUND)
			continue;
		r = was->prober->probe(g->sources[i], 0, g->sources[i]->size,
				       &bids);
		for (size_t j = 0; j < bids.count; j++)
			if (bids.items[j].start == 0 &&
			    bids.items[j].head == VR_HEAD_SOUND)
				g->heads[i] = VR_HEAD_SOUND;
		vr_bids_free(&bids);
	}
	return r;
}

/* The map knows in closed form; extents would count every hole. */
static int
count_bytes(const struct vr_guest *g, size_t node, struct vr_volume_sums *to)
{
	const struct vr_layout *l = &g->tree->nodes.items[node].layout;

	for (size_t i = 0; i < l->segments.count; i++) {
		const struct vr_layout_segment *s = &l->segments.items[i];
		uint64_t share = s->length / s->place_count;

		for (size_t j = 0; j < s->place_count; j++) {
			const struct vr_place *p =
				&l->places.items[s->first_place + j];
			uint64_t here[VR_DAMAGES] = {0}, there = 0;

			if (p->disk < g->disk_count &&
			    p->off < g->disks[p->disk]->size)
				there = vr_min(share, g->disks[p->disk]->size -
							      p->off);
			if (there)
				vr_map_totals_in(
					g->vm->disks.items[p->disk]->map,
					p->off, there, here);
			here[VR_UNREADABLE] += share - there;
			for (unsigned d = 0; d < VR_DAMAGES; d++)
				to->bytes[d] += here[d];
		}
	}
	return 0;
}

/* Lost is what no repair brings back either. */
static int
count_metadata(const struct vr_guest *g, size_t node, struct vr_volume_sums *to)
{
	const struct vr_bid *content = &g->tree->nodes.items[node].content;
	struct vr_source *source = g->sources[node];
	struct vr_ranges ranges = {0};
	int r = 0;

	if (content->score == VR_SCORE_NONE || !content->prober->metadata)
		return 0;
	r = content->prober->metadata(source, content, &ranges);
	for (size_t i = 0; r == 0 && i < ranges.count; i++) {
		uint64_t off = ranges.items[i].off, n = ranges.items[i].length;
		uint64_t lost;

		if (!vr_inside(off, n, source->size))
			continue;
		r = vr_lost_bytes(source, off, n, &lost);
		if (r < 0)
			break;
		to->metadata_bytes += n;
		to->metadata_lost += lost;
	}
	vr_ranges_free(&ranges);
	return r;
}

static int
count_all(struct vr_guest *g)
{
	size_t count = g->tree->nodes.count;
	int r = 0;

	g->sums = calloc(count + 1, sizeof(*g->sums));
	if (!g->sums)
		return vr_fail_memory();
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = count_bytes(g, i, &g->sums[i]);
		if (r == 0 && g->options.count_metadata)
			r = count_metadata(g, i, &g->sums[i]);
	}
	return r;
}

static int
repair(struct vr_guest *g)
{
	int r;

	if (g->options.no_repairs)
		g->plan = calloc(1, sizeof(*g->plan));
	if (g->options.no_repairs)
		r = g->plan ? 0 : vr_fail_memory();
	else
		r = vr_plan_make(g->tree, &g->plan);
	if (r == 0)
		r = lay_patches(g);
	if (r < 0 || g->plan->steps.count == 0)
		return r;
	r = build_tree(g, g->repaired, &g->after);
	return r == 0 ? tell_leftovers(g) : r;
}

int
vr_guest_open(const struct vr_vm *vm, const struct vr_guest_options *options,
	      struct vr_guest **ret)
{
	vr_cleanup(vr_guest_free_p) struct vr_guest *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return vr_fail_memory();
	g->vm = vm;
	g->options = (struct vr_guest_options){.size = sizeof(g->options)};
	if (options)
		memcpy(&g->options, options,
		       vr_min(options->size, sizeof(g->options)));
	r = take_disks(g);
	if (r == 0)
		r = build_tree(g, g->disks, &g->tree);
	if (r == 0)
		r = repair(g);
	if (r == 0)
		r = open_sources(g);
	if (r == 0)
		r = look_again(g);
	if (r == 0)
		r = count_all(g);
	if (r == 0 && g->options.second_opinion)
		r = vr_opinions_ask(g);
	if (r == 0)
		*ret = vr_steal(g);
	return r;
}

void
vr_guest_free(struct vr_guest *g)
{
	if (!g)
		return;
	for (size_t i = 0; g->sources && i < g->tree->nodes.count; i++)
		vr_source_free(g->sources[i]);
	free(g->sources);
	free(g->heads);
	free(g->sums);
	free(g->opinions);
	vr_plan_free(g->plan);
	vr_tree_free(g->after);
	vr_tree_free(g->tree);
	for (size_t i = 0; i < g->disk_count; i++) {
		if (g->disks)
			vr_source_free(g->disks[i]);
		if (g->repaired)
			vr_source_free(g->repaired[i]);
	}
	free(g->disks);
	free(g->repaired);
	free(g);
}

/* --- asking --------------------------------------------------------------- */

static const char *
or_null(const char *text)
{
	return *text ? text : NULL;
}

static void
tell_entry(const struct vr_node *node, struct vr_volume_info *info)
{
	const struct vr_partition *entry = node->entry;

	if (node->table)
		info->table = node->table->row->name;
	if (!entry)
		return;
	info->entry_type = or_null(entry->type);
	info->entry_meaning = entry->meaning;
	info->entry_label = or_null(entry->label);
	info->entry_uuid = or_null(entry->uuid);
	info->boot = entry->boot;
}

static void
tell_content(const struct vr_guest *g, size_t index,
	     struct vr_volume_info *info)
{
	const struct vr_node *node = &g->tree->nodes.items[index];
	const struct vr_bid *content = &node->content;

	if (content->score == VR_SCORE_NONE)
		return;
	info->type = content->type;
	info->has_files = vr_walker_for(content->type) != NULL;
	info->label = or_null(content->label);
	info->uuid = or_null(content->uuid);
	info->structure = content->structure;
	info->evidence = content->evidence;
	info->type_score = content->score;
	info->rival = node->rival;
	info->piece = node->piece;
	info->opened = content->head == VR_HEAD_SOUND;
	info->opens = g->heads[index] == VR_HEAD_SOUND;
	if (node->piece)
		return;
	info->mount_type = content->prober->mount_type;
	info->mount_options = content->prober->mount_options;
}

size_t
vr_guest_volumes(const struct vr_guest *g)
{
	return g->tree->nodes.count;
}

void
vr_guest_volume(const struct vr_guest *g, size_t index,
		struct vr_volume_info *ret)
{
	const struct vr_node *node = &g->tree->nodes.items[index];
	struct vr_volume_info info = {
		.size = ret->size,
		.name = node->name,
		.slot = node->slot,
		.parent = node->parent == VR_NO_NODE ? SIZE_MAX : node->parent,
		.disk = node->disk,
		.number = node->number,
		.start = node->start,
		.length = node->length,
		.how = node->how,
		.score = node->score,
		.missing = node->missing,
		.metadata_bytes = g->sums[index].metadata_bytes,
		.metadata_lost = g->sums[index].metadata_lost,
	};

	memcpy(info.bytes, g->sums[index].bytes, sizeof(info.bytes));
	tell_entry(node, &info);
	tell_content(g, index, &info);
	if (g->opinions)
		info.second_opinion = or_null(g->opinions[index]);
	memcpy(ret, &info, vr_min(ret->size, sizeof(info)));
}

struct vr_source *
vr_guest_source(const struct vr_guest *g, size_t index)
{
	return g->sources[index];
}

size_t
vr_guest_steps(const struct vr_guest *g)
{
	return g->plan->steps.count;
}

void
vr_guest_step(const struct vr_guest *g, size_t index, struct vr_step_info *ret)
{
	const struct vr_repair_step *step = &g->plan->steps.items[index];
	struct vr_step_info info = {
		.size = ret->size,
		.repair = step->row->name,
		.what = step->what,
		.evidence = step->evidence,
		.risk = step->risk,
		.volume = step->node,
	};

	for (size_t i = 0; i < g->plan->patches.count; i++)
		if (g->plan->patches.items[i].step == index) {
			info.patches++;
			info.bytes += g->plan->patches.items[i].length;
		}
	memcpy(ret, &info, vr_min(ret->size, sizeof(info)));
}

size_t
vr_guest_patches(const struct vr_guest *g)
{
	return g->plan->patches.count;
}

void
vr_guest_patch(const struct vr_guest *g, size_t index,
	       struct vr_patch_info *ret)
{
	const struct vr_repair_patch *p = &g->plan->patches.items[index];
	struct vr_patch_info info = {
		.size = ret->size,
		.disk = p->disk,
		.off = p->off,
		.length = p->length,
		.bytes = p->bytes,
		.step = p->step,
	};

	memcpy(ret, &info, vr_min(ret->size, sizeof(info)));
}

/* Of the tree, then of the plan. */
size_t
vr_guest_findings(const struct vr_guest *g)
{
	return g->tree->findings.count + g->plan->findings.count;
}

void
vr_guest_finding(const struct vr_guest *g, size_t index, struct vr_finding *ret)
{
	size_t first = g->tree->findings.count;

	if (index < first)
		vr_findings_get(&g->tree->findings, index, ret);
	else
		vr_findings_get(&g->plan->findings, index - first, ret);
}

const char *
vr_slot_name(enum vr_slot slot)
{
	static const char *const names[] = {
		[VR_SLOT_DISK] = "disk",
		[VR_SLOT_PARTITION] = "partition",
		[VR_SLOT_FOUND] = "found",
		[VR_SLOT_LOGICAL] = "logical",
	};

	return names[slot];
}

const char *
vr_score_name(enum vr_score score)
{
	static const char *const names[] = {
		[VR_SCORE_NONE] = "none",
		[VR_SCORE_MAGIC] = "magic",
		[VR_SCORE_FIELDS] = "fields",
		[VR_SCORE_CHECKSUM] = "checksum",
	};

	return names[score];
}

const char *
vr_risk_name(enum vr_risk risk)
{
	static const char *const names[] = {
		[VR_RISK_EXACT] = "exact",
		[VR_RISK_REBUILT] = "rebuilt",
		[VR_RISK_GUESSED] = "guessed",
	};

	return names[risk];
}
