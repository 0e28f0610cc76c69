/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/out_writer.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

enum { BUFFER = 1024 * 1024, COPY_PIECE = 16 * 1024 * 1024 };

int out_writer_flush(struct out_writer *w, struct error *err)
{
    TRY(writer_write(w->next, w->buf, w->len, err));
    w->len = 0;
    return 0;
}

static int gather(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct out_writer *w = (struct out_writer *)base;
    TRY(cancel_check(w->cancel, err));
    meter_add(atomic_load(&w->meter), len);
    if (w->len + len > BUFFER)
        TRY(out_writer_flush(w, err));
    if (len >= BUFFER)
        return writer_write(w->next, data, len, err);
    memcpy(w->buf + w->len, data, len);
    w->len += len;
    return 0;
}

static int copy(struct writer *base, int fd, uint64_t len, struct error *err)
{
    struct out_writer *w = (struct out_writer *)base;
    TRY(out_writer_flush(w, err));
    while (len) {
        uint64_t n = len < COPY_PIECE ? len : COPY_PIECE;
        TRY(fd_copy(fd, w->file.fd, n, w->file.name, w->cancel, err));
        /* The disk begins now with what has to be on it in the end. */
        (void)!sync_file_range(w->file.fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        meter_add(atomic_load(&w->meter), n);
        len -= n;
    }
    return 0;
}

void out_writer_open(struct out_writer *w, int fd, const char *name, struct writer *pipe,
                     const struct cancel *cancel)
{
    *w = (struct out_writer){ .base = { gather, pipe ? NULL : copy },
                              .file = fd_writer_init(fd, name),
                              .buf = xmalloc(BUFFER),
                              .cancel = cancel };
    w->next = pipe ? pipe : &w->file.base;
}

void out_writer_close(struct out_writer *w)
{
    free(take_ptr(w->buf));
}
