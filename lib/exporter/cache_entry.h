/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_entry: the image that holds one entry of a shared cache: its layers, and a configuration
 * that says little but the entry (lib/cache/shared_entry.h).
 *
 *     cache_entry_begin -> entry.table, cache_entry_add_layer ... -> cache_entry_put ->
 * entry.manifest
 */
#ifndef LIB_EXPORTER_CACHE_ENTRY_H
#define LIB_EXPORTER_CACHE_ENTRY_H

#include "lib/cache/shared_entry.h"
#include "lib/oci/image_config.h"
#include "lib/store/store.h"

struct cache_entry {
    struct image_config config;
    struct shared_table table;
    struct manifest manifest; /* complete after cache_entry_put */
    size_t layer_cap;
};

struct cache_entry cache_entry_begin(const struct platform *platform);
void cache_entry_add_layer(struct cache_entry *e, const struct digest *diff_id,
                           const struct descriptor *blob);
/* Puts the configuration into the store. */
int cache_entry_put(struct cache_entry *e, const struct store *store, struct error *err) MUST_CHECK;
void cache_entry_release(struct cache_entry *e);
DEFINE_AUTO(cache_entry, struct cache_entry, cache_entry_release(value))

#endif
