/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshotter/sandbox/rooted.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "snapshotter/sandbox/wire.h"

enum { RETRIES = 128, LINKS_MAX = 40, DEPTH_MAX = 256, FILE_MAX = 10 * 1024 * 1024 };

/* The way down from the root, for the walk without openat2: fds[0] is the root itself. */
struct walk {
    int fds[DEPTH_MAX];
    size_t depth;
    int links;
    char *rest; /* what is still to be walked; owned */
};

static void walk_release(struct walk *w)
{
    while (w->depth > 0)
        close(w->fds[--w->depth]);
    free(w->rest);
}
DEFINE_AUTO(walk, struct walk, walk_release(value))

/* Puts the target of a link in front of what is left. */
static int expand_link(struct walk *w, int link_fd, struct str rest)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(link_fd, "", target, sizeof target);
    if (n < 0)
        return -1;
    if (n == sizeof target || ++w->links > LINKS_MAX) {
        errno = n == sizeof target ? ENAMETOOLONG : ELOOP;
        return -1;
    }
    while (target[0] == '/' && w->depth > 1)
        close(w->fds[--w->depth]);
    char *joined = xasprintf("%.*s/%.*s", (int)n, target, (int)rest.len, rest.ptr);
    free(w->rest);
    w->rest = joined;
    return 0;
}

static int descend(struct walk *w, const char *name, struct str rest)
{
    struct stat st;
    auto_close int fd = openat(w->fds[w->depth - 1], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (S_ISLNK(st.st_mode))
        return expand_link(w, fd, rest);
    if (w->depth == DEPTH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    w->fds[w->depth++] = take_fd(&fd);
    char *left = xstrndup(rest.ptr, rest.len);
    free(w->rest);
    w->rest = left;
    return 0;
}

static int walk_open(int root_fd, const char *path, int flags)
{
    auto_(walk) struct walk w = { .rest = xstrdup(path) };
    w.fds[0] = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (w.fds[0] < 0)
        return -1;
    w.depth = 1;
    for (;;) {
        struct str rest = str_of(w.rest);
        while (rest.len && *rest.ptr == '/')
            rest = (struct str){ rest.ptr + 1, rest.len - 1 };
        if (rest.len == 0)
            break;
        struct str component = str_cut(&rest, '/');
        auto_free char *name = xstrndup(component.ptr, component.len);
        bool is_up = strcmp(name, "..") == 0;
        if (is_up && w.depth > 1)
            close(w.fds[--w.depth]);
        if (!is_up && strcmp(name, ".") != 0) {
            if (descend(&w, name, rest) < 0)
                return -1;
            continue;
        }
        memmove(w.rest, rest.ptr, rest.len);
        w.rest[rest.len] = '\0';
    }
    /* Opens what was found once more with the wanted access. It is no link, so /proc adds nothing.
     */
    char found[32];
    snprintf(found, sizeof found, "/proc/self/fd/%d", w.fds[w.depth - 1]);
    return open(found, flags | O_CLOEXEC);
}

int rooted_open(int root_fd, const char *path, int flags, unsigned without)
{
    struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC),
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    if (without & WITHOUT_OPENAT2)
        return walk_open(root_fd, path, flags);
    for (int i = 0; i < RETRIES; i++) {
        int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof how);
        /* An older seccomp filter around us answers EPERM for calls it does not know. */
        if (fd < 0 && (errno == ENOSYS || errno == EPERM))
            return walk_open(root_fd, path, flags);
        if (fd >= 0 || errno != EAGAIN)
            return fd;
    }
    return -1;
}

int rooted_read(int root_fd, const char *path, unsigned without, struct strbuf *out,
                struct error *err)
{
    struct stat st;
    auto_close int fd = rooted_open(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, without);
    if (fd < 0) {
        bool missing = errno == ENOENT || errno == ENOTDIR;
        return error_set(err, missing ? ERROR_NOT_FOUND : ERROR_USER, errno, "open %s", path);
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return error_set(err, ERROR_USER, 0, "%s of the image is not a regular file", path);
    return fd_read_all(fd, FILE_MAX, path, out, err);
}
