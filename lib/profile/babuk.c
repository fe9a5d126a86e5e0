/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Babuk's locker for ESXi and its many heirs: the beginning of a file in one
 * piece, read by read until 512 MiB are done. With reads of 10 MiB, as in the
 * source that was leaked in 2021, that makes 520 MiB; other builds stop at 512.
 * Each run appends a public key of 32 bytes. Smaller files are encrypted whole.
 *
 * Source: the leaked code as described by SentinelLabs, "Hypervisor Ransomware:
 * Multiple Threat Actor Groups Hop on Leaked Babuk Code", May 2023.
 */
#include "base/checked.h"
#include "profile/profile.h"

static void
add_head(const struct vr_profile_case *c, uint64_t mib,
	 struct vr_hypotheses *ret)
{
	struct vr_hypothesis h = {
		.profile = "babuk",
		.reason = "the head that this family encrypts",
		.condition = VR_CONDITION_HEAD,
		.chunk = mib * VR_MIB,
		.period = c->length,
	};

	/* Below that nothing would be left to tell it by. */
	if (c->length <= h.chunk)
		return;
	vr_hypothesis_bound(&h, "head", h.chunk);
	vr_hypotheses_push(ret, &h);
}

static void
babuk_predict(const struct vr_profile_case *c, struct vr_hypotheses *ret)
{
	if (c->args)
		return;
	add_head(c, 520, ret);
	add_head(c, 512, ret);
}

const struct vr_profile vr_profile_babuk = {
	.name = "babuk",
	.title =
		"Babuk for ESXi and its heirs (.babyk and many others), from 2021",
	.rule = "The first 520 MiB, in some builds 512, in one piece; 32 bytes are "
		"appended by each run. Files that are not longer are encrypted "
		"whole.",
	.source = "the leaked locker, as described by SentinelLabs, May 2023",
	.predict = babuk_predict,
};
