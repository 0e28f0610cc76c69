/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/resolve.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/path_walk.h"
#include "lib/base/str.h"

enum { RETRIES_MAX = 128 };

static int openat2_retry(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC),
                            .mode = mode,
                            .resolve = resolve };
    for (int i = 0; i < RETRIES_MAX; i++) {
        long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN)
            return (int)fd;
    }
    return -1;
}

/* A seccomp profile that predates openat2 answers EPERM; the test switch stands for both. */
static bool openat2_is_missing(int fd)
{
    if (getenv("MLBUILD_TEST_NO_OPENAT2")) {
        if (fd >= 0)
            close(fd);
        return true;
    }
    return fd < 0 && (errno == ENOSYS || errno == EPERM);
}

struct walk {
    int root_fd;
    int fd; /* what is at path.done */
    struct path_walk path;
};

/* Opens path.done again from the root: it has no links, so this cannot leave it. */
static int reopen(struct walk *w)
{
    auto_free char *copy = xstrdup(w->path.done.buf);
    struct str rest = str_of(copy);
    int fd = openat(w->root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && rest.len) {
        struct str part = str_cut(&rest, '/');
        char name[NAME_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)part.len, part.ptr);
        int next = openat(fd, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    if (w->fd >= 0)
        close(w->fd);
    w->fd = fd;
    return fd < 0 ? -1 : 0;
}

static int expand_link(struct walk *w, int link_fd)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(link_fd, "", target, sizeof target - 1);
    close(link_fd);
    if (len < 0)
        return -1;
    target[len] = '\0';
    if (path_walk_link(&w->path, target) < 0)
        return -1;
    return target[0] == '/' ? reopen(w) : 0;
}

static int step_into(struct walk *w, const char *name, bool follow, bool must_be_dir)
{
    struct stat st;
    int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        errno = saved;
        return -1;
    }
    if (S_ISLNK(st.st_mode) && follow)
        return expand_link(w, fd);
    if (must_be_dir && !S_ISDIR(st.st_mode)) {
        close(fd);
        errno = ENOTDIR;
        return -1;
    }
    path_walk_into(&w->path, name);
    close(w->fd);
    w->fd = fd;
    return 0;
}

/* 0 at the end of the path; -1 with errno where it stops, what is left is then behind `stopped`. */
static int walk_path(struct walk *w, bool follow_last, char stopped[static NAME_MAX + 1])
{
    int more = 0;
    while ((more = path_walk_next(&w->path, stopped)) > 0) {
        /* A slash behind it asks for a directory, as in open. */
        bool slash = w->path.left[0] == '/';
        bool must_follow = follow_last || slash;
        if (strcmp(stopped, ".") == 0)
            continue;
        if (strcmp(stopped, "..") == 0) {
            path_walk_up(&w->path);
            if (reopen(w) < 0)
                return -1;
        } else if (step_into(w, stopped, must_follow, slash) < 0) {
            return -1;
        }
    }
    return more;
}

static void walk_release(struct walk *w)
{
    if (w->fd >= 0)
        close(w->fd);
    path_walk_release(&w->path);
}
DEFINE_AUTO(walk, struct walk, walk_release(value))

static struct walk walk_begin(int root_fd, const char *path)
{
    struct walk w = { .root_fd = root_fd,
                      .fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC) };
    path_walk_begin(&w.path, path);
    return w;
}

static int open_by_walk(int root_fd, const char *path, int flags)
{
    char name[NAME_MAX + 1];
    auto_(walk) struct walk w = walk_begin(root_fd, path);
    bool follow = !(flags & O_NOFOLLOW);
    if (w.fd < 0 || walk_path(&w, follow, name) < 0)
        return -1;
    struct stat st;
    if (fstat(w.fd, &st) < 0)
        return -1;
    if (S_ISLNK(st.st_mode) && !(flags & O_PATH)) {
        errno = ELOOP;
        return -1;
    }
    if ((flags & O_DIRECTORY) && !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return -1;
    }
    if (flags & O_PATH)
        return fcntl(w.fd, F_DUPFD_CLOEXEC, 0);
    char proc[32];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", w.fd);
    return open(proc, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
}

int root_open(int root_fd, const char *path, int flags)
{
    int fd = openat2_retry(root_fd, *path ? path : ".", flags, 0,
                           RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    return openat2_is_missing(fd) ? open_by_walk(root_fd, path, flags) : fd;
}

static int resolve_failed(const char *path, struct error *err)
{
    bool by_user = errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG;
    return error_set(err, by_user ? ERROR_USER : ERROR_SYSTEM, errno, "%s", path);
}

int root_resolve(int root_fd, const char *path, bool follow_last, struct resolved *out,
                 struct error *err)
{
    char stopped[NAME_MAX + 1];
    auto_(walk) struct walk w = walk_begin(root_fd, path);
    *out = (struct resolved){ 0 };
    if (w.fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open the root of %s", path);
    if (walk_path(&w, follow_last, stopped) == 0) {
        if (fstat(w.fd, &out->st) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "stat %s", path);
        out->exists = true;
        out->existing = w.path.done.len;
        out->path = strbuf_detach(&w.path.done);
        return 0;
    }
    if (errno != ENOENT)
        return resolve_failed(path, err);
    out->existing = w.path.done.len;
    int more = 1;
    while (more > 0) {
        if (strcmp(stopped, "..") == 0)
            path_walk_up(&w.path);
        else if (strcmp(stopped, ".") != 0)
            path_walk_into(&w.path, stopped);
        if (out->existing > w.path.done.len)
            out->existing = w.path.done.len;
        more = path_walk_next(&w.path, stopped);
    }
    if (more < 0)
        return resolve_failed(path, err);
    out->path = strbuf_detach(&w.path.done);
    return 0;
}

void resolved_release(struct resolved *r)
{
    free(take_ptr(r->path));
}

/* Every component by itself, none of them a link. */
static int beneath_by_walk(int dir_fd, const char *path, int flags, mode_t mode)
{
    struct str rest = str_of(path);
    auto_close int fd = openat(dir_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0) {
        char name[NAME_MAX + 1];
        struct str part = str_cut(&rest, '/');
        if (part.len > NAME_MAX || str_equal(part, STR("..")) || part.len == 0) {
            errno = part.len > NAME_MAX ? ENAMETOOLONG : EXDEV;
            return -1;
        }
        snprintf(name, sizeof name, "%.*s", (int)part.len, part.ptr);
        if (rest.len == 0)
            return openat(fd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
        int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(fd);
        fd = next;
    }
    return -1;
}

int beneath_open(int dir_fd, const char *path, int flags, mode_t mode)
{
    int fd = openat2_retry(dir_fd, *path ? path : ".", flags, mode,
                           RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (!openat2_is_missing(fd))
        return fd;
    return beneath_by_walk(dir_fd, *path ? path : ".", flags, mode);
}

int beneath_open_parent(int dir_fd, const char *path, const char **out_name)
{
    auto_free char *parent = xstrndup(path, path_dir_len(path));
    *out_name = *path ? path_base(path) : ".";
    return beneath_open(dir_fd, parent, O_PATH | O_DIRECTORY, 0);
}
