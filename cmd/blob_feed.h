/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_feed: what the builder tells of the image's layers while its steps run, on its way to the
 * planner: a pipe. Who wants to hear of them has a feed, and a thread that waits.
 *
 *     blob_feed_open                      planner, before the builder begins
 *         blob_feed_tell                  builder, any thread
 *     blob_feed_begin                     planner, when the builder has begun
 *         blob_feed_next ... false        planner, the thread
 *     blob_feed_close
 */
#ifndef CMD_BLOB_FEED_H
#define CMD_BLOB_FEED_H

#include "lib/exporter/image.h"

struct blob_feed {
    int fds[2]; /* each struct image_blob is written at once */
};
#define BLOB_FEED_INIT                                                                             \
    {                                                                                              \
        {                                                                                          \
            -1, -1                                                                                 \
        }                                                                                          \
    }

int blob_feed_open(struct blob_feed *f, struct error *err) MUST_CHECK;
void blob_feed_tell(const struct blob_feed *f, const struct image_blob *blob);
void blob_feed_begin(struct blob_feed *f);
/* Waits for the next; false once the builder has ended. To be called until then: a full pipe would
 * hold up the builder. */
bool blob_feed_next(const struct blob_feed *f, struct image_blob *out);
void blob_feed_close(struct blob_feed *f);

#endif
