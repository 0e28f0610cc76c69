/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/mount_points.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
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
                     bool is_dir)
{
    struct stat st;
    if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    GROW(made->items, made->count, made->cap);
    made->items[made->count++] = (struct made_point){
        .path = xstrdup(path), .dev = st.st_dev, .ino = st.st_ino, .is_dir = is_dir
    };
}

static const struct passed_dir *find_passed(const struct made_points *made, const char *path)
{
    for (size_t i = 0; i < made->dir_count; i++) {
        if (strcmp(made->dirs[i].path, path) == 0)
            return &made->dirs[i];
    }
    return NULL;
}

static void pass(struct made_points *made, int dir_fd, const char *path)
{
    struct stat st;
    if (find_passed(made, path) || fstat(dir_fd, &st) < 0)
        return;
    GROW(made->dirs, made->dir_count, made->dir_cap);
    made->dirs[made->dir_count++] = (struct passed_dir){ xstrdup(path), st };
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
        char *slash = strchr(name, '/');
        bool wants_dir = slash || is_dir;
        if (slash)
            *slash = '\0';
        auto_free char *above = xstrndup(copy, path_dir_len(copy));
        if (made)
            pass(made, dir, above);
        int rc = make_node(dir, name, wants_dir);
        if (rc < 0 && errno != EEXIST)
            return error_set(err, ERROR_SYSTEM, errno, "create the mount point /%s", path);
        if (rc == 0 && made)
            remember(made, dir, name, copy, wants_dir);
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

static void remove_point(int root_fd, const struct made_points *made, const struct made_point *p)
{
    struct stat st;
    auto_free char *parent = xstrndup(p->path, path_dir_len(p->path));
    const struct passed_dir *before = find_passed(made, parent);
    const char *name = path_base(p->path);
    auto_close int dir = beneath_open(root_fd, parent, O_RDONLY | O_DIRECTORY, 0);
    if (!before || dir < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    struct timespec times[2] = { before->st.st_atim, before->st.st_mtim };
    bool unchanged = st.st_dev == p->dev && st.st_ino == p->ino && (p->is_dir || st.st_size == 0);
    if (unchanged && unlinkat(dir, name, p->is_dir ? AT_REMOVEDIR : 0) == 0)
        futimens(dir, times);
}

void made_points_remove(int root_fd, const struct made_points *made)
{
    for (size_t i = made->count; i-- > 0;)
        remove_point(root_fd, made, &made->items[i]);
}

static bool is_as_before(const struct stat *now, const struct stat *before)
{
    return now->st_mode == before->st_mode && now->st_uid == before->st_uid &&
           now->st_gid == before->st_gid && now->st_mtim.tv_sec == before->st_mtim.tv_sec &&
           now->st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

void made_points_trim(int upper_fd, const struct made_points *made)
{
    for (size_t i = made->dir_count; i-- > 0;) {
        struct stat st;
        const struct passed_dir *d = &made->dirs[i];
        auto_free char *parent = xstrndup(d->path, path_dir_len(d->path));
        auto_close int dir = beneath_open(upper_fd, parent, O_RDONLY | O_DIRECTORY, 0);
        if (*d->path && dir >= 0 &&
            fstatat(dir, path_base(d->path), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            is_as_before(&st, &d->st))
            unlinkat(dir, path_base(d->path), AT_REMOVEDIR);
    }
}

void made_points_release(struct made_points *made)
{
    for (size_t i = 0; i < made->count; i++)
        free(made->items[i].path);
    for (size_t i = 0; i < made->dir_count; i++)
        free(made->dirs[i].path);
    free(made->items);
    free(made->dirs);
    *made = (struct made_points){ 0 };
}
