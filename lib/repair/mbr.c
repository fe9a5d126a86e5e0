/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An MBR has no copy: it is put together from the volumes that were found, and
 * from the links of an extended partition that survive. Those give exact bounds,
 * also of a partition whose own link is lost, for the link before it tells its
 * size. Boot code is not ours to give; the disk's signature stays zero.
 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"
#include "guest/gpt_signs.h"
#include "guest/mbr_chain.h"
#include "repair/plan.h"

extern const struct vr_repair vr_repair_mbr;

#define SLOTS_MOST     128
#define CYLINDER       16065u /* sectors, of 255 heads */
#define SECTORS_OF_MIB 2048u
#define SNAP_BELOW     (2 * SECTORS_OF_MIB)
#define TRACK	       63u
#define LINK	       0x05
#define LINUX	       0x83

/* A partition to be; sectors of the disk. */
struct slot {
	uint64_t start, end;
	uint64_t ebr;	/* its link's sector, 0: none yet */
	uint64_t slack; /* by so much the volume may end before it */
	uint8_t type;
	bool logical, boot, never_boots;
	bool link_stands; /* and needs no writing */
	bool exact;	  /* bounds by a link */
	uint64_t
		next_link; /* what a link that stands leads to, from the start */
};

struct job {
	const struct vr_tree *tree;
	size_t node;
	struct vr_plan *plan;
	struct vr_source *disk;
	uint32_t number;
	struct vr_mbr_chain chain;
	uint64_t extended; /* sector of the extended partition; 0: none */
	bool guessed;
	bool has_pieces;
	struct {
		struct slot *items;
		size_t count, room;
	} slots;
};

/* --- types ---------------------------------------------------------------- */

static const struct {
	const char *prefix;
	uint8_t type;
} types[] = {
	{"ntfs", 0x07},	 {"exfat", 0x07}, {"bitlocker", 0x07}, {"refs", 0x07},
	{"fat32", 0x0C}, {"vfat", 0x0C},  {"fat16", 0x0E},     {"fat12", 0x01},
	{"swap", 0x82},	 {"lvm", 0x8E},	  {"md", 0xFD},	       {"ufs", 0xA5},
	{"hfs", 0xAF},	 {"zfs", 0xBF},
};

static uint8_t
type_of(const struct vr_bid *content)
{
	if (content->score == VR_SCORE_NONE)
		return LINUX;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strncasecmp(content->type, types[i].prefix,
				strlen(types[i].prefix)) == 0)
			return types[i].type;
	return LINUX;
}

/* By so many sectors a volume may be shorter than its partition. */
static uint64_t
slack_of(const struct vr_bid *content)
{
	uint64_t block = content->block_bytes / VR_SECTOR;

	/* mkfs.fat makes whole tracks of it. */
	return content->score != VR_SCORE_NONE &&
			       strncmp(content->type, "fat", 3) == 0
		       ? vr_max(block, TRACK)
		       : block;
}

static bool
never_boots(const struct vr_bid *content)
{
	return content->score != VR_SCORE_NONE &&
	       strcmp(content->type, "exfat") == 0;
}

/* --- collecting ----------------------------------------------------------- */

static const struct vr_ebr_at *
link_to(const struct job *j, uint64_t start)
{
	for (size_t i = 0; i < j->chain.count; i++)
		if (j->chain.items[i].sector + j->chain.items[i].ebr.first ==
		    start)
			return &j->chain.items[i];
	return NULL;
}

static int
collect(struct job *j)
{
	int r = 0;

	for (size_t i = j->node + 1; r == 0 && i < j->tree->nodes.count; i++) {
		const struct vr_node *n = &j->tree->nodes.items[i];
		uint64_t start = n->start / VR_SECTOR;
		const struct vr_ebr_at *link = link_to(j, start);
		struct slot slot = {
			.start = start,
			.end = vr_div_up(n->start + n->length, VR_SECTOR),
			.slack = slack_of(&n->content),
			.type = type_of(&n->content),
			.never_boots = never_boots(&n->content),
		};

		if (n->parent != j->node)
			continue;
		j->has_pieces |= n->piece;
		if (link) {
			slot.end = slot.start + link->ebr.count;
			slot.ebr = link->sector;
			slot.type = link->ebr.type;
			slot.logical = slot.exact = slot.link_stands = true;
			slot.next_link = link->ebr.link_first;
		}
		if (j->slots.count < SLOTS_MOST)
			r = VR_PUSH(&j->slots, slot);
	}
	return r;
}

static int
survey(struct job *j)
{
	struct vr_ranges volumes = {0};
	const struct vr_table_hints hints = {.volumes = &volumes};
	int r = 0;

	for (size_t i = j->node + 1; r == 0 && i < j->tree->nodes.count; i++) {
		const struct vr_node *n = &j->tree->nodes.items[i];

		if (n->parent == j->node)
			r = VR_PUSH(&volumes, {n->start, n->length});
	}
	if (r == 0)
		r = vr_mbr_survey(j->disk, &hints, &j->chain);
	vr_ranges_free(&volumes);
	return r;
}

/* --- links that are lost -------------------------------------------------- */

static struct slot *
slot_in(struct job *j, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < j->slots.count; i++)
		if (j->slots.items[i].start >= start &&
		    j->slots.items[i].start < end)
			return &j->slots.items[i];
	return NULL;
}

/* The link before a lost one tells where that stood, and how far it reached. */
static int
restore_linked(struct job *j)
{
	int r = 0;

	for (size_t i = 0; r == 0 && j->chain.has_start && i < j->chain.count;
	     i++) {
		const struct vr_ebr *ebr = &j->chain.items[i].ebr;
		uint64_t at = j->chain.start + ebr->link_first;
		uint64_t end = at + ebr->link_count;
		struct slot *slot = slot_in(j, at, end);

		if (ebr->link_count == 0 || end * VR_SECTOR > j->disk->size ||
		    ebr->link_count <= ebr->first)
			continue;
		if (slot && slot->link_stands)
			continue;
		if (slot) {
			slot->ebr = at;
			slot->end = end;
			slot->logical = slot->exact = true;
			continue;
		}
		r = VR_PUSH(&j->slots, {.start = at + ebr->first,
					.end = end,
					.ebr = at,
					.type = LINUX,
					.logical = true,
					.exact = true});
	}
	return r;
}

/* --- bounds --------------------------------------------------------------- */

static int
compare_slots(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static uint64_t
ceiling(const struct job *j, size_t i)
{
	const struct slot *next = &j->slots.items[i + 1];

	if (i + 1 == j->slots.count)
		return j->disk->size / VR_SECTOR;
	return next->ebr ? next->ebr : next->start;
}

/*
 * A filesystem of blocks of 4 KiB leaves up to seven sectors of a partition that
 * ends at a cylinder; one that ends at a MiB is whole.
 */
static void
snap_end(const struct job *j, size_t i)
{
	struct slot *s = &j->slots.items[i];
	uint64_t most = ceiling(j, i), mib, cylinder;

	s->end = vr_min(s->end, most);
	if (s->exact)
		return;
	mib = vr_div_up(s->end, SECTORS_OF_MIB) * SECTORS_OF_MIB;
	cylinder = vr_div_up(s->end, CYLINDER) * CYLINDER;
	if (s->start % CYLINDER != 0 && s->start % CYLINDER != 63 &&
	    s->end % SECTORS_OF_MIB == 0)
		return;
	if (cylinder - s->end < vr_max(s->slack, 8) && cylinder <= most)
		s->end = cylinder;
	else if (mib - s->end < vr_max(s->slack, 8) && mib <= most)
		s->end = mib;
	else if (most - s->end < SNAP_BELOW)
		s->end = most;
}

static void
settle_bounds(struct job *j)
{
	if (j->slots.count)
		qsort(j->slots.items, j->slots.count, sizeof(*j->slots.items),
		      compare_slots);
	for (size_t i = 0; i < j->slots.count; i++)
		snap_end(j, i);
}

/* --- who is logical ------------------------------------------------------- */

static uint64_t
place_for_link(const struct job *j, size_t i)
{
	static const unsigned gaps[] = {SECTORS_OF_MIB, 63, 2, 1};
	const struct slot *s = &j->slots.items[i];
	uint64_t floor = i ? s[-1].end : 1;

	for (size_t g = 0; g < sizeof(gaps) / sizeof(*gaps); g++)
		if (s->start >= floor + gaps[g])
			return s->start - gaps[g];
	return 0;
}

/* From the first logical one to the last all are. */
static bool
choose_logical(struct job *j)
{
	size_t first = SIZE_MAX, last = 0;

	for (size_t i = 0; i < j->slots.count; i++)
		if (j->slots.items[i].logical) {
			first = first == SIZE_MAX ? i : first;
			last = i;
		}
	if (first == SIZE_MAX && j->slots.count > VR_MBR_ENTRIES) {
		first = VR_MBR_ENTRIES - 1;
		last = j->slots.count - 1;
		j->guessed = true;
	}
	for (size_t i = first; first != SIZE_MAX && i <= last; i++) {
		struct slot *s = &j->slots.items[i];

		s->logical = true;
		if (s->ebr == 0)
			s->ebr = place_for_link(j, i);
		if (s->ebr == 0)
			return false;
		if (!s->exact)
			j->guessed = true;
	}
	if (first != SIZE_MAX)
		j->extended = j->chain.has_start ? j->chain.start
						 : j->slots.items[first].ebr;
	return first == SIZE_MAX || j->extended <= j->slots.items[first].ebr;
}

static bool
fits_table(const struct job *j)
{
	size_t primary = j->extended != 0;

	for (size_t i = 0; i < j->slots.count; i++) {
		primary += !j->slots.items[i].logical;
		if (j->slots.items[i].end > UINT32_MAX ||
		    j->slots.items[i].start >= j->slots.items[i].end ||
		    j->slots.items[i].start == 0)
			return false;
	}
	return primary <= VR_MBR_ENTRIES;
}

/* Windows boots what is active; the first NTFS it is on every Windows. */
static void
choose_boot(struct job *j)
{
	static const uint8_t order[] = {0x07, LINUX};

	for (size_t k = 0; k < sizeof(order); k++)
		for (size_t i = 0; i < j->slots.count; i++) {
			struct slot *s = &j->slots.items[i];

			if (s->type == order[k] && !s->logical &&
			    !s->never_boots) {
				s->boot = true;
				return;
			}
		}
}

/* --- writing -------------------------------------------------------------- */

static void
put_le32(uint8_t *p, uint64_t value)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

/* Cylinders that say "go by the sectors", as all systems do. */
static void
put_entry(uint8_t *sector, unsigned index, uint8_t type, bool boot,
	  uint64_t first, uint64_t count)
{
	uint8_t *p = sector + VR_MBR_TABLE_AT + 16 * index;

	memcpy(p, "\0\xFE\xFF\xFF\0\xFE\xFF\xFF", 8);
	p[0] = boot ? 0x80 : 0;
	p[4] = type;
	put_le32(p + 8, first);
	put_le32(p + 12, count);
	sector[510] = 0x55;
	sector[511] = 0xAA;
}

static uint64_t
extended_end(const struct job *j)
{
	uint64_t end = j->extended;

	for (size_t i = 0; i < j->slots.count; i++)
		if (j->slots.items[i].logical)
			end = vr_max(end, j->slots.items[i].end);
	return end;
}

static int
write_mbr(struct job *j)
{
	uint8_t sector[VR_SECTOR] = {0};
	bool extended = false;
	unsigned index = 0;

	for (size_t i = 0; i < j->slots.count; i++) {
		const struct slot *s = &j->slots.items[i];

		if (!s->logical)
			put_entry(sector, index++, s->type, s->boot, s->start,
				  s->end - s->start);
		else if (!extended)
			put_entry(sector, index++, LINK, false, j->extended,
				  extended_end(j) - j->extended);
		extended |= s->logical;
	}
	return vr_plan_patch(j->plan, 0, sector, sizeof(sector));
}

static const struct slot *
next_logical(const struct job *j, size_t i)
{
	while (++i < j->slots.count)
		if (j->slots.items[i].logical)
			return &j->slots.items[i];
	return NULL;
}

static int
write_link(struct job *j, uint64_t at, const struct slot *s,
	   const struct slot *next)
{
	uint8_t sector[VR_SECTOR] = {0};

	if (s)
		put_entry(sector, 0, s->type, false, s->start - at,
			  s->end - s->start);
	if (next)
		put_entry(sector, 1, LINK, false, next->ebr - j->extended,
			  next->end - next->ebr);
	sector[510] = 0x55;
	sector[511] = 0xAA;
	return vr_plan_patch(j->plan, at * VR_SECTOR, sector, sizeof(sector));
}

static int
write_links(struct job *j)
{
	const struct slot *first = next_logical(j, SIZE_MAX);
	int r = 0;

	if (first && j->extended < first->ebr)
		r = write_link(j, j->extended, NULL, first);
	for (size_t i = 0; r == 0 && i < j->slots.count; i++) {
		const struct slot *s = &j->slots.items[i];
		const struct slot *next = next_logical(j, i);
		uint64_t to = next ? next->ebr - j->extended : 0;

		if (s->logical && !(s->link_stands && s->next_link == to))
			r = write_link(j, s->ebr, s, next);
	}
	return r;
}

/* --- planning ------------------------------------------------------------- */

static int
tell_impossible(struct job *j)
{
	return vr_findings_add(
		&j->plan->findings, VR_WARNING, "mbr-not-rebuilt",
		"The partition table of disk %" PRIu32
		" is lost, and the %zu volumes that were found do not fit into "
		"an MBR: it may have been a GPT whose backup is lost, too. Mount "
		"the volumes one by one by their offsets.",
		j->number, j->slots.count);
}

static int
tell_pieces(struct job *j)
{
	return vr_findings_add(
		&j->plan->findings, VR_WARNING, "mbr-not-rebuilt",
		"What was found on disk %" PRIu32
		" is not whole there, so that it need not have had a partition "
		"table at all: no table is made up. If you know that it had "
		"one, and what was in it, write it into a copy of the disk.",
		j->number);
}

static int
tell_signature(struct job *j)
{
	return vr_findings_add(
		&j->plan->findings, VR_WARNING, "mbr-signature-lost",
		"The signature of disk %" PRIu32
		" in its MBR is lost and stays zero. Windows knows drives by it: "
		"letters may change, and a Windows that does not start wants "
		"\"bootrec /rebuildbcd\" from its installation medium. Linux "
		"minds only where something names a PARTUUID.",
		j->number);
}

static int
make(struct job *j)
{
	int r;

	if (!choose_logical(j) || !fits_table(j))
		return tell_impossible(j);
	choose_boot(j);
	r = vr_plan_step(j->plan, &vr_repair_mbr, j->node,
			 j->guessed ? VR_RISK_GUESSED : VR_RISK_REBUILT,
			 j->chain.count
				 ? "bounds and types of volumes that were "
				   "found, and links of the extended partition"
				 : "bounds and types of the volumes that were "
				   "found",
			 "the partition table (MBR) of disk %" PRIu32
			 " with %zu partitions, without boot code",
			 j->number, j->slots.count);
	if (r == 0)
		r = write_mbr(j);
	if (r == 0)
		r = write_links(j);
	return r == 0 ? tell_signature(j) : r;
}

static int
rebuild(struct job *j)
{
	int r = survey(j);

	if (r == 0)
		r = collect(j);
	if (r == 0)
		r = restore_linked(j);
	if (r < 0 || j->slots.count == 0)
		return r;
	if (j->has_pieces)
		return tell_pieces(j);
	settle_bounds(j);
	return make(j);
}

static int
is_lost(struct vr_source *disk, bool *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, disk, 0, VR_SECTOR);

	if (r < 0)
		return r;
	*ret = !vr_window_holds(&w, 0, VR_SECTOR);
	vr_window_free(&w);
	return 0;
}

/*
 * A disk that is one volume has no table and gets none; one that had a GPT gets
 * that.
 */
static int
mbr_plan(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	const struct vr_node *n = &tree->nodes.items[node];
	struct job j = {
		.tree = tree,
		.node = node,
		.plan = plan,
		.number = n->disk + 1,
	};
	const char *gpt = NULL;
	bool lost = false;
	int r;

	if (n->slot != VR_SLOT_DISK || n->content.score != VR_SCORE_NONE ||
	    (n->table && (strcmp(n->table->row->name, "mbr") != 0 ||
			  n->table->head != VR_HEAD_LOST)))
		return 0;
	j.disk = tree->disks[n->disk];
	r = is_lost(j.disk, &lost);
	if (r == 0 && lost)
		r = vr_gpt_signs(tree, node, &gpt);
	if (r == 0 && lost && !gpt)
		r = rebuild(&j);
	vr_mbr_chain_free(&j.chain);
	free(j.slots.items);
	return r;
}

const struct vr_repair vr_repair_mbr = {
	.name = "mbr",
	.plan = mbr_plan,
};
