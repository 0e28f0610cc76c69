/* SPDX-License-Identifier: Apache-2.0 */
/* blob_provider: INTERFACE that brings blobs of one image into the store when somebody needs them.
 */
#ifndef LIB_OCI_BLOB_PROVIDER_H
#define LIB_OCI_BLOB_PROVIDER_H

#include "lib/oci/descriptor.h"

struct blob_provider {
    /* Ensures that `blob` is in the store, verified; reports bytes to progress vertex `vertex`. Any
     * number of threads at once. */
    int (*fetch)(struct blob_provider *provider, const struct descriptor *blob, unsigned vertex,
                 struct error *err);
};

#endif
