/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/diff.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "lib/layer/whiteout.h"
#include "snapshotter/marks.h"

struct diff {
    const struct diff_options *options;
    struct tar_writer *out;
    struct hard_links links;
    unsigned depth;
};

static int write_marker(struct diff *d, const char *dir, const char *name, struct error *err)
{
    auto_free char *path = path_below(dir, name);
    struct tar_entry e = { .path = path, .type = TAR_FILE };
    return tar_writer_entry(d->out, &e, err);
}

static int write_entry(struct diff *d, struct fs_entry *e, struct error *err)
{
    diff_clamp(d->options, &e->tar);
    hard_links_apply(&d->links, e);
    TRY(tar_writer_entry(d->out, &e->tar, err));
    return e->tar.type == TAR_FILE ? tar_writer_content_fd(d->out, e->fd, e->tar.path, err) : 0;
}

static int write_children(struct diff *d, int fd, const char *path, struct error *err);

static int write_directory(struct diff *d, int dir_fd, const char *name, const char *path,
                           struct error *err)
{
    auto_close int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", path);
    if (d->depth == DIR_DEPTH_MAX)
        return error_set(err, ERROR_USER, 0, "more than %d directories inside each other: %.40s...",
                         DIR_DEPTH_MAX, path);
    if (directory_is_opaque(fd))
        TRY(write_marker(d, path, WHITEOUT_OPAQUE_NAME, err));
    d->depth++;
    int rc = write_children(d, fd, path, err);
    d->depth--;
    return rc;
}

static int write_child(struct diff *d, int dir_fd, const char *dir, const char *name,
                       struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_free char *path = path_below(dir, name);
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    struct walk_item item = { .dir_fd = dir_fd, .name = name };
    if (fstatat(dir_fd, name, &item.st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "stat %s", path);
    TRY(fs_entry_of_item(&item, path, &e, &kind, err));
    if (kind == FS_ENTRY_SOCKET)
        return 0;
    if (kind == FS_ENTRY_WHITEOUT) {
        auto_free char *marker = xasprintf(WHITEOUT_PREFIX "%s", name);
        return write_marker(d, dir, marker, err);
    }
    if (str_starts_with(name, WHITEOUT_PREFIX)) {
        error_set(err, ERROR_USER, 0, "%s cannot be part of an image: its name means a deletion",
                  path);
        return error_hint(err, "remove or rename it in the step that makes it");
    }
    TRY(write_entry(d, &e, err));
    return e.tar.type == TAR_DIR ? write_directory(d, dir_fd, name, path, err) : 0;
}

static int write_children(struct diff *d, int fd, const char *path, struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(fd, path, &names, err));
    for (size_t i = 0; i < names.count; i++)
        TRY(write_child(d, fd, path, names.items[i], err));
    return 0;
}

int diff_write(int tree_fd, const struct diff_options *options, struct tar_writer *out,
               struct error *err)
{
    struct diff d = { .options = options, .out = out, .links = HARD_LINKS_INIT };
    int rc = write_children(&d, tree_fd, "", err);
    hard_links_release(&d.links);
    return rc;
}
