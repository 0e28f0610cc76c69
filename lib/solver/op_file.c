/* SPDX-License-Identifier: Apache-2.0 */
/* COPY, ADD and WORKDIR: layers written entry by entry. */
#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/codec/decompress.h"
#include "lib/fs/resolve.h"
#include "lib/solver/copy.h"
#include "lib/solver/solver_internal.h"

/* What a COPY reads: a context, or a view of another stage's layers. */
struct copy_input {
    struct file_source from;
    struct snapshot *view; /* NULL for a context */
    struct selection *selection;
    struct selection own; /* found in the view */
    struct digest digest;
};

static void copy_input_release(struct copy_input *in)
{
    if (in->view)
        in->view->snapshotter->ops->discard(in->view);
    selection_release(&in->own);
}
DEFINE_AUTO(copy_input, struct copy_input, copy_input_release(value))

/* The digest of a selection of a stack never changes, so it is remembered under both. */
static int remembered_digest(struct solver *s, const struct vertex *v, struct copy_input *in,
                             struct error *err)
{
    struct digest key_digest;
    struct layer_list layers = input_layers(s, v, 1);
    auto_(cache_key) struct cache_key key = cache_key_begin("selection");
    for (size_t i = 0; i < layers.count; i++)
        cache_key_add_text(&key, "layer", layers.ids[i]);
    for (size_t i = 0; i < v->copy.source_count; i++)
        cache_key_add_text(&key, "source", v->copy.sources[i].path);
    cache_key_finish(&key, &key_digest);
    if (cache_find_digest(s->options.store, &key_digest, &in->digest))
        return 0;
    TRY(selection_digest(&in->from, in->selection, s->options.store, s->options.cancel, &in->digest,
                         err));
    return cache_put_digest(s->options.store, &key_digest, &in->digest, err);
}

static int open_input(struct solver *s, const struct vertex *v, struct copy_input *in,
                      struct error *err)
{
    const struct vertex *source = v->inputs[1];
    if (source && source->kind == OP_LOCAL) {
        const struct local_context *context = find_context(s, source, err);
        if (!context)
            return -1;
        in->from = context_source(context);
        in->selection = &state_of(s, v)->selection;
        in->digest = state_of(s, v)->selection_digest;
        return 0;
    }
    struct snapshotter *snapshotter = s->workers.snapshotter;
    struct layer_list layers = input_layers(s, v, 1);
    TRY(snapshotter->ops->view(snapshotter, &layers, &in->view, err));
    in->from =
        (struct file_source){ .name = "the stage it is copied from", .root_fd = in->view->root_fd };
    TRY(selection_find(&in->from, &v->copy, 1, &in->own, err));
    in->selection = &in->own;
    return remembered_digest(s, v, in, err);
}

static bool looks_packed(const unsigned char *head, size_t len)
{
    static const struct {
        size_t at;
        const char *magic;
        size_t len;
    } formats[] = { { 0, "\x1f\x8b\x08", 3 },
                    { 0, "BZh", 3 },
                    { 0,
                      "\xfd"
                      "7zXZ",
                      5 },
                    { 0, "\x28\xb5\x2f\xfd", 4 },
                    { 257, "ustar", 5 } };
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (len >= formats[i].at + formats[i].len &&
            memcmp(head + formats[i].at, formats[i].magic, formats[i].len) == 0)
            return true;
    }
    return false;
}

/* ADD would unpack an archive; as long as it does not, copying it as a file would be a surprise. */
static int refuse_archives(const struct copy_input *in, struct error *err)
{
    for (size_t i = 0; i < in->selection->count; i++) {
        unsigned char head[512];
        const struct selected *file = &in->selection->items[i];
        if (file->is_dir)
            continue;
        auto_close int fd =
            beneath_open(in->from.root_fd, file->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
        ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof head);
        if (n > 0 && looks_packed(head, (size_t)n)) {
            error_set(err, ERROR_UNSUPPORTED, 0, "ADD of the archive %s", file->path);
            return error_hint(err,
                              "unpack it in the context and COPY its files, or COPY the archive "
                              "itself and unpack it in a RUN step");
        }
    }
    return 0;
}

/* A context may change while it is read: what was written must be what the key says. */
static int check_unchanged(struct solver *s, const struct copy_input *in, struct error *err)
{
    struct digest now;
    if (!in->from.is_context)
        return 0;
    TRY(selection_digest(&in->from, in->selection, s->options.store, s->options.cancel, &now, err));
    if (digest_equal(&now, &in->digest))
        return 0;
    error_set(err, ERROR_USER, 0, "files in %s changed while they were copied", in->from.name);
    return error_hint(err, "build again when nothing writes to it");
}

static int write_copy(struct solver *s, struct copy *c, const struct copy_input *in,
                      struct cache_record *layer, struct error *err)
{
    struct layer_writer *writer = NULL;
    struct snapshotter *snapshotter = s->workers.snapshotter;
    TRY(snapshotter->ops->layer_write(snapshotter, &writer, err));
    if (copy_write(c, writer, err) < 0 || check_unchanged(s, in, err) < 0) {
        writer->ops->discard(writer);
        return -1;
    }
    new_layer(layer);
    return writer->ops->commit(writer, layer->layer, layer->created, err);
}

static int copy_onto(struct solver *s, const struct vertex *v, const struct copy_input *in,
                     int root_fd, struct cache_record *layer, bool *out_cached, struct error *err)
{
    struct digest facts;
    struct digest digest;
    auto_(copy) struct copy c = {
        .op = &v->copy, .from = &in->from, .selection = in->selection, .root_fd = root_fd
    };
    auto_(cache_key) struct cache_key key = cache_key_begin("result");
    TRY(copy_open(&c, err));
    if (c.unknown_owner) {
        auto_free char *text = xasprintf("--chown=%s: the image knows no %s; its files belong to 0",
                                         v->copy.chown, c.unknown_owner);
        progress_warning(s->options.progress, text);
    }
    TRY(copy_facts(&c, &facts, err));
    cache_key_add_digest(&key, "op", &v->digest);
    cache_key_add_digest(&key, "files", &in->digest);
    cache_key_add_digest(&key, "destination", &facts);
    cache_key_finish(&key, &digest);
    *out_cached = reuse(s, v, &digest, layer);
    if (*out_cached)
        return 0;
    TRY(write_copy(s, &c, in, layer, err));
    set_result(s, v, layer);
    return cache_put(s->options.store, &digest, layer, &key.recipe, err);
}

int copy_run(struct solver *s, const struct vertex *v, bool *out_cached, struct error *err)
{
    struct snapshotter *snapshotter = s->workers.snapshotter;
    struct layer_list layers = input_layers(s, v, 0);
    struct snapshot *root = NULL;
    auto_(copy_input) struct copy_input in = { 0 };
    auto_(cache_record) struct cache_record layer = { 0 };
    if (open_input(s, v, &in, err) < 0)
        return v->copy.missing_hint ? error_hint(err, "%s", v->copy.missing_hint) : -1;
    if (v->copy.source_count && v->copy.sources[0].unpack)
        TRY(refuse_archives(&in, err));
    TRY(snapshotter->ops->view(snapshotter, &layers, &root, err));
    int rc = copy_onto(s, v, &in, root->root_fd, &layer, out_cached, err);
    snapshotter->ops->discard(root);
    TRY(rc);
    return remember(s, v, &layer, err);
}

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
        TRY(write_directories(root_fd, r.path, 0755, owner, facts, NULL, err));
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
    if (!r.exists && write_directories(root_fd, r.path, 0755, owner, NULL, writer, err) < 0) {
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
