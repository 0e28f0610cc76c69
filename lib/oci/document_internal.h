/* SPDX-License-Identifier: Apache-2.0 */
/* document: what manifests and indexes have in common: size, version, and a type that is not in
 * doubt. */
#ifndef LIB_OCI_DOCUMENT_INTERNAL_H
#define LIB_OCI_DOCUMENT_INTERNAL_H

#include "lib/oci/descriptor.h"

struct document_kind {
    const char *name;          /* for messages */
    enum media_type expected;  /* as it was asked for or delivered, or MEDIA_UNKNOWN */
    enum media_type otherwise; /* if neither the body nor the delivery says */
    bool (*accepts)(enum media_type type);
    enum media_type *out_type;
};

/* Parses the body and settles its type. The caller frees *out. Errors: CORRUPT, UNSUPPORTED. */
int document_parse(const char *text, size_t len, const struct document_kind *kind, js **out,
                   struct error *err) MUST_CHECK;

/* Names, of an attestation, the digest of the image that it is about. */
extern const char document_subject_key[];
/* What an index's entry says of it; os "" if nothing. Errors: CORRUPT. */
int document_parse_platform(const js *entry, struct platform *out, struct error *err) MUST_CHECK;
js *document_print_platform(const struct platform *p);
/* Sorted by key; char * values. */
js *document_print_annotations(const struct map *annotations);

#endif
