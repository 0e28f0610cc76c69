/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/diff.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include "lib/base/fd.h"
#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/fs/dir.h"
#include "lib/fs/entry.h"

enum { CHUNK = 256 * 1024 };

struct diff {
    const struct diff_options *options;
    struct tar_writer *out;
    struct map first_names; /* "dev:ino" of files with several names -> path of the first; owned */
    char *buffer;
    unsigned depth;
};

static int write_content(struct diff *d, const struct fs_entry *e, struct error *err)
{
    for (uint64_t left = e->tar.size; left;) {
        size_t want = left < CHUNK ? (size_t)left : CHUNK;
        ssize_t n = fd_read_full(e->fd, d->buffer, want);
        if (n < 0)
            return error_set(err, ERROR_SYSTEM, errno, "read %s", e->tar.path);
        if ((size_t)n < want)
            return error_set(err, ERROR_CORRUPT, 0, "%s became shorter while it was read",
                             e->tar.path);
        TRY(tar_writer_content(d->out, d->buffer, want, err));
        left -= want;
    }
    return 0;
}

static int write_marker(struct diff *d, const char *dir, const char *name, struct error *err)
{
    auto_free char *path = xasprintf("%s%s%s", dir, *dir ? "/" : "", name);
    struct tar_entry e = { .path = path, .type = TAR_FILE };
    return tar_writer_entry(d->out, &e, err);
}

/* Turns a file that was written already under another name into a link to that one. */
static void link_to_first(struct diff *d, struct fs_entry *e)
{
    char key[48];
    if (e->tar.type == TAR_DIR || e->st.st_nlink < 2)
        return;
    snprintf(key, sizeof key, "%lx:%lx", (unsigned long)e->st.st_dev, (unsigned long)e->st.st_ino);
    const char *first = map_find(&d->first_names, key);
    if (!first) {
        map_set(&d->first_names, key, xstrdup(e->tar.path));
        return;
    }
    e->tar.type = TAR_HARDLINK;
    e->tar.link = first;
    e->tar.size = 0;
}

static int write_entry(struct diff *d, struct fs_entry *e, struct error *err)
{
    diff_clamp(d->options, &e->tar);
    link_to_first(d, e);
    struct tar_entry header = e->tar;
    if (header.type == TAR_HARDLINK)
        header.xattr_count = 0; /* the first name carries them */
    TRY(tar_writer_entry(d->out, &header, err));
    return e->tar.type == TAR_FILE ? write_content(d, e, err) : 0;
}

static int write_children(struct diff *d, int fd, const char *path, struct error *err);

static int write_directory(struct diff *d, int dir_fd, const char *name, const char *path,
                           struct error *err)
{
    char mark[8];
    auto_close int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", path);
    if (d->depth == DIR_DEPTH_MAX)
        return error_set(err, ERROR_USER, 0, "more than %d directories inside each other: %.40s...",
                         DIR_DEPTH_MAX, path);
    if (fgetxattr(fd, "user.overlay.opaque", mark, sizeof mark) == 1 && mark[0] == 'y')
        TRY(write_marker(d, path, ".wh..wh..opq", err));
    d->depth++;
    int rc = write_children(d, fd, path, err);
    d->depth--;
    return rc;
}

static int write_child(struct diff *d, int dir_fd, const char *dir, const char *name,
                       struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_free char *path = xasprintf("%s%s%s", dir, *dir ? "/" : "", name);
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(fs_entry_open(dir_fd, name, path, &e, &kind, err));
    if (kind == FS_ENTRY_SOCKET)
        return 0;
    if (kind == FS_ENTRY_WHITEOUT) {
        auto_free char *marker = xasprintf(".wh.%s", name);
        return write_marker(d, dir, marker, err);
    }
    if (str_starts_with(name, ".wh.")) {
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
    struct diff d = {
        .options = options, .out = out, .first_names.free_value = free, .buffer = xmalloc(CHUNK)
    };
    int rc = write_children(&d, tree_fd, "", err);
    map_release(&d.first_names);
    free(d.buffer);
    return rc;
}
