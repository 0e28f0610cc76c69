/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packed_layer: a layer of ours that was written as a blob, and may have no tree: COPY of what
 * nothing mounts. Its id is its diff_id, as that of a base image's layer.
 *
 * The times in the tar are final, so such a layer stands for the files it was made of only under
 * some epochs (design.md 7); packed_layer_fits says whether under this one.
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
    int64_t newest_s;   /* the latest time in it */
    bool has_our_times; /* of directories and files that we made ourselves: they follow the epoch */
    bool is_clamped;    /* times were set back to `epoch_s` */
    int64_t epoch_s;
};

bool packed_layer_find(const struct store *store, const char *id, struct packed_layer *out);
int packed_layer_put(const struct store *store, const char *id, const struct packed_layer *layer,
                     struct error *err) MUST_CHECK;
/* Are its times those that a build with this epoch (or none) gives to the same files? */
bool packed_layer_fits(const struct packed_layer *layer, bool has_epoch, int64_t epoch_s);

#endif
