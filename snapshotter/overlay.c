/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/overlay.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "lib/base/strbuf.h"
#include "snapshotter/layer_tree.h"
#include "snapshotter/mount_api.h"
#include "snapshotter/mount_points.h"
#include "snapshotter/stack_lower.h"

/* A layer below all others that holds nothing but mount points. */
struct stub {
    char *points; /* what it has, as text */
    int fd;
};

struct overlay {
    struct store_snapshotter base; /* first: an overlay is a snapshotter of a store */
    enum overlay_form form;
    int empty_fds[2]; /* empty directories, for stacks that need more: a stack names none twice */
    struct job_group closing;
    struct known_trees known;
    pthread_mutex_t lock;
    struct stub *stubs; /* under `lock` */
    size_t stub_count, stub_cap;
};

struct overlay_snapshot {
    struct snapshot base;
    char scratch[LAYER_SCRATCH_SIZE]; /* holds fs, the upper */
    int aside_fd, upper_fd;           /* aside: a directory for work and mnt */
    struct made_points made;
};

static struct overlay *overlay_of(struct snapshotter *s)
{
    return (struct overlay *)s;
}

static int open_dir(int dir_fd, const char *name, int *out_fd, struct error *err)
{
    if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
        return error_set(err, ERROR_SYSTEM, errno, "create %s", name);
    *out_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *out_fd < 0 ? error_set(err, ERROR_SYSTEM, errno, "open %s", name) : 0;
}

/* Mounts `stack`, `stub_fd` (or -1) below it, the snapshot's upper on top unless it is a view. */
static int mount_stack(const struct overlay *o, const struct overlay_snapshot *snap,
                       const struct tree_stack *stack, int stub_fd, int *out_fd, struct error *err)
{
    auto_close int work = -1;
    auto_close int mnt = -1;
    auto_free int *lowers = xcalloc(stack->count + 2, sizeof *lowers);
    struct overlay_mount m = {
        .lower_fds = lowers, .upper_fd = snap->upper_fd, .work_fd = -1, .scratch_fd = snap->aside_fd
    };
    if (stack->count)
        memcpy(lowers, stack->fds, stack->count * sizeof *lowers);
    m.lower_count = stack->count;
    if (stub_fd >= 0)
        lowers[m.lower_count++] = stub_fd;
    /* A mount needs a lower directory, and a read-only one needs two. */
    for (size_t i = 0; m.lower_count == 0 || (m.upper_fd < 0 && m.lower_count < 2); i++)
        lowers[m.lower_count++] = o->empty_fds[i];
    if (m.upper_fd >= 0) {
        TRY(open_dir(snap->aside_fd, "work", &work, err));
        m.work_fd = work;
    }
    if (o->form == OVERLAY_BY_MOUNT)
        TRY(open_dir(snap->aside_fd, "mnt", &mnt, err));
    return overlay_mount(&m, o->form, out_fd, err);
}

static void close_later(void *arg)
{
    close((int)(intptr_t)arg);
}

/* The last descriptor of a mount: closing it waits for the kernel to take the mount apart. */
static void snapshot_free(struct overlay_snapshot *snap)
{
    struct overlay *o = overlay_of(snap->base.snapshotter);
    if (snap->base.root_fd >= 0)
        job_group_submit(&o->closing, close_later, (void *)(intptr_t)take_fd(&snap->base.root_fd));
    if (snap->upper_fd >= 0)
        close(snap->upper_fd);
    if (snap->aside_fd >= 0)
        close(snap->aside_fd);
    made_points_release(&snap->made);
    free(snap);
}

static void overlay_discard(struct snapshot *base)
{
    struct overlay_snapshot *snap = (struct overlay_snapshot *)base;
    const struct overlay *o = overlay_of(base->snapshotter);
    if (snap->scratch[0])
        layer_abandon(o->base.store, snap->scratch);
    snapshot_free(snap);
}

/* What stands beside the upper goes with the lease, so that nobody waits for its removal. */
static int open_aside(const struct overlay *o, int *out_fd, struct error *err)
{
    char name[LEASE_SIZE];
    store_random_id(name);
    return open_dir(o->base.store->scratch_fd, name, out_fd, err);
}

static struct overlay_snapshot *snapshot_new(struct overlay *o)
{
    struct overlay_snapshot *snap = xcalloc(1, sizeof *snap);
    *snap =
        (struct overlay_snapshot){ .base = { &o->base.base, -1 }, .aside_fd = -1, .upper_fd = -1 };
    return snap;
}

/* The root directory's attributes belong to the whole stack. */
static int set_root(const struct overlay_snapshot *snap, const struct tree_stack *stack,
                    struct error *err)
{
    if (!stack->has_root)
        return 0;
    if (fchown(snap->upper_fd, stack->root_uid, stack->root_gid) < 0 ||
        fchmod(snap->upper_fd, stack->root_mode) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "set the attributes of the root directory");
    return 0;
}

static int make_stub(struct overlay *o, const struct mount_point *points, size_t count,
                     const char *name, int *out_fd, struct error *err)
{
    auto_close int fd = -1;
    auto_(missing_points) struct missing_points all = { 0 };
    TRY(open_aside(o, &fd, err));
    missing_points_find(fd, points, count, &all);
    TRY(missing_points_make_stub(&all, fd, err));
    GROW(o->stubs, o->stub_count, o->stub_cap);
    o->stubs[o->stub_count++] = (struct stub){ xstrdup(name), fd };
    *out_fd = take_fd(&fd);
    return 0;
}

/* Made once for each set of mount points; it shows only where the image has nothing. */
static int find_stub(struct overlay *o, const struct mount_point *points, size_t count, int *out_fd,
                     struct error *err)
{
    int rc = 0;
    auto_(strbuf) struct strbuf name = STRBUF_INIT;
    *out_fd = -1;
    if (count == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        strbuf_addf(&name, "%zu:%s%s,", strlen(points[i].path), points[i].path,
                    points[i].is_dir ? "/" : "");
    pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < o->stub_count && *out_fd < 0; i++) {
        if (strcmp(o->stubs[i].points, name.buf) == 0)
            *out_fd = o->stubs[i].fd;
    }
    if (*out_fd < 0)
        rc = make_stub(o, points, count, name.buf, out_fd, err);
    pthread_mutex_unlock(&o->lock);
    return rc;
}

/* What the stub cannot show (a dangling link leads elsewhere, a whiteout hides it) is made in the
 * root for the time of the step. */
static int add_hidden_points(struct overlay_snapshot *snap, const struct mount_point *points,
                             size_t count, struct error *err)
{
    auto_(missing_points) struct missing_points hidden = { 0 };
    missing_points_find(snap->base.root_fd, points, count, &hidden);
    return made_points_create(snap->base.root_fd, &hidden, &snap->made, err);
}

static int open_upper(const struct overlay *o, struct overlay_snapshot *snap, struct error *err)
{
    char path[LAYER_SCRATCH_SIZE + 4];
    TRY(layer_begin(o->base.store, snap->scratch, err));
    snprintf(path, sizeof path, "%s/fs", snap->scratch);
    return open_dir(o->base.store->scratch_fd, path, &snap->upper_fd, err);
}

static int overlay_prepare(struct snapshotter *s, const struct layer_list *layers,
                           const struct mount_point *points, size_t point_count,
                           struct snapshot **out, struct error *err)
{
    struct overlay *o = overlay_of(s);
    int stub = -1;
    auto_(tree_stack) struct tree_stack stack = { 0 };
    TRY(tree_stack_open(o->base.store, &o->known, layers, &stack, err));
    TRY(find_stub(o, points, point_count, &stub, err));
    struct overlay_snapshot *snap = snapshot_new(o);
    if (open_aside(o, &snap->aside_fd, err) < 0 || open_upper(o, snap, err) < 0 ||
        set_root(snap, &stack, err) < 0 ||
        mount_stack(o, snap, &stack, stub, &snap->base.root_fd, err) < 0 ||
        add_hidden_points(snap, points, point_count, err) < 0) {
        overlay_discard(&snap->base);
        return -1;
    }
    *out = &snap->base;
    return 0;
}

static int overlay_view(struct snapshotter *s, const struct layer_list *layers,
                        struct snapshot **out, struct error *err)
{
    struct overlay *o = overlay_of(s);
    auto_(tree_stack) struct tree_stack stack = { 0 };
    TRY(tree_stack_open(o->base.store, &o->known, layers, &stack, err));
    struct overlay_snapshot *snap = snapshot_new(o);
    if ((o->form == OVERLAY_BY_MOUNT && open_aside(o, &snap->aside_fd, err) < 0) ||
        mount_stack(o, snap, &stack, -1, &snap->base.root_fd, err) < 0) {
        overlay_discard(&snap->base);
        return -1;
    }
    *out = &snap->base;
    return 0;
}

static int seal_upper(struct overlay_snapshot *snap, struct layer_info *info, struct error *err)
{
    struct stat st;
    made_points_remove(snap->base.root_fd, &snap->made);
    made_points_trim(snap->upper_fd, &snap->made);
    if (fstat(snap->upper_fd, &st) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "stat a new layer");
    info->has_root = true;
    info->root_mode = st.st_mode & 07777;
    info->root_uid = st.st_uid;
    info->root_gid = st.st_gid;
    return 0;
}

static int overlay_commit(struct snapshot *base, const char *id, const char *created,
                          struct error *err)
{
    struct overlay_snapshot *snap = (struct overlay_snapshot *)base;
    const struct overlay *o = overlay_of(base->snapshotter);
    struct layer_info info = { .created = (char *)created };
    if (seal_upper(snap, &info, err) < 0) {
        overlay_discard(base);
        return -1;
    }
    int rc = layer_commit(o->base.store, snap->scratch, id, &info, err);
    snapshot_free(snap);
    return rc;
}

static void overlay_free(struct snapshotter *s)
{
    struct overlay *o = overlay_of(s);
    job_group_wait(&o->closing);
    for (size_t i = 0; i < o->stub_count; i++) {
        close(o->stubs[i].fd);
        free(o->stubs[i].points);
    }
    for (size_t i = 0; i < COUNT(o->empty_fds); i++) {
        if (o->empty_fds[i] >= 0)
            close(o->empty_fds[i]);
    }
    known_trees_release(&o->known);
    pthread_mutex_destroy(&o->lock);
    free(o->stubs);
    free(o);
}

static const struct snapshotter_ops overlay_ops = {
    .name = "overlay",
    .prepare = overlay_prepare,
    .commit = overlay_commit,
    .view = overlay_view,
    .lower = stack_lower_open,
    .discard = overlay_discard,
    .layer_write = layer_tree_write,
    .is_unpacked = layer_tree_is_unpacked,
    .apply = layer_tree_apply,
    .diff = layer_tree_diff,
    .free = overlay_free,
};

/* Tries a writable mount of nothing in form `o->form`. */
static int probe(struct overlay *o, struct error *err)
{
    struct snapshot *snap = NULL;
    struct layer_list none = { NULL, 0 };
    TRY(overlay_prepare(&o->base.base, &none, NULL, 0, &snap, err));
    overlay_discard(snap);
    return 0;
}

/* Tests force a form to see that each works. */
static bool form_is_allowed(enum overlay_form form)
{
    static const char *const names[] = {
        [OVERLAY_BY_FD] = "fd", [OVERLAY_BY_PATH] = "path", [OVERLAY_BY_MOUNT] = "mount"
    };
    const char *forced = getenv("MLBUILD_TEST_OVERLAY_FORM");
    return !forced || strcmp(forced, names[form]) == 0;
}

int overlay_new(const struct store *store, struct thread_pool *pool, const struct cancel *cancel,
                struct snapshotter **out, struct error *err)
{
    struct overlay *o = xcalloc(1, sizeof *o);
    *o = (struct overlay){ .base = { { &overlay_ops }, store, cancel }, .empty_fds = { -1, -1 } };
    job_group_init(&o->closing, pool);
    known_trees_init(&o->known);
    pthread_mutex_init(&o->lock, NULL);
    if (open_aside(o, &o->empty_fds[0], err) < 0 || open_aside(o, &o->empty_fds[1], err) < 0) {
        overlay_free(&o->base.base);
        return -1;
    }
    for (int form = OVERLAY_BY_FD; form <= OVERLAY_BY_MOUNT; form++) {
        o->form = (enum overlay_form)form;
        if (!form_is_allowed(o->form))
            continue;
        error_clear(err);
        if (probe(o, err) == 0) {
            *out = &o->base.base;
            return 0;
        }
    }
    overlay_free(&o->base.base);
    if (!error_is_set(err))
        return error_set(err, ERROR_HOST, 0, "no way to mount overlayfs is allowed");
    err->kind = err->kind == ERROR_NO_SPACE ? ERROR_NO_SPACE : ERROR_HOST;
    return -1;
}
