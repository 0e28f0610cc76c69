/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bucket: objects of one bucket of an S3 server: whole small ones, and blobs of the store.
 *
 *     struct s3_bucket *bucket = s3_bucket_new(&options);
 *     TRY(s3_put_blob(bucket, "blobs/sha256:...", &blob, &put, err));
 *     TRY(s3_put_text(bucket, "manifests/a", text, len, err));
 *     TRY(s3_get_text(bucket, "manifests/a", limit, &text, &found, err));
 *     s3_bucket_free(bucket);                       blobs into the store: image.h
 *
 * Invariants: every request is signed, and says what its body hashes to. https, unless the endpoint
 * says http. No redirect is followed: a bucket of another region is an error that names it. What
 * passes (5xx, 429, a connection that broke off) is tried again; an object appears whole or not at
 * all.
 *
 * Nothing is connected before the first request. Thread-safe; may be used on both sides of a fork
 * that happens between requests.
 */
#ifndef LIB_S3_BUCKET_H
#define LIB_S3_BUCKET_H

#include "lib/base/cancel.h"
#include "lib/base/progress.h"
#include "lib/base/thread_pool.h"
#include "lib/net/retry.h"
#include "lib/net/url.h"
#include "lib/oci/descriptor.h"
#include "lib/s3/keys.h"
#include "lib/store/store.h"

/* All borrowed, for as long as the bucket lives. */
struct s3_options {
    const struct url *endpoint; /* with the path, if any, below which buckets are */
    const char *region, *name;
    bool is_path_style; /* ENDPOINT/BUCKET/KEY, not BUCKET.ENDPOINT/KEY */
    /* Read by s3_bucket_new; what is wrong with them is told by every request. */
    const struct s3_key_places *places;
    const struct retry_policy *retry; /* NULL: retry_policy_default */
    const struct store *store;
    struct progress *progress;   /* may be NULL */
    const struct cancel *cancel; /* may be NULL */
    uint64_t part_size; /* blobs of more than two parts are sent in parts; 0: S3_PART_SIZE */
    /* Told why something is tried again, for --debug; may be NULL. Any thread. */
    void (*explain)(void *arg, const char *text);
    void *explain_arg;
};

enum { S3_PART_SIZE = 64 * 1024 * 1024, S3_PARALLEL_DEFAULT = 4 };

struct s3_bucket;
struct s3_bucket *s3_bucket_new(const struct s3_options *options);
void s3_bucket_free(struct s3_bucket *bucket);

/* Appends the object `key`, at most `limit` bytes. One that is not there is no error: *out_found is
 * false. Errors: NETWORK, REMOTE, USER (keys), CORRUPT (longer), CANCELLED. */
int s3_get_text(struct s3_bucket *bucket, const char *key, uint64_t limit, struct strbuf *out,
                bool *out_found, struct error *err) MUST_CHECK;
int s3_put_text(struct s3_bucket *bucket, const char *key, const void *data, size_t len,
                struct error *err) MUST_CHECK;

struct s3_put {
    struct thread_pool *pool;
    size_t width; /* parts at a time; 0: S3_PARALLEL_DEFAULT */
    unsigned vertex;
};
/* Sends a blob of the store, unless the bucket has the object with that size: then the store need
 * not have it. Errors: as above, NOT_FOUND (of the store). */
int s3_put_blob(struct s3_bucket *bucket, const char *key, const struct descriptor *blob,
                const struct s3_put *put, struct error *err) MUST_CHECK;

#endif
