/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pull: blobs of one repository into the store. A blob that two ask for is fetched once; at most
 * REGISTRY_PARALLEL_MAX are under way for a client. A transfer that breaks off goes on where it
 * stopped; what is not of the promised size and digest never gets a name in the store.
 */
#ifndef LIB_REGISTRY_PULL_INTERNAL_H
#define LIB_REGISTRY_PULL_INTERNAL_H

#include "lib/oci/blob_provider.h"
#include "lib/registry/registry_internal.h"

/* For the repository of `ref`. The caller frees it, before the client. */
struct blob_provider *pull_provider_new(struct registry_host *host, const struct reference *ref);
void pull_provider_free(struct blob_provider *provider);

#endif
