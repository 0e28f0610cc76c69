/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_row: items that jobs work on, side by side and in any order, and that are taken over in the
 * order in which they came. A job gets some at once, since one is hardly worth a job.
 *
 *     struct job_row *row = job_row_new(&work, arg, pool);
 *     struct thing *item = job_row_room(row);         filled in by the caller,
 *     TRY(job_row_add(row, cost, err));               any number
 *     rc = job_row_end(row, rc, err);                 all are taken
 *     job_row_free(row);
 *
 * So few items are under way that memory stays flat. The first error in the order of the items is
 * the one that is told; nothing after it is taken. Whoever adds and ends is one thread.
 */
#ifndef LIB_BASE_JOB_ROW_H
#define LIB_BASE_JOB_ROW_H

#include <stdint.h>

#include "lib/base/thread_pool.h"

struct job_row_work {
    size_t item_size;
    bool has_room; /* for what is read */
    /* In any thread. `room` is as many bytes as the item costs, until it is released; NULL: that is
     * too much. */
    int (*work)(void *arg, void *item, void *room, struct error *err);
    /* In the thread that adds, after the work. */
    int (*take)(void *arg, void *item, struct error *err);
    /* There too, of every item that was added, taken or not. */
    void (*release)(void *item);
};

/* Of one batch: the bytes that the work reads, and whatever else takes as long. And what one item
 * may cost that gets room. */
enum { JOB_ROW_COST = 256 * 1024, JOB_ROW_ROOM = 64 * 1024 };

struct job_row;

/* All are borrowed. `pool` NULL: the work is done in the caller's thread. */
struct job_row *job_row_new(const struct job_row_work *work, void *arg, struct thread_pool *pool);
/* The next item, zeroed; it is not there before it is added. */
void *job_row_room(struct job_row *row);
/* `cost` 0: there is no work in it, it is only taken. Errors: those of earlier items. */
int job_row_add(struct job_row *row, uint64_t cost, struct error *err) MUST_CHECK;
/* Takes all that was added; the row is empty then. `rc` is how the caller fared after the last item
 * (0, or -1 and *err): an error of an item takes the place of that. */
int job_row_end(struct job_row *row, int rc, struct error *err) MUST_CHECK;
/* The row is empty, or never was used. NULL is allowed. */
void job_row_free(struct job_row *row);
DEFINE_AUTO(job_row, struct job_row *, job_row_free(*value))

#endif
