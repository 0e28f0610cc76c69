/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/mem.h"

int dir_list(int fd, const char *path, struct strvec *out, struct error *err)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        error_set(err, ERROR_SYSTEM, errno, "list %s", path);
        if (copy >= 0)
            close(copy);
        return -1;
    }
    errno = 0;
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            strvec_push(out, e->d_name);
    }
    int failed = errno;
    closedir(dir);
    if (failed)
        return error_set(err, ERROR_SYSTEM, failed, "list %s", path);
    strvec_sort(out);
    return 0;
}

/* A level costs a descriptor and stack: what lies deeper is moved up, to be removed in another
 * round. */
struct removal {
    int top_fd;
    unsigned moved;
};
enum { LEVELS_MAX = 200 };

static int move_up(struct removal *r, int dir_fd, const char *name, struct error *err)
{
    char fresh[16];
    do {
        snprintf(fresh, sizeof fresh, "%u", r->moved++);
        if (renameat(dir_fd, name, r->top_fd, fresh) == 0)
            return 0;
    } while (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR);
    return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
}

static int open_for_removal(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 || errno != EACCES)
        return fd;
    /* A directory of ours without permissions, as overlayfs's work/work. */
    (void)!fchmodat(dir_fd, name, 0700, 0);
    return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int remove_children(struct removal *r, int fd, const char *path, int level,
                           struct error *err);

static int remove_entry(struct removal *r, int dir_fd, const char *name, int level,
                        struct error *err)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0)
        return 0;
    if (level > LEVELS_MAX)
        return move_up(r, dir_fd, name, err);
    auto_close int fd = open_for_removal(dir_fd, name);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
    TRY(remove_children(r, fd, name, level + 1, err));
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
    return 0;
}

static int remove_children(struct removal *r, int fd, const char *path, int level,
                           struct error *err)
{
    auto_(strvec) struct strvec names = { 0 };
    TRY(dir_list(fd, path, &names, err));
    for (size_t i = 0; i < names.count; i++)
        TRY(remove_entry(r, fd, names.items[i], level, err));
    return 0;
}

int dir_remove(int dir_fd, const char *name, struct error *err)
{
    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
    auto_close int top = open_for_removal(dir_fd, name);
    if (top < 0)
        return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
    struct removal r = { .top_fd = top };
    do {
        r.moved = 0;
        TRY(remove_children(&r, top, name, 1, err));
    } while (r.moved);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return error_set(err, ERROR_SYSTEM, errno, "remove %s", name);
    return 0;
}

int dir_make_all(const char *path, mode_t mode, struct error *err)
{
    auto_free char *copy = xstrdup(path);
    for (char *p = copy + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char saved = *p;
        *p = '\0';
        bool is_new = mkdir(copy, mode) == 0;
        if ((!is_new && errno != EEXIST) || (is_new && chmod(copy, mode) < 0))
            return error_set(err, ERROR_SYSTEM, errno, "create the directory %s", copy);
        if (!saved)
            return 0;
        *p = saved;
    }
}
