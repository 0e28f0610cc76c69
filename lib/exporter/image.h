/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image: what a build leads to, as the store records it: the configuration (whose digest is the
 * image id), and the layers with their diff_ids and, where they are wanted or came so, their blobs.
 */
#ifndef LIB_EXPORTER_IMAGE_H
#define LIB_EXPORTER_IMAGE_H

#include "lib/graph/graph.h"
#include "lib/layer/face.h"
#include "lib/solver/solver.h"
#include "lib/store/image_store.h"

/* A layer of an image that is on its way. */
struct image_blob {
    struct descriptor blob;
    uint32_t index; /* among the image's layers, the lowest is 0 */
    bool is_own;    /* of this Dockerfile, and not of others' making */
};
/* Told of a layer whose blob is in the store, before the image is done. Any thread. */
typedef void image_blob_fn(void *arg, const struct image_blob *blob);

struct image_request {
    const struct definition *definition;
    const struct solver *solver; /* of `result` */
    const struct result *result; /* NULL: an image without layers */
    struct face_options faces;
    bool tells_steps; /* the configuration says which steps made it, for a shared cache */
    struct progress *progress;
    image_blob_fn *on_blob; /* told of most layers, in any order; NULL: nobody wants to know */
    void *on_blob_arg;
};

/* Makes the record (without a name) and stores the configuration. *out_found is false if something
 * is not known yet and faces.snapshotter is NULL. With faces.pack our layers have a blob in the
 * store: they are packed, side by side; with faces.fetch those of others have (of the base, of a
 * shared cache), so that a named image does not depend on where they came from. */
int image_assemble(const struct image_request *request, struct image_record *out, bool *out_found,
                   struct error *err) MUST_CHECK;
/* Of that the layers alone, as request->faces says. */
int image_make_layers(const struct image_request *request, struct image_record *out,
                      unsigned progress, bool *out_found, struct error *err) MUST_CHECK;

/* Packs the layers of a recorded image that have no blob; those are its own for `on_blob` (may be
 * NULL), which is told of all. */
int image_pack(struct image_record *image, const struct face_options *faces, image_blob_fn *on_blob,
               void *on_blob_arg, struct error *err) MUST_CHECK;
/* Do all layers have a blob that is in the store? */
bool image_is_packed(const struct image_record *image, const struct store *store);

/* Writes the manifest of a packed image into the store and into the record. `annotations` may be
 * NULL. */
int image_put_manifest(struct image_record *image, const struct store *store,
                       const struct map *annotations, struct error *err) MUST_CHECK;

#endif
