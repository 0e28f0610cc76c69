/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/walk.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/dir.h"

int walk_compare(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    int left = *a == '/' ? 1 : (unsigned char)*a + (*a ? 1 : 0);
    int right = *b == '/' ? 1 : (unsigned char)*b + (*b ? 1 : 0);
    return left - right;
}

/* A directory on the way down. `item` is valid while its children are walked. */
struct frame {
    struct frame *up;
    struct walk_item item;
    void *kept;
    bool shown;
    unsigned depth;
};

struct walk {
    const struct walk_filter *filters;
    size_t filter_count;
    const struct walk_visitor *visitor;
};

enum verdict {
    TAKEN,
    HELD_BACK, /* excluded, but something below may not be */
    LEFT_OUT,
};

static enum verdict judge(const struct walk *w, const char *path)
{
    enum verdict verdict = TAKEN;
    for (size_t i = 0; i < w->filter_count; i++) {
        const struct walk_filter *f = &w->filters[i];
        if (!f->exclude || f->exclude->count == 0)
            continue;
        auto_free char *whole = path_below(f->prefix, path);
        if (!pattern_list_excludes(f->exclude, whole, NULL))
            continue;
        if (!pattern_list_may_reinclude_below(f->exclude, whole))
            return LEFT_OUT;
        verdict = HELD_BACK;
    }
    return verdict;
}

/* Shows a directory that was held back, its parents first. */
static int show(const struct walk *w, struct frame *f, struct error *err)
{
    if (!f || f->shown)
        return 0;
    TRY(show(w, f->up, err));
    f->item.parent = f->up ? f->up->kept : NULL;
    f->item.keep = &f->kept;
    f->shown = true;
    return w->visitor->visit(w->visitor->arg, &f->item, err);
}

static int walk_directory(const struct walk *w, int fd, const char *path, struct frame *frame,
                          struct error *err);

static int enter(const struct walk *w, struct frame *f, struct error *err)
{
    if (f->depth > DIR_DEPTH_MAX)
        return error_set(err, ERROR_USER, 0, "more than %d directories inside each other: %.40s...",
                         DIR_DEPTH_MAX, f->item.path);
    auto_close int fd =
        openat(f->item.dir_fd, f->item.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open directory %s", f->item.path);
    int rc = walk_directory(w, fd, f->item.path, f, err);
    if (f->shown && w->visitor->leave)
        w->visitor->leave(w->visitor->arg, f->kept);
    return rc;
}

static int visit_name(const struct walk *w, int dir_fd, const char *path, const char *name,
                      struct frame *up, struct error *err)
{
    auto_free char *below = path_below(path, name);
    enum verdict verdict = judge(w, below);
    struct frame f = { .up = up,
                       .depth = up ? up->depth + 1 : 0,
                       .item = { .dir_fd = dir_fd, .name = name, .path = below } };
    if (verdict == LEFT_OUT)
        return 0;
    if (fstatat(dir_fd, name, &f.item.st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return 0;
        return error_set(err, ERROR_SYSTEM, errno, "stat %s", below);
    }
    bool is_dir = S_ISDIR(f.item.st.st_mode);
    if (verdict == HELD_BACK && !is_dir)
        return 0;
    if (verdict == TAKEN)
        TRY(show(w, &f, err));
    return is_dir ? enter(w, &f, err) : 0;
}

static int walk_directory(const struct walk *w, int fd, const char *path, struct frame *frame,
                          struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(fd, *path ? path : ".", &names, err));
    for (size_t i = 0; i < names.count; i++)
        TRY(visit_name(w, fd, path, names.items[i], frame, err));
    return 0;
}

int walk_filtered(int start_fd, const struct walk_filter *filters, size_t count,
                  const struct walk_visitor *visitor, struct error *err)
{
    struct walk w = { filters, count, visitor };
    return walk_directory(&w, start_fd, "", NULL, err);
}

int walk_tree(int start_fd, const char *prefix, const struct pattern_list *exclude,
              const struct walk_visitor *visitor, struct error *err)
{
    struct walk_filter filter = { exclude, prefix };
    return walk_filtered(start_fd, &filter, 1, visitor, err);
}
