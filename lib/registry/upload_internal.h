/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload: one blob of the store to a repository. What is there already is not sent, what another
 * repository of the host has is mounted. A large blob goes in chunks; whatever breaks off, the
 * registry is asked how much it has and gets the rest, or, if it has forgotten, all of it.
 *
 * The digest that the registry makes at the end is the check: what was put together wrongly is sent
 * once more as a whole.
 */
#ifndef LIB_REGISTRY_UPLOAD_INTERNAL_H
#define LIB_REGISTRY_UPLOAD_INTERNAL_H

#include "lib/oci/blob_provider.h"
#include "lib/oci/descriptor.h"
#include "lib/registry/registry_internal.h"

enum { UPLOAD_CHUNK = 32 * 1024 * 1024 };

struct upload_order {
    struct registry_host *host;
    const char *repository;
    const char *scope;
    const char *mount_from; /* another repository of the host that may have it, or NULL */
    const struct descriptor *blob;
    struct blob_provider *provider; /* brings it into the store, if it must be sent; NULL: it is */
    unsigned vertex;
    bool is_forced; /* send it, though the registry says that it has it */
};

/* Errors: NETWORK, REMOTE, NOT_FOUND or CORRUPT (of the store's blob), SYSTEM, CANCELLED. */
int upload_blob(const struct upload_order *order, struct error *err) MUST_CHECK;

#endif
