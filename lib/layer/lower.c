/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/layer/lower.h"

#include <fcntl.h>
#include <limits.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/path_walk.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/fs/resolve.h"

/* A path on its way, and what is known of where it is: of path.done. */
struct following {
    struct lower *lower;
    struct path_walk path;
    bool exists, is_dir;
};

static int expand_link(struct following *f, const char *target)
{
    path_walk_up(&f->path);
    f->is_dir = true;
    return path_walk_link(&f->path, target);
}

/* `name` in the directory where the path is. What is missing is missing with all below it. */
static int step_into(struct following *f, const char *name, const char *written, struct error *err)
{
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    path_walk_into(&f->path, name);
    if (!f->exists)
        return 0;
    TRY(lower_look(f->lower, f->path.done.buf, &f->exists, &e, err));
    if (!f->exists)
        return 0;
    f->is_dir = e.tar.type == TAR_DIR;
    if (e.tar.type == TAR_SYMLINK && expand_link(f, e.tar.link) < 0)
        return error_set(err, ERROR_USER, errno, "%s", written);
    return 0;
}

static int follow(struct following *f, const char *written, struct error *err)
{
    char name[NAME_MAX + 1];
    struct path_walk *path = &f->path;
    /* A slash behind the last component asks for a directory, as in open. */
    while (!path_walk_is_last(path) || (path->left[0] == '/' && f->exists && !f->is_dir)) {
        if (f->exists && !f->is_dir)
            return error_set(err, ERROR_USER, ENOTDIR, "%s", written);
        if (path_walk_next(path, name) < 0)
            return error_set(err, ERROR_USER, errno, "%s", written);
        if (strcmp(name, "..") == 0)
            path_walk_up(path);
        else if (strcmp(name, ".") != 0)
            TRY(step_into(f, name, written, err));
    }
    return 0;
}

int lower_resolve(struct lower *l, const char *path, struct lower_place *out, struct error *err)
{
    struct following f = { .lower = l, .exists = true, .is_dir = true };
    path_walk_begin(&f.path, path);
    int rc = follow(&f, path, err);
    if (rc == 0)
        *out = (struct lower_place){ strbuf_detach(&f.path.done), f.exists, f.exists && f.is_dir };
    path_walk_release(&f.path);
    return rc;
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
    const char *name = *path ? path_base(path) : ".";
    *out_exists = false;
    TRY(open_parent(d, path, path_dir_len(path), err));
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
