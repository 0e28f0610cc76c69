/* SPDX-License-Identifier: Apache-2.0 */
/* bucket_internal: requests to a bucket, for bucket.c, upload.c and image.c. */
#ifndef LIB_S3_BUCKET_INTERNAL_H
#define LIB_S3_BUCKET_INTERNAL_H

#include "lib/base/claims.h"
#include "lib/base/error.h"
#include "lib/codec/digest.h"
#include "lib/net/http.h"
#include "lib/s3/bucket.h"

struct s3_bucket {
    struct s3_options options;
    char *host;       /* as the header says it */
    char *base;       /* the address below which keys are, without the last '/' */
    const char *path; /* of `base` */
    struct s3_keys keys;
    struct error no_keys;
    struct http_client *http;
    struct http_client *cleaning; /* for what is done even if the build is cancelled */
    struct claims claims;         /* keys of blobs that are being sent or fetched */
    pthread_mutex_t lock;         /* guards what follows */
    struct map there;             /* keys of blobs that the bucket has been seen to have */
};

struct s3_request {
    const char *method;
    const char *key;
    const char *query;           /* as signature.h wants it; NULL: none */
    const char *range;           /* "bytes=0-9"; NULL: all */
    bool is_cleaning;            /* done even if the build is cancelled */
    const struct digest *digest; /* of the body that is sent; NULL: there is none */
    struct http_bodies bodies;
};

/* One request, signed; once. Any status is a success. */
int s3_call(const struct s3_bucket *bucket, const struct s3_request *request,
            struct http_response *response, struct error *err) MUST_CHECK;
/* retry_run with the bucket's policy; `position` may be NULL. */
int s3_try(const struct s3_bucket *bucket, retry_attempt_fn *attempt, void *arg,
           const uint64_t *position, struct error *err) MUST_CHECK;

/* Does the bucket have the object `key`, with `size` bytes? What it was seen to have is not asked
 * for again. Errors: NETWORK, USER (keys), CANCELLED: why it is not there, or not ours to see,
 * others will hear. */
int s3_look(struct s3_bucket *bucket, const char *key, uint64_t size, bool *out_is_there,
            struct error *err) MUST_CHECK;
/* The bucket has it now. */
void s3_remember(struct s3_bucket *bucket, const char *key);

/* Makes the error of an answer that is none of those wanted: NETWORK if it may pass, else REMOTE.
 * `what` is for people: "read manifests/a". */
int s3_answer_error(const struct s3_bucket *bucket, const char *what,
                    const struct http_response *response, struct error *err);
/* The text of the first element `name` of an XML answer; the caller frees it. NULL: there is none.
 */
char *s3_answer_element(const struct http_response *response, const char *name);

#endif
