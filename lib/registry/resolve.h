/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve: from a reference and a platform to an image in a registry: manifest, configuration, and
 * a provider that pulls its blobs into the client's store (see pull.c; any number of threads may
 * fetch).
 */
#ifndef LIB_REGISTRY_RESOLVE_H
#define LIB_REGISTRY_RESOLVE_H

#include "lib/oci/reference.h"
#include "lib/registry/image_source.h"
#include "lib/registry/registry.h"

/* *out must not outlive the client; the caller releases it. With a digest in `ref` the tag does not
 * matter. Errors: NETWORK, REMOTE (hint: credentials, near tags, platforms), CORRUPT, UNSUPPORTED,
 * USER (a credentials file), CANCELLED. */
int registry_resolve(struct registry_client *client, const struct reference *ref,
                     const struct platform *platform, struct image_source *out,
                     struct error *err) MUST_CHECK;

/* The same, but that there is no such image is no error: *out_found is false. */
int registry_find(struct registry_client *client, const struct reference *ref,
                  const struct platform *platform, struct image_source *out, bool *out_found,
                  struct error *err) MUST_CHECK;
/* A manifest or an index as the registry has it. */
struct registry_document {
    struct descriptor descriptor;
    struct strbuf text;
};
#define REGISTRY_DOCUMENT_INIT                                                                     \
    {                                                                                              \
        .text = STRBUF_INIT                                                                        \
    }
static inline void registry_document_release(struct registry_document *d)
{
    strbuf_release(&d->text);
}
DEFINE_AUTO(registry_document, struct registry_document, registry_document_release(value))

/* `out` starts as REGISTRY_DOCUMENT_INIT; the caller releases it. Errors: as above. */
int registry_get_document(struct registry_client *client, const struct reference *ref,
                          struct registry_document *out, struct error *err) MUST_CHECK;

#endif
