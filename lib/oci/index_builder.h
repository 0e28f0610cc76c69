/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index_builder: puts an index together from manifests and from what other indexes list; entries of
 * those keep all that they say (attestations, annotations, versions of a system).
 *
 *     auto_(index_builder) struct index_builder b = { 0 };
 *     TRY(index_builder_add_index(&b, text, len, err));            what there was
 *     index_builder_begin_new(&b);
 *     TRY(index_builder_add_manifest(&b, &descriptor, &platform, err));
 *     index_builder_annotate(&b, "org.opencontainers.image.title", "x");
 *     index_builder_print(&b, &text);
 *
 * Invariant: no manifest is listed twice, and no platform, but for attestations.
 */
#ifndef LIB_OCI_INDEX_BUILDER_H
#define LIB_OCI_INDEX_BUILDER_H

#include "lib/oci/descriptor.h"

struct index_builder {
    js **entries;
    size_t count, cap;
    size_t old_count; /* the first so many give way to new ones */
    struct map annotations;
};

void index_builder_release(struct index_builder *b);
DEFINE_AUTO(index_builder, struct index_builder, index_builder_release(value))

/* What is there by now gives way, with its attestations, to what comes for the same platform. */
void index_builder_begin_new(struct index_builder *b);
/* Errors: USER (there is another one for that platform). */
int index_builder_add_manifest(struct index_builder *b, const struct descriptor *manifest,
                               const struct platform *platform, struct error *err) MUST_CHECK;
/* All that an index lists. Errors: the same, and those of index_parse. */
int index_builder_add_index(struct index_builder *b, const char *text, size_t len,
                            enum media_type type, struct error *err) MUST_CHECK;

/* Of the index; of the entries for `platform` (NULL: of all that are images), whose number is the
 * result. */
void index_builder_annotate(struct index_builder *b, const char *key, const char *value);
size_t index_builder_annotate_entries(struct index_builder *b, const struct platform *platform,
                                      const char *key, const char *value);

/* As buildx prints it. */
void index_builder_print(const struct index_builder *b, struct strbuf *out);

#endif
