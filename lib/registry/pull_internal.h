/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull: blobs of one repository into the store. A blob that several ask for, to have it there or to
 * read it on the way, is fetched once (download_internal.h).
 */
#ifndef LIB_REGISTRY_PULL_INTERNAL_H
#define LIB_REGISTRY_PULL_INTERNAL_H

#include "lib/oci/blob_provider.h"
#include "lib/registry/registry_internal.h"

/* For the repository of `ref`. The caller frees it, before the client. */
struct blob_provider *pull_provider_new(struct registry_host *host, const struct reference *ref);
void pull_provider_free(struct blob_provider *base);

#endif
