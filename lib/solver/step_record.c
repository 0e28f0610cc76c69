/* SPDX-License-Identifier: Apache-2.0 */
/* What a step has led to, under its keys: looked up, and remembered. */
#include "lib/solver/solver_internal.h"

/* The times of a packed layer may be those of another epoch. */
static bool has_right_times(const struct solver *s, const struct cache_record *layer)
{
    const struct face_options *faces = s->options.faces;
    return !faces || layer_times_fit(&layer->times, faces->diff.has_epoch, faces->diff.epoch_s);
}

bool reuse(struct solver *s, const struct vertex *v, const struct digest *key,
           struct cache_record *out)
{
    if (v->no_cache || !cache_find(s->options.store, key, out))
        return false;
    if (!has_right_times(s, out)) {
        cache_record_release(out);
        return false;
    }
    set_result(s, v, out);
    return true;
}

static void add_layers(struct hasher *h, struct layer_list layers)
{
    hasher_add_u64(h, layers.count);
    for (size_t i = 0; i < layers.count; i++)
        hasher_add_text(h, layers.ids[i]);
}

bool is_stage(const struct vertex *v, size_t i)
{
    return i > 0 && v->inputs[i] && v->inputs[i]->kind != OP_LOCAL;
}

bool takes_from_stages(const struct vertex *v)
{
    for (size_t i = 1; (v->kind == OP_COPY || v->kind == OP_EXEC) && i < v->input_count; i++) {
        if (is_stage(v, i))
            return true;
    }
    return false;
}

static void record_key_on(const struct solver *s, const struct vertex *v, struct layer_list root,
                          bool with_stages, struct digest *out)
{
    const struct digest *definition = &state_of(s, v)->key;
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_text(h, "record");
    hasher_add(h, definition->bytes, sizeof definition->bytes);
    add_layers(h, root);
    for (size_t i = 1; with_stages && i < v->input_count; i++) {
        if (is_stage(v, i))
            add_layers(h, input_layers(s, v, i));
    }
    hasher_finish(h, out);
}

void record_key(const struct solver *s, const struct vertex *v, bool with_stages,
                struct digest *out)
{
    record_key_on(s, v, input_layers(s, v, 0), with_stages, out);
}

/* It may be so that others have told of a step, and nobody knows what it took files from. */
static bool are_stages_known(const struct solver *s, const struct vertex *v)
{
    for (size_t i = 1; i < v->input_count; i++) {
        if (is_stage(v, i) && input_layers(s, v, i).count == 0)
            return false;
    }
    return true;
}

int remember_on(const struct solver *s, const struct vertex *v, struct layer_list root,
                const struct cache_record *layer, struct error *err)
{
    struct digest key;
    record_key_on(s, v, root, false, &key);
    TRY(cache_put(s->options.store, &key, layer, &state_of(s, v)->recipe, err));
    if (!takes_from_stages(v) || !are_stages_known(s, v))
        return 0;
    record_key_on(s, v, root, true, &key);
    return cache_put(s->options.store, &key, layer, &state_of(s, v)->recipe, err);
}

static void operation_key(const struct vertex *v, struct digest *out)
{
    auto_(cache_key) struct cache_key key = cache_key_begin("made by");
    cache_key_add_digest(&key, "op", &v->digest);
    cache_key_finish(&key, out);
}

bool has_run_before(const struct solver *s, const struct vertex *v)
{
    struct digest key;
    auto_(strvec) struct strvec layers = { 0 };
    operation_key(v, &key);
    cache_find_recent(s->options.store, &key, &layers);
    return layers.count > 0;
}

int remember(struct solver *s, const struct vertex *v, const struct cache_record *layer,
             struct error *err)
{
    struct digest key;
    TRY(key_of(s, v, err));
    if (v->kind == OP_COPY) {
        operation_key(v, &key);
        TRY(cache_put_recent(s->options.store, &key, layer->layer, err));
    }
    return remember_on(s, v, input_layers(s, v, 0), layer, err);
}
