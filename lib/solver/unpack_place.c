/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an archive's entries land. Links on the way of an entry are followed as if the destination
 * were the root of all. What is there is looked up in the layer first, then in the root: the
 * archive's own links count, and what the root showed is a fact.
 */
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/path_walk.h"
#include "lib/solver/unpack_internal.h"

/* A path below the destination on its way to where it leads. */
struct way {
    struct path_walk path;
    bool hidden; /* the layer hides what the root has in path.done */
};

/* What hides what has to be found out anew. */
static void restart(struct way *w)
{
    path_walk_restart(&w->path);
    w->hidden = false;
}

static int follow(const struct unpack *u, struct way *w, const char *target, struct error *err)
{
    if (path_walk_link(&w->path, target) < 0)
        return error_set(err, ERROR_USER, 0, "%s: too many symbolic links in /%s", u->name,
                         w->path.done.buf);
    restart(w);
    return 0;
}

static int not_a_directory(const struct unpack *u, const char *path, struct error *err)
{
    return error_set(err, ERROR_USER, 0, "%s: /%s is not a directory", u->name, path);
}

/* `path` below the destination is not in the layer: takes it over from the root, or makes it. *out
 * is the target if it is a link in the root. */
static int enter_lower(struct unpack *u, const struct way *w, const char *path, char **out,
                       struct error *err)
{
    struct pass *p = u->pass;
    bool exists = false;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    auto_free char *whole = path_below(p->copy->dest, path);
    struct tar_entry dir = { .path = whole, .type = TAR_DIR, .mode = NEW_DIRECTORY_MODE };
    if (!w->hidden && p->copy->dest_exists)
        TRY(lower_look(p->copy->lower, whole, &exists, &e, err));
    if (exists)
        dir = e.tar;
    hash_entry(p->facts, &dir);
    if (dir.type == TAR_SYMLINK)
        *out = xstrdup(dir.link);
    else if (dir.type != TAR_DIR)
        return not_a_directory(u, whole, err);
    return *out ? 0 : p->to->ops->entry(p->to, &dir, -1, err);
}

/* One step: `name` in w->path.done. */
static int enter(struct unpack *u, struct way *w, const char *name, struct error *err)
{
    struct layer_writer *to = u->pass->to;
    enum layer_look found = LAYER_LOOK_NOTHING;
    auto_free char *target = NULL;
    auto_free char *path = path_below(w->path.done.buf, name);
    auto_free char *whole = path_below(u->pass->copy->dest, path);
    TRY(cancel_check(u->pass->copy->cancel, err));
    TRY(copy_check_name(whole, err));
    TRY(to->ops->look(to, whole, &found, &target, err));
    if (found == LAYER_LOOK_NOTHING)
        TRY(enter_lower(u, w, path, &target, err));
    if (target)
        return follow(u, w, target, err);
    if (found == LAYER_LOOK_OTHER)
        return not_a_directory(u, whole, err);
    w->hidden = w->hidden || found == LAYER_LOOK_OPAQUE;
    path_walk_into(&w->path, name);
    return 0;
}

static int walk_directory(struct unpack *u, struct way *w, const char *path, struct error *err)
{
    char name[NAME_MAX + 1];
    int more = 0;
    while ((more = path_walk_next(&w->path, name)) > 0) {
        if (strcmp(name, ".") == 0)
            continue;
        if (strcmp(name, "..") == 0) {
            path_walk_up(&w->path);
            restart(w);
        } else {
            TRY(enter(u, w, name, err));
        }
    }
    return more < 0 ? error_set(err, ERROR_USER, errno, "%s: /%s", u->name, path) : 0;
}

/* Where the directory `path` of the archive is, below the destination; it is made as needed. The
 * caller frees *out. */
static int find_directory(struct unpack *u, const char *path, char **out, struct error *err)
{
    struct way w = { .hidden = false };
    path_walk_begin(&w.path, path);
    int rc = walk_directory(u, &w, path, err);
    if (rc == 0)
        *out = strbuf_detach(&w.path.done);
    path_walk_release(&w.path);
    return rc;
}

void unpack_forget_parent(struct unpack *u)
{
    free(take_ptr(u->parent));
    free(take_ptr(u->parent_at));
}

int unpack_place(struct unpack *u, const char *path, char **out, struct error *err)
{
    auto_free char *parent = xstrndup(path, path_dir_len(path));
    if (!u->parent || strcmp(u->parent, parent) != 0) {
        unpack_forget_parent(u);
        TRY(find_directory(u, parent, &u->parent_at, err));
        u->parent = take_ptr(parent);
    }
    auto_free char *below = path_below(u->parent_at, path_base(path));
    *out = path_below(u->pass->copy->dest, below);
    return 0;
}
