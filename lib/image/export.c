/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk or volume of a guest as one file. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "image/guest.h"
#include "image/place.h"
#include "output/export.h"

const char *
vr_export_format_name(size_t index)
{
	const struct vr_export_format *row = vr_export_format_row(index);

	return row ? row->name : NULL;
}

static void
fill_plan(const struct vr_guest *guest, size_t volume,
	  struct vr_descriptor_plan *plan)
{
	const struct vr_node *node = &guest->tree->nodes.items[volume];
	const struct vr_identity *id =
		&guest->vm->disks.items[node->disk]->identity;

	*plan = (struct vr_descriptor_plan){
		.adapter = id->adapter,
		.cid = id->cid,
		.uuid = id->uuid,
		.hardware_version = id->hardware_version,
		.thin = id->thin,
	};
	memcpy(plan->long_content_id, id->long_content_id,
	       sizeof(id->long_content_id));
}

static int
choose_format(const struct vr_guest *guest, size_t volume, const char *name,
	      const struct vr_export_format **ret)
{
	const struct vr_node *node = &guest->tree->nodes.items[volume];

	*ret = vr_export_format_for(name ? name : "raw");
	if (!*ret)
		return vr_fail(VR_E_USAGE, "no format of the name '%s'", name);
	if ((*ret)->of_disks && node->slot != VR_SLOT_DISK)
		return vr_fail(VR_E_UNSUPPORTED,
			       "%s is a volume, and the format %s is for whole "
			       "disks: export it as raw",
			       node->name, name);
	return 0;
}

static int
run(struct vr_export *e, const struct vr_export_format *format, bool force,
    struct vr_export_result *ret)
{
	struct vr_export_result result = {.bytes = e->view->size};
	int r = vr_export_run(e, format, force);

	if (r == 0)
		r = vr_digest_finish(e->digest, result.sha256);
	result.size = ret->size;
	result.written = e->written;
	result.resumed = e->resumed;
	if (r == 0)
		memcpy(ret, &result, vr_min(ret->size, sizeof(result)));
	vr_digest_free(e->digest);
	free(e->partial);
	free(e->shown);
	return r;
}

int
vr_guest_export(const struct vr_guest *guest, size_t volume, const char *out,
		const struct vr_export_options *options,
		struct vr_export_result *ret)
{
	vr_cleanup(vr_source_free_p) struct vr_source *view = NULL;
	struct vr_export_options taken = {.size = sizeof(taken)};
	const struct vr_export_format *format;
	struct vr_export e = {.out = out};
	int r;

	if (options)
		memcpy(&taken, options, vr_min(options->size, sizeof(taken)));
	r = choose_format(guest, volume, taken.format, &format);
	if (r == 0)
		r = vr_place_outside(guest->vm, out);
	if (r == 0)
		r = vr_view_open(guest->sources[volume], taken.damaged, &view);
	if (r < 0)
		return r;
	fill_plan(guest, volume, &e.plan);
	e.view = view;
	e.zeros_for_unreadable = taken.damaged == VR_DAMAGED_RAW;
	e.resume = taken.resume;
	e.threads = taken.threads;
	e.progress = taken.progress;
	e.progress_data = taken.progress_data;
	return run(&e, format, taken.force, ret);
}
