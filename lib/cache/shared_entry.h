/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared_entry: what builders tell each other of steps: which layers, by diff_id, the key of a step
 * has led to. It is a member of an image's configuration, "mlbuild.cache.v1", so that an entry is
 * an image like any other: registries keep its layers, every tool can look at it, and an image can
 * carry the entries of the steps that made it (type=inline).
 *
 *     { "layers":  [{ "diff_id": "sha256:...", "tar_size": 1536, "layout": "...", "created": "..."
 * }], "entries": [{ "key": "sha256:...", "stack": [0, 1], "recipe": ["op sha256:...", ...] }] }
 *
 * A stack is all layers of the result, bottom first, as places in "layers". Those that the image
 * has not are of the base image: whoever takes the entry has them, or the entry is not for him.
 * A recipe says in words what the key was made of; nobody's decision rests on it.
 */
#ifndef LIB_CACHE_SHARED_ENTRY_H
#define LIB_CACHE_SHARED_ENTRY_H

#include "lib/base/strvec.h"
#include "lib/codec/digest.h"
#include "lib/codec/json.h"
#include "lib/codec/pack.h"

enum { SHARED_STACK_MAX = 500 };

struct shared_layer {
    struct digest diff_id;
    uint64_t tar_size;             /* bytes of the plain tar; 0: not known */
    char layout[PACK_LAYOUT_SIZE]; /* of the blob's bytes; "": that of others (a base) */
    char *created;                 /* RFC 3339: when the step ended; NULL: it was none of ours */
};

struct shared_entry {
    struct digest key;
    size_t *stack; /* places in the table's layers, bottom first */
    size_t stack_count;
    struct strvec recipe;
};

struct shared_table {
    struct shared_layer *layers;
    size_t layer_count, layer_cap;
    struct shared_entry *entries;
    size_t entry_count, entry_cap;
};
void shared_table_release(struct shared_table *t);
DEFINE_AUTO(shared_table, struct shared_table, shared_table_release(value))

/* Adds the layer unless the table has it, made at the same time; *layer is copied. Returns its
 * place. */
size_t shared_table_add_layer(struct shared_table *t, const struct shared_layer *layer);
/* An entry with an empty stack and recipe, to be filled; valid until the next is added. */
struct shared_entry *shared_table_add_entry(struct shared_table *t, const struct digest *key);
void shared_entry_push(struct shared_entry *e, size_t place);

const struct shared_entry *shared_table_find(const struct shared_table *t,
                                             const struct digest *key);

/* Sets the member of a configuration. */
void shared_table_print(const struct shared_table *t, js *config);
/* Reads it from the text of one; an empty table if there is none. Errors: CORRUPT. The caller
 * releases *out in any case. */
int shared_table_parse(const char *text, size_t len, struct shared_table *out,
                       struct error *err) MUST_CHECK;

#endif
