/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image: an image in a bucket: its manifest is an object of any name, its blobs are objects named
 * PREFIXsha256:HEX.
 *
 * A blob that is opened comes in ranges of S3_RANGE_SIZE, each asked for when what came before has
 * been read: no thread waits for the server, memory stays flat, and a transfer that breaks off goes
 * on where it stopped.
 */
#ifndef LIB_S3_IMAGE_H
#define LIB_S3_IMAGE_H

#include "lib/oci/platform.h"
#include "lib/registry/image_source.h"
#include "lib/s3/bucket.h"

enum { S3_RANGE_SIZE = 32 * 1024 * 1024 };

char *s3_blob_key(const char *blob_prefix, const struct digest *digest)
    __attribute__((returns_nonnull));

/* The image whose manifest is the object `key`. That there is none, or that what it names is
 * neither in the bucket nor in the store, is no error: *out_found is false. The caller releases
 * *out, before the bucket. Errors: NETWORK, REMOTE, USER (keys), CORRUPT, UNSUPPORTED, CANCELLED.
 */
int s3_image_find(struct s3_bucket *bucket, const char *key, const char *blob_prefix,
                  const struct platform *platform, struct image_source *out, bool *out_found,
                  struct error *err) MUST_CHECK;

#endif
