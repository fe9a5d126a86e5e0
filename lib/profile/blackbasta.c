/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Black Basta, builds of 2022 and 2023: 64 bytes at a time. By the version byte
 * behind the file, build 6 takes of files above 1 GiB the first 5000 bytes and
 * then 64 of every 6400, build 5 above 0x0CCCCCCC bytes the first 50,000 and then
 * 64 of every 3200; both take 64 of every 192 of smaller files. A rest of less
 * than 64 bytes stays clear. 314 bytes are appended.
 *
 * Source: SRLabs, "Black Basta Buster" (ranges.py, readcounter.py), 2023. Whether
 * a build for ESXi cuts its files in the same way the bytes must tell.
 */
#include "base/checked.h"
#include "profile/profile.h"

#define CHUNK	64
#define SMALL	192
#define LIMIT_5 UINT64_C(0x0CCCCCCC)
#define LIMIT_6 (UINT64_C(1) << 30)
#define LEAST	5000

static void
add_pattern(const struct vr_profile_case *c, uint64_t head, uint64_t period,
	    const char *reason, struct vr_hypotheses *ret)
{
	struct vr_hypothesis h = {
		.profile = "blackbasta",
		.reason = reason,
		.condition = VR_CONDITION_FOREIGN,
		.head = head,
		.first = head,
		.chunk = CHUNK,
		.period = period,
	};
	uint64_t end = c->length;

	/* A last piece that is cut stays clear. */
	if ((end - h.first) % period < CHUNK)
		end -= (end - h.first) % period;
	vr_hypothesis_bound(&h, "end of file", end);
	vr_hypotheses_push(ret, &h);
}

static void
blackbasta_predict(const struct vr_profile_case *c, struct vr_hypotheses *ret)
{
	if (c->args || c->length < LEAST * 20)
		return;
	if (c->length > LIMIT_6)
		add_pattern(c, 5000, 6400, "build 6, above 1 GiB", ret);
	if (c->length > LIMIT_5)
		add_pattern(c, 50000, 3200, "build 5, above 0x0CCCCCCC bytes",
			    ret);
	if (c->length <= LIMIT_6)
		add_pattern(c, 0, SMALL, "the rule for smaller files", ret);
}

const struct vr_profile vr_profile_blackbasta = {
	.name = "blackbasta",
	.title = "Black Basta, 2022 and 2023",
	.rule = "Above 1 GiB the first 5000 bytes, then 64 bytes out of every "
		"6400 (build 5: the first 50,000, then 64 of every 3200); of "
		"smaller files 64 bytes out of every 192. 314 bytes are "
		"appended.",
	.source = "SRLabs, Black Basta Buster, 2023",
	.predict = blackbasta_predict,
};
