/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map: string -> pointer. Iteration follows insertion order, so that output made from a map is
 * reproducible. Keys are copied; values are the caller's unless `free_value` is given.
 *
 *     struct map m = { .free_value = free };
 *     map_set(&m, "key", value);
 *     for (size_t i = 0; i < m.count; i++)  ... m.entries[i].key, m.entries[i].value
 *     map_release(&m);
 */
#ifndef LIB_BASE_MAP_H
#define LIB_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"

struct map_entry {
    char *key;
    void *value;
    uint64_t hash;
};

struct map {
    struct map_entry *entries;
    size_t count;
    size_t cap;
    uint32_t *slots; /* entry index + 1; 0 is empty */
    size_t slot_count;
    void (*free_value)(void *value);
};

/* The value under `key`, or NULL. */
void *map_find(const struct map *m, const char *key);
/* Sets or replaces; a replaced entry keeps its place. */
void map_set(struct map *m, const char *key, void *value);
void map_release(struct map *m);

DEFINE_AUTO(map, struct map, map_release(value))

#endif
