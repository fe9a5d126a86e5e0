/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/digest.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/checked.h"
#include "base/error.h"

#define ZEROS ((size_t)1 << 20)

struct vr_digest {
	EVP_MD_CTX *context;
	uint8_t *zeros;
};

int
vr_digest_new(struct vr_digest **ret)
{
	vr_cleanup(vr_digest_free_p) struct vr_digest *d =
		calloc(1, sizeof(*d));

	if (!d)
		return vr_fail_memory();
	d->context = EVP_MD_CTX_new();
	d->zeros = calloc(1, ZEROS);
	if (!d->context || !d->zeros)
		return vr_fail_memory();
	if (EVP_DigestInit_ex(d->context, EVP_sha256(), NULL) != 1)
		return vr_fail(VR_E_UNSUPPORTED,
			       "the system's OpenSSL does not offer SHA-256");
	*ret = vr_steal(d);
	return 0;
}

int
vr_digest_add(struct vr_digest *d, const void *bytes, size_t n)
{
	if (EVP_DigestUpdate(d->context, bytes, n) != 1)
		return vr_fail(VR_E_MEMORY, "OpenSSL failed to hash");
	return 0;
}

int
vr_digest_zeros(struct vr_digest *d, uint64_t n)
{
	int r = 0;

	while (r == 0 && n > 0) {
		size_t here = (size_t)vr_min(n, ZEROS);

		r = vr_digest_add(d, d->zeros, here);
		n -= here;
	}
	return r;
}

int
vr_digest_finish(struct vr_digest *d, char ret[65])
{
	uint8_t bytes[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_DigestFinal_ex(d->context, bytes, &n) != 1 || n != 32)
		return vr_fail(VR_E_MEMORY, "OpenSSL failed to hash");
	for (unsigned i = 0; i < n; i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

void
vr_digest_free(struct vr_digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->context);
	free(d->zeros);
	free(d);
}
