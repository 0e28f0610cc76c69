/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/pipe_writer.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

/* A pipe that says that it can be written to takes PIPE_BUF bytes without blocking. */
static ssize_t write_piece(const struct pipe_writer *w, const void *data, size_t len)
{
    if (w->own_fd >= 0)
        return write(w->own_fd, data, len);
    return write(w->fd, data, len < PIPE_BUF ? len : PIPE_BUF);
}

static int pipe_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    const struct pipe_writer *w = (const struct pipe_writer *)base;
    struct pollfd fds[] = { { .fd = w->fd, .events = POLLOUT },
                            { .fd = w->cancel->fd, .events = POLLIN } };
    meter_add(w->meter, len);
    for (const char *rest = data; len;) {
        int ready = poll(fds, COUNT(fds), -1);
        TRY(cancel_check(w->cancel, err));
        ssize_t n = ready < 0 ? -1 : write_piece(w, rest, len);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return error_set(err, ERROR_SYSTEM, errno, "write %s", w->name);
        rest += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

struct pipe_writer pipe_writer_open(int fd, const char *name, const struct cancel *cancel,
                                    struct meter *meter)
{
    auto_free char *path = xasprintf("/proc/self/fd/%d", fd);
    return (struct pipe_writer){ .base = { .write = pipe_write },
                                 .fd = fd,
                                 .own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC),
                                 .name = name,
                                 .cancel = cancel,
                                 .meter = meter };
}

void pipe_writer_close(struct pipe_writer *w)
{
    if (w->own_fd >= 0)
        close(take_fd(&w->own_fd));
}
