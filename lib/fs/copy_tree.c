/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/copy_tree.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/walk.h"

struct copying {
    int to_fd;
    const struct cancel *cancel;
    struct hard_links links;
};

/* A directory of the copy whose children are on their way. */
struct copied_dir {
    int fd;
    struct timespec times[2];
};

static int failed(struct error *err, const char *what, const char *path)
{
    return error_set(err, ERROR_SYSTEM, errno, "%s the copy of %s", what, path);
}

static int dir_of(const struct copying *c, const struct walk_item *item)
{
    const struct copied_dir *parent = item->parent;
    return parent ? parent->fd : c->to_fd;
}

static int set_xattrs(int fd, const struct fs_entry *e, struct error *err)
{
    for (size_t i = 0; i < e->xattr_count; i++) {
        const struct tar_xattr *x = &e->xattrs[i];
        if (fsetxattr(fd, x->name, x->value, x->len, 0) < 0 && errno == ENOSPC)
            return error_set(err, ERROR_SYSTEM, E2BIG, "attribute %s of the copy of %s", x->name,
                             e->tar.path);
    }
    return 0;
}

/* Owner first: chown clears the setuid bits and file capabilities. */
static int set_attributes(int fd, const struct fs_entry *e, struct error *err)
{
    if (fchown(fd, e->tar.uid, e->tar.gid) < 0 || fchmod(fd, e->tar.mode) < 0)
        return failed(err, "set the owner of", e->tar.path);
    return set_xattrs(fd, e, err);
}

static int copy_file(const struct copying *c, int dir, const struct walk_item *item,
                     const struct fs_entry *e, struct error *err)
{
    const struct timespec times[2] = { e->st.st_atim, e->st.st_mtim };
    auto_close int fd =
        openat(dir, item->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(err, "create", item->path);
    TRY(fd_copy(e->fd, fd, e->tar.size, item->path, c->cancel, err));
    TRY(set_attributes(fd, e, err));
    return futimens(fd, times) < 0 ? failed(err, "set the time of", item->path) : 0;
}

static int copy_dir(int dir, const struct walk_item *item, const struct fs_entry *e,
                    struct error *err)
{
    if (mkdirat(dir, item->name, 0700) < 0)
        return failed(err, "create", item->path);
    auto_close int fd = openat(dir, item->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed(err, "open", item->path);
    TRY(set_attributes(fd, e, err));
    struct copied_dir *kept = xmalloc(sizeof *kept);
    *kept = (struct copied_dir){ take_fd(&fd), { e->st.st_atim, e->st.st_mtim } };
    *item->keep = kept;
    return 0;
}

/* Links, FIFOs, devices: made by name. */
static int copy_node(int dir, const struct walk_item *item, const struct fs_entry *e,
                     struct error *err)
{
    const struct timespec times[2] = { e->st.st_atim, e->st.st_mtim };
    dev_t dev = makedev(e->tar.dev_major, e->tar.dev_minor);
    int rc = e->tar.type == TAR_SYMLINK
                 ? symlinkat(e->tar.link, dir, item->name)
                 : mknodat(dir, item->name, (e->st.st_mode & S_IFMT) | e->tar.mode, dev);
    if (rc < 0 && errno == EPERM)
        return 0;
    /* The umask has taken some of the mode. */
    if (rc == 0 && e->tar.type != TAR_SYMLINK)
        rc = fchmodat(dir, item->name, e->tar.mode, 0);
    if (rc < 0 || fchownat(dir, item->name, e->tar.uid, e->tar.gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        utimensat(dir, item->name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(err, "create", item->path);
    return 0;
}

static int copy_entry(void *arg, const struct walk_item *item, struct error *err)
{
    struct copying *c = arg;
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    int dir = dir_of(c, item);
    TRY(cancel_check(c->cancel, err));
    TRY(fs_entry_of_item(item, item->path, &e, &kind, err));
    if (kind != FS_ENTRY_ORDINARY)
        return 0;
    if (S_ISDIR(item->st.st_mode) && e.tar.type == TAR_DIR)
        return copy_dir(dir, item, &e, err);
    if (S_ISDIR(item->st.st_mode) || e.tar.type == TAR_DIR)
        return error_set(err, ERROR_SYSTEM, 0, "%s changed while it was copied", item->path);
    hard_links_apply(&c->links, &e);
    if (e.tar.type == TAR_HARDLINK) {
        return linkat(c->to_fd, e.tar.link, dir, item->name, 0) < 0
                   ? failed(err, "link", item->path)
                   : 0;
    }
    return e.tar.type == TAR_FILE ? copy_file(c, dir, item, &e, err)
                                  : copy_node(dir, item, &e, err);
}

static void leave_dir(void *arg, void *kept)
{
    struct copied_dir *dir = kept;
    (void)arg;
    if (!dir)
        return;
    futimens(dir->fd, dir->times);
    close(dir->fd);
    free(dir);
}

int copy_tree(int from_fd, int to_fd, const struct cancel *cancel, struct error *err)
{
    struct copying c = { to_fd, cancel, HARD_LINKS_INIT };
    const struct walk_visitor visitor = { copy_entry, leave_dir, &c };
    auto_(fs_entry) struct fs_entry top = { .fd = -1 };
    int rc = walk_tree(from_fd, "", NULL, &visitor, err);
    hard_links_release(&c.links);
    TRY(rc);
    TRY(fs_entry_of_dir(from_fd, "", &top, err));
    return set_attributes(to_fd, &top, err);
}
