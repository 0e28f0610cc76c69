/* SPDX-License-Identifier: Apache-2.0 */
/*
 * face: the blob face of a layer that we built (design.md 3): its diff_id, and if somebody wants to
 * export it the packed blob. Made once, remembered under (layer, epoch, byte layout).
 */
#ifndef LIB_LAYER_FACE_H
#define LIB_LAYER_FACE_H

#include "lib/base/cancel.h"
#include "lib/base/claims.h"
#include "lib/base/meter.h"
#include "lib/base/thread_pool.h"
#include "lib/layer/packing.h"
#include "lib/layer/snapshotter.h"
#include "lib/store/packed_layer.h"
#include "lib/store/store.h"

struct face_options {
    const struct store *store;
    struct snapshotter *snapshotter; /* NULL: only look up */
    struct thread_pool *pool;
    const struct cancel *cancel;
    struct claims *claims; /* ids of layers that threads are packing; NULL: there is one thread */
    struct meter *meter;   /* of the tars that are made, or NULL */
    struct diff_options diff;
    struct packing packing; /* of blobs */
    bool pack;              /* a blob is wanted, not only the diff_id */
    bool fetch;             /* blobs of layers that others made are wanted in the store */
};

struct layer_face {
    struct digest diff_id;
    uint64_t tar_size; /* bytes of the plain tar */
    bool has_blob;
    struct descriptor blob;
};

/* *out_found is false if it is not known and there is no snapshotter to make it. */
int layer_face_get(const struct face_options *o, const char *id, struct layer_face *out,
                   bool *out_found, struct error *err) MUST_CHECK;
/* The same for a layer of a base image, packed anew from `blob`, which is in the store. */
int layer_face_repack(const struct face_options *o, const char *id, const struct descriptor *blob,
                      struct layer_face *out, bool *out_found, struct error *err) MUST_CHECK;
/* Remembers a face that was made elsewhere, as `packing` says. */
int layer_face_put(const struct face_options *o, const struct packing *packing, const char *id,
                   const struct layer_face *face, struct error *err) MUST_CHECK;

#endif
