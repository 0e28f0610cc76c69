/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_options: --cache-from and --cache-to, in buildx's grammar, and the locations that they
 * name.
 *
 *     TRY(cache_options_read(&froms, &tos, &packing, &caches, err));     texts
 *     TRY(cache_options_open(&caches, session, err));                   locations
 *     ... caches.from, caches.to, caches.is_inline ...
 *     cache_options_release(&caches);
 */
#ifndef CMD_CACHE_OPTIONS_H
#define CMD_CACHE_OPTIONS_H

#include "cmd/cache_s3.h"
#include "cmd/session.h"
#include "lib/exporter/cache_export.h"
#include "lib/layer/packing.h"

enum cache_type { CACHE_REGISTRY, CACHE_LOCAL, CACHE_INLINE, CACHE_S3 };

/* One of the options. */
struct cache_option {
    enum cache_type type;
    char *place;         /* a reference, or a path; NULL for the others */
    struct cache_s3 *s3; /* of CACHE_S3 */
    bool all_steps, ignore_error, mounts;
    struct packing packing; /* of what is written */
};

struct cache_options {
    struct cache_option *from_options, *to_options;
    size_t from_count, to_count;
    bool is_inline; /* the image itself is to tell of its steps */
    bool mounts;    /* kept directories are asked for, too */
    /* After cache_options_open: */
    struct cache_location **from; /* from_count of them */
    struct cache_destination *to; /* destination_count */
    size_t destination_count;
};

/* `packing` is that of outputs that do not say so themselves. Errors: USAGE, UNSUPPORTED. */
int cache_options_read(const struct strvec *froms, const struct strvec *tos,
                       const struct packing *packing, struct cache_options *out,
                       struct error *err) MUST_CHECK;
/* The session's store is open. Errors: USAGE (a reference that is none), USER. */
int cache_options_open(struct cache_options *c, struct session *s, struct error *err) MUST_CHECK;
/* A builder is about to be forked off, which will write to them. */
void cache_options_prepare(struct cache_options *c);
void cache_options_release(struct cache_options *c);

#endif
