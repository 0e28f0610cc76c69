/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_blob: a packed layer, of a base image or of ours, as a plain tar stream. What is not in the
 * store is fetched, and read while it arrives. Decompression and digests are done by a job of the
 * pool, ahead of the reader.
 *
 *     struct layer_blob *blob = NULL;
 *     TRY(layer_blob_open(s, id, LAYER_BLOB_ANY, progress, &blob, err));
 *     ... read layer_blob_base(blob) to its end, where it is known that all of it was right
 *     layer_blob_free(blob);
 *
 * Only the end is a proof: until then nothing of what was read may be used by others. A stream that
 * is not what the image promised ends with CORRUPT. If it was live, a transfer that was damaged and
 * is being mended may be the reason: then try again, once, with LAYER_BLOB_FETCHED.
 */
#ifndef LIB_SOLVER_LAYER_BLOB_H
#define LIB_SOLVER_LAYER_BLOB_H

#include "lib/solver/solver.h"

struct layer_blob;

enum layer_blob_source {
    LAYER_BLOB_ANY,
    LAYER_BLOB_FETCHED, /* wait until the store has it, verified */
};

/* Errors: NOT_FOUND for a layer that has no blob; those of the image's provider. */
int layer_blob_open(const struct solver *s, const char *id, enum layer_blob_source source,
                    unsigned progress, struct layer_blob **out, struct error *err) MUST_CHECK;
/* Is it read as it arrives? */
bool layer_blob_is_live(const struct layer_blob *blob);
struct reader *layer_blob_base(struct layer_blob *blob);
/* At any time. */
void layer_blob_free(struct layer_blob *blob);
DEFINE_AUTO(layer_blob, struct layer_blob *, layer_blob_free(*value))

#endif
