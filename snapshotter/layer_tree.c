/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/layer_tree.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "snapshotter/apply.h"
#include "snapshotter/diff.h"
#include "snapshotter/marks.h"
#include "snapshotter/tree_writer.h"

static void stacked_name(const struct layer_list *layers, size_t index,
                         char name[static LAYER_ID_SIZE])
{
    struct digest d;
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_text(h, "stacked layer");
    for (size_t i = 0; i <= index; i++)
        hasher_add_text(h, layers->ids[i]);
    hasher_finish(h, &d);
    digest_hex(&d, name);
}

int layer_tree_find(const struct store *store, const struct layer_list *layers, size_t index,
                    char name[static LAYER_ID_SIZE], bool *out_present, struct layer_info *out,
                    struct error *err)
{
    snprintf(name, LAYER_ID_SIZE, "%s", layers->ids[index]);
    TRY(layer_find(store, name, out_present, out, err));
    if (*out_present)
        return 0;
    stacked_name(layers, index, name);
    return layer_find(store, name, out_present, out, err);
}

/* The root directory of one layer's tree. */
struct tree_root {
    bool is_stated; /* has attributes that count */
    unsigned mode, uid, gid;
    bool is_opaque;
};

void known_trees_init(struct known_trees *known)
{
    *known = (struct known_trees){ .by_id.free_value = free };
    pthread_mutex_init(&known->lock, NULL);
}

void known_trees_release(struct known_trees *known)
{
    pthread_mutex_destroy(&known->lock);
    map_release(&known->by_id);
}

static bool recall(struct known_trees *known, const char *id, struct tree_root *out)
{
    if (!known)
        return false;
    pthread_mutex_lock(&known->lock);
    const struct tree_root *found = map_find(&known->by_id, id);
    if (found)
        *out = *found;
    pthread_mutex_unlock(&known->lock);
    return found != NULL;
}

static void keep(struct known_trees *known, const char *id, const struct tree_root *root)
{
    if (!known)
        return;
    struct tree_root *copy = xmalloc(sizeof *copy);
    *copy = *root;
    pthread_mutex_lock(&known->lock);
    map_set(&known->by_id, id, copy);
    pthread_mutex_unlock(&known->lock);
}

/* Finds out about a layer, and opens its tree. */
static int read_one(const struct store *store, struct known_trees *known,
                    const struct layer_list *layers, size_t index, struct tree_root *root,
                    int *out_fd, struct error *err)
{
    char name[LAYER_ID_SIZE];
    bool present = false;
    auto_(layer_info) struct layer_info info = { 0 };
    TRY(layer_tree_find(store, layers, index, name, &present, &info, err));
    if (!present)
        return error_set(err, ERROR_NOT_FOUND, 0, "layer %s is not in the store",
                         layers->ids[index]);
    TRY(layer_open_tree(store, name, out_fd, err));
    *root = (struct tree_root){ .is_stated = info.has_root,
                                .mode = info.root_mode,
                                .uid = info.root_uid,
                                .gid = info.root_gid,
                                .is_opaque = directory_is_opaque(*out_fd) };
    if (strcmp(name, layers->ids[index]) == 0)
        keep(known, name, root);
    return 0;
}

static int open_one(const struct store *store, struct known_trees *known,
                    const struct layer_list *layers, size_t index, struct tree_stack *stack,
                    struct error *err)
{
    struct tree_root root;
    auto_close int fd = -1;
    if (!recall(known, layers->ids[index], &root))
        TRY(read_one(store, known, layers, index, &root, &fd, err));
    if (root.is_stated && !stack->has_root) {
        stack->has_root = true;
        stack->root_mode = root.mode;
        stack->root_uid = root.uid;
        stack->root_gid = root.gid;
    }
    if (stack->is_closed)
        return 0;
    if (fd < 0)
        TRY(layer_open_tree(store, layers->ids[index], &fd, err));
    stack->fds[stack->count++] = take_fd(&fd);
    /* The kernel takes no notice of an opaque mark on the root of a layer. */
    stack->is_closed = root.is_opaque;
    return 0;
}

int tree_stack_open(const struct store *store, struct known_trees *known,
                    const struct layer_list *layers, struct tree_stack *out, struct error *err)
{
    auto_(tree_stack) struct tree_stack stack = { .fds =
                                                      xcalloc(layers->count, sizeof *stack.fds) };
    for (size_t i = layers->count; i-- > 0;) {
        if (!layer_list_occurs_above(layers, i))
            TRY(open_one(store, known, layers, i, &stack, err));
    }
    *out = stack;
    stack = (struct tree_stack){ 0 };
    return 0;
}

void tree_stack_close(struct tree_stack *stack)
{
    for (size_t i = 0; i < stack->count; i++)
        close(stack->fds[i]);
    free(stack->fds);
    *stack = (struct tree_stack){ 0 };
}

static int open_scratch_tree(const struct store *store, const char *scratch, int *out_fd,
                             struct error *err)
{
    char path[LAYER_SCRATCH_SIZE + 4];
    snprintf(path, sizeof path, "%s/fs", scratch);
    *out_fd = openat(store->scratch_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *out_fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "open a layer in %s", store->path) : 0;
}

/* Unpacks into the scratch directory. */
static int unpack(const struct store *store, const char *scratch, const char *name, int below_fd,
                  struct reader *in, struct layer_info *info, bool *out_needs_below,
                  struct error *err)
{
    auto_close int tree = -1;
    TRY(open_scratch_tree(store, scratch, &tree, err));
    auto_(tree_writer) struct tree_writer *w = tree_writer_open(tree, below_fd, NULL);
    int rc = apply_tar(in, name, w, err);
    *out_needs_below = tree_writer_lacked(w);
    if (*out_needs_below && rc < 0)
        error_clear(err);
    if (rc < 0 || *out_needs_below)
        return *out_needs_below ? 0 : -1;
    return tree_writer_finish(w, info, err);
}

int layer_tree_is_unpacked(struct snapshotter *s, const struct layer_list *layers, size_t index,
                           bool *out, struct error *err)
{
    char name[LAYER_ID_SIZE];
    return layer_tree_find(store_of(s), layers, index, name, out, NULL, err);
}

int layer_tree_apply(struct snapshotter *s, const struct layer_list *layers, size_t index,
                     bool over, struct reader *in, bool *out_needs_below, struct error *err)
{
    const struct store *store = store_of(s);
    char scratch[LAYER_SCRATCH_SIZE];
    char name[LAYER_ID_SIZE];
    struct snapshot *below = NULL;
    struct layer_info info = { 0 };
    snprintf(name, sizeof name, "%s", layers->ids[index]);
    if (over) {
        struct layer_list lower = { layers->ids, index };
        stacked_name(layers, index, name);
        TRY(s->ops->view(s, &lower, &below, err));
    }
    int rc = layer_begin(store, scratch, err);
    if (rc == 0)
        rc = unpack(store, scratch, layers->ids[index], below ? below->root_fd : -1, in, &info,
                    out_needs_below, err);
    if (below)
        s->ops->discard(below);
    if (rc == 0 && !*out_needs_below)
        return layer_commit(store, scratch, name, &info, err);
    layer_abandon(store, scratch);
    return rc;
}

struct tree_layer_writer {
    struct layer_writer base;
    const struct store *store;
    char scratch[LAYER_SCRATCH_SIZE];
    int tree_fd;
    struct tree_writer *tree;
};

static int writer_entry(struct layer_writer *base, const struct tar_entry *entry, int content_fd,
                        struct error *err)
{
    struct tree_layer_writer *w = (struct tree_layer_writer *)base;
    tree_writer_keep_types(w->tree, base->keeps_types);
    TRY(tree_writer_entry(w->tree, entry, &(struct tree_content){ .fd = content_fd }, err));
    meter_add(base->meter, content_fd >= 0 ? entry->size : 0);
    return 0;
}

static int writer_entry_stream(struct layer_writer *base, const struct tar_entry *entry,
                               struct reader *content, struct error *err)
{
    struct tree_layer_writer *w = (struct tree_layer_writer *)base;
    struct tree_content source = { .fd = -1, .stream = content };
    tree_writer_keep_types(w->tree, base->keeps_types);
    TRY(tree_writer_entry(w->tree, entry, &source, err));
    meter_add(base->meter, entry->size);
    return 0;
}

static int writer_file(struct layer_writer *base, struct layer_file *f, struct error *err)
{
    struct tree_layer_writer *w = (struct tree_layer_writer *)base;
    const struct tree_content content = { .fd = f->e->fd, .digested = f->wants_digest ? f : NULL };
    meter_add(base->meter, f->e->tar.size);
    if (f->is_ahead)
        return 0;
    tree_writer_keep_types(w->tree, base->keeps_types);
    return tree_writer_entry(w->tree, &f->e->tar, &content, err);
}

static bool writer_file_ahead(struct layer_writer *base, struct layer_file *f)
{
    const struct tree_layer_writer *w = (struct tree_layer_writer *)base;
    f->is_ahead = tree_writer_file_ahead(w->tree, f);
    return f->is_ahead;
}

static int writer_look(struct layer_writer *base, const char *path, enum layer_look *out,
                       char **out_target, struct error *err)
{
    return tree_writer_look(((struct tree_layer_writer *)base)->tree, path, out, out_target, err);
}

static int writer_whiteout(struct layer_writer *base, const char *path, struct error *err)
{
    return tree_writer_whiteout(((struct tree_layer_writer *)base)->tree, path, err);
}

static void writer_free(struct tree_layer_writer *w)
{
    tree_writer_free(w->tree);
    close(w->tree_fd);
    free(w);
}

static void writer_discard(struct layer_writer *base)
{
    struct tree_layer_writer *w = (struct tree_layer_writer *)base;
    layer_abandon(w->store, w->scratch);
    writer_free(w);
}

static int writer_commit(struct layer_writer *base, const char *created, struct written_layer *out,
                         struct error *err)
{
    struct tree_layer_writer *w = (struct tree_layer_writer *)base;
    struct layer_info info = { .created = (char *)created };
    int rc = tree_writer_finish(w->tree, &info, err);
    *out = (struct written_layer){ 0 };
    store_random_id(out->id);
    if (rc == 0)
        rc = layer_commit(w->store, w->scratch, out->id, &info, err);
    else
        layer_abandon(w->store, w->scratch);
    writer_free(w);
    return rc;
}

int layer_tree_write(struct snapshotter *s, struct layer_writer **out, struct error *err)
{
    const struct store *store = store_of(s);
    static const struct layer_writer_ops ops = { .entry = writer_entry,
                                                 .entry_stream = writer_entry_stream,
                                                 .file = writer_file,
                                                 .file_ahead = writer_file_ahead,
                                                 .look = writer_look,
                                                 .whiteout = writer_whiteout,
                                                 .commit = writer_commit,
                                                 .discard = writer_discard };
    auto_free struct tree_layer_writer *w = xcalloc(1, sizeof *w);
    w->base.ops = &ops;
    w->store = store;
    TRY(layer_begin(store, w->scratch, err));
    TRY(open_scratch_tree(store, w->scratch, &w->tree_fd, err));
    w->tree = tree_writer_open(w->tree_fd, -1, cancel_of(s));
    *out = &take_ptr(w)->base;
    return 0;
}

int layer_tree_diff(struct snapshotter *s, const char *id, const struct diff_options *options,
                    struct tar_writer *out, struct error *err)
{
    auto_close int tree = -1;
    TRY(layer_open_tree(store_of(s), id, &tree, err));
    return diff_write(tree, options, out, err);
}
