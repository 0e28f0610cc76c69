/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "lib/base/mem.h"

enum { CHUNK = 1024 * 1024, PIECE = 64 * CHUNK, SMALL = 64 * 1024 };

int fd_write_all(int fd, const void *data, size_t len, const char *name, struct error *err)
{
    const char *p = data;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, ERROR_SYSTEM, errno, "write %s", name);
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

ssize_t fd_read_full(int fd, void *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = read(fd, (char *)buf + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t fd_read_some(int fd, void *buf, size_t cap, const char *name, const struct cancel *cancel,
                     struct error *err)
{
    struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
                            { .fd = cancel ? cancel->fd : -1, .events = POLLIN } };
    for (;;) {
        int ready = poll(fds, COUNT(fds), -1);
        TRY(cancel_check(cancel, err));
        ssize_t n = ready < 0 ? -1 : read(fd, buf, cap);
        if (n >= 0)
            return n;
        if (errno != EINTR && errno != EAGAIN)
            return error_set(err, ERROR_SYSTEM, errno, "read %s", name);
    }
}

int fd_read_all(int fd, size_t limit, const char *name, struct strbuf *out, struct error *err)
{
    size_t start = out->len;
    for (;;) {
        size_t want = out->len == start ? 8192 : 65536;
        ssize_t n = fd_read_full(fd, strbuf_reserve(out, want), want);
        if (n < 0)
            return error_set(err, ERROR_SYSTEM, errno, "read %s", name);
        out->len += (size_t)n;
        out->buf[out->len] = '\0';
        if (out->len - start > limit)
            return error_set(err, ERROR_USER, 0, "%s is larger than %zu bytes", name, limit);
        if ((size_t)n < want)
            return 0;
    }
}

int fd_read_file(int dir_fd, const char *path, size_t limit, struct strbuf *out, struct error *err)
{
    auto_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        bool missing = errno == ENOENT || errno == ENOTDIR;
        return error_set(err, missing ? ERROR_NOT_FOUND : ERROR_SYSTEM, errno, "open %s", path);
    }
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "stat %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_USER, 0, "%s is not a regular file", path);
    return fd_read_all(fd, limit, path, out, err);
}

static int copy_by_buffer(int in, int out, uint64_t len, const char *name,
                          const struct cancel *cancel, struct error *err)
{
    auto_free char *buf = xmalloc(len < CHUNK ? (size_t)len : CHUNK);
    while (len) {
        TRY(cancel_check(cancel, err));
        ssize_t n = fd_read_full(in, buf, len < CHUNK ? (size_t)len : CHUNK);
        if (n < 0)
            return error_set(err, ERROR_SYSTEM, errno, "read %s", name);
        if (n == 0)
            return error_set(err, ERROR_CORRUPT, 0, "%s ended early", name);
        TRY(fd_write_all(out, buf, (size_t)n, name, err));
        len -= (uint64_t)n;
    }
    return 0;
}

static int copy_range(int in, int out, uint64_t len, const char *name, const struct cancel *cancel,
                      struct error *err)
{
    while (len) {
        size_t want = len > PIECE ? PIECE : (size_t)len;
        TRY(cancel_check(cancel, err));
        ssize_t n = copy_file_range(in, NULL, out, NULL, want, 0);
        if (n < 0 && errno == EINTR)
            continue;
        /* Also 0: some file systems (proc, sys) claim an early end there. */
        if (n <= 0)
            return copy_by_buffer(in, out, len, name, cancel, err);
        len -= (uint64_t)n;
    }
    return 0;
}

/* Holes stay holes. Both offsets are at 0, and `out` is empty. */
static int copy_sparse(int in, int out, uint64_t len, const char *name, const struct cancel *cancel,
                       struct error *err)
{
    for (off_t at = 0; (uint64_t)at < len;) {
        off_t data = lseek(in, at, SEEK_DATA);
        off_t end = data < 0 ? -1 : lseek(in, data, SEEK_HOLE);
        if (data < 0 && errno == ENXIO)
            break;
        if (end < 0 || lseek(in, data, SEEK_SET) < 0 || lseek(out, data, SEEK_SET) < 0)
            return error_set(err, ERROR_SYSTEM, errno, "seek in %s", name);
        if ((uint64_t)end > len)
            end = (off_t)len;
        TRY(copy_range(in, out, (uint64_t)(end - data), name, cancel, err));
        at = end;
    }
    if (ftruncate(out, (off_t)len) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "extend %s", name);
    return 0;
}

int fd_copy(int in, int out, uint64_t len, const char *name, const struct cancel *cancel,
            struct error *err)
{
    struct stat st;
    /* The kernel's way costs more than it saves. */
    if (len <= SMALL)
        return copy_by_buffer(in, out, len, name, cancel, err);
    bool is_whole = len > CHUNK && fstat(in, &st) == 0 && S_ISREG(st.st_mode) &&
                    (uint64_t)st.st_size == len && lseek(in, 0, SEEK_CUR) == 0 &&
                    lseek(out, 0, SEEK_CUR) == 0;
    if (is_whole && (uint64_t)st.st_blocks * 512 < len)
        return copy_sparse(in, out, len, name, cancel, err);
    return copy_range(in, out, len, name, cancel, err);
}
