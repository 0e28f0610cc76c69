/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packed_layer: a layer of ours that was written as a blob, and may have no tree: COPY of what
 * nothing mounts. Its id is its diff_id, as that of a base image's layer.
 *
 * The times in the tar are final; for which epochs they are right, the step's record says
 * (lib/cache/layer_times.h).
 *
 * A record like any other: a hint, that counts only while the blob is there.
 */
#ifndef LIB_STORE_PACKED_LAYER_H
#define LIB_STORE_PACKED_LAYER_H

#include "lib/codec/digest.h"
#include "lib/codec/pack.h"
#include "lib/store/store.h"

struct packed_layer {
    struct digest blob;
    uint64_t blob_size;
    char layout[PACK_LAYOUT_SIZE]; /* of the blob's bytes: format, level, version */
    uint64_t tar_size;
};

bool packed_layer_find(const struct store *store, const char *id, struct packed_layer *out);
int packed_layer_put(const struct store *store, const char *id, const struct packed_layer *layer,
                     struct error *err) MUST_CHECK;
#endif
