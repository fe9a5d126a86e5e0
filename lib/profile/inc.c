/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * INC: a million bytes encrypted, two million left, from the beginning on. 35
 * bytes are appended, a key of 32 and the letters INC.
 *
 * Source: a decryptor that victims with a key can use (rivitna, "Malware", 2023);
 * it names no platform.
 */
#include "profile/profile.h"

#define CHUNK  1000000
#define PERIOD 3000000

static void
inc_predict(const struct vr_profile_case *c, struct vr_hypotheses *ret)
{
	struct vr_hypothesis h = {
		.profile = "inc",
		.reason = "the rule of this family",
		.condition = VR_CONDITION_FOREIGN,
		.chunk = CHUNK,
		.period = PERIOD,
	};

	if (c->args || c->length <= PERIOD)
		return;
	vr_hypothesis_bound(&h, "end of file", c->length);
	vr_hypotheses_push(ret, &h);
}

const struct vr_profile vr_profile_inc = {
	.name = "inc",
	.title = "INC, 2023",
	.rule = "1,000,000 bytes out of every 3,000,000, from the beginning on; "
		"35 bytes are appended.",
	.source = "a published decryptor, rivitna, 2023",
	.predict = inc_predict,
};
