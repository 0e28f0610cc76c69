/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/lower.h"

#include <fcntl.h>
#include <limits.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/fs/resolve.h"

enum { LINKS_MAX = 40 };

/* A path on its way: `done` has no links, `todo` is what is left. */
struct following {
    struct lower *lower;
    const char *written; /* for messages */
    struct strbuf done;
    char *todo;
    int links;
    bool exists, is_dir; /* of `done` */
};

static void following_release(struct following *f)
{
    strbuf_release(&f->done);
    free(f->todo);
}
DEFINE_AUTO(following, struct following, following_release(value))

static int refuse(const struct following *f, int why, struct error *err)
{
    return error_set(err, ERROR_USER, why, "%s", f->written);
}

static void drop_component(struct strbuf *path)
{
    const char *slash = path->len ? memrchr(path->buf, '/', path->len) : NULL;
    path->len = slash ? (size_t)(slash - path->buf) : 0;
    if (path->cap)
        path->buf[path->len] = '\0';
}

/* What is left is empty or begins with a slash. */
static int expand_link(struct following *f, const char *target, struct error *err)
{
    if (++f->links > LINKS_MAX)
        return refuse(f, ELOOP, err);
    char *todo = xasprintf("%s%s", target, f->todo);
    free(f->todo);
    f->todo = todo;
    if (target[0] == '/')
        strbuf_clear(&f->done);
    else
        drop_component(&f->done);
    f->is_dir = true;
    return 0;
}

/* `name` below `done`, which is a directory. What is missing is missing with all below it. */
static int step_into(struct following *f, const char *name, struct error *err)
{
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    strbuf_addf(&f->done, "%s%s", f->done.len ? "/" : "", name);
    if (!f->exists)
        return 0;
    TRY(lower_look(f->lower, f->done.buf, &f->exists, &e, err));
    if (!f->exists)
        return 0;
    f->is_dir = e.tar.type == TAR_DIR;
    return e.tar.type == TAR_SYMLINK ? expand_link(f, e.tar.link, err) : 0;
}

static int follow(struct following *f, struct error *err)
{
    for (;;) {
        char name[NAME_MAX + 1];
        const char *p = f->todo + strspn(f->todo, "/");
        size_t len = strcspn(p, "/");
        if (len == 0 && (f->is_dir || !f->exists || p == f->todo))
            return 0;
        /* A slash behind it asks for a directory, as in open. */
        if (f->exists && !f->is_dir)
            return refuse(f, ENOTDIR, err);
        if (len > NAME_MAX)
            return refuse(f, ENAMETOOLONG, err);
        snprintf(name, sizeof name, "%.*s", (int)len, p);
        char *rest = xstrdup(p + len);
        free(f->todo);
        f->todo = rest;
        if (strcmp(name, "..") == 0)
            drop_component(&f->done);
        else if (strcmp(name, ".") != 0)
            TRY(step_into(f, name, err));
    }
}

int lower_resolve(struct lower *l, const char *path, struct lower_place *out, struct error *err)
{
    auto_(following) struct following f = { .lower = l,
                                            .written = path,
                                            .done = STRBUF_INIT,
                                            .todo = xstrdup(path),
                                            .exists = true,
                                            .is_dir = true };
    TRY(follow(&f, err));
    *out = (struct lower_place){ strbuf_detach(&f.done), f.exists, f.exists && f.is_dir };
    return 0;
}

void lower_place_release(struct lower_place *p)
{
    free(take_ptr(p->path));
}

int lower_read(struct lower *l, const char *path, size_t limit, char **out, struct error *err)
{
    auto_(lower_place) struct lower_place place = { 0 };
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    auto_(error) struct error no_way = { 0 };
    bool exists = false;
    *out = NULL;
    if (lower_resolve(l, path, &place, &no_way) < 0 && no_way.sys == ENOTDIR)
        return 0;
    if (error_is_set(&no_way)) {
        error_move(err, &no_way);
        return error_wrap(err, "open in the image");
    }
    TRY(lower_look(l, place.path, &exists, &e, err));
    if (!exists)
        return 0;
    if (e.tar.type == TAR_FILE && e.fd < 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "%s is in a packed layer", path);
    if (e.tar.type != TAR_FILE)
        return error_set(err, ERROR_USER, 0, "%s of the image is not a regular file", path);
    TRY(fd_read_all(e.fd, limit, path, &text, err));
    *out = strbuf_detach(&text);
    return 0;
}

/* A plain directory. */
struct directory {
    struct lower base;
    int root_fd;
    char *parent; /* what was looked into last, and its descriptor: -1 if it is not there */
    int parent_fd;
};

static void forget_parent(struct directory *d)
{
    if (d->parent_fd >= 0)
        close(take_fd(&d->parent_fd));
    free(take_ptr(d->parent));
}

static int open_parent(struct directory *d, const char *path, size_t len, struct error *err)
{
    if (d->parent && strlen(d->parent) == len && memcmp(d->parent, path, len) == 0)
        return 0;
    forget_parent(d);
    auto_free char *parent = xstrndup(path, len);
    d->parent_fd = beneath_open(d->root_fd, parent, O_PATH | O_DIRECTORY, 0);
    if (d->parent_fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", parent);
    d->parent = take_ptr(parent);
    return 0;
}

static int directory_look(struct lower *l, const char *path, bool *out_exists, struct fs_entry *out,
                          struct error *err)
{
    struct directory *d = (struct directory *)l;
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : *path ? path : ".";
    *out_exists = false;
    TRY(open_parent(d, path, slash ? (size_t)(slash - path) : 0, err));
    if (d->parent_fd < 0)
        return 0;
    if (fs_entry_open(d->parent_fd, name, path, out, &kind, err) < 0) {
        if (err->kind != ERROR_NOT_FOUND)
            return -1;
        error_clear(err);
        return 0;
    }
    *out_exists = true;
    return 0;
}

static int directory_may_hold(struct lower *l, const char *path, bool *out, struct error *err)
{
    const struct directory *d = (struct directory *)l;
    auto_(strvec) struct strvec names = { 0 };
    auto_close int fd = beneath_open(d->root_fd, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open /%s", path);
    TRY(dir_list(fd, path, &names, err));
    *out = names.count > 0;
    return 0;
}

static void directory_close(struct lower *l)
{
    struct directory *d = (struct directory *)l;
    forget_parent(d);
    close(d->root_fd);
    free(d);
}

struct lower *lower_of_directory_take(int root_fd)
{
    static const struct lower_ops ops = { directory_look, directory_may_hold, directory_close };
    struct directory *d = xmalloc(sizeof *d);
    *d = (struct directory){ .base = { &ops }, .root_fd = root_fd, .parent_fd = -1 };
    return &d->base;
}
