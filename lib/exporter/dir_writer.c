/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/dir_writer_internal.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/job_row.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/resolve.h"
#include "lib/fs/shared_dir.h"

enum { PIECE = 64 * 1024 * 1024 };

struct dir_writer {
    const struct rootfs_options *options;
    int dest_fd;
    struct hard_links links;
    struct shared_dir *from, *to; /* where the last entry came from, and went */
    struct job_row *row;
};

/* A file that is on its way, or what becomes another name of something. */
struct moved {
    struct shared_dir *from, *to;
    char *name; /* in `from` */
    char *path; /* where it goes */
    struct stat st;
    char *first; /* the name under which it came before; or NULL */
};

/* Is what was tried to fail because something is in the way, gone now? Not a directory that holds
 * anything: it may be the user's. */
static int clear_way(int dir, const char *name, const char *path, struct error *err)
{
    if (errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", path);
    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT ||
        ((errno == EISDIR || errno == EPERM) && unlinkat(dir, name, AT_REMOVEDIR) == 0))
        return 0;
    error_set(err, ERROR_USER, errno, "replace %s in the destination", path);
    return error_hint(err, "export to an empty directory");
}

static int create_file(int dir, const char *name)
{
    return openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* In pieces, so that a large file is seen to get on; whole if it has holes, which stay. */
static int copy_content(const struct dir_writer *w, const struct fs_entry *e, int fd,
                        struct error *err)
{
    bool has_holes = (uint64_t)e->st.st_blocks * 512 < e->tar.size;

    for (uint64_t left = e->tar.size; left > 0;) {
        uint64_t len = left > PIECE && !has_holes ? PIECE : left;
        TRY(fd_copy(e->fd, fd, len, e->tar.path, w->options->cancel, err));
        meter_add(w->options->meter, len);
        left -= len;
    }
    return 0;
}

static int write_file(const struct dir_writer *w, const struct moved *m, const struct fs_entry *e,
                      struct error *err)
{
    struct timespec mtime = { .tv_sec = e->tar.mtime_s, .tv_nsec = (long)e->tar.mtime_ns };
    struct timespec times[2] = { mtime, mtime };
    const char *name = path_base(m->path);
    auto_close int fd = create_file(m->to->fd, name);

    if (fd < 0) {
        TRY(clear_way(m->to->fd, name, m->path, err));
        fd = create_file(m->to->fd, name);
    }
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", m->path);
    TRY(copy_content(w, e, fd, err));
    if (fchmod(fd, e->tar.mode & 0777) < 0 || futimens(fd, times) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "set the attributes of %s", m->path);
    return 0;
}

static int copy_file(void *arg, void *item, void *room, struct error *err)
{
    const struct dir_writer *w = arg;
    const struct moved *m = item;
    const struct walk_item source = {
        .dir_fd = m->from->fd, .name = m->name, .path = m->path, .st = m->st
    };
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };

    (void)room;
    TRY(cancel_check(w->options->cancel, err));
    TRY(fs_entry_of_item(&source, m->path, &e, &kind, err));
    diff_clamp(w->options->diff, &e.tar);
    return write_file(w, m, &e, err);
}

/* In its turn, since the first name is there by then. */
static int link_file(void *arg, void *item, struct error *err)
{
    const struct dir_writer *w = arg;
    const struct moved *m = item;
    const char *name = path_base(m->path);
    const char *first = NULL;

    if (!m->first)
        return 0;
    auto_close int dir = beneath_open_parent(w->dest_fd, m->first, &first);
    if (dir >= 0 && linkat(dir, first, m->to->fd, name, 0) == 0)
        return 0;
    TRY(clear_way(m->to->fd, name, m->path, err));
    if (linkat(dir, first, m->to->fd, name, 0) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "link %s", m->path);
    return 0;
}

static void release(void *item)
{
    struct moved *m = item;

    shared_dir_drop(m->from);
    shared_dir_drop(m->to);
    free(m->name);
    free(m->path);
    free(m->first);
}

static int make_dir(const struct walk_item *item, int dir, struct error *err)
{
    struct stat st;
    const char *name = path_base(item->path);

    if (mkdirat(dir, name, item->st.st_mode & 0777) == 0)
        return 0;
    if (errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", item->path);
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return 0;
    error_set(err, ERROR_USER, 0, "%s in the destination is not a directory", item->path);
    return error_hint(err, "export to an empty directory");
}

static int create_other(const struct fs_entry *e, int dir, const char *name)
{
    return e->tar.type == TAR_SYMLINK ? symlinkat(e->tar.link, dir, name)
                                      : mkfifoat(dir, name, e->tar.mode & 0777);
}

/* A symbolic link or a FIFO. */
static int make_other(const struct walk_item *item, int dir, struct error *err)
{
    const char *name = path_base(item->path);
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };

    TRY(fs_entry_open(item->dir_fd, item->name, item->path, &e, &kind, err));
    if (create_other(&e, dir, name) == 0)
        return 0;
    TRY(clear_way(dir, name, item->path, err));
    if (create_other(&e, dir, name) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", item->path);
    return 0;
}

/* `first`: the name under which it came before, or NULL: a file. */
static int queue(struct dir_writer *w, const struct walk_item *item, const char *first,
                 struct shared_dir *to, struct error *err)
{
    struct moved *m = job_row_room(w->row);

    if (shared_dir_of(item, &w->from, &m->from, err) < 0) {
        shared_dir_drop(to);
        return -1;
    }
    m->to = to;
    m->name = xstrdup(item->name);
    m->path = xstrdup(item->path);
    m->st = item->st;
    m->first = first ? xstrdup(first) : NULL;
    return job_row_add(w->row, first ? 0 : (uint64_t)item->st.st_size + 1, err);
}

int dir_writer_entry(struct dir_writer *w, const struct walk_item *item, struct error *err)
{
    struct shared_dir *to = NULL;
    mode_t mode = item->st.st_mode;

    TRY(cancel_check(w->options->cancel, err));
    if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode) && !S_ISFIFO(mode))
        return 0;
    TRY(shared_dir_below(w->dest_fd, item->path, &w->to, &to, err));
    const char *first = hard_links_first(&w->links, &item->st, item->path);
    if (first || S_ISREG(mode))
        return queue(w, item, first, to, err);
    int rc = S_ISDIR(mode) ? make_dir(item, to->fd, err) : make_other(item, to->fd, err);
    shared_dir_drop(to);
    return rc;
}

int dir_writer_end(struct dir_writer *w, int rc, struct error *err)
{
    return job_row_end(w->row, rc, err);
}

struct dir_writer *dir_writer_new(const struct rootfs_options *options, int dest_fd)
{
    static const struct job_row_work work = {
        .item_size = sizeof(struct moved), .work = copy_file, .take = link_file, .release = release
    };
    struct dir_writer *w = xcalloc(1, sizeof *w);

    *w = (struct dir_writer){ .options = options, .dest_fd = dest_fd, .links = HARD_LINKS_INIT };
    w->row = job_row_new(&work, w, options->pool);
    return w;
}

void dir_writer_free(struct dir_writer *w)
{
    if (!w)
        return;
    job_row_free(w->row);
    hard_links_release(&w->links);
    shared_dir_drop(w->from);
    shared_dir_drop(w->to);
    free(w);
}
