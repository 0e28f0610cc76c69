/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cache/shared_entry.h"

#include <string.h>

#include "lib/base/mem.h"

enum { TIME_MAX = 40 };

static const char member_name[] = "mlbuild.cache.v1";

void shared_table_release(struct shared_table *t)
{
    for (size_t i = 0; i < t->layer_count; i++)
        free(t->layers[i].created);
    for (size_t i = 0; i < t->entry_count; i++) {
        free(t->entries[i].stack);
        strvec_release(&t->entries[i].recipe);
    }
    free(t->layers);
    free(t->entries);
    *t = (struct shared_table){ 0 };
}

static struct shared_layer *append_layer(struct shared_table *t)
{
    GROW(t->layers, t->layer_count, t->layer_cap);
    t->layers[t->layer_count] = (struct shared_layer){ 0 };
    return &t->layers[t->layer_count++];
}

/* Equal layers of two steps were not made at the same time. */
static bool is_same_layer(const struct shared_layer *a, const struct shared_layer *b)
{
    bool is_same_time =
        a->created && b->created ? strcmp(a->created, b->created) == 0 : a->created == b->created;
    return is_same_time && digest_equal(&a->diff_id, &b->diff_id);
}

size_t shared_table_add_layer(struct shared_table *t, const struct shared_layer *layer)
{
    for (size_t i = 0; i < t->layer_count; i++) {
        if (is_same_layer(&t->layers[i], layer))
            return i;
    }
    struct shared_layer *to = append_layer(t);
    *to = *layer;
    to->created = layer->created ? xstrdup(layer->created) : NULL;
    return t->layer_count - 1;
}

struct shared_entry *shared_table_add_entry(struct shared_table *t, const struct digest *key)
{
    GROW(t->entries, t->entry_count, t->entry_cap);
    t->entries[t->entry_count] = (struct shared_entry){ .key = *key };
    return &t->entries[t->entry_count++];
}

void shared_entry_push(struct shared_entry *e, size_t place)
{
    e->stack = xreallocarray(e->stack, e->stack_count + 1, sizeof *e->stack);
    e->stack[e->stack_count++] = place;
}

const struct shared_entry *shared_table_find(const struct shared_table *t, const struct digest *key)
{
    for (size_t i = 0; i < t->entry_count; i++) {
        if (digest_equal(&t->entries[i].key, key))
            return &t->entries[i];
    }
    return NULL;
}

static js *print_layer(const struct shared_layer *layer)
{
    js *object = js_new_object();
    js_set_digest(object, "diff_id", &layer->diff_id);
    if (layer->tar_size)
        js_set_take(object, "tar_size", js_new_int((int64_t)layer->tar_size));
    if (layer->layout[0])
        js_set_text(object, "layout", layer->layout);
    if (layer->created)
        js_set_text(object, "created", layer->created);
    return object;
}

static js *print_entry(const struct shared_entry *e)
{
    js *object = js_new_object();
    js *stack = js_new_array();
    for (size_t i = 0; i < e->stack_count; i++)
        js_push_take(stack, js_new_int((int64_t)e->stack[i]));
    js_set_digest(object, "key", &e->key);
    js_set_take(object, "stack", stack);
    js_set_take(object, "recipe", js_new_texts(&e->recipe));
    return object;
}

void shared_table_print(const struct shared_table *t, js *config)
{
    js *object = js_new_object();
    js *layers = js_new_array();
    js *entries = js_new_array();
    for (size_t i = 0; i < t->layer_count; i++)
        js_push_take(layers, print_layer(&t->layers[i]));
    for (size_t i = 0; i < t->entry_count; i++)
        js_push_take(entries, print_entry(&t->entries[i]));
    js_set_take(object, "layers", layers);
    js_set_take(object, "entries", entries);
    js_set_take(config, member_name, object);
}

/* It goes into the configurations of images. */
static bool is_time(const char *text)
{
    return strlen(text) <= TIME_MAX && strspn(text, "0123456789-+T:.Z") == strlen(text);
}

static int parse_layer(const js *object, struct shared_table *t, struct error *err)
{
    const char *layout = "";
    const char *created = NULL;
    struct shared_layer *layer = append_layer(t);
    TRY(js_get_digest(object, "diff_id", &layer->diff_id, err));
    TRY(js_get_u64(object, "tar_size", false, &layer->tar_size, err));
    TRY(js_get_text(object, "layout", false, &layout, err));
    TRY(js_get_text(object, "created", false, &created, err));
    if (strlen(layout) >= sizeof layer->layout)
        return error_set(err, ERROR_CORRUPT, 0, "layout is too long");
    if (created && !is_time(created))
        return error_set(err, ERROR_CORRUPT, 0, "created is no time");
    snprintf(layer->layout, sizeof layer->layout, "%s", layout);
    layer->created = created ? xstrdup(created) : NULL;
    return 0;
}

static int parse_entry(const js *object, struct shared_table *t, struct error *err)
{
    struct digest key;
    TRY(js_get_digest(object, "key", &key, err));
    const js *stack = js_member(object, "stack");
    if (js_count(stack) > SHARED_STACK_MAX)
        return error_set(err, ERROR_CORRUPT, 0, "a stack of %zu layers", js_count(stack));
    struct shared_entry *e = shared_table_add_entry(t, &key);
    for (size_t i = 0; i < js_count(stack); i++) {
        uint64_t place = 0;
        TRY(js_to_u64(js_item(stack, i), &place, err));
        if (place >= t->layer_count)
            return error_set(err, ERROR_CORRUPT, 0, "there is no layer %llu",
                             (unsigned long long)place);
        shared_entry_push(e, (size_t)place);
    }
    return 0;
}

static int parse_table(const js *object, struct shared_table *t, struct error *err)
{
    const js *layers = js_member(object, "layers");
    const js *entries = js_member(object, "entries");
    for (size_t i = 0; i < js_count(layers); i++)
        TRY(parse_layer(js_item(layers, i), t, err));
    for (size_t i = 0; i < js_count(entries); i++)
        TRY(parse_entry(js_item(entries, i), t, err));
    return 0;
}

int shared_table_parse(const char *text, size_t len, struct shared_table *out, struct error *err)
{
    auto_(js) js *config = NULL;
    *out = (struct shared_table){ 0 };
    TRY(js_parse(text, len, "the configuration", &config, err));
    const js *object = js_member(config, member_name);
    if (object && parse_table(object, out, err) < 0)
        return error_wrap(err, "%s", member_name);
    return 0;
}
