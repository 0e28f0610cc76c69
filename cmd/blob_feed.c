/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/blob_feed.h"

#include <fcntl.h>

#include "lib/base/fd.h"

int blob_feed_open(struct blob_feed *f, struct error *err)
{
    return pipe2(f->fds, O_CLOEXEC) < 0 ? error_set(err, ERROR_SYSTEM, errno, "pipe") : 0;
}

void blob_feed_tell(const struct blob_feed *f, const struct image_blob *blob)
{
    (void)!write(f->fds[1], blob, sizeof *blob);
}

void blob_feed_begin(struct blob_feed *f)
{
    close(take_fd(&f->fds[1])); /* the builder's */
}

bool blob_feed_next(const struct blob_feed *f, struct image_blob *out)
{
    return fd_read_full(f->fds[0], out, sizeof *out) == (ssize_t)sizeof *out;
}

void blob_feed_close(struct blob_feed *f)
{
    for (size_t i = 0; i < COUNT(f->fds); i++) {
        if (f->fds[i] >= 0)
            close(take_fd(&f->fds[i]));
    }
}
