/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_source: what an index is made of: an image of the store, or an image or index of a
 * registry. A name of the store is the image there, unless it was only looked up in a registry and
 * never pulled.
 */
#ifndef CMD_INDEX_SOURCE_H
#define CMD_INDEX_SOURCE_H

#include "cmd/session.h"
#include "lib/oci/index_builder.h"
#include "lib/oci/reference.h"
#include "lib/registry/copy.h"
#include "lib/registry/resolve.h"
#include "lib/store/image_store.h"

struct index_source {
    bool is_stored;
    struct image_record image; /* if it is: packed, with a manifest; else: */
    struct reference ref;
    struct registry_document document;
};

/* All take one that is filled with zeros; the caller releases it in any case. */
int index_source_find(struct session *s, const char *name, struct index_source *out,
                      struct error *err) MUST_CHECK;
/* In the registry, whatever the store has. */
int index_source_ask(struct session *s, const char *name, struct index_source *out,
                     struct error *err) MUST_CHECK;
void index_source_release(struct index_source *source);

int index_source_add(struct session *s, const struct index_source *source, struct index_builder *b,
                     struct error *err) MUST_CHECK;

/* Both for what of the source `index`, a document, lists. */
int index_source_push(struct session *s, const struct index_source *source, const char *index,
                      const struct reference *target, struct thread_pool *pool, unsigned vertex,
                      struct error *err) MUST_CHECK;
int index_source_fetch(struct session *s, const struct index_source *source, const char *index,
                       unsigned vertex, struct digest_list *out, struct error *err) MUST_CHECK;

#endif
