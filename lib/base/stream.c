/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/stream.h"

#include "lib/base/fd.h"
#include "lib/base/mem.h"

enum { DRAIN_CHUNK = 64 * 1024 };

int reader_read_full(struct reader *r, void *buf, size_t len, const char *name, struct error *err)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = r->read(r, (char *)buf + done, len - done, err);
        if (n < 0)
            return -1;
        if (n == 0)
            return error_set(err, ERROR_CORRUPT, 0, "%s ended early", name);
        done += (size_t)n;
    }
    return 0;
}

int reader_drain(struct reader *r, struct error *err)
{
    auto_free char *buf = xmalloc(DRAIN_CHUNK);
    ssize_t n = 0;
    do {
        n = r->read(r, buf, DRAIN_CHUNK, err);
    } while (n > 0);
    return (int)n;
}

static int fd_writer_write(struct writer *w, const void *data, size_t len, struct error *err)
{
    struct fd_writer *self = (struct fd_writer *)w;
    TRY(fd_write_all(self->fd, data, len, self->name, err));
    self->done += len;
    return 0;
}

static ssize_t fd_reader_read(struct reader *r, void *buf, size_t cap, struct error *err)
{
    struct fd_reader *self = (struct fd_reader *)r;
    ssize_t n = fd_read_full(self->fd, buf, cap);
    if (n < 0)
        return error_set(err, ERROR_SYSTEM, errno, "read %s", self->name);
    self->done += (uint64_t)n;
    return n;
}

struct fd_writer fd_writer_init(int fd, const char *name)
{
    return (struct fd_writer){ .base = { fd_writer_write }, .fd = fd, .name = name };
}

struct fd_reader fd_reader_init(int fd, const char *name)
{
    return (struct fd_reader){ .base = { fd_reader_read }, .fd = fd, .name = name };
}
