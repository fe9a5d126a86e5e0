/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened to a disk and what to do next, each a sentence, apart: a disk
 * that opens is not a disk that is whole, and people were misled by tools that
 * said only "success".
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "image/disk.h"
#include "profile/pattern.h"

const char *
vr_condition_name(enum vr_condition condition)
{
	static const char *const names[] = {
		[VR_CONDITION_UNDECIDED] = "undecided",
		[VR_CONDITION_UNTOUCHED] = "untouched",
		[VR_CONDITION_LOCKED] = "locked",
		[VR_CONDITION_WAVE_1] = "wave-1",
		[VR_CONDITION_WAVE_2] = "wave-2",
		[VR_CONDITION_EITHER] = "wave-1-or-2",
		[VR_CONDITION_BOTH] = "wave-1-and-2",
		[VR_CONDITION_STRIPED] = "striped",
		[VR_CONDITION_INTERRUPTED] = "interrupted",
		[VR_CONDITION_WHOLE] = "encrypted-whole",
		[VR_CONDITION_FOREIGN] = "foreign",
		[VR_CONDITION_UNREADABLE] = "unreadable",
		[VR_CONDITION_HEAD] = "head",
	};

	return (unsigned)condition < sizeof(names) / sizeof(*names)
		       ? names[condition]
		       : "?";
}

/* The file whose fate is told as the disk's. */
static const struct vr_hostfile *
told_file(const struct vr_disk *disk)
{
	for (size_t i = 0; i < disk->files.count; i++)
		if (disk->files.items[i]->diagnosis.condition ==
		    disk->condition)
			return disk->files.items[i];
	return disk->files.items[0];
}

/* The stripes are the file's, and lie anywhere in the disk. */
static char *
striped_grains(const struct vr_disk *disk, const char *by)
{
	const struct vr_hostfile *file = told_file(disk);
	const struct vr_hypothesis *h = &file->diagnosis.hypothesis;
	uint64_t lost = disk->bytes[VR_ENCRYPTED] + disk->bytes[VR_UNREADABLE];
	char size[32], chunk[32], period[32];

	return vr_format("The file '%s' is striped by %s: %s encrypted out of "
			 "every %s from its beginning on. The disk lies in it "
			 "in grains, of which %s are lost, or %.3g %% of the "
			 "disk; the map says which.",
			 file->shown, by, vr_human_size(h->chunk, chunk),
			 vr_human_size(h->period, period),
			 vr_human_size(lost, size),
			 100.0 * (double)lost / (double)disk->capacity);
}

static char *
striped(const struct vr_disk *disk, const char *by)
{
	const struct vr_diagnosis *d = &told_file(disk)->diagnosis;
	uint64_t lost = disk->bytes[VR_ENCRYPTED];
	char size[32], chunk[32], period[32];

	if (vr_disk_has_grains(disk))
		return striped_grains(disk, by);
	if (d->hypothesis.chunk == d->hypothesis.period)
		return vr_format(
			"Encrypted by %s: the first %s; the rest is as "
			"it was.",
			by, vr_human_size(lost, size));
	return vr_format("Striped by %s: %s encrypted out of every %s from the "
			 "beginning on, %s or %.3g %% of the disk in all; the "
			 "rest is as it was.",
			 by, vr_human_size(d->hypothesis.chunk, chunk),
			 vr_human_size(d->hypothesis.period, period),
			 vr_human_size(lost, size),
			 100.0 * (double)lost / (double)disk->capacity);
}

static char *
locked(const struct vr_disk *disk)
{
	struct vr_file_info file = {.size = sizeof(file)};

	vr_hostfile_info(told_file(disk), &file);
	return vr_format(
		"Never encrypted, although %s: ordinary data stands in "
		"all %" PRIu64 " of the places that were looked at.",
		file.has_args ? "a .args file says that it was tried"
			      : "the attack's key was appended",
		file.stripes_read);
}

static char *
interrupted(const struct vr_disk *disk)
{
	const struct vr_measure *m = &told_file(disk)->diagnosis.measure;
	uint64_t lost = disk->bytes[VR_ENCRYPTED];
	char end[32], size[32];

	return vr_format("The encryption was interrupted at about %s: %s or "
			 "%.3g %% of the disk is lost, what follows was never "
			 "reached.",
			 vr_human_size(m->end, end), vr_human_size(lost, size),
			 100.0 * (double)lost / (double)disk->capacity);
}

static char *
head(const struct vr_disk *disk)
{
	const struct vr_hypothesis *h = &told_file(disk)->diagnosis.hypothesis;
	char size[32];

	return vr_format("Encrypted in one piece at the beginning, %s, as the "
			 "profile '%s' says; the rest is as it was.",
			 vr_human_size(h->chunk, size), h->profile);
}

/* ESXiArgs by other numbers than it is known for is no known family either. */
static char *
striped_by_profile(const struct vr_disk *disk)
{
	const struct vr_diagnosis *d = &disk->files.items[0]->diagnosis;
	vr_cleanup(vr_free_p) char *by =
		vr_format("the rule of the profile '%s'",
			  d->hypothesis.profile ? d->hypothesis.profile : "");

	if (!d->hypothesis.profile ||
	    !vr_profile_named(d->hypothesis.profile) ||
	    strcmp(d->hypothesis.profile, "esxiargs") == 0)
		return striped(disk, "a pattern of no known family");
	return by ? striped(disk, by) : NULL;
}

static char *
foreign(const struct vr_disk *disk)
{
	const struct vr_diagnosis *d = &told_file(disk)->diagnosis;
	char size[32];

	if (d->chosen)
		return striped_by_profile(disk);
	if (d->has_head)
		return vr_format(
			"The first %s are noise, as encrypted data is, "
			"and order follows; no known family stops "
			"there, so nothing is said of the rest.",
			vr_human_size(d->hypothesis.chunk, size));
	return vr_format("The beginning is noise, as encrypted data is, but by "
			 "no pattern that could be found; %zu of %zu places "
			 "looked at are noise.",
			 d->noisy, d->looked);
}

static char *
state_of(const struct vr_disk *disk)
{
	switch (disk->condition) {
	case VR_CONDITION_UNTOUCHED:
		return vr_format("No trace of an attack: the first MiB, where "
				 "ESXiArgs begins, holds ordinary data, and "
				 "there is no usable .args file.");
	case VR_CONDITION_LOCKED:
		return locked(disk);
	case VR_CONDITION_WAVE_1:
		return striped(disk, "the first wave of ESXiArgs");
	case VR_CONDITION_WAVE_2:
		return striped(disk, "the second wave of ESXiArgs");
	case VR_CONDITION_EITHER:
		return striped(disk, "ESXiArgs (at this size both waves do the "
				     "same)");
	case VR_CONDITION_BOTH:
		return striped(disk, "both waves of ESXiArgs, one over the "
				     "other");
	case VR_CONDITION_STRIPED:
		return striped(disk, "the rule of its .args file, which is "
				     "neither wave's usual one");
	case VR_CONDITION_INTERRUPTED:
		return interrupted(disk);
	case VR_CONDITION_WHOLE:
		return vr_format("Encrypted from end to end, as ESXiArgs does "
				 "to files below 200 MiB: nothing of it can be "
				 "read.");
	case VR_CONDITION_FOREIGN:
		return foreign(disk);
	case VR_CONDITION_HEAD:
		return head(disk);
	case VR_CONDITION_UNREADABLE:
		return vr_format("The storage fails: nothing that would decide "
				 "could be read.");
	case VR_CONDITION_UNDECIDED:
		break;
	}
	return vr_format(
		"The bytes do not say what happened: everything looked "
		"at is noise, as in a disk that is encrypted whole, or "
		"in a guest that encrypts itself.");
}

static const char *
next_of(enum vr_condition condition)
{
	switch (condition) {
	case VR_CONDITION_UNTOUCHED:
	case VR_CONDITION_LOCKED:
		return "The disk itself needs no repair: the new descriptor "
		       "opens it. Copy the files out, or register it with a "
		       "new VM.";
	case VR_CONDITION_WAVE_1:
	case VR_CONDITION_EITHER:
	case VR_CONDITION_STRIPED:
	case VR_CONDITION_INTERRUPTED:
	case VR_CONDITION_HEAD:
		return "Open the new descriptor read-only and copy the files "
		       "out, or mount the disk and its volumes with "
		       "'vmdk-rescue mount'. The first MiB is lost, and with "
		       "it the partition table; 'vmdk-rescue volumes' tells "
		       "what of it has a copy. That the descriptor opens does "
		       "not make the guest boot.";
	case VR_CONDITION_WAVE_2:
	case VR_CONDITION_BOTH:
		return "Half of the disk is there, so do not throw it away: "
		       "small files are often whole, big ones have holes. The "
		       "map says which bytes are lost; check every file that "
		       "you copy out against it.";
	case VR_CONDITION_WHOLE:
		return "Look for a backup, a replica or a template of this "
		       "disk. Disks this small are often swap or scratch space "
		       "that can be made anew.";
	case VR_CONDITION_FOREIGN:
		return "If you know the family, see vmdk-rescue profiles; if "
		       "you know its numbers, say them with --profile. Keep the "
		       "evidence.";
	case VR_CONDITION_UNREADABLE:
		return "Copy the file with GNU ddrescue to sound storage and "
		       "run this again on the copy.";
	case VR_CONDITION_UNDECIDED:
		break;
	}
	return "If a .args file lay beside it, put a copy back or say its "
	       "numbers with --args. If the guest encrypts its own disk, open "
	       "the new descriptor and try its password.";
}

/* Of a disk in grains a file was written; MiB 0 held the way to the grains. */
static const char *
next_of_grains(enum vr_condition condition)
{
	switch (condition) {
	case VR_CONDITION_WAVE_1:
	case VR_CONDITION_WAVE_2:
	case VR_CONDITION_BOTH:
	case VR_CONDITION_EITHER:
	case VR_CONDITION_STRIPED:
	case VR_CONDITION_INTERRUPTED:
	case VR_CONDITION_HEAD:
		return "Open the new descriptor read-only and copy the files "
		       "out: vmdk-rescue recover writes the disk out as one "
		       "file, in which what is lost reads as zeros. Check every "
		       "file that you copy against the map; what is suspect in "
		       "it was found by a rule and not by the disk's own "
		       "tables.";
	default:
		return next_of(condition);
	}
}

/* Three numbers cannot say that a head stands before the stripes: a row can. */
static char *
profile_line(const struct vr_hypothesis *h)
{
	if (h->head && h->profile && vr_profile_named(h->profile))
		return vr_format("%s", h->profile);
	return vr_pattern_line(h);
}

/* A stranger's pattern is worth a line that can be typed and passed on. */
static char *
next_step_of(const struct vr_disk *disk)
{
	const struct vr_diagnosis *d = &told_file(disk)->diagnosis;
	bool stranger = disk->condition == VR_CONDITION_FOREIGN &&
			(d->chosen || d->has_head) && d->other_count == 0;
	vr_cleanup(vr_free_p) char *line =
		stranger ? profile_line(&d->hypothesis) : NULL;

	if (!stranger)
		return vr_format("%s", vr_disk_has_grains(disk)
					       ? next_of_grains(disk->condition)
					       : next_of(disk->condition));
	return line ? vr_format("To take this pattern as given, here or for "
				"other disks of the same attack: --profile %s. "
				"Keep the evidence.",
				line)
		    : NULL;
}

int
vr_disk_describe(struct vr_disk *disk)
{
	disk->state = state_of(disk);
	disk->next_step = next_step_of(disk);
	return disk->state && disk->next_step ? 0 : vr_fail_memory();
}
