/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/resolve.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

enum { LINKS_MAX = 40, RETRIES_MAX = 128 };

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

/* The walk: `done` is the resolved part, `todo` what is left, links expanded in front of it. */
struct walk {
    int root_fd;
    int fd; /* the directory `done`, or the end */
    struct strbuf done;
    char *todo;
    int links;
};

static void drop_component(struct strbuf *path)
{
    const char *slash = memrchr(path->buf, '/', path->len);
    path->len = slash ? (size_t)(slash - path->buf) : 0;
    if (path->cap)
        path->buf[path->len] = '\0';
}

/* Opens `done` again from the root: it has no links, so this cannot leave it. */
static int reopen(struct walk *w)
{
    auto_free char *copy = xstrdup(w->done.buf);
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
    if (++w->links > LINKS_MAX) {
        errno = ELOOP;
        return -1;
    }
    target[len] = '\0';
    /* What is left is empty or begins with a slash. */
    char *todo = xasprintf("%s%s", target, w->todo);
    free(w->todo);
    w->todo = todo;
    if (target[0] == '/') {
        strbuf_clear(&w->done);
        return reopen(w);
    }
    return 0;
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
    if (w->done.len)
        strbuf_addch(&w->done, '/');
    strbuf_addstr(&w->done, name);
    close(w->fd);
    w->fd = fd;
    return 0;
}

/* Takes the next component off `todo`: 1, 0 when there is none, -1 with errno if it is too long. */
static int next_component(struct walk *w, char name[static NAME_MAX + 1], bool *last)
{
    const char *p = w->todo + strspn(w->todo, "/");
    size_t len = strcspn(p, "/");
    if (len == 0)
        return 0;
    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(name, NAME_MAX + 1, "%.*s", (int)len, p);
    char *rest = xstrdup(p + len);
    free(w->todo);
    w->todo = rest;
    *last = rest[strspn(rest, "/")] == '\0';
    return 1;
}

/* 0 at the end of the path; -1 with errno where it stops, `todo` then starts behind `stopped`. */
static int walk_path(struct walk *w, bool follow_last, char stopped[static NAME_MAX + 1])
{
    bool last = false;
    int more = 0;
    while ((more = next_component(w, stopped, &last)) > 0) {
        /* A slash behind it asks for a directory, as in open. */
        bool slash = w->todo[0] == '/';
        bool must_follow = follow_last || !last || slash;
        if (strcmp(stopped, ".") == 0)
            continue;
        if (strcmp(stopped, "..") == 0) {
            drop_component(&w->done);
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
    strbuf_release(&w->done);
    free(w->todo);
}
DEFINE_AUTO(walk, struct walk, walk_release(value))

static struct walk walk_begin(int root_fd, const char *path)
{
    return (struct walk){ .root_fd = root_fd,
                          .fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC),
                          .done = STRBUF_INIT,
                          .todo = xstrdup(path) };
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
        out->existing = w.done.len;
        out->path = strbuf_detach(&w.done);
        return 0;
    }
    if (errno != ENOENT)
        return resolve_failed(path, err);
    out->existing = w.done.len;
    int more = 1;
    while (more > 0) {
        if (strcmp(stopped, "..") == 0)
            drop_component(&w.done);
        else if (strcmp(stopped, ".") != 0)
            strbuf_addf(&w.done, "%s%s", w.done.len ? "/" : "", stopped);
        if (out->existing > w.done.len)
            out->existing = w.done.len;
        more = next_component(&w, stopped, &(bool){ false });
    }
    if (more < 0)
        return resolve_failed(path, err);
    out->path = strbuf_detach(&w.done);
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
