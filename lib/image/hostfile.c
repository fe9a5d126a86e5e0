/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/hostfile.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "io/file.h"
#include "io/slice.h"
#include "map/annotate.h"
#include "profile/pattern.h"

/* --- the .args file ------------------------------------------------------ */

static int
note_bad_args(struct vr_hostfile *f, struct vr_findings *findings,
	      const char *trouble)
{
	return vr_findings_add(findings, VR_WARNING, "args-unusable",
			       "The .args file of '%s' %s. It is not used; the "
			       "damage is worked out from the bytes alone.",
			       f->shown, trouble);
}

static const char *
wrong_kind(const struct stat *st)
{
	if (S_ISLNK(st->st_mode))
		return "is a symbolic link, which is not followed";
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if (st->st_size > VR_ARGS_MOST)
		return "is far too long for three numbers";
	return NULL;
}

static int
read_args(struct vr_hostfile *f, struct vr_findings *findings)
{
	vr_cleanup(vr_free_p) char *path = vr_format("%s.args", f->path);
	vr_cleanup(vr_free_p) char *bytes = NULL;
	struct stat st;
	size_t n;
	int r;

	if (!path)
		return vr_fail_memory();
	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENAMETOOLONG
			       ? 0
			       : note_bad_args(f, findings,
					       "cannot be looked at");
	if (wrong_kind(&st))
		return note_bad_args(f, findings, wrong_kind(&st));

	r = vr_file_read_small(path, VR_ARGS_MOST, &bytes, &n);
	if (r == 0)
		r = vr_args_parse(bytes, n, &f->args);
	if (r == VR_E_MEMORY)
		return r;
	if (r < 0)
		return note_bad_args(f, findings, vr_error_sentence());
	f->has_args = true;
	if (!f->args.carried)
		return 0;
	return vr_findings_add(findings, VR_NOTE, "args-line-end",
			       "The .args file of '%s' has another line end "
			       "than the attack writes, so it was copied as "
			       "text; its numbers are used.",
			       f->shown);
}

static int
take_args(struct vr_hostfile *f, const char *option,
	  struct vr_findings *findings)
{
	int r;

	if (!option)
		return read_args(f, findings);
	r = vr_args_parse_option(option, &f->args);
	if (r < 0)
		return vr_context(VR_E_USAGE,
				  "'%s' is not STEP,CHUNK,BYTES, as in "
				  "408,1,42949672960: it",
				  option);
	f->has_args = true;
	return 0;
}

/* --- what is worth a sentence -------------------------------------------- */

static int
note_clue(const struct vr_hostfile *f, const struct vr_clue *clue,
	  struct vr_findings *findings)
{
	char room[32];

	if (clue->bytes > f->source->size)
		return vr_findings_add(
			findings, VR_LOSS, "file-truncated",
			"'%s' may have lost its end: %s (%s), but the file ends "
			"before that.",
			f->shown, clue->text, vr_human_size(clue->bytes, room));
	return vr_findings_add(
		findings, VR_WARNING, "capacity-contradicted",
		"Not all evidence agrees on the capacity of '%s': for %" PRIu64
		" bytes speaks that %s.",
		f->shown, clue->bytes, clue->text);
}

static int
note_capacity(const struct vr_hostfile *f, struct vr_findings *findings)
{
	const struct vr_capacity *c = &f->capacity;
	int r = 0;

	if (!c->sure)
		r = vr_findings_add(
			findings, VR_WARNING, "capacity-unsure",
			"The capacity of '%s' is taken from its length, because "
			"nothing else tells it. If you know the disk's size, "
			"say it with --capacity.",
			f->shown);
	for (size_t i = 0; r == 0 && i < c->clues.count; i++)
		if (c->clues.items[i].weight == VR_CONTRADICTS)
			r = note_clue(f, &c->clues.items[i], findings);
	return r;
}

static int
note_measure(const struct vr_hostfile *f, struct vr_findings *findings)
{
	const struct vr_measure *m = &f->diagnosis.measure;
	int r = 0;

	if (f->capacity.tail_unreadable)
		r = vr_findings_add(
			findings, VR_LOSS, "unreadable",
			"The end of '%s' cannot be read: the storage fails. "
			"Copy the file with GNU ddrescue first and work on the "
			"copy.",
			f->shown);
	if (r < 0 || !f->diagnosis.chosen)
		return r;
	if (f->diagnosis.sidecar_refuted)
		r = vr_findings_add(
			findings, VR_WARNING, "args-refuted",
			"The bytes of '%s' show another pattern than its .args "
			"file says, as when it is another file's or another "
			"run's; the map goes by the bytes.",
			f->shown);
	if (r == 0 && m->ambiguous)
		r = vr_findings_add(
			findings, VR_WARNING, "bound-ambiguous",
			"Where the encryption of '%s' ended cannot be told from "
			"the bytes; the doubtful stripes are marked suspect.",
			f->shown);
	if (r == 0 && m->contradictions)
		r = vr_findings_add(
			findings, VR_WARNING, "stripes-contradict",
			"%zu stripes of '%s' look otherwise than one run from "
			"the beginning would leave them; they are marked "
			"suspect.",
			m->contradictions, f->shown);
	if (r == 0 && m->unreadable)
		r = vr_findings_add(
			findings, VR_LOSS, "unreadable",
			"%zu of the stripes of '%s' that were looked at could "
			"not be read: the storage fails. Copy the file with GNU "
			"ddrescue first and work on the copy.",
			m->unreadable, f->shown);
	if (r == 0 && !f->diagnosis.gaps_sure)
		r = vr_findings_add(
			findings, VR_WARNING, "other-runs-possible",
			"Further runs over '%s' cannot be ruled out: what noise "
			"hides between its stripes is marked suspect.",
			f->shown);
	if (r == 0 && !m->decided)
		r = vr_findings_add(
			findings, VR_WARNING, "prediction-unproved",
			"The bytes of '%s' are noise inside and beside every "
			"stripe, as in a guest that encrypts itself: the damage "
			"map rests on the attack's rule alone.",
			f->shown);
	return r;
}

static int
note_args_misfit(const struct vr_hostfile *f, struct vr_findings *findings)
{
	if (!f->has_args || f->args.bytes <= f->source->size + VR_MIB)
		return 0;
	return vr_findings_add(findings, VR_WARNING, "args-misfit",
			       "The .args file of '%s' speaks of %" PRIu64
			       " bytes, more than the file has: it is another "
			       "file's, or this one lost its end.",
			       f->shown, f->args.bytes);
}

static int
note_change(const struct vr_hostfile *f, struct vr_findings *findings)
{
	struct stat now;

	if (stat(f->path, &now) == 0 && now.st_size == f->stat.st_size &&
	    now.st_mtim.tv_sec == f->stat.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == f->stat.st_mtim.tv_nsec)
		return 0;
	return vr_findings_add(findings, VR_WARNING, "file-changed",
			       "'%s' changed while it was read. Work on a copy "
			       "that nothing else writes to.",
			       f->shown);
}

static int
note_all(const struct vr_hostfile *f, struct vr_findings *findings)
{
	int r = note_capacity(f, findings);

	if (r == 0)
		r = note_args_misfit(f, findings);
	if (r == 0)
		r = note_measure(f, findings);
	return r == 0 ? note_change(f, findings) : r;
}

/* --- opening ------------------------------------------------------------- */

static int
find_capacity(struct vr_hostfile *f, const struct vr_capacity_hints *given)
{
	struct vr_capacity_hints hints = *given;
	int r;

	hints.args = f->has_args ? &f->args : NULL;
	r = vr_capacity_find(f->source, &hints, &f->capacity);
	if (r < 0)
		return r;
	if (hints.by_hand && hints.by_hand > f->source->size)
		return vr_fail(VR_E_USAGE,
			       "the capacity asked for (%" PRIu64
			       " bytes) exceeds the file's %" PRIu64 " bytes",
			       hints.by_hand, f->source->size);
	if (f->capacity.bytes < VR_SECTOR)
		return vr_fail(VR_E_FORMAT,
			       "holds %" PRIu64 " bytes: too small for a disk",
			       f->source->size);
	return 0;
}

/* A name chooses among the rows; numbers stand in for them. */
static int
take_profile(const char *option, struct vr_profile_case *c,
	     struct vr_hypothesis *by_hand)
{
	int r;

	if (!option)
		return 0;
	if (vr_profile_named(option)) {
		c->only = option;
		return 0;
	}
	r = vr_pattern_parse(option, c->length, by_hand);
	if (r < 0)
		return r;
	c->by_hand = by_hand;
	c->args = NULL;
	return 0;
}

/* A person's map is laid on later: where there is one, nothing is calm. */
static int
open_data(struct vr_hostfile *f, struct vr_source *slice,
	  const struct vr_options *options)
{
	struct vr_map_cursor cursor = {0};
	struct vr_map_item item;
	int r = vr_annotate_open(slice, f->map, &f->data);
	bool calm = !options->map &&
		    f->diagnosis.condition == VR_CONDITION_UNTOUCHED &&
		    !vr_map_walk(f->map, &cursor, &item);

	if (r == 0)
		f->flat = vr_source_ref(calm ? slice : f->data);
	return r;
}

static int
diagnose(struct vr_hostfile *f, const struct vr_options *options)
{
	vr_cleanup(vr_source_free_p) struct vr_source *slice = NULL;
	struct vr_hypothesis by_hand;
	struct vr_profile_case c = {
		.length = f->capacity.bytes,
		.allocated = (uint64_t)f->stat.st_blocks * 512,
		.args = f->has_args ? &f->args : NULL,
		.runs_most = f->capacity.trailers_most,
	};
	const struct vr_full_how full = {
		.threads = options->threads,
		.progress = options->progress,
		.progress_data = options->progress_data,
	};
	int r;

	r = take_profile(options->profile, &c, &by_hand);
	if (r < 0)
		return r;
	r = vr_slice_open(f->source, 0, f->capacity.bytes, &slice);
	if (r == 0)
		r = vr_map_new(f->capacity.bytes, &f->map);
	if (r == 0)
		r = vr_diagnose(slice, &c, f->capacity.trailers,
				options->verify == VR_VERIFY_FULL ? &full
								  : NULL,
				f->map, &f->diagnosis);
	if (r == 0 && f->capacity.tail_unreadable)
		r = vr_map_add_range(f->map, VR_LAYER_MEASURED, VR_UNREADABLE,
				     f->capacity.unreadable_off, VR_SECTOR);
	return r == 0 ? open_data(f, slice, options) : r;
}

static int
open_steps(struct vr_hostfile *f, const struct vr_capacity_hints *hints,
	   const struct vr_options *options, struct vr_findings *findings)
{
	int r = vr_file_open_stat(f->path, &f->source, &f->stat);

	if (r < 0)
		return r;
	r = take_args(f, options->args, findings);
	if (r < 0)
		return r;
	r = find_capacity(f, hints);
	if (r == 0)
		r = diagnose(f, options);
	if (r < 0)
		return vr_context(r, "'%s'", f->shown);
	return note_all(f, findings);
}

int
vr_hostfile_open(const char *path, const struct vr_capacity_hints *hints,
		 const struct vr_options *options, struct vr_findings *findings,
		 struct vr_hostfile **ret)
{
	vr_cleanup(vr_hostfile_free_p) struct vr_hostfile *f =
		calloc(1, sizeof(*f));
	int r;

	if (!f)
		return vr_fail_memory();
	f->path = strdup(path);
	f->shown = vr_printable(vr_base_name(path));
	f->name = strdup(vr_base_name(path));
	if (!f->path || !f->shown || !f->name)
		return vr_fail_memory();
	r = open_steps(f, hints, options, findings);
	if (r < 0)
		return r;
	*ret = vr_steal(f);
	return 0;
}

void
vr_hostfile_free(struct vr_hostfile *f)
{
	if (!f)
		return;
	vr_source_free(f->flat);
	vr_source_free(f->data);
	vr_source_free(f->source);
	vr_map_free(f->map);
	vr_diagnosis_free(&f->diagnosis);
	vr_capacity_free(&f->capacity);
	free(f->path);
	free(f->shown);
	free(f->name);
	free(f);
}

static void
info_of_diagnosis(const struct vr_diagnosis *d, struct vr_file_info *ret)
{
	const struct vr_measure *m = &d->measure;

	ret->condition = d->condition;
	ret->confidence = vr_confidence_name(d->confidence);
	ret->confidence_reason = vr_confidence_reason(d->confidence);
	ret->confidence_bits = d->bits;
	ret->candidates = d->candidate_count;
	ret->full = d->full.done;
	ret->full_encrypted = d->full.encrypted;
	ret->full_clear = d->full.clear;
	ret->full_mixed = d->full.mixed;
	ret->full_unreadable = d->full.unreadable;
	ret->full_gap_order = d->full.gap_order;
	ret->full_gap_noise = d->full.gap_noise;
	ret->measure_bytes = d->bytes_read;
	if (!d->chosen)
		return;
	ret->profile = d->hypothesis.profile;
	ret->stripes_predicted = m->stripes;
	ret->stripes_encrypted = vr_hypothesis_count(&d->hypothesis, m->end);
	for (size_t i = 0; i < d->other_count; i++)
		ret->stripes_encrypted += d->others[i].encrypted;
	ret->stripes_read = m->looks.count;
	ret->bound_bytes = m->end;
	if (m->bound != VR_NO_BOUND)
		ret->bound = d->hypothesis.bounds[m->bound].name;
}

void
vr_hostfile_info(const struct vr_hostfile *f, struct vr_file_info *ret)
{
	struct vr_file_info info = {
		.size = ret->size,
		.path = f->path,
		.length = f->source->size,
		.allocated = (uint64_t)f->stat.st_blocks * 512,
		.capacity = f->capacity.bytes,
		.trailer_length = f->capacity.trailer_bytes,
		.trailers = f->capacity.trailers,
		.has_args = f->has_args,
		.clues = f->capacity.clues.count,
		.map = f->map,
	};

	if (f->has_args) {
		info.args_step = f->args.step;
		info.args_chunk = f->args.chunk;
		info.args_bytes = f->args.bytes;
	}
	info_of_diagnosis(&f->diagnosis, &info);
	memcpy(ret, &info, vr_min(ret->size, sizeof(info)));
}
