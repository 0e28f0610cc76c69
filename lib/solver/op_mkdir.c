/* SPDX-License-Identifier: Apache-2.0 */
/* WORKDIR: one directory with its parents. */
#include "lib/solver/directories.h"
#include "lib/solver/solver_internal.h"

static int mkdir_onto(struct solver *s, const struct vertex *v, struct lower *lower,
                      struct cache_record *layer, bool *out_cached, struct error *err)
{
    struct owner owner;
    struct digest facts_digest;
    struct digest digest;
    auto_free char *unknown = NULL;
    auto_(lower_place) struct lower_place place = { 0 };
    auto_(hasher) struct hasher *facts = hasher_new();
    auto_(cache_key) struct cache_key key = cache_key_begin("result");
    TRY(owner_resolve(lower, v->mkdir.owner, &owner, &unknown, err));
    if (lower_resolve(lower, v->mkdir.path, &place, err) < 0)
        return error_wrap(err, "WORKDIR %s", v->mkdir.path);
    TRY(check_names(place.path, err));
    if (place.exists && !place.is_dir)
        return error_set(err, ERROR_USER, 0, "WORKDIR %s is not a directory", v->mkdir.path);
    /* A directory that is there is left alone: the layer is empty. */
    hasher_add_u64(facts, place.exists);
    if (!place.exists)
        TRY(write_directories(lower, place.path, NEW_DIRECTORY_MODE, owner, facts, NULL, err));
    hasher_finish(facts, &facts_digest);
    cache_key_add_digest(&key, "op", &v->digest);
    cache_key_add_digest(&key, "destination", &facts_digest);
    cache_key_finish(&key, &digest);
    *out_cached = reuse(s, v, &digest, layer);
    if (*out_cached)
        return 0;

    struct layer_writer *writer = NULL;
    TRY(open_layer_writer(s, is_written_packed(s, v), &writer, err));
    if (!place.exists &&
        write_directories(lower, place.path, NEW_DIRECTORY_MODE, owner, NULL, writer, err) < 0) {
        writer->ops->discard(writer);
        return -1;
    }
    TRY(commit_layer(writer, layer, err));
    set_result(s, v, layer);
    return cache_put(s->options.store, &digest, layer, &key.recipe, err);
}

int mkdir_run(struct solver *s, const struct vertex *v, bool *out_cached, struct error *err)
{
    struct layer_list layers = input_layers(s, v, 0);
    auto_(lower) struct lower *lower = NULL;
    auto_(cache_record) struct cache_record layer = { 0 };
    TRY(look_into_layers(s, &layers, v->mkdir.owner, &lower, err));
    TRY(mkdir_onto(s, v, lower, &layer, out_cached, err));
    return remember(s, v, &layer, err);
}
