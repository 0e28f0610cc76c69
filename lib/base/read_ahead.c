/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/read_ahead.h"

#include <string.h>

#include "lib/base/mem.h"

/* More of them do not help: the slower side is always the same one. */
enum { SLOTS = 4, SLOT_SIZE = 256 * 1024 };

struct slot {
    unsigned char *data;
    size_t len;
};

struct read_ahead {
    struct reader base;
    struct reader *in;
    struct thread_pool *pool;
    struct job_group group;
    pthread_mutex_t lock; /* guards all below but what slots hold */
    pthread_cond_t changed;
    struct slot slots[SLOTS];
    size_t first, count; /* the slots that are filled */
    size_t used;         /* of the first */
    bool in_is_busy;     /* a thread is reading `in` */
    bool ended;          /* `in` has come to its end or failed */
    bool closing;
    bool failed;
    struct error err; /* why; the first to ask takes it */
};

/* Fills the slot behind the last, with the lock held, which is let go meanwhile. */
static void fill(struct read_ahead *r)
{
    struct slot *slot = &r->slots[(r->first + r->count) % SLOTS];
    struct error err = { 0 };
    r->in_is_busy = true;
    pthread_mutex_unlock(&r->lock);
    if (!slot->data)
        slot->data = xmalloc(SLOT_SIZE);
    ssize_t n = r->in->read(r->in, slot->data, SLOT_SIZE, &err);
    pthread_mutex_lock(&r->lock);
    r->in_is_busy = false;
    slot->len = n > 0 ? (size_t)n : 0;
    r->count += n > 0;
    r->ended = n <= 0;
    r->failed = n < 0;
    if (r->failed)
        error_move(&r->err, &err);
    pthread_cond_broadcast(&r->changed);
}

static void fill_job(void *arg)
{
    struct read_ahead *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->ended && !r->closing) {
        if (r->count == SLOTS || r->in_is_busy)
            pthread_cond_wait(&r->changed, &r->lock);
        else
            fill(r);
    }
    pthread_mutex_unlock(&r->lock);
}

/* Waits for bytes, or reads them in this thread if no other does. With the lock held. */
static void wait_for_bytes(struct read_ahead *r)
{
    while (r->count == 0 && !r->ended) {
        if (r->in_is_busy)
            pthread_cond_wait(&r->changed, &r->lock);
        else
            fill(r);
    }
}

static ssize_t read_ahead_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct read_ahead *r = (struct read_ahead *)base;
    pthread_mutex_lock(&r->lock);
    wait_for_bytes(r);
    if (r->count == 0) {
        bool failed = r->failed;
        if (error_is_set(&r->err))
            error_move(err, &r->err);
        pthread_mutex_unlock(&r->lock);
        return failed ? error_set(err, ERROR_SYSTEM, EIO, "read on after an error") : 0;
    }
    const struct slot *slot = &r->slots[r->first];
    pthread_mutex_unlock(&r->lock);

    /* A filled slot is the reader's alone. */
    size_t n = slot->len - r->used < cap ? slot->len - r->used : cap;
    memcpy(buf, slot->data + r->used, n);
    r->used += n;
    if (r->used == slot->len) {
        pthread_mutex_lock(&r->lock);
        r->used = 0;
        r->first = (r->first + 1) % SLOTS;
        r->count--;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
    return (ssize_t)n;
}

struct read_ahead *read_ahead_open(struct reader *in, struct thread_pool *pool)
{
    struct read_ahead *r = xcalloc(1, sizeof *r);
    r->base.read = read_ahead_read;
    r->in = in;
    r->pool = pool;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    if (pool) {
        job_group_init(&r->group, pool);
        job_group_submit(&r->group, fill_job, r);
    }
    return r;
}

struct reader *read_ahead_base(struct read_ahead *r)
{
    return &r->base;
}

void read_ahead_free(struct read_ahead *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->closing = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (r->pool)
        job_group_wait(&r->group);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    for (size_t i = 0; i < SLOTS; i++)
        free(r->slots[i].data);
    error_clear(&r->err);
    free(r);
}
