/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_cache: what other builders have shared of their steps: the locations that are asked, in
 * order, and the answers, each fetched once. An answer is a document; its layers stay where they
 * are until somebody needs them.
 *
 * A location that fails is told of once and not asked again: a build never fails for a cache.
 */
#ifndef LIB_CACHE_SHARED_CACHE_H
#define LIB_CACHE_SHARED_CACHE_H

#include "lib/base/progress.h"
#include "lib/cache/cache_location.h"
#include "lib/cache/shared_entry.h"

struct shared_cache_options {
    struct cache_location *const *locations; /* borrowed, as long as the cache lives */
    size_t location_count;
    const struct platform *platform; /* likewise */
    struct progress *progress;
};

/* What a location says of a key. Borrowed, until the cache is freed. */
struct shared_answer {
    const struct cache_location *location;
    const struct image_source *image;
    const struct shared_table *table;
    const struct shared_entry *entry; /* of the table */
};

struct shared_cache;
struct shared_cache *shared_cache_new(const struct shared_cache_options *options);
void shared_cache_free(struct shared_cache *cache);
DEFINE_AUTO(shared_cache, struct shared_cache *, shared_cache_free(*value))

/* False if no location knows the key. Any thread; the answers survive a fork. */
bool shared_cache_find(struct shared_cache *cache, const struct digest *key,
                       struct shared_answer *out);

#endif
