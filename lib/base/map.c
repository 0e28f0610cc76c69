/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/map.h"

#include "lib/base/mem.h"

static uint64_t hash_of(const char *key)
{
    uint64_t h = 14695981039346656037ULL; /* FNV-1a */
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211ULL;
    return h;
}

static uint32_t *slot_of(const struct map *m, const char *key, uint64_t hash)
{
    size_t i = hash & (m->slot_count - 1);
    while (m->slots[i]) {
        const struct map_entry *e = &m->entries[m->slots[i] - 1];
        if (e->hash == hash && strcmp(e->key, key) == 0)
            break;
        i = (i + 1) & (m->slot_count - 1);
    }
    return &m->slots[i];
}

static void grow(struct map *m)
{
    m->slot_count = m->slot_count ? m->slot_count * 2 : 16;
    free(m->slots);
    m->slots = xcalloc(m->slot_count, sizeof *m->slots);
    for (size_t i = 0; i < m->count; i++)
        *slot_of(m, m->entries[i].key, m->entries[i].hash) = (uint32_t)(i + 1);
}

void *map_find(const struct map *m, const char *key)
{
    if (m->count == 0)
        return NULL;
    uint32_t at = *slot_of(m, key, hash_of(key));
    return at ? m->entries[at - 1].value : NULL;
}

void map_set(struct map *m, const char *key, void *value)
{
    if ((m->count + 1) * 2 > m->slot_count)
        grow(m);
    uint64_t hash = hash_of(key);
    uint32_t *slot = slot_of(m, key, hash);
    if (*slot) {
        struct map_entry *e = &m->entries[*slot - 1];
        if (m->free_value && e->value != value)
            m->free_value(e->value);
        e->value = value;
        return;
    }
    GROW(m->entries, m->count, m->cap);
    m->entries[m->count++] = (struct map_entry){ xstrdup(key), value, hash };
    *slot = (uint32_t)m->count;
}

void map_release(struct map *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->entries[i].key);
        if (m->free_value)
            m->free_value(m->entries[i].value);
    }
    free(m->entries);
    free(m->slots);
    *m = (struct map){ .free_value = m->free_value };
}
