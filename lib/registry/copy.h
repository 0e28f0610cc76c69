/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy: a manifest (of an image, or of what attests to one) and its blobs from a registry to
 * another repository, or into the store. Within a registry blobs are mounted; between two they go
 * through the store.
 */
#ifndef LIB_REGISTRY_COPY_H
#define LIB_REGISTRY_COPY_H

#include "lib/base/thread_pool.h"
#include "lib/codec/digest.h"
#include "lib/oci/reference.h"
#include "lib/registry/registry.h"

/* `from` has a digest; `to` gets it under that digest alone, its tag does not matter. Errors: those
 * of resolve.h and push.h. */
int registry_copy(struct registry_client *client, const struct reference *from,
                  const struct reference *to, struct thread_pool *pool, unsigned vertex,
                  struct error *err) MUST_CHECK;

/* Into the client's store; what came is added to `out`. Errors: those of resolve.h. */
int registry_fetch(struct registry_client *client, const struct reference *from, unsigned vertex,
                   struct digest_list *out, struct error *err) MUST_CHECK;

#endif
