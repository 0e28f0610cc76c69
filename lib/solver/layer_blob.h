/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer_blob: a packed layer, of a base image or of ours, as a plain tar stream; fetched if it is
 * not there. Decompression and digest are done by a job of the pool, ahead of the reader.
 *
 *     struct layer_blob *blob = NULL;
 *     TRY(layer_blob_open(s, id, progress, &blob, err));
 *     ... read layer_blob_base(blob) to its end, where it is known that all of it was right
 *     layer_blob_free(blob);
 *
 * Only the end is a proof: until then nothing of what was read may be used by others. A stream that
 * is not what the image promised ends with CORRUPT.
 */
#ifndef LIB_SOLVER_LAYER_BLOB_H
#define LIB_SOLVER_LAYER_BLOB_H

#include "lib/solver/solver.h"

struct layer_blob;

/* Errors: NOT_FOUND for a layer that has no blob; those of the image's provider. */
int layer_blob_open(const struct solver *s, const char *id, unsigned progress,
                    struct layer_blob **out, struct error *err) MUST_CHECK;
struct reader *layer_blob_base(struct layer_blob *blob);
/* At any time. */
void layer_blob_free(struct layer_blob *blob);
DEFINE_AUTO(layer_blob, struct layer_blob *, layer_blob_free(*value))

#endif
