/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read_ahead: one stream on two cores. A job reads `in` ahead into a few buffers, while what it has
 * read is being used:
 *
 *     struct read_ahead *ahead = read_ahead_open(&decompressor, pool);
 *     ... read_ahead_base(ahead) gives the same bytes, then the same end or error
 *     read_ahead_free(ahead);            at any time
 *
 * `in` is read by one thread at a time, never beyond its end or an error, and not touched any more
 * once read_ahead_free has returned. As long as no thread of the pool is free for the job, whoever
 * reads here reads `in` itself: nothing waits for a thread.
 */
#ifndef LIB_BASE_READ_AHEAD_H
#define LIB_BASE_READ_AHEAD_H

#include "lib/base/stream.h"
#include "lib/base/thread_pool.h"

struct read_ahead;

/* Both are borrowed; `pool` NULL: nothing is read ahead. */
struct read_ahead *read_ahead_open(struct reader *in, struct thread_pool *pool);
struct reader *read_ahead_base(struct read_ahead *r);
/* Waits for the read of `in` that is under way: one that may wait for long must be woken up first.
 */
void read_ahead_free(struct read_ahead *r);
DEFINE_AUTO(read_ahead, struct read_ahead *, read_ahead_free(*value))

#endif
