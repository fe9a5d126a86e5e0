/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Babuk's locker for NAS devices, written in Go: of files above 20 MiB the first
 * MiB of every whole 10 MiB; a rest that is shorter stays clear. 38 bytes are
 * appended, a public key of 32 and AB BC CD DE EF F0. Disks lie on such devices
 * where a datastore is an NFS share.
 *
 * Source: a decryptor that victims with a key can use (rivitna, "Malware").
 */
#include "base/checked.h"
#include "profile/profile.h"

#define PERIOD	     (10 * VR_MIB)
#define WHOLE_BLOCKS 2

static void
babuknas_predict(const struct vr_profile_case *c, struct vr_hypotheses *ret)
{
	struct vr_hypothesis h = {
		.profile = "babuknas",
		.reason = "the rule of this family",
		.condition = VR_CONDITION_FOREIGN,
		.chunk = VR_MIB,
		.period = PERIOD,
	};

	if (c->args || c->length <= WHOLE_BLOCKS * PERIOD)
		return;
	vr_hypothesis_bound(&h, "last whole 10 MiB",
			    vr_round_down(c->length, PERIOD));
	vr_hypotheses_push(ret, &h);
}

const struct vr_profile vr_profile_babuknas = {
	.name = "babuknas",
	.title = "Babuk for NAS devices, 2021",
	.rule = "Above 20 MiB the first MiB of every whole 10 MiB; 38 bytes are "
		"appended.",
	.source = "a published decryptor, rivitna",
	.predict = babuknas_predict,
};
