/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/rootfs.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/resolve.h"
#include "lib/fs/walk.h"

struct export
{
    const struct diff_options *options;
    const struct cancel *cancel;
    const char *as; /* before all paths, with a slash; "": nothing */
    struct hard_links links;
    struct tar_writer *tar; /* or: */
    int dest_fd;
};

static int to_tar(struct export *x, struct fs_entry *e, struct error *err)
{
    hard_links_apply(&x->links, e);
    TRY(tar_writer_entry(x->tar, &e->tar, err));
    return e->tar.type == TAR_FILE ? tar_writer_content_fd(x->tar, e->fd, e->tar.path, err) : 0;
}

static int write_file(const struct export *x, const struct fs_entry *e, int dir, const char *name,
                      struct error *err)
{
    struct timespec mtime = { .tv_sec = e->tar.mtime_s, .tv_nsec = (long)e->tar.mtime_ns };
    struct timespec times[2] = { mtime, mtime };
    auto_close int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", e->tar.path);
    TRY(fd_copy(e->fd, fd, e->tar.size, e->tar.path, x->cancel, err));
    if (fchmod(fd, e->tar.mode & 0777) < 0 || futimens(fd, times) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "set the attributes of %s", e->tar.path);
    return 0;
}

static int make_dir(const struct fs_entry *e, int dir, const char *name, struct error *err)
{
    struct stat st;
    if (mkdirat(dir, name, e->tar.mode & 0777) == 0)
        return 0;
    if (errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", e->tar.path);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return 0;
    error_set(err, ERROR_USER, 0, "%s in the destination is not a directory", e->tar.path);
    return error_hint(err, "export to an empty directory");
}

/* What is in the way is replaced, but not a directory that holds anything: it may be the user's. */
static int clear_way(int dir, const char *name, const char *path, struct error *err)
{
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT ||
        ((errno == EISDIR || errno == EPERM) && unlinkat(dir, name, AT_REMOVEDIR) == 0))
        return 0;
    error_set(err, ERROR_USER, errno, "replace %s in the destination", path);
    return error_hint(err, "export to an empty directory");
}

static int to_dir(struct export *x, struct fs_entry *e, struct error *err)
{
    auto_free char *parent = xstrndup(e->tar.path, path_dir_len(e->tar.path));
    const char *name = path_base(e->tar.path);
    const char *first = hard_links_first(&x->links, &e->st, e->tar.path);
    auto_close int dir = beneath_open(x->dest_fd, parent, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s in the destination", parent);
    if (e->tar.type == TAR_DIR)
        return make_dir(e, dir, name, err);
    if (e->tar.type == TAR_CHAR || e->tar.type == TAR_BLOCK)
        return 0;
    TRY(clear_way(dir, name, e->tar.path, err));
    if (first) {
        const char *first_name = NULL;
        auto_close int from = beneath_open_parent(x->dest_fd, first, &first_name);
        if (from < 0 || linkat(from, first_name, dir, name, 0) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "link %s", e->tar.path);
        return 0;
    }
    if (e->tar.type == TAR_FILE)
        return write_file(x, e, dir, name, err);
    int rc = e->tar.type == TAR_SYMLINK ? symlinkat(e->tar.link, dir, name)
                                        : mkfifoat(dir, name, e->tar.mode & 0777);
    return rc < 0 ? error_set(err, ERROR_SYSTEM, errno, "create %s", e->tar.path) : 0;
}

static int take(struct export *x, int dir_fd, const char *name, const char *path, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(cancel_check(x->cancel, err));
    TRY(fs_entry_open(dir_fd, name, path, &e, &kind, err));
    if (kind != FS_ENTRY_ORDINARY)
        return 0;
    diff_clamp(x->options, &e.tar);
    return x->tar ? to_tar(x, &e, err) : to_dir(x, &e, err);
}

static int visit(void *arg, const struct walk_item *item, struct error *err)
{
    struct export *x = arg;
    auto_free char *path = *x->as ? xasprintf("%s/%s", x->as, item->path) : NULL;
    return take(x, item->dir_fd, item->name, path ? path : item->path, err);
}

static int run(struct export *x, int root_fd, struct error *err)
{
    struct walk_visitor visitor = { .visit = visit, .arg = x };
    x->links = (struct hard_links)HARD_LINKS_INIT;
    int rc = walk_tree(root_fd, "", NULL, &visitor, err);
    hard_links_release(&x->links);
    return rc;
}

int rootfs_write_tar(int root_fd, const struct diff_options *options, const struct cancel *cancel,
                     struct writer *out, struct error *err)
{
    struct tar_writer tar = tar_writer_init(out);
    struct export x = {
        .options = options, .cancel = cancel, .as = "", .tar = &tar, .dest_fd = -1
    };
    TRY(run(&x, root_fd, err));
    return tar_writer_finish(&tar, err);
}

int rootfs_write_dir(int root_fd, const struct diff_options *options, const struct cancel *cancel,
                     int dest_fd, struct error *err)
{
    struct export x = { .options = options, .cancel = cancel, .as = "", .dest_fd = dest_fd };
    return run(&x, root_fd, err);
}

static int run_entry(struct export *x, const struct rootfs_entry *entry, struct error *err)
{
    x->as = entry->as;
    if (*entry->as) {
        x->links = (struct hard_links)HARD_LINKS_INIT;
        int rc = take(x, entry->dir_fd, entry->name, entry->as, err);
        hard_links_release(&x->links);
        TRY(rc);
    }
    auto_close int dir =
        openat(entry->dir_fd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir >= 0)
        return run(x, dir, err);
    bool is_other = errno == ENOTDIR || errno == ELOOP;
    return *entry->as && is_other ? 0 : error_set(err, ERROR_SYSTEM, errno, "open %s", entry->name);
}

static const struct diff_options own_times = { 0 };

int rootfs_entry_write_tar(const struct rootfs_entry *entry, const struct cancel *cancel,
                           struct writer *out, struct error *err)
{
    struct tar_writer tar = tar_writer_init(out);
    struct export x = { .options = &own_times, .cancel = cancel, .tar = &tar, .dest_fd = -1 };
    TRY(run_entry(&x, entry, err));
    return tar_writer_finish(&tar, err);
}

int rootfs_entry_write_dir(const struct rootfs_entry *entry, const struct cancel *cancel,
                           int dest_fd, struct error *err)
{
    struct export x = { .options = &own_times, .cancel = cancel, .dest_fd = dest_fd };
    return run_entry(&x, entry, err);
}
