/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer: the unpacked face of layers, `layers/<id>/{fs/,layer.json}`. `fs` is one diff in overlayfs
 * form, ready to mount; what is in it is the snapshotter's affair.
 *
 * Invariant: layer.json is written before the directory gets its name, so a named layer is whole.
 * An id is the diff_id's hex digits for layers that came as a blob, else 32 random digits
 * (design.md 3).
 *
 *     layer_begin -> fill <scratch>/fs -> layer_commit        or the scratch directory is thrown
 * away
 */
#ifndef LIB_STORE_LAYER_H
#define LIB_STORE_LAYER_H

#include "lib/codec/digest.h"
#include "lib/store/store.h"

/* What layer.json says. */
struct layer_info {
    bool has_diff_id;
    struct digest diff_id; /* of the plain tar */
    uint64_t tar_size;     /* bytes of that tar; 0 if not known */
    bool has_root;         /* the diff says something about the root directory itself: */
    unsigned root_mode, root_uid, root_gid;
    char *created; /* RFC 3339: when the step that made it ended; NULL for unpacked blobs */
};
void layer_info_release(struct layer_info *info);
DEFINE_AUTO(layer_info, struct layer_info, layer_info_release(value))

enum { LAYER_SCRATCH_SIZE = 33 };

/* Makes an empty scratch directory with an empty `fs`; its name is in store->scratch_fd. */
int layer_begin(const struct store *store, char scratch[static LAYER_SCRATCH_SIZE],
                struct error *err) MUST_CHECK;
/* Writes layer.json and gives the scratch directory its name. If another builder was faster, its
 * layer stays and this one is thrown away. */
int layer_commit(const struct store *store, const char *scratch, const char *id,
                 const struct layer_info *info, struct error *err) MUST_CHECK;
/* Moves a scratch directory that is not wanted to trash. */
void layer_abandon(const struct store *store, const char *scratch);

/* Is the layer there, whole, and durable enough for this boot? *out may be NULL; else the caller
 * releases it. A missing layer is no error: *out_present is false. */
int layer_find(const struct store *store, const char *id, bool *out_present, struct layer_info *out,
               struct error *err) MUST_CHECK;
/* It will be needed, if it is there (use.h); whether it is whole is not asked. */
bool layer_use(const struct store *store, const char *id);
/* Moves a layer that nobody has been told of to trash. */
void layer_remove(const struct store *store, const char *id);
/* Opens `layers/<id>/fs`. */
int layer_open_tree(const struct store *store, const char *id, int *out_fd,
                    struct error *err) MUST_CHECK;

#endif
