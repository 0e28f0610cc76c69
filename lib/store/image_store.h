/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image_store: tags. `images/<escaped reference>` says for a full reference which configuration and
 * which layers it names, packed or not; images that were pulled as bases are recorded the same way.
 */
#ifndef LIB_STORE_IMAGE_STORE_H
#define LIB_STORE_IMAGE_STORE_H

#include <string.h>

#include "lib/base/strvec.h"
#include "lib/codec/digest.h"
#include "lib/store/store.h"

struct image_record_layer {
    char id[DIGEST_HEX_SIZE]; /* of the unpacked face, see layer.h */
    struct digest diff_id;
    uint64_t tar_size; /* bytes of the plain tar; 0 if we did not make it */
    bool has_epoch;    /* the diff_id is that of the tree clamped to: */
    int64_t epoch_s;
    bool has_blob; /* it has been packed, or came packed: */
    struct digest blob;
    uint64_t blob_size;
    char media_type[80];
};

struct image_record {
    char *name;           /* full reference: docker.io/library/img:latest; or see has_name */
    struct digest config; /* the image id; the blob is in the store */
    bool has_manifest;
    struct digest manifest;
    uint64_t manifest_size;
    char *manifest_type;
    char *created;                     /* RFC 3339: when the record was made */
    struct image_record_layer *layers; /* bottom first */
    size_t layer_count;
};

/* An image without a name is recorded under its id, "sha256:<hex>"; a reference has a slash. */
static inline bool image_record_has_name(const struct image_record *image)
{
    return strchr(image->name, '/') != NULL;
}

void image_record_release(struct image_record *image);
DEFINE_AUTO(image_record, struct image_record, image_record_release(value))

/* What is there of the image is used by that (use.h). Errors: NOT_FOUND, CORRUPT, SYSTEM. */
int image_store_find(const struct store *store, const char *name, struct image_record *out,
                     struct error *err) MUST_CHECK;
int image_store_put(const struct store *store, const struct image_record *image,
                    struct error *err) MUST_CHECK;
/* Does the store say this of image->name already? Then there is nothing to put. */
bool image_store_has(const struct store *store, const struct image_record *image);
/* Removes the tag; what it named stays until prune. Errors: NOT_FOUND. */
int image_store_remove(const struct store *store, const char *name, struct error *err) MUST_CHECK;

/* The same record as file `file` of directory `dir_fd`, for one process to tell another. */
int image_record_save(const struct store *store, int dir_fd, const char *file,
                      const struct image_record *image, struct error *err) MUST_CHECK;
int image_record_load(const struct store *store, int dir_fd, const char *file,
                      struct image_record *out, struct error *err) MUST_CHECK;

typedef int image_store_fn(void *arg, const struct image_record *image, struct error *err);
/* Calls `fn` for every tag, sorted by name; a record that cannot be read is passed over. */
int image_store_each(const struct store *store, image_store_fn *fn, void *arg,
                     struct error *err) MUST_CHECK;

#endif
