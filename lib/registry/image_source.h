/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_source: an image that was found somewhere outside the store (a registry, an OCI layout):
 * its documents, checked, and a provider for its blobs. Made by registry_resolve (resolve.h) and
 * layout_open (layout.h).
 *
 * What holds of one: every document matched the digest and size by which it was named; the manifest
 * and the configuration agree on the number of layers; the digests by which a person or an index
 * named the image are those of `descriptor`.
 */
#ifndef LIB_REGISTRY_IMAGE_SOURCE_H
#define LIB_REGISTRY_IMAGE_SOURCE_H

#include "lib/base/strbuf.h"
#include "lib/oci/blob_provider.h"
#include "lib/oci/descriptor.h"
#include "lib/oci/image_config.h"
#include "lib/store/image_store.h"

struct image_source {
    char *name;                   /* full reference, for people */
    struct descriptor descriptor; /* of the manifest */
    struct manifest manifest;     /* parsed ... */
    struct strbuf manifest_text;  /* ... and as it was delivered */
    struct image_config config;   /* likewise */
    struct strbuf config_text;
    struct blob_provider *provider; /* of the manifest's layers and config; owned */
    void (*free_provider)(struct blob_provider *provider);
};

void image_source_init(struct image_source *source);
void image_source_release(struct image_source *source);
DEFINE_AUTO(image_source, struct image_source, image_source_release(value))

/* What the store is to remember of it under the full reference `name`; `config` is the digest of
 * config_text. Layers that came as blobs are named by their diff_ids. The caller releases *out. */
void image_source_record(const struct image_source *source, const struct digest *config,
                         const char *name, struct image_record *out);

/* Where documents come from. */
struct document_fetcher {
    /* Appends the document that `d` names, at most `limit` bytes; whether it is the one is checked
     * by the caller. */
    int (*fetch)(struct document_fetcher *fetcher, const struct descriptor *d, uint64_t limit,
                 struct strbuf *out, struct error *err);
};

enum { IMAGE_INDEX_DEPTH_MAX = 3 };

/* Whether a document is a manifest or an index, if nobody has said (*type is MEDIA_UNKNOWN): what
 * it says itself. Errors: CORRUPT. */
int document_settle_type(const struct strbuf *text, enum media_type *type,
                         struct error *err) MUST_CHECK;

/* Goes from the document `root_text` (a manifest or an index, `root` says what is known of it)
 * through nested indexes to the manifest for `platform`, and fetches its configuration. Fills all
 * of *out but name and provider; *out must be initialised, and is the caller's to release in any
 * case. Errors: CORRUPT, UNSUPPORTED, REMOTE (no such platform), and the fetcher's. */
int image_source_load(struct document_fetcher *fetcher, const struct descriptor *root,
                      const struct strbuf *root_text, const struct platform *platform,
                      struct image_source *out, struct error *err) MUST_CHECK;

#endif
