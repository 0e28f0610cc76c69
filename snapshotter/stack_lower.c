/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/stack_lower.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/dir.h"
#include "lib/fs/resolve.h"
#include "lib/layer/layer_index.h"
#include "snapshotter/layer_tree.h"
#include "snapshotter/marks.h"

enum { IMPLIED_MODE = 0755 };

/* A layer: one of the two is there. */
struct face {
    int tree_fd; /* -1: packed */
    struct layer_index *index;
};

/* A directory as one layer has it. */
struct part {
    const struct face *face;
    int fd; /* of the tree's directory, or -1; that of its root is the face's */
};

/* A directory in all layers in which it shows, top first. */
struct place {
    char *path; /* NULL: none */
    struct part *parts;
    size_t count;
};

struct stack_lower {
    struct lower base;
    struct face *faces; /* top first */
    size_t count;
    struct place place; /* where the last question was about */
};

static void place_leave(struct place *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->parts[i].fd >= 0 && p->parts[i].fd != p->parts[i].face->tree_fd)
            close(p->parts[i].fd);
    }
    free(p->parts);
    free(p->path);
    *p = (struct place){ 0 };
}
DEFINE_AUTO(place, struct place, place_leave(value))

static void place_add(struct place *p, const struct face *face, int fd)
{
    p->parts = xreallocarray(p->parts, p->count + 1, sizeof *p->parts);
    p->parts[p->count++] = (struct part){ face, fd };
}

/* What a tree has as `path`, by the name in its parent. */
static int look_in_tree(const struct part *parent, const char *path, struct index_hit *out_hit,
                        struct fs_entry *out, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    *out_hit = (struct index_hit){ .kind = INDEX_ENTRY };
    if (fs_entry_open(parent->fd, path_base(path), path, out, &kind, err) < 0) {
        if (err->kind != ERROR_NOT_FOUND)
            return -1;
        error_clear(err);
        out_hit->kind = INDEX_NOTHING;
    } else if (kind == FS_ENTRY_WHITEOUT) {
        fs_entry_release(out);
        out_hit->kind = INDEX_WHITEOUT;
    }
    return 0;
}

static int look_in(const struct part *parent, const char *path, struct index_hit *out_hit,
                   struct fs_entry *out, struct error *err)
{
    return parent->fd >= 0 ? look_in_tree(parent, path, out_hit, out, err)
                           : layer_index_find(parent->face->index, path, out_hit, out, err);
}

/* The directory `path` of one more layer; *out_more false: none below it shows. */
static int enter_part(struct place *to, const struct part *parent, const char *path, bool *out_more,
                      struct error *err)
{
    struct index_hit hit;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(look_in(parent, path, &hit, &e, err));
    bool is_dir = hit.kind == INDEX_IMPLIED || (hit.kind == INDEX_ENTRY && e.tar.type == TAR_DIR);
    *out_more = hit.kind == INDEX_NOTHING || (is_dir && !hit.is_opaque);
    if (!is_dir)
        return 0;
    auto_close int fd = -1;
    if (parent->fd >= 0) {
        fd = beneath_open(parent->fd, path_base(path), O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
            return error_set(err, ERROR_SYSTEM, errno, "open /%s", path);
        *out_more = !directory_is_opaque(fd);
    }
    place_add(to, parent->face, take_fd(&fd));
    return 0;
}

static int place_child(const struct place *from, const char *path, struct place *out,
                       struct error *err)
{
    bool more = true;
    auto_(place) struct place child = { .path = xstrdup(path) };
    for (size_t i = 0; i < from->count && more; i++)
        TRY(enter_part(&child, &from->parts[i], path, &more, err));
    *out = child;
    child = (struct place){ 0 };
    return 0;
}

static void place_root(const struct stack_lower *l, struct place *out)
{
    out->path = xstrdup("");
    for (size_t i = 0; i < l->count; i++)
        place_add(out, &l->faces[i], l->faces[i].tree_fd);
}

/* Goes to the directory `path`, one component after the other; it need not be there. */
static int go_to(struct stack_lower *l, const char *path, struct error *err)
{
    if (l->place.path && strcmp(l->place.path, path) == 0)
        return 0;
    place_leave(&l->place);
    place_root(l, &l->place);
    for (const char *end = path; *end; end += *end == '/') {
        end += strcspn(end, "/");
        struct place next = { 0 };
        auto_free char *sofar = xstrndup(path, (size_t)(end - path));
        TRY(place_child(&l->place, sofar, &next, err));
        place_leave(&l->place);
        l->place = next;
    }
    return 0;
}

/* A directory that a layer implies has the attributes that it has below; else ordinary ones. */
static int look_at(const struct place *parent, const char *path, bool *out_exists,
                   struct fs_entry *out, struct error *err)
{
    bool implied = false;
    for (size_t i = 0; i < parent->count; i++) {
        struct index_hit hit;
        auto_(fs_entry) struct fs_entry e = { .fd = -1 };
        TRY(look_in(&parent->parts[i], path, &hit, &e, err));
        if (hit.kind == INDEX_WHITEOUT ||
            (hit.kind == INDEX_ENTRY && implied && e.tar.type != TAR_DIR))
            break;
        if (hit.kind == INDEX_ENTRY) {
            *out = e;
            e = (struct fs_entry){ .fd = -1 };
            *out_exists = true;
            return 0;
        }
        implied = implied || hit.kind == INDEX_IMPLIED;
        if (hit.kind == INDEX_IMPLIED && hit.is_fresh)
            break;
    }
    *out_exists = implied;
    if (implied)
        *out = (struct fs_entry){ .fd = -1,
                                  .tar = { .path = path, .type = TAR_DIR, .mode = IMPLIED_MODE } };
    return 0;
}

static int stack_look(struct lower *base, const char *path, bool *out_exists, struct fs_entry *out,
                      struct error *err)
{
    struct stack_lower *l = (struct stack_lower *)base;
    auto_free char *parent = xstrndup(path, path_dir_len(path));
    if (!*path) {
        *out_exists = true;
        *out = (struct fs_entry){ .fd = -1,
                                  .tar = { .path = path, .type = TAR_DIR, .mode = IMPLIED_MODE } };
        return 0;
    }
    TRY(go_to(l, parent, err));
    return look_at(&l->place, path, out_exists, out, err);
}

static int stack_may_hold(struct lower *base, const char *path, bool *out, struct error *err)
{
    struct stack_lower *l = (struct stack_lower *)base;
    *out = false;
    TRY(go_to(l, path, err));
    for (size_t i = 0; i < l->place.count && !*out; i++) {
        const struct part *part = &l->place.parts[i];
        auto_(strvec) struct strvec names = { 0 };
        if (part->fd >= 0)
            TRY(dir_list(part->fd, path, &names, err));
        *out = part->fd >= 0 ? names.count > 0 : layer_index_holds_below(part->face->index, path);
    }
    return 0;
}

static void stack_close(struct lower *base)
{
    struct stack_lower *l = (struct stack_lower *)base;
    place_leave(&l->place);
    for (size_t i = 0; i < l->count; i++) {
        if (l->faces[i].tree_fd >= 0)
            close(l->faces[i].tree_fd);
        layer_index_close(l->faces[i].index);
    }
    free(l->faces);
    free(l);
}

static int open_face(const struct store *store, const struct layer_list *layers, size_t index,
                     struct face *out, bool *out_is_closed, struct error *err)
{
    char name[LAYER_ID_SIZE];
    struct index_hit root;
    bool present = false;
    *out = (struct face){ .tree_fd = -1 };
    TRY(layer_tree_find(store, layers, index, name, &present, NULL, err));
    if (present) {
        TRY(layer_open_tree(store, name, &out->tree_fd, err));
        *out_is_closed = directory_is_opaque(out->tree_fd);
        return 0;
    }
    out->index = layer_index_open(store, layers->ids[index]);
    if (!out->index)
        return error_set(err, ERROR_NOT_FOUND, 0, "layer %s is not in the store",
                         layers->ids[index]);
    TRY(layer_index_find(out->index, "", &root, NULL, err));
    *out_is_closed = root.is_opaque;
    return 0;
}

int stack_lower_open(struct snapshotter *s, const struct layer_list *layers, struct lower **out,
                     struct error *err)
{
    static const struct lower_ops ops = { stack_look, stack_may_hold, stack_close };
    struct stack_lower *l = xcalloc(1, sizeof *l);
    auto_(lower) struct lower *owner = &l->base;
    bool is_closed = false;
    l->base.ops = &ops;
    l->faces = xcalloc(layers->count, sizeof *l->faces);
    for (size_t i = layers->count; i-- > 0 && !is_closed;) {
        if (layer_list_occurs_above(layers, i))
            continue;
        l->count++;
        TRY(open_face(store_of(s), layers, i, &l->faces[l->count - 1], &is_closed, err));
    }
    *out = take_ptr(owner);
    return 0;
}
