/* SPDX-License-Identifier: Apache-2.0 */
/* Sources that are directories, and those that keep their parents. */
#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/resolve.h"
#include "lib/solver/copy_internal.h"

/* One source on its way. */
struct tree {
    struct pass *pass;
    const struct selected *item;
    char *dest;          /* where its entries go, relative to the root; owned */
    bool meets_lower;    /* the same directory is below */
    bool parents_wanted; /* they are written when the first entry is */
};

static void tree_release(struct tree *t)
{
    free(t->dest);
}
DEFINE_AUTO(tree, struct tree, tree_release(value))

/* Writes the directory `below` of the pivot with what it is there. */
static int write_parent(struct tree *t, const char *pivot, const char *below, struct error *err)
{
    struct pass *p = t->pass;
    const char *dest = p->copy->dest;
    auto_free char *path = path_below(dest, below);
    auto_free char *source = path_below(pivot, below);
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(copy_check_lower(p->copy, path, true, err));
    TRY(copy_check_name(path, err));
    if (!p->to)
        return 0;
    auto_close int fd = beneath_open(p->from->root_fd, source, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", source);
    TRY(fs_entry_of_dir(fd, path, &e, err));
    copy_adjust(p->copy, p->from, &e.tar);
    return p->to->ops->entry(p->to, &e.tar, -1, err);
}

/* The destination, and all directories between the pivot and what is copied. */
static int write_parents(struct tree *t, struct error *err)
{
    const struct selected *item = t->item;
    auto_free char *pivot = selection_pivot(item);
    t->parents_wanted = false;
    TRY(pass_write_way(t->pass, true, copy_new_mode(t->pass->copy), err));
    for (const char *end = item->name; *end; end += *end == '/') {
        end += strcspn(end, "/");
        if (!*end && !item->is_dir)
            break;
        auto_free char *below = xstrndup(item->name, (size_t)(end - item->name));
        TRY(write_parent(t, pivot, below, err));
    }
    return 0;
}

static int visit(void *arg, const struct walk_item *item, struct error *err)
{
    struct tree *t = arg;
    auto_free char *path = path_below(t->dest, item->path);
    TRY(cancel_check(t->pass->copy->cancel, err));
    if (t->parents_wanted)
        TRY(write_parents(t, err));
    if (t->meets_lower)
        TRY(copy_check_lower(t->pass->copy, path, S_ISDIR(item->st.st_mode), err));
    const struct copied c = {
        .item = *item, .path = path, .from = t->pass->from, .scribe = t->pass->scribe
    };
    return t->pass->to ? copy_entry(t->pass, &c, err) : 0;
}

static int walk_source(struct tree *t, int fd, struct error *err)
{
    struct pass *p = t->pass;
    struct walk_filter filters[SELECTION_FILTERS];
    struct walk_visitor visitor = { .visit = visit, .arg = t };
    /* Where the root has nothing there is nothing to be told, but for the parents. */
    if (!p->to && !t->meets_lower && !t->parents_wanted)
        return 0;
    selection_filters(p->from, p->selection, t->item, filters);
    return walk_filtered(fd, filters, SELECTION_FILTERS, &visitor, err);
}

/* The destination directory keeps owner and mode if it exists, and takes the source's time. */
static int write_top(const struct tree *t, int source_fd, struct error *err)
{
    struct pass *p = t->pass;
    const struct copy *c = p->copy;
    auto_(fs_entry) struct fs_entry source = { .fd = -1 };
    auto_(fs_entry) struct fs_entry existing = { .fd = -1 };
    TRY(fs_entry_of_dir(source_fd, t->dest, &source, err));
    struct tar_entry e = { .path = t->dest, .type = TAR_DIR, .mode = copy_new_mode(c) };
    if (c->has_owner) {
        e.uid = c->owner.uid;
        e.gid = c->owner.gid;
    }
    if (t->meets_lower) {
        bool exists = false;
        TRY(lower_look(c->lower, t->dest, &exists, &existing, err));
        e = existing.tar;
    }
    /* The root of a stage has no time but that of its mount. */
    if (p->from->is_context || *t->item->path) {
        e.mtime_s = source.tar.mtime_s;
        e.mtime_ns = source.tar.mtime_ns;
    }
    /* The root directory's own attributes are no part of a layer. */
    return *t->dest ? p->to->ops->entry(p->to, &e, -1, err) : 0;
}

static int open_source(const struct tree *t, int *out_fd, struct error *err)
{
    *out_fd = beneath_open(t->pass->from->root_fd, t->item->path, O_RDONLY | O_DIRECTORY, 0);
    return *out_fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "open %s", t->item->path) : 0;
}

int copy_directory(struct pass *p, const struct selected *item, struct error *err)
{
    const struct copy *c = p->copy;
    auto_close int fd = -1;
    auto_(tree) struct tree t = {
        .pass = p, .item = item, .dest = xstrdup(c->dest), .meets_lower = c->dest_exists
    };
    if (p->dest == COPY_DEST_OTHER)
        return copy_conflict(c->dest, true, err);
    /* What exists is a fact; what the source directory makes is none. */
    TRY(pass_write_way(p, c->dest_exists, copy_new_mode(c), err));
    p->dest = COPY_DEST_DIR;
    p->dest_written = true;
    TRY(open_source(&t, &fd, err));
    if (p->to)
        TRY(write_top(&t, fd, err));
    return walk_source(&t, fd, err);
}

static int copy_kept_file(struct tree *t, struct error *err)
{
    struct pass *p = t->pass;
    TRY(write_parents(t, err));
    TRY(copy_check_lower(p->copy, t->dest, false, err));
    size_t index = (size_t)(t->item - p->selection->items);
    return p->to ? copy_single(p, t->item->path, t->dest, index, err) : 0;
}

int copy_with_parents(struct pass *p, const struct selected *item, struct error *err)
{
    const struct copy *c = p->copy;
    auto_close int fd = -1;
    const char *between = *c->dest && *item->name ? "/" : "";
    auto_(tree) struct tree t = { .pass = p,
                                  .item = item,
                                  .dest = xasprintf("%s%s%s", c->dest, between, item->name),
                                  .parents_wanted = true };
    if (p->dest == COPY_DEST_OTHER)
        return copy_conflict(c->dest, true, err);
    p->dest = COPY_DEST_DIR;
    if (!item->is_dir)
        return copy_kept_file(&t, err);
    TRY(open_source(&t, &fd, err));
    /* A directory that is named is copied, even an empty one. */
    if (!item->only && !pattern_list_excludes(&p->selection->exclude, item->name, NULL))
        TRY(write_parents(&t, err));
    auto_(fs_entry) struct fs_entry below = { .fd = -1 };
    TRY(lower_look(c->lower, t.dest, &t.meets_lower, &below, err));
    return walk_source(&t, fd, err);
}
