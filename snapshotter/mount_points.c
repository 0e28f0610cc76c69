/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/mount_points.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/fs/resolve.h"

void missing_points_find(int root_fd, const struct mount_point *points, size_t count,
                         struct missing_points *out)
{
    struct missing_points m = { xcalloc(count, sizeof *m.items), 0 };
    for (size_t i = 0; i < count; i++) {
        auto_(resolved) struct resolved r = { 0 };
        auto_(error) struct error unusable = { 0 };
        if (root_resolve(root_fd, points[i].path, true, &r, &unusable) < 0 || r.exists)
            continue;
        m.items[m.count++] = (struct missing_point){ .path = take_ptr(r.path),
                                                     .is_dir = points[i].is_dir,
                                                     .existing = r.existing };
    }
    *out = m;
}

void missing_points_release(struct missing_points *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->items[i].path);
    free(m->items);
    *m = (struct missing_points){ 0 };
}

static void remember(struct made_points *made, int parent_fd, const char *name, const char *path,
                     bool is_dir, const struct stat *parent)
{
    struct stat st;
    if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    GROW(made->items, made->count, made->cap);
    made->items[made->count++] = (struct made_point){
        .path = xstrdup(path),
        .dev = st.st_dev,
        .ino = st.st_ino,
        .is_dir = is_dir,
        .parent_times = { parent->st_atim, parent->st_mtim },
    };
}

/* Whatever the umask: a step may run as anybody. */
static int make_node(int dir, const char *name, bool is_dir)
{
    mode_t mode = is_dir ? 0755 : 0644;
    int rc = is_dir ? mkdirat(dir, name, mode) : mknodat(dir, name, S_IFREG | mode, 0);
    return rc < 0 ? -1 : fchmodat(dir, name, mode, 0);
}

/* Makes `path`, the last component as a directory or an empty file; `made` may be NULL. */
static int make_path(int root_fd, const char *path, bool is_dir, struct made_points *made,
                     struct error *err)
{
    auto_free char *copy = xstrdup(path);
    auto_close int dir = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (char *name = copy; dir >= 0;) {
        struct stat parent;
        char *slash = strchr(name, '/');
        bool wants_dir = slash || is_dir;
        if (slash)
            *slash = '\0';
        int rc = fstat(dir, &parent);
        if (rc == 0)
            rc = make_node(dir, name, wants_dir);
        if (rc < 0 && errno != EEXIST)
            return error_set(err, ERROR_SYSTEM, errno, "create the mount point /%s", path);
        if (rc == 0 && made)
            remember(made, dir, name, copy, wants_dir, &parent);
        if (!slash)
            return 0;
        int next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(dir);
        dir = next;
        *slash = '/';
        name = slash + 1;
    }
    return error_set(err, ERROR_SYSTEM, errno, "create the mount point /%s", path);
}

int missing_points_make_stub(const struct missing_points *m, int dir_fd, struct error *err)
{
    for (size_t i = 0; i < m->count; i++)
        TRY(make_path(dir_fd, m->items[i].path, m->items[i].is_dir, NULL, err));
    return 0;
}

int made_points_create(int root_fd, const struct missing_points *missing, struct made_points *out,
                       struct error *err)
{
    for (size_t i = 0; i < missing->count; i++)
        TRY(make_path(root_fd, missing->items[i].path, missing->items[i].is_dir, out, err));
    return 0;
}

static void remove_point(int root_fd, const struct made_point *p)
{
    struct stat st;
    const char *slash = strrchr(p->path, '/');
    auto_free char *parent = xstrndup(p->path, slash ? (size_t)(slash - p->path) : 0);
    const char *name = slash ? slash + 1 : p->path;
    auto_close int dir = beneath_open(root_fd, parent, O_RDONLY | O_DIRECTORY, 0);
    if (dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    bool unchanged = st.st_dev == p->dev && st.st_ino == p->ino && (p->is_dir || st.st_size == 0);
    if (unchanged && unlinkat(dir, name, p->is_dir ? AT_REMOVEDIR : 0) == 0)
        futimens(dir, p->parent_times);
}

void made_points_remove(int root_fd, const struct made_points *made)
{
    for (size_t i = made->count; i-- > 0;)
        remove_point(root_fd, &made->items[i]);
}

void made_points_release(struct made_points *made)
{
    for (size_t i = 0; i < made->count; i++)
        free(made->items[i].path);
    free(made->items);
    *made = (struct made_points){ 0 };
}
