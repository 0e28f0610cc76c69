/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/blob_feed.h"

#include <fcntl.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"

enum { POLL_MS = 100 };

int blob_feed_open(struct blob_feed *f, struct error *err)
{
    TRY(cancel_init(&f->cancel, err));
    return pipe2(f->pipe, O_CLOEXEC) < 0 ? error_set(err, ERROR_SYSTEM, errno, "pipe") : 0;
}

void blob_feed_tell(const struct blob_feed *f, const struct image_blob *blob)
{
    (void)!write(f->pipe[1], blob, sizeof *blob);
}

void blob_feed_begin(struct blob_feed *f, size_t threads, job_fn *listen, void *arg)
{
    close(take_fd(&f->pipe[1])); /* the builder's */
    f->pool = thread_pool_new(threads);
    job_group_init(&f->group, f->pool);
    job_group_submit(&f->group, listen, arg);
}

bool blob_feed_next(const struct blob_feed *f, struct image_blob *out)
{
    return fd_read_full(f->pipe[0], out, sizeof *out) == (ssize_t)sizeof *out;
}

bool blob_feed_has_ended(struct blob_feed *f)
{
    return !f->pool || job_group_wait_for(&f->group, POLL_MS);
}

static void end_jobs(struct blob_feed *f)
{
    if (f->pool)
        job_group_wait(&f->group);
    thread_pool_free(take_ptr(f->pool));
}

void blob_feed_finish(struct blob_feed *f, const struct cancel *asked)
{
    while (!blob_feed_has_ended(f)) {
        if (cancel_is_raised(asked))
            cancel_raise(&f->cancel);
    }
    end_jobs(f);
}

void blob_feed_close(struct blob_feed *f)
{
    if (f->pool)
        cancel_raise(&f->cancel);
    end_jobs(f);
    for (size_t i = 0; i < COUNT(f->pipe); i++) {
        if (f->pipe[i] >= 0)
            close(take_fd(&f->pipe[i]));
    }
    cancel_release(&f->cancel);
}
