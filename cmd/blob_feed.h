/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_feed: what the builder tells of the image's layers while it makes others, on its way to the
 * planner, and the planner's threads that make something of it. Who wants to hear of layers has a
 * feed.
 *
 *     blob_feed_open                          planner, before the builder begins
 *         blob_feed_tell                      builder, any thread
 *     blob_feed_begin                         planner, when the builder has begun
 *         blob_feed_next ... false            planner, the job that listens
 *     blob_feed_finish                        planner, if the builder has not failed
 *     blob_feed_close
 */
#ifndef CMD_BLOB_FEED_H
#define CMD_BLOB_FEED_H

#include "lib/base/cancel.h"
#include "lib/base/thread_pool.h"
#include "lib/exporter/image.h"

struct blob_feed {
    int pipe[2];              /* each struct image_blob is written at once */
    struct cancel cancel;     /* for the jobs to ask */
    struct thread_pool *pool; /* NULL: it has not begun, or has ended */
    struct job_group group;
};
#define BLOB_FEED_INIT                                                                             \
    {                                                                                              \
        .pipe = { -1, -1 }, .cancel.fd = -1                                                        \
    }

/* The caller closes *f in any case. */
int blob_feed_open(struct blob_feed *f, struct error *err) MUST_CHECK;
void blob_feed_tell(const struct blob_feed *f, const struct image_blob *blob);
/* `listen` runs in one of `threads` threads; it may submit more jobs to f->group. */
void blob_feed_begin(struct blob_feed *f, size_t threads, job_fn *listen, void *arg);
/* Waits for the next; false once the builder has ended. To be called until then: a full pipe would
 * hold up the builder. */
bool blob_feed_next(const struct blob_feed *f, struct image_blob *out);
/* Have all jobs ended? Waits a moment for it. */
bool blob_feed_has_ended(struct blob_feed *f);
/* Waits for all jobs; once `asked` is raised they are cancelled. */
void blob_feed_finish(struct blob_feed *f, const struct cancel *asked);
/* Cancels what jobs there are. Harmless when called twice. */
void blob_feed_close(struct blob_feed *f);

#endif
