/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/cache.h"

#include "lib/base/mem.h"
#include "lib/store/layer.h"
#include "lib/store/packed_layer.h"
#include "lib/store/record.h"

enum { RECENT_MAX = 4 };

void cache_record_release(struct cache_record *r)
{
    free(take_ptr(r->created));
}

/* As a tree, or packed. */
static bool is_there(const struct store *store, const char *layer)
{
    auto_(error) struct error ignored = { 0 };
    struct packed_layer packed;
    bool present = false;
    if (strlen(layer) >= LAYER_ID_SIZE || strchr(layer, '/'))
        return false;
    return (layer_find(store, layer, &present, NULL, &ignored) == 0 && present) ||
           packed_layer_find(store, layer, &packed);
}

bool cache_find(const struct store *store, const struct digest *key, struct cache_record *out)
{
    auto_(js) js *body = record_find(store, key);
    const char *layer = body ? js_text(js_member(body, "layer")) : NULL;
    const char *created = body ? js_text(js_member(body, "created")) : NULL;
    if (!layer || !created || !is_there(store, layer))
        return false;
    auto_(error) struct error ignored = { 0 };
    if (layer_times_parse(body, &out->times, &ignored) < 0)
        return false;
    snprintf(out->layer, sizeof out->layer, "%s", layer);
    out->created = xstrdup(created);
    return true;
}

int cache_put(const struct store *store, const struct digest *key,
              const struct cache_record *record, const struct strvec *recipe, struct error *err)
{
    js *body = js_new_object();
    js_set_text(body, "layer", record->layer);
    js_set_text(body, "created", record->created);
    layer_times_print(&record->times, body);
    js_set_take(body, "recipe", js_new_texts(recipe));
    return record_put_take(store, key, body, err);
}

void cache_find_recent(const struct store *store, const struct digest *key, struct strvec *out)
{
    auto_(js) js *body = record_find(store, key);
    const js *layers = body ? js_member(body, "layers") : NULL;
    for (size_t i = 0; i < js_count(layers) && out->count < RECENT_MAX; i++) {
        const char *layer = js_text(js_item(layers, i));
        if (layer && is_there(store, layer))
            strvec_push(out, layer);
    }
}

int cache_put_recent(const struct store *store, const struct digest *key, const char *layer,
                     struct error *err)
{
    auto_(strvec) struct strvec before = { 0 };
    js *body = js_new_object();
    js *layers = js_new_array();
    cache_find_recent(store, key, &before);
    js_push_take(layers, js_new_text(layer));
    for (size_t i = 0; i < before.count && i + 1 < RECENT_MAX; i++) {
        if (strcmp(before.items[i], layer) != 0)
            js_push_take(layers, js_new_text(before.items[i]));
    }
    js_set_text(body, "layer", layer);
    js_set_take(body, "layers", layers);
    return record_put_take(store, key, body, err);
}

bool cache_find_digest(const struct store *store, const struct digest *key, struct digest *out)
{
    auto_(js) js *body = record_find(store, key);
    const char *text = body ? js_text(js_member(body, "digest")) : NULL;
    return text && digest_parse(text, out);
}

int cache_put_digest(const struct store *store, const struct digest *key,
                     const struct digest *value, struct error *err)
{
    js *body = js_new_object();
    js_set_digest(body, "digest", value);
    return record_put_take(store, key, body, err);
}

struct cache_key cache_key_begin(const char *kind)
{
    struct cache_key k = { .hasher = hasher_new() };
    hasher_add_text(k.hasher, kind);
    return k;
}

void cache_key_add_digest(struct cache_key *k, const char *what, const struct digest *d)
{
    char text[DIGEST_TEXT_SIZE];
    digest_print(d, text);
    cache_key_add_text(k, what, text);
}

void cache_key_add_text(struct cache_key *k, const char *what, const char *text)
{
    hasher_add_text(k->hasher, what);
    hasher_add_text(k->hasher, text);
    strvec_pushf(&k->recipe, "%s %s", what, text);
}

void cache_key_add_input(struct cache_key *k, const char *name, const struct digest *key)
{
    char text[DIGEST_TEXT_SIZE];
    digest_print(key, text);
    hasher_add_text(k->hasher, "input");
    hasher_add_text(k->hasher, text);
    strvec_pushf(&k->recipe, "input %s %s", text, name);
}

void cache_key_finish(struct cache_key *k, struct digest *out)
{
    hasher_finish(k->hasher, out);
}

void cache_key_release(struct cache_key *k)
{
    hasher_free(take_ptr(k->hasher));
    strvec_release(&k->recipe);
}
