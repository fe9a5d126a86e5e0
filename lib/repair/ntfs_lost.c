/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NTFS keeps everything in files, its own tables too. Two of the first twelve
 * records have a mirror that matters; the data of none has. Which of these files
 * are hit decides what a mount shows.
 */
#include "repair/ntfs_lost.h"

#include <inttypes.h>

#include "base/checked.h"
#include "base/text.h"
#include "io/lost.h"

struct job {
	struct vr_plan *plan;
	const struct vr_node *node;
	const struct vr_ntfs_look *look;
};

/* --- records -------------------------------------------------------------- */

static const char *const names[VR_NTFS_FILES] = {
	[VR_NTFS_MFT] = "the MFT itself",
	[VR_NTFS_MIRROR] = "its mirror",
	[VR_NTFS_LOG] = "the journal",
	[VR_NTFS_VOLUME] = "the volume's label",
	[VR_NTFS_ATTRDEF] = "the table of attributes",
	[VR_NTFS_ROOT] = "the root folder",
	[VR_NTFS_CLUSTERS] = "the table of free clusters",
	[VR_NTFS_BOOT] = "the start-up code",
	[VR_NTFS_BAD] = "the bad clusters",
	[VR_NTFS_SECURE] = "the access rights",
	[VR_NTFS_UPCASE] = "the table of upper case letters",
	[VR_NTFS_EXTEND] = "the folder of quotas and change journal",
};

/* Without these nothing mounts the volume. */
#define NEEDED                                                                 \
	(1u << VR_NTFS_MFT | 1u << VR_NTFS_MIRROR | 1u << VR_NTFS_VOLUME |     \
	 1u << VR_NTFS_ATTRDEF | 1u << VR_NTFS_ROOT | 1u << VR_NTFS_CLUSTERS | \
	 1u << VR_NTFS_UPCASE)

static int
list_names(unsigned which, char **ret)
{
	struct vr_text t = {0};

	for (unsigned i = 0; i < VR_NTFS_FILES; i++)
		if (which >> i & 1)
			vr_text_format(&t, "%s%s", t.length ? ", " : "",
				       names[i]);
	return vr_text_finish(&t, ret);
}

static int
tell_gone(struct job *j, unsigned gone)
{
	vr_cleanup(vr_free_p) char *list = NULL;
	int r = list_names(gone, &list);

	if (r < 0)
		return r;
	if (gone & NEEDED)
		return vr_findings_add(
			&j->plan->findings, VR_LOSS, "ntfs-records-lost",
			"%s: the records of NTFS's own files are lost, and there "
			"is no copy of them: %s. No system mounts the volume so. "
			"The files' own records may well be there: read them one "
			"by one instead, here or with a tool that looks for file "
			"records.",
			j->node->name, list);
	return vr_findings_add(
		&j->plan->findings, VR_WARNING, "ntfs-records-lost",
		"%s: the records of some of NTFS's own files are lost, and there "
		"is no copy of them: %s. The volume can be read without; before "
		"it is written again Windows' chkdsk has to rebuild them.",
		j->node->name, list);
}

static int
tell_lost_records(struct job *j, uint64_t mirror_whole)
{
	struct vr_ntfs_clues clues;
	uint64_t off = j->look->boot.mft_cluster * j->look->boot.cluster_bytes;
	unsigned all = (1u << VR_NTFS_FILES) - 1, gone;
	int r = vr_ntfs_clues(j->node->source, off, &clues);

	if (r < 0)
		return r;
	gone = all & ~clues.whole & ~(unsigned)mirror_whole;
	return gone ? tell_gone(j, gone) : 0;
}

/* --- what the records lead to --------------------------------------------- */

/* Bytes of a file's attributes of one kind, and how many of them are lost. */
struct hit {
	uint64_t bytes, lost;
};

static int
count_lost(struct job *j, uint64_t off, uint64_t n, struct hit *to)
{
	struct vr_source *volume = j->node->source;
	uint64_t lost;
	int r;

	/* Runs that name more than there is lie, and would never end. */
	if (!vr_inside(off, n, volume->size) || to->bytes > volume->size)
		return 0;
	r = vr_lost_bytes(volume, off, n, &lost);
	if (r == 0) {
		to->bytes += n;
		to->lost += lost;
	}
	return r;
}

static int
count_runs(struct job *j, struct vr_ntfs_record *r,
	   const struct vr_ntfs_attr *a, struct hit *to)
{
	uint32_t cluster = j->look->boot.cluster_bytes;
	struct vr_ntfs_cursor cursor = {0};
	struct vr_ntfs_run run;
	uint64_t off, n;
	int code = 0;

	while (code == 0 && !a->resident &&
	       vr_ntfs_run_next(r, a, &cursor, &run))
		if (run.lcn != VR_NTFS_HOLE && vr_mul(run.lcn, cluster, &off) &&
		    vr_mul(run.clusters, cluster, &n))
			code = count_lost(j, off, n, to);
	return code;
}

static int
look_into(struct job *j, unsigned number, struct vr_ntfs_record *r,
	  struct hit *to)
{
	struct vr_ntfs_attr a;
	uint32_t at = 0;
	int code = 0;

	while (code == 0 && vr_ntfs_attr_next(r, &at, &a))
		if (a.type == VR_NTFS_INDEX ||
		    (a.type == VR_NTFS_DATA && number != VR_NTFS_ROOT))
			code = count_runs(j, r, &a, to);
	return code;
}

/* The records of the first files, as far as they are whole in the MFT. */
static int
count_hits(struct job *j, struct hit hits[VR_NTFS_FILES])
{
	uint32_t bytes = j->look->boot.record_bytes;
	struct vr_window w;
	int r = vr_window_read(&w, j->node->source,
			       j->look->boot.mft_cluster *
				       j->look->boot.cluster_bytes,
			       (size_t)VR_NTFS_FILES * bytes);

	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < VR_NTFS_FILES; i++) {
		uint64_t at = (uint64_t)i * bytes;
		struct vr_ntfs_record record;

		if (vr_window_bytes(&w, at, bytes) &&
		    vr_ntfs_record(w.bytes + at, bytes, &record))
			r = look_into(j, i, &record, &hits[i]);
	}
	vr_window_free(&w);
	return r;
}

static int
tell_records(struct job *j, const struct hit *mft)
{
	uint32_t bytes = j->look->boot.record_bytes;

	if (!mft->lost)
		return 0;
	return vr_findings_add(
		&j->plan->findings, VR_WARNING, "ntfs-files-lost",
		"%s: %" PRIu64 " of %" PRIu64
		" file records lie in lost bytes, used or not. What they "
		"described is gone from every mount, though folders may still "
		"name it, and its data may be whole.",
		j->node->name, vr_div_up(mft->lost, bytes), mft->bytes / bytes);
}

static int
tell_root(struct job *j, const struct hit *root)
{
	if (!root->lost)
		return 0;
	return vr_findings_add(
		&j->plan->findings, VR_LOSS, "ntfs-root-lost",
		"%s: %" PRIu64 " of the %" PRIu64
		" bytes that list the root folder are lost. A mount shows it "
		"with names missing, empty, or not at all. The files are not "
		"touched by that: \"vmdk-rescue ls\" and \"copy\" find them "
		"by what each file's own record says, and Windows' chkdsk, on "
		"a copy of the repaired disk, makes the list anew.",
		j->node->name, root->lost, root->bytes);
}

/* All compare names by it, so that with a wrong one nothing is found. */
static int
tell_letters(struct job *j, const struct hit *letters)
{
	if (!letters->lost)
		return 0;
	return vr_findings_add(
		&j->plan->findings, VR_LOSS, "ntfs-letters-lost",
		"%s: the table by which NTFS compares names is lost in part. A "
		"mount may not find files by their names, or refuse. Take them "
		"with \"vmdk-rescue copy\", which does not need it, or let "
		"Windows' chkdsk put the table back on a copy of the repaired "
		"disk.",
		j->node->name);
}

/* The others matter to whoever writes. */
static int
tell_others(struct job *j, const struct hit hits[VR_NTFS_FILES])
{
	const unsigned told = 1u << VR_NTFS_MFT | 1u << VR_NTFS_MIRROR |
			      1u << VR_NTFS_ROOT | 1u << VR_NTFS_UPCASE |
			      1u << VR_NTFS_BOOT | 1u << VR_NTFS_BAD;
	vr_cleanup(vr_free_p) char *list = NULL;
	unsigned which = 0;
	int r;

	for (unsigned i = 0; i < VR_NTFS_FILES; i++)
		which |= hits[i].lost && !(told >> i & 1) ? 1u << i : 0;
	if (!which)
		return 0;
	r = list_names(which, &list);
	if (r < 0)
		return r;
	return vr_findings_add(
		&j->plan->findings, VR_WARNING, "ntfs-system-files-hit",
		"%s: some of NTFS's own files are lost in part: %s. Reading "
		"goes without them, but mount read-only: before anything is "
		"written Windows' chkdsk has to rebuild them on a copy of the "
		"repaired disk.",
		j->node->name, list);
}

int
vr_ntfs_tell_lost(struct vr_plan *plan, const struct vr_node *node,
		  const struct vr_ntfs_look *look, uint64_t mirror_whole)
{
	struct job j = {plan, node, look};
	struct hit hits[VR_NTFS_FILES] = {{0}};
	int r = tell_lost_records(&j, mirror_whole);

	if (r == 0)
		r = count_hits(&j, hits);
	if (r == 0)
		r = tell_records(&j, &hits[VR_NTFS_MFT]);
	if (r == 0)
		r = tell_root(&j, &hits[VR_NTFS_ROOT]);
	if (r == 0)
		r = tell_letters(&j, &hits[VR_NTFS_UPCASE]);
	return r == 0 ? tell_others(&j, hits) : r;
}
