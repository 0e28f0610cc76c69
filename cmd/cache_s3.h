/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_s3: type=s3 of --cache-from and --cache-to: what buildx calls its attributes, what the
 * environment says where they do not, and the location that they name. Keys of the command line are
 * in no message.
 */
#ifndef CMD_CACHE_S3_H
#define CMD_CACHE_S3_H

#include "cmd/session.h"
#include "lib/cache/cache_location.h"

/* As they were given; NULL: not. */
struct cache_s3_texts {
    char *region, *bucket, *name, *prefix, *blobs_prefix, *manifests_prefix, *endpoint;
    char *id, *secret, *token;
    char *parallelism;
};

struct cache_s3;

/* `option` is for messages. The texts are the caller's; *out is, too. Errors: USAGE. */
int cache_s3_read(const char *option, const struct cache_s3_texts *texts, bool is_path_style,
                  struct cache_s3 **out, struct error *err) MUST_CHECK;
void cache_s3_free(struct cache_s3 *s3);
DEFINE_AUTO(cache_s3, struct cache_s3 *, cache_s3_free(*value))

/* The session's store is open. `s3` outlives the location. */
struct cache_location *cache_s3_open(const struct cache_s3 *s3, struct session *s);

#endif
