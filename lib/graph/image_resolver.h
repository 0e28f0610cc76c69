/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_resolver: INTERFACE by which a frontend asks for a base image's configuration without
 * knowing of registries, layouts or the store. Implemented above (cmd/base_image.c).
 */
#ifndef LIB_GRAPH_IMAGE_RESOLVER_H
#define LIB_GRAPH_IMAGE_RESOLVER_H

#include "lib/codec/pack.h"
#include "lib/oci/blob_provider.h"
#include "lib/oci/image_config.h"

/* A layer id (design: identity): a diff_id's 64 hex digits for layers that came as a blob, else 32
 * random ones. */
enum { LAYER_ID_SIZE = 65 };

struct image_layer {
    char id[LAYER_ID_SIZE];
    struct digest diff_id;
    struct descriptor blob; /* as it was delivered; size 0: this layer has never been packed */
    uint64_t tar_size;      /* bytes of the plain tar; 0: not known */
    char
        layout[PACK_LAYOUT_SIZE]; /* of the blob's bytes, if we have packed it somewhere; else "" */
    bool has_epoch;               /* never packed: its diff_id is that of the files clamped to: */
    int64_t epoch_s;
};

/* A base image as it was found; owned by the resolver, valid as long as it. */
struct resolved_image {
    const char *name;     /* full reference, for people */
    struct digest digest; /* of the manifest, or of the config for an image that was never packed */
    struct image_config config;
    struct image_layer *layers; /* bottom first */
    size_t layer_count;
    struct blob_provider *provider; /* NULL: all blobs that exist are in the store */
    const char *advice;             /* if a layer cannot be had; NULL: none */
};

/* One that will be asked for. */
struct expected_image {
    const char *reference;
    const struct platform *platform;
};

struct image_resolver {
    /* What `resolve` will soon be asked for: looked up side by side, and nothing is told yet. NULL:
     * it is as well looked up when it is asked for. */
    void (*expect)(struct image_resolver *resolver, const struct expected_image *images,
                   size_t count);
    /* Finds `reference` (as written in FROM) for `platform`: named contexts first, then the local
     * store, then the registry. Errors: USER, REMOTE, NETWORK, CORRUPT. */
    int (*resolve)(struct image_resolver *resolver, const char *reference,
                   const struct platform *platform, const struct resolved_image **out,
                   struct error *err);
    /* The named context that `name` means if that is a plain directory (--build-context name=DIR),
     * as op_local calls it; else NULL. */
    const char *(*local_context)(struct image_resolver *resolver, const char *name);
    /* Is there a named context of any kind for `name`? It stands in for a stage of that name. */
    bool (*has_context)(struct image_resolver *resolver, const char *name);
};

#endif
