/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache: which layer a step has led to before (design.md 4). Two keys lead to a record:
 *
 *   definition key  H(op, definition keys of the inputs); known before anything runs. A local
 *                   context counts as the digest of what is selected from it, an image as its
 *                   digest. The record is kept under it and the layers that the inputs have.
 *   result key      H(op, what each input turned out to be): for a mounted root its whole ordered
 *                   layer-id list, for copied files their digest, for COPY's destination its facts.
 *
 * A record is a hint: its layer is used only if it is still there. It keeps the recipe of its key,
 * in words, so that a miss can be explained by what changed.
 */
#ifndef LIB_CACHE_CACHE_H
#define LIB_CACHE_CACHE_H

#include "lib/base/strvec.h"
#include "lib/cache/layer_times.h"
#include "lib/graph/graph.h"
#include "lib/store/store.h"

struct cache_record {
    char layer[LAYER_ID_SIZE];
    char *created; /* RFC 3339: when the step ended; a cached build says the same */
    struct layer_times times;
};
void cache_record_release(struct cache_record *r);
DEFINE_AUTO(cache_record, struct cache_record, cache_record_release(value))

/* True if there is a record under `key` whose layer is in the store, as a tree or packed. */
bool cache_find(const struct store *store, const struct digest *key, struct cache_record *out);
int cache_put(const struct store *store, const struct digest *key,
              const struct cache_record *record, const struct strvec *recipe,
              struct error *err) MUST_CHECK;

/* The layers that were last made under `key`, newest first; those that are gone are left out. */
void cache_find_recent(const struct store *store, const struct digest *key, struct strvec *out);
/* Puts `layer` before them; the oldest are forgotten. */
int cache_put_recent(const struct store *store, const struct digest *key, const char *layer,
                     struct error *err) MUST_CHECK;

/* Remembers a digest under a key: that of a selection of files in a stack of layers. */
bool cache_find_digest(const struct store *store, const struct digest *key, struct digest *out);
int cache_put_digest(const struct store *store, const struct digest *key,
                     const struct digest *value, struct error *err) MUST_CHECK;

/* Keys under construction: what goes into the hash goes into the recipe. */
struct cache_key {
    struct hasher *hasher;
    struct strvec recipe;
};
struct cache_key cache_key_begin(const char *kind);
void cache_key_add_digest(struct cache_key *k, const char *what, const struct digest *d);
void cache_key_add_text(struct cache_key *k, const char *what, const char *text);
/* What a step rests on: `name`, which may change while it stays the same, is in the recipe alone.
 */
void cache_key_add_input(struct cache_key *k, const char *name, const struct digest *key);
void cache_key_finish(struct cache_key *k, struct digest *out);
void cache_key_release(struct cache_key *k);
DEFINE_AUTO(cache_key, struct cache_key, cache_key_release(value))

#endif
