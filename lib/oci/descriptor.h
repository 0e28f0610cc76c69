/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptor, media types, manifest, index: the documents of the OCI image specification as plain
 * structs. Parsing is strict about what could mislead (digests, sizes, types, a document that is
 * both manifest and index); no I/O here.
 */
#ifndef LIB_OCI_DESCRIPTOR_H
#define LIB_OCI_DESCRIPTOR_H

#include <stdint.h>

#include "lib/base/map.h"
#include "lib/codec/digest.h"
#include "lib/codec/json.h"
#include "lib/oci/platform.h"

enum media_type {
    MEDIA_UNKNOWN,
    MEDIA_MANIFEST,
    MEDIA_INDEX,
    MEDIA_CONFIG,
    MEDIA_LAYER,
    MEDIA_LAYER_GZIP,
    MEDIA_LAYER_ZSTD,
    MEDIA_DOCKER_MANIFEST,
    MEDIA_DOCKER_INDEX,
    MEDIA_DOCKER_CONFIG,
    MEDIA_DOCKER_LAYER,
    MEDIA_DOCKER_LAYER_GZIP,
    MEDIA_DOCKER_LAYER_ZSTD,
};

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

/* MEDIA_UNKNOWN for names that are not in the table. */
enum media_type media_type_parse(const char *name);
const char *media_type_print(enum media_type type);
/* Is it a layer, and packed how? */
bool media_type_is_layer(enum media_type type, enum compression *out);
bool media_type_is_manifest(enum media_type type);
bool media_type_is_index(enum media_type type);

struct descriptor {
    enum media_type media_type;
    struct digest digest;
    uint64_t size; /* bytes */
};

/* Reads a descriptor object; "urls" and "data" are ignored on purpose: bytes come from the registry
 * and are checked. Errors: CORRUPT, UNSUPPORTED (a digest that is not SHA-256). */
int descriptor_parse(const js *object, struct descriptor *out, struct error *err) MUST_CHECK;
js *descriptor_print(const struct descriptor *d);

enum {
    OCI_DOCUMENT_MAX = 4 * 1024 * 1024,
    OCI_CONFIG_MAX = 8 * 1024 * 1024,
    OCI_LAYERS_MAX = 500,
    OCI_INDEX_MAX = 1000
};

struct manifest {
    enum media_type media_type;
    struct descriptor config;
    struct descriptor *layers; /* bottom first */
    size_t layer_count;
    const struct map *annotations; /* to print: char * values, borrowed; NULL: none */
};

/* `expected` is the type by which it was asked for or delivered, MEDIA_UNKNOWN if nobody said; a
 * body that says otherwise, or that also looks like an index, is CORRUPT. Layers of an unknown type
 * are UNSUPPORTED. */
int manifest_parse(const char *text, size_t len, enum media_type expected, struct manifest *out,
                   struct error *err) MUST_CHECK;
/* The same of an image or of something else (an attestation), to pass it on: what its blobs are
 * does not matter. */
int manifest_parse_any(const char *text, size_t len, enum media_type expected, struct manifest *out,
                       struct error *err) MUST_CHECK;
/* The document with two-space indentation, as BuildKit writes it. */
void manifest_print(const struct manifest *m, struct strbuf *out);
void manifest_release(struct manifest *m);
DEFINE_AUTO(manifest, struct manifest, manifest_release(value))

struct index_entry {
    struct descriptor descriptor;
    struct platform platform; /* os "" if the entry names none */
    char *ref_name;           /* org.opencontainers.image.ref.name, or NULL */
    char *image_name;         /* io.containerd.image.name, or NULL */
    char *created;            /* org.opencontainers.image.created, or NULL */
    bool is_attestation;      /* annotated vnd.docker.reference.type; never printed */
};
struct index {
    enum media_type media_type; /* MEDIA_UNKNOWN prints as the OCI one */
    struct index_entry *entries;
    size_t count;
};

int index_parse(const char *text, size_t len, enum media_type expected, struct index *out,
                struct error *err) MUST_CHECK;
/* As index.json of an image layout. */
void index_print(const struct index *index, struct strbuf *out);
void index_release(struct index *index);
DEFINE_AUTO(index, struct index, index_release(value))
/* The entry that suits `wanted` best (attestations and other types never do), or NULL. */
const struct index_entry *index_choose(const struct index *index, const struct platform *wanted);

#endif
