/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/native.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/fs/dir.h"
#include "lib/fs/entry.h"
#include "lib/fs/hard_links.h"
#include "snapshotter/compare.h"
#include "snapshotter/layer_tree.h"
#include "snapshotter/merge.h"
#include "snapshotter/mount_api.h"
#include "snapshotter/mount_points.h"
#include "snapshotter/stack_lower.h"
#include "snapshotter/tree_writer.h"

/* Longer than a tick of the clock that stamps files. */
enum { TICK_NS = 20 * 1000 * 1000 };

struct native_snapshot {
    struct snapshot base;
    char scratch[LAYER_SCRATCH_SIZE]; /* root: the copy; fs: the layer, once it is told apart */
    int copy_fd;
    struct merge_dir lower;
    struct made_points made; /* in no lower layer, and no change of the step's */
    struct timespec stamp;   /* what changed since has a ctime that is not older */
};

static int write_name(struct tree_writer *to, int dir_fd, const char *name, const char *path,
                      struct hard_links *links, struct error *err)
{
    enum fs_entry_kind kind = FS_ENTRY_ORDINARY;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    TRY(fs_entry_open(dir_fd, name, path, &e, &kind, err));
    if (kind != FS_ENTRY_ORDINARY)
        return 0;
    hard_links_apply(links, &e);
    return tree_writer_entry(to, &e.tar, &(struct tree_content){ .fd = e.fd }, err);
}

static int copy_merged(const struct merge_dir *dir, const char *path, struct tree_writer *to,
                       struct hard_links *links, struct error *err)
{
    auto_(merge_list) struct merge_list list = { 0 };
    TRY(merge_list(dir, &list, err));
    for (size_t i = 0; i < list.count; i++) {
        const struct merge_name *item = &list.items[i];
        auto_free char *below = path_below(path, item->name);
        TRY(write_name(to, dir->fds[item->from], item->name, below, links, err));
        if (!S_ISDIR(item->st.st_mode))
            continue;
        auto_(merge_dir) struct merge_dir child = { 0 };
        TRY(merge_open(dir, item, &child, err));
        TRY(copy_merged(&child, below, to, links, err));
    }
    return 0;
}

static void snapshot_free(struct native_snapshot *snap)
{
    if (snap->base.root_fd >= 0)
        close(snap->base.root_fd);
    if (snap->copy_fd >= 0)
        close(snap->copy_fd);
    merge_dir_close(&snap->lower);
    made_points_release(&snap->made);
    free(snap);
}

static void native_discard(struct snapshot *base)
{
    struct native_snapshot *snap = (struct native_snapshot *)base;
    if (snap->scratch[0])
        layer_abandon(store_of(base->snapshotter), snap->scratch);
    snapshot_free(snap);
}

static int open_below(const struct store *store, const char *scratch, const char *name, bool make,
                      int *out_fd, struct error *err)
{
    auto_free char *path = xasprintf("%s/%s", scratch, name);
    if (make && mkdirat(store->scratch_fd, path, 0755) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", path);
    *out_fd = openat(store->scratch_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *out_fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "open %s", path) : 0;
}

static int fill(struct native_snapshot *snap, const struct tree_stack *stack, struct error *err)
{
    struct layer_info ignored = { 0 };
    struct hard_links links = HARD_LINKS_INIT;
    auto_(tree_writer) struct tree_writer *to =
        tree_writer_open(snap->copy_fd, -1, cancel_of(snap->base.snapshotter));
    int rc = copy_merged(&snap->lower, "", to, &links, err);
    hard_links_release(&links);
    TRY(rc);
    TRY(tree_writer_finish(to, &ignored, err));
    unsigned mode = stack->has_root ? stack->root_mode : 0755;
    if (fchown(snap->copy_fd, stack->root_uid, stack->root_gid) < 0 ||
        fchmod(snap->copy_fd, mode) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "set the attributes of the root directory");
    return 0;
}

static int make_snapshot(const struct store *store, const struct layer_list *layers,
                         struct native_snapshot *snap, struct error *err)
{
    auto_(tree_stack) struct tree_stack stack = { 0 };
    TRY(tree_stack_open(store, NULL, layers, &stack, err));
    TRY(layer_begin(store, snap->scratch, err));
    TRY(open_below(store, snap->scratch, "root", true, &snap->copy_fd, err));
    snap->lower = (struct merge_dir){ stack.fds, stack.count };
    stack.fds = NULL;
    stack.count = 0;
    TRY(fill(snap, &stack, err));
    snap->base.root_fd = mount_clone(snap->copy_fd);
    if (snap->base.root_fd < 0)
        return error_set(err, ERROR_HOST, errno, "mount a copy of the layers");
    return 0;
}

static int native_view(struct snapshotter *s, const struct layer_list *layers,
                       struct snapshot **out, struct error *err)
{
    struct native_snapshot *snap = xcalloc(1, sizeof *snap);
    *snap = (struct native_snapshot){ .base = { s, -1 }, .copy_fd = -1 };
    if (make_snapshot(store_of(s), layers, snap, err) < 0) {
        native_discard(&snap->base);
        return -1;
    }
    *out = &snap->base;
    return 0;
}

static int native_prepare(struct snapshotter *s, const struct layer_list *layers,
                          const struct mount_point *points, size_t point_count,
                          struct snapshot **out, struct error *err)
{
    struct timespec tick = { .tv_nsec = TICK_NS };
    auto_(missing_points) struct missing_points missing = { 0 };
    TRY(native_view(s, layers, out, err));
    struct native_snapshot *snap = (struct native_snapshot *)*out;
    missing_points_find(snap->base.root_fd, points, point_count, &missing);
    if (made_points_create(snap->base.root_fd, &missing, &snap->made, err) < 0) {
        native_discard(*out);
        return -1;
    }
    nanosleep(&tick, NULL);
    clock_gettime(CLOCK_REALTIME_COARSE, &snap->stamp);
    return 0;
}

/* Telling a step's changes apart. */
struct comparison {
    const struct native_snapshot *snap;
    struct tree_writer *to;
    struct hard_links links;
};

static bool is_newer(const struct comparison *c, const struct stat *st)
{
    const struct timespec *stamp = &c->snap->stamp;
    return st->st_ctim.tv_sec > stamp->tv_sec ||
           (st->st_ctim.tv_sec == stamp->tv_sec && st->st_ctim.tv_nsec >= stamp->tv_nsec);
}

/* A file that was moved over another of the lower layers need not have a new ctime. */
static bool differs(const struct stat *now, const struct stat *before)
{
    return now->st_mode != before->st_mode || now->st_uid != before->st_uid ||
           now->st_gid != before->st_gid || now->st_size != before->st_size ||
           now->st_mtim.tv_sec != before->st_mtim.tv_sec ||
           now->st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

static bool is_made(const struct made_points *made, const struct stat *st)
{
    for (size_t i = 0; i < made->count; i++) {
        if (made->items[i].dev == st->st_dev && made->items[i].ino == st->st_ino)
            return true;
    }
    return false;
}

static int compare_dir(struct comparison *c, int dir_fd, const struct merge_dir *lower,
                       const char *path, struct error *err);

static int compare_name(struct comparison *c, int dir_fd, const struct merge_dir *lower,
                        const struct merge_name *before, const char *name, const char *path,
                        struct error *err)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "stat %s", path);
    bool is_dir = S_ISDIR(st.st_mode);
    bool changed = is_newer(c, &st) || (before && !is_dir && differs(&st, &before->st));
    /* Neither before nor changed: a mount point, or what was moved here with its directory. */
    bool moved = !before && !changed && !is_made(&c->snap->made, &st);
    if (changed || moved)
        TRY(write_name(c->to, dir_fd, name, path, &c->links, err));
    if (!is_dir)
        return 0;
    auto_(merge_dir) struct merge_dir below = { 0 };
    if (before && S_ISDIR(before->st.st_mode))
        TRY(merge_open(lower, before, &below, err));
    auto_close int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s", path);
    return compare_dir(c, fd, &below, path, err);
}

static int compare_dir(struct comparison *c, int dir_fd, const struct merge_dir *lower,
                       const char *path, struct error *err)
{
    auto_(merge_list) struct merge_list before = { 0 };
    auto_(strvec) struct strvec names = { 0 };
    auto_(map) struct map present = { 0 };
    TRY(merge_list(lower, &before, err));
    TRY(dir_list(dir_fd, *path ? path : "/", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        auto_free char *below = path_below(path, names.items[i]);
        map_set(&present, names.items[i], &present);
        TRY(compare_name(c, dir_fd, lower, merge_find(&before, names.items[i]), names.items[i],
                         below, err));
    }
    for (size_t i = 0; i < before.count; i++) {
        auto_free char *below = path_below(path, before.items[i].name);
        if (!map_find(&present, before.items[i].name))
            TRY(tree_writer_whiteout(c->to, below, err));
    }
    return 0;
}

static int tell_apart(struct native_snapshot *snap, int tree_fd, struct layer_info *info,
                      struct error *err)
{
    struct stat st;
    struct comparison c = { snap, tree_writer_open(tree_fd, snap->copy_fd, NULL), HARD_LINKS_INIT };
    int rc = compare_dir(&c, snap->copy_fd, &snap->lower, "", err);
    if (rc == 0)
        rc = tree_writer_finish(c.to, info, err);
    tree_writer_free(c.to);
    hard_links_release(&c.links);
    if (rc == 0 && fstat(snap->copy_fd, &st) == 0) {
        info->has_root = true;
        info->root_mode = st.st_mode & 07777;
        info->root_uid = st.st_uid;
        info->root_gid = st.st_gid;
    }
    return rc;
}

static int native_commit(struct snapshot *base, const char *id, const char *created,
                         struct error *err)
{
    struct native_snapshot *snap = (struct native_snapshot *)base;
    const struct store *store = store_of(base->snapshotter);
    struct layer_info info = { .created = (char *)created };
    auto_close int tree = -1;
    auto_free char *copy = xasprintf("%s/root", snap->scratch);
    int rc = open_below(store, snap->scratch, "fs", false, &tree, err);
    if (rc == 0)
        rc = tell_apart(snap, tree, &info, err);
    if (rc == 0)
        rc = store_discard(store, store->scratch_fd, copy, err);
    if (rc < 0) {
        native_discard(base);
        return -1;
    }
    rc = layer_commit(store, snap->scratch, id, &info, err);
    snapshot_free(snap);
    return rc;
}

static void native_free(struct snapshotter *s)
{
    free(s);
}

static const struct snapshotter_ops native_ops = {
    .name = "native",
    .prepare = native_prepare,
    .commit = native_commit,
    .view = native_view,
    .lower = stack_lower_open,
    .discard = native_discard,
    .layer_write = layer_tree_write,
    .is_unpacked = layer_tree_is_unpacked,
    .apply = layer_tree_apply,
    .same = compare_layers,
    .diff = layer_tree_diff,
    .free = native_free,
};

int native_new(const struct store *store, const struct cancel *cancel, struct snapshotter **out,
               struct error *err)
{
    (void)err;
    struct store_snapshotter *n = xcalloc(1, sizeof *n);
    *n = (struct store_snapshotter){ { &native_ops }, store, cancel };
    *out = &n->base;
    return 0;
}
