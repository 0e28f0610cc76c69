/* SPDX-License-Identifier: Apache-2.0 */
/* WORKDIR: one directory with its parents. */
#include "lib/fs/resolve.h"
#include "lib/solver/directories.h"
#include "lib/solver/solver_internal.h"

static int mkdir_onto(struct solver *s, const struct vertex *v, int root_fd,
                      struct cache_record *layer, bool *out_cached, struct error *err)
{
    struct owner owner;
    struct digest facts_digest;
    struct digest digest;
    auto_free char *unknown = NULL;
    auto_(resolved) struct resolved r = { 0 };
    auto_(hasher) struct hasher *facts = hasher_new();
    auto_(cache_key) struct cache_key key = cache_key_begin("result");
    TRY(owner_resolve(root_fd, v->mkdir.owner, &owner, &unknown, err));
    if (root_resolve(root_fd, v->mkdir.path, true, &r, err) < 0)
        return error_wrap(err, "WORKDIR %s", v->mkdir.path);
    if (r.exists && !S_ISDIR(r.st.st_mode))
        return error_set(err, ERROR_USER, 0, "WORKDIR %s is not a directory", v->mkdir.path);
    /* A directory that is there is left alone: the layer is empty. */
    hasher_add_u64(facts, r.exists);
    if (!r.exists)
        TRY(write_directories(root_fd, r.path, NEW_DIRECTORY_MODE, owner, facts, NULL, err));
    hasher_finish(facts, &facts_digest);
    cache_key_add_digest(&key, "op", &v->digest);
    cache_key_add_digest(&key, "destination", &facts_digest);
    cache_key_finish(&key, &digest);
    *out_cached = reuse(s, v, &digest, layer);
    if (*out_cached)
        return 0;

    struct layer_writer *writer = NULL;
    struct snapshotter *snapshotter = s->workers.snapshotter;
    TRY(snapshotter->ops->layer_write(snapshotter, &writer, err));
    if (!r.exists &&
        write_directories(root_fd, r.path, NEW_DIRECTORY_MODE, owner, NULL, writer, err) < 0) {
        writer->ops->discard(writer);
        return -1;
    }
    new_layer(layer);
    TRY(writer->ops->commit(writer, layer->layer, layer->created, err));
    set_result(s, v, layer);
    return cache_put(s->options.store, &digest, layer, &key.recipe, err);
}

int mkdir_run(struct solver *s, const struct vertex *v, bool *out_cached, struct error *err)
{
    struct snapshotter *snapshotter = s->workers.snapshotter;
    struct layer_list layers = input_layers(s, v, 0);
    struct snapshot *root = NULL;
    auto_(cache_record) struct cache_record layer = { 0 };
    TRY(snapshotter->ops->view(snapshotter, &layers, &root, err));
    int rc = mkdir_onto(s, v, root->root_fd, &layer, out_cached, err);
    snapshotter->ops->discard(root);
    TRY(rc);
    return remember(s, v, &layer, err);
}
