/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/output.h"

#define VR_ROW(name) extern const struct vr_output vr_output_##name;
#include "output_rows.h"
#undef VR_ROW

static const struct vr_output *const rows[] = {
#define VR_ROW(name) &vr_output_##name,
#include "output_rows.h"
#undef VR_ROW
};

const struct vr_output *
vr_output_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

bool
vr_product_fits_esxi(const struct vr_product_disk *disk)
{
	return disk->part_count == 1 && disk->parts[0].evidence &&
	       disk->parts[0].off == 0;
}
