/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/rootfs.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/exporter/dir_writer_internal.h"
#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "lib/fs/walk.h"

struct export
{
    const struct rootfs_options *options;
    const char *as; /* before all paths, with a slash; "": nothing */
    struct hard_links links;
    struct tar_writer *tar; /* or: */
    struct dir_writer *dir;
};

static int to_tar(struct export *x, const struct walk_item *item, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };

    TRY(cancel_check(x->options->cancel, err));
    TRY(fs_entry_open(item->dir_fd, item->name, item->path, &e, &kind, err));
    if (kind != FS_ENTRY_ORDINARY)
        return 0;
    diff_clamp(x->options->diff, &e.tar);
    hard_links_apply(&x->links, &e);
    TRY(tar_writer_entry(x->tar, &e.tar, err));
    return e.tar.type == TAR_FILE ? tar_writer_content_fd(x->tar, e.fd, e.tar.path, err) : 0;
}

static int take(struct export *x, const struct walk_item *item, struct error *err)
{
    return x->tar ? to_tar(x, item, err) : dir_writer_entry(x->dir, item, err);
}

static int visit(void *arg, const struct walk_item *item, struct error *err)
{
    struct export *x = arg;
    struct walk_item renamed = *item;
    auto_free char *path = *x->as ? xasprintf("%s/%s", x->as, item->path) : NULL;

    renamed.path = path ? path : item->path;
    return take(x, &renamed, err);
}

static int walk(struct export *x, int root_fd, struct error *err)
{
    const struct walk_visitor visitor = { .visit = visit, .arg = x };
    return walk_tree(root_fd, "", NULL, &visitor, err);
}

static int walk_entry(struct export *x, const struct rootfs_entry *entry, struct error *err)
{
    struct walk_item item = { .dir_fd = entry->dir_fd, .name = entry->name, .path = entry->as };

    if (*entry->as) {
        if (fstatat(item.dir_fd, item.name, &item.st, AT_SYMLINK_NOFOLLOW) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "stat %s", entry->name);
        TRY(take(x, &item, err));
        if (!S_ISDIR(item.st.st_mode))
            return 0;
    }
    auto_close int dir =
        openat(entry->dir_fd, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", entry->name);
    return walk(x, dir, err);
}

/* The whole tree has no name where it goes. */
static struct rootfs_entry whole(int root_fd)
{
    return (struct rootfs_entry){ .dir_fd = root_fd, .name = ".", .as = "" };
}

int rootfs_write_tar(int root_fd, const struct rootfs_options *options, struct writer *out,
                     struct error *err)
{
    const struct rootfs_entry entry = whole(root_fd);
    return rootfs_entry_write_tar(&entry, options, out, err);
}

int rootfs_write_dir(int root_fd, const struct rootfs_options *options, int dest_fd,
                     struct error *err)
{
    const struct rootfs_entry entry = whole(root_fd);
    return rootfs_entry_write_dir(&entry, options, dest_fd, err);
}

int rootfs_entry_write_tar(const struct rootfs_entry *entry, const struct rootfs_options *options,
                           struct writer *out, struct error *err)
{
    struct tar_writer tar = tar_writer_init(out);
    struct export x = {
        .options = options, .as = entry->as, .links = HARD_LINKS_INIT, .tar = &tar
    };
    int rc = walk_entry(&x, entry, err);

    hard_links_release(&x.links);
    return rc < 0 ? -1 : tar_writer_finish(&tar, err);
}

int rootfs_entry_write_dir(const struct rootfs_entry *entry, const struct rootfs_options *options,
                           int dest_fd, struct error *err)
{
    auto_(dir_writer) struct dir_writer *dir = dir_writer_new(options, dest_fd);
    struct export x = { .options = options, .as = entry->as, .dir = dir };
    int rc = walk_entry(&x, entry, err);

    return dir_writer_end(dir, rc, err);
}
