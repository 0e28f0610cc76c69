/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull: blobs of one image into the store. A blob that several ask for, to have it there or to
 * read it on the way, is fetched once (download_internal.h).
 */
#ifndef LIB_REGISTRY_PULL_INTERNAL_H
#define LIB_REGISTRY_PULL_INTERNAL_H

#include "lib/oci/blob_provider.h"
#include "lib/registry/origins_internal.h"

/* From any of `origins`, number `first` before all others. The caller frees it, before the client.
 */
struct blob_provider *pull_provider_new(const struct origins *origins, size_t first);
void pull_provider_free(struct blob_provider *base);

#endif
