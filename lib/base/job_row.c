/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/job_row.h"

#include <stdatomic.h>
#include <string.h>

#include "lib/base/mem.h"

/* So little is done as fast as a job is started. */
enum { BATCHES = 8, BATCH_ITEMS = 64, INLINE_MAX = 3, INLINE_COST = 64 * 1024 };

struct batch {
    struct job_row *row;
    unsigned char *items;
    unsigned char *room; /* one memory for all, so that threads do not hoard what others free */
    uint64_t costs[BATCH_ITEMS];
    size_t count, work_count;
    uint64_t cost;
    bool has_job;
    struct job_group group; /* only while it has a job */
    size_t failed;          /* the item that `err` is about; SIZE_MAX: none */
    struct error err;
};

struct job_row {
    const struct job_row_work *work;
    void *arg;
    struct thread_pool *pool;
    struct batch batches[BATCHES]; /* used round-robin */
    size_t current;
    atomic_bool has_failed; /* an item that was to be taken: no other is, nor need be worked on */
};

static void *item_of(const struct batch *b, size_t i)
{
    return b->items + i * b->row->work->item_size;
}

struct job_row *job_row_new(const struct job_row_work *work, void *arg, struct thread_pool *pool)
{
    struct job_row *row = xcalloc(1, sizeof *row);
    row->work = work;
    row->arg = arg;
    row->pool = pool;
    atomic_init(&row->has_failed, false);
    for (size_t i = 0; i < BATCHES; i++) {
        row->batches[i].row = row;
        row->batches[i].failed = SIZE_MAX;
    }
    return row;
}

void *job_row_room(struct job_row *row)
{
    struct batch *b = &row->batches[row->current];
    if (!b->items)
        b->items = xcalloc(BATCH_ITEMS, row->work->item_size);
    if (!b->room && row->work->has_room)
        b->room = xmalloc(JOB_ROW_COST + JOB_ROW_ROOM);
    return item_of(b, b->count);
}

static void run_batch(void *arg)
{
    struct batch *b = arg;
    const struct job_row *row = b->row;
    unsigned char *room = b->room;
    for (size_t i = 0; i < b->count && !atomic_load(&row->has_failed); i++) {
        bool has_room = room && b->costs[i] <= JOB_ROW_ROOM;
        if (b->costs[i] &&
            row->work->work(row->arg, item_of(b, i), has_room ? room : NULL, &b->err) < 0) {
            b->failed = i;
            return;
        }
        room += has_room ? b->costs[i] : 0;
    }
}

static void start_batch(struct batch *b)
{
    struct thread_pool *pool = b->row->pool;
    if (!pool || (b->work_count <= INLINE_MAX && b->cost <= INLINE_COST)) {
        run_batch(b);
        return;
    }
    b->has_job = true;
    job_group_init(&b->group, pool);
    job_group_submit(&b->group, run_batch, b);
}

static int take_item(struct batch *b, size_t i, struct error *err)
{
    struct job_row *row = b->row;
    if (atomic_load(&row->has_failed))
        return 0;
    if (i != b->failed)
        return row->work->take(row->arg, item_of(b, i), err);
    error_move(err, &b->err);
    return -1;
}

static int take_batch(struct batch *b, struct error *err)
{
    struct job_row *row = b->row;
    int rc = 0;
    if (b->has_job)
        job_group_wait(&b->group);
    for (size_t i = 0; i < b->count; i++) {
        if (take_item(b, i, err) < 0) {
            atomic_store(&row->has_failed, true);
            rc = -1;
        }
        row->work->release(item_of(b, i));
    }
    if (b->count)
        memset(b->items, 0, b->count * row->work->item_size);
    error_clear(&b->err);
    *b = (struct batch){ .row = row, .items = b->items, .room = b->room, .failed = SIZE_MAX };
    return rc;
}

/* Sends off what was collected; the batch that comes next is taken over first. */
static int next_batch(struct job_row *row, struct error *err)
{
    start_batch(&row->batches[row->current]);
    row->current = (row->current + 1) % BATCHES;
    return take_batch(&row->batches[row->current], err);
}

int job_row_add(struct job_row *row, uint64_t cost, struct error *err)
{
    struct batch *b = &row->batches[row->current];
    b->costs[b->count++] = cost;
    b->work_count += cost > 0;
    b->cost += cost;
    return b->count == BATCH_ITEMS || b->cost >= JOB_ROW_COST ? next_batch(row, err) : 0;
}

int job_row_end(struct job_row *row, int rc, struct error *err)
{
    auto_(error) struct error later = { 0 };
    bool failed = false;
    if (rc < 0)
        error_move(&later, err);
    start_batch(&row->batches[row->current]);
    for (size_t i = 1; i <= BATCHES; i++) {
        if (take_batch(&row->batches[(row->current + i) % BATCHES], err) < 0)
            failed = true;
    }
    if (rc < 0 && !failed)
        error_move(err, &later);
    atomic_store(&row->has_failed, false);
    return failed ? -1 : rc;
}

void job_row_free(struct job_row *row)
{
    if (!row)
        return;
    for (size_t i = 0; i < BATCHES; i++) {
        free(row->batches[i].items);
        free(row->batches[i].room);
    }
    free(row);
}
