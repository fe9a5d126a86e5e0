/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a volume of ext no copy brings back, and what that means. */
#include "repair/ext_job.h"

#include <inttypes.h>

#include "base/checked.h"
#include "io/lost.h"

static int
tell_missing_descriptors(struct vr_ext_job *job)
{
	if (job->missing_count == 0)
		return 0;
	return vr_findings_add(
		&job->plan->findings, VR_LOSS, "ext-descriptors-lost",
		"%" PRIu64 " of %" PRIu64
		" group descriptors of %s are lost in all their copies: the "
		"files whose inodes lie in these groups cannot be reached, and "
		"the kernel may refuse to mount. Run 'e2fsck -fy' on a copy of "
		"the repaired disk.",
		job->missing_count, job->ext.groups, job->on->name);
}

#define ROOT_INODE  2
#define MODE_FORMAT 0xF000
#define MODE_FOLDER 0x4000

static int
tell_root(struct vr_ext_job *job)
{
	struct vr_window w;
	uint16_t mode;
	int r;

	if (!job->groups.good[0])
		return 0;
	r = vr_window_read(
		&w, job->volume,
		job->groups.items[0].inode_table * job->ext.block_bytes +
			(ROOT_INODE - 1) * (uint64_t)job->ext.inode_bytes,
		128);
	if (r < 0)
		return r;
	mode = vr_window_le16(&w, 0);
	if (!vr_window_holds(&w, 0, 128) || (mode & MODE_FORMAT) != MODE_FOLDER)
		r = vr_findings_add(
			&job->plan->findings, VR_LOSS, "ext-root-lost",
			"The root directory of %s is lost: its inode lies in "
			"lost bytes, and the kernel will not mount the volume. "
			"The files themselves may be whole. Run 'e2fsck -fy' on "
			"a copy of the repaired disk: it puts what it finds "
			"into lost+found.",
			job->on->name);
	vr_window_free(&w);
	return r;
}

static int
tell_tables(struct vr_ext_job *job)
{
	uint64_t bytes = (uint64_t)job->ext.inodes_per_group *
			 job->ext.inode_bytes;
	uint64_t lost = 0;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < job->ext.groups; i++) {
		uint64_t off, here;

		if (!job->groups.good[i])
			continue;
		off = job->groups.items[i].inode_table * job->ext.block_bytes;
		if (!vr_inside(off, bytes, job->volume->size))
			continue;
		r = vr_lost_bytes(job->volume, off, bytes, &here);
		lost += here;
	}
	if (r < 0 || lost == 0)
		return r;
	return vr_findings_add(
		&job->plan->findings, VR_WARNING, "ext-inodes-lost",
		"%" PRIu64 " of %" PRIu32 " inodes of %s lie in lost bytes, "
		"used or not: the files that had them cannot be reached by "
		"mounting, though their data may be whole.",
		vr_div_up(lost, job->ext.inode_bytes), job->ext.inodes,
		job->on->name);
}

static int
tell_journal(struct vr_ext_job *job)
{
	uint64_t block = vr_ext_journal_block(&job->ext), lost;
	int r;

	if (block == 0 || block >= job->ext.blocks ||
	    !vr_inside(block * job->ext.block_bytes, 1024, job->volume->size))
		return 0;
	r = vr_lost_bytes(job->volume, block * job->ext.block_bytes, 1024,
			  &lost);
	if (r < 0 || lost == 0)
		return r;
	return vr_findings_add(
		&job->plan->findings, VR_WARNING, "ext-journal-lost",
		"The head of the journal of %s is lost: changes of the last "
		"seconds before the attack may be missing, and the volume "
		"mounts only with the option noload.",
		job->on->name);
}

int
vr_ext_tell_losses(struct vr_ext_job *job)
{
	int r = tell_missing_descriptors(job);

	if (r == 0)
		r = tell_root(job);
	if (r == 0)
		r = tell_tables(job);
	return r == 0 ? tell_journal(job) : r;
}
