/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/gzip.h"

#include <libdeflate.h>

#include "lib/base/mem.h"

enum { SLOTS_MAX = 16 };

/* One member under way. Slots are used round-robin, so `next` to write is always the oldest. */
struct slot {
    struct job_group group; /* initialised only while the slot is busy */
    bool busy;
    struct libdeflate_compressor *compressor;
    unsigned char *in;
    size_t in_len;
    unsigned char *out;
    size_t out_cap, out_len;
};

struct gzip_writer {
    struct writer base;
    struct writer *out;
    struct thread_pool *pool;
    struct slot slots[SLOTS_MAX];
    size_t slot_count;
    size_t current; /* the slot being filled */
    bool any;       /* a member was started */
};

const char *gzip_layout(void)
{
    return "gzip-1:1048576:6:libdeflate-" LIBDEFLATE_VERSION_STRING;
}

static void compress_slot(void *arg)
{
    struct slot *s = arg;
    s->out_len = libdeflate_gzip_compress(s->compressor, s->in, s->in_len, s->out, s->out_cap);
}

static void prepare_slot(struct slot *s)
{
    if (s->compressor)
        return;
    s->compressor = libdeflate_alloc_compressor(GZIP_LEVEL);
    if (!s->compressor)
        abort();
    s->in = xmalloc(GZIP_BLOCK);
    s->out_cap = libdeflate_gzip_compress_bound(s->compressor, GZIP_BLOCK);
    s->out = xmalloc(s->out_cap);
}

/* Waits for a slot's member and writes it. */
static int drain_slot(struct gzip_writer *w, struct slot *s, struct error *err)
{
    if (!s->busy)
        return 0;
    if (w->pool)
        job_group_wait(&s->group);
    s->busy = false;
    s->in_len = 0;
    return writer_write(w->out, s->out, s->out_len, err);
}

/* Sends the current slot off and moves to the next, whose old member is written first. */
static int dispatch(struct gzip_writer *w, struct error *err)
{
    struct slot *s = &w->slots[w->current];
    s->busy = true;
    w->any = true;
    if (w->pool) {
        job_group_init(&s->group, w->pool);
        job_group_submit(&s->group, compress_slot, s);
    } else {
        compress_slot(s);
    }
    w->current = (w->current + 1) % w->slot_count;
    prepare_slot(&w->slots[w->current]);
    return drain_slot(w, &w->slots[w->current], err);
}

static int gzip_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct gzip_writer *w = (struct gzip_writer *)base;
    const unsigned char *p = data;
    while (len) {
        struct slot *s = &w->slots[w->current];
        size_t room = GZIP_BLOCK - s->in_len;
        size_t n = len < room ? len : room;
        memcpy(s->in + s->in_len, p, n);
        s->in_len += n;
        p += n;
        len -= n;
        if (s->in_len == GZIP_BLOCK)
            TRY(dispatch(w, err));
    }
    return 0;
}

struct gzip_writer *gzip_writer_open(struct writer *out, struct thread_pool *pool)
{
    struct gzip_writer *w = xcalloc(1, sizeof *w);
    size_t wanted = pool ? thread_pool_cores() + 1 : 1;
    *w = (struct gzip_writer){ .base = { gzip_write }, .out = out, .pool = pool };
    w->slot_count = wanted < SLOTS_MAX ? wanted : SLOTS_MAX;
    prepare_slot(&w->slots[0]);
    return w;
}

struct writer *gzip_writer_base(struct gzip_writer *w)
{
    return &w->base;
}

int gzip_writer_finish(struct gzip_writer *w, struct error *err)
{
    if (w->slots[w->current].in_len || !w->any)
        TRY(dispatch(w, err));
    for (size_t i = 0; i < w->slot_count; i++)
        TRY(drain_slot(w, &w->slots[(w->current + i) % w->slot_count], err));
    return 0;
}

void gzip_writer_free(struct gzip_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->slot_count; i++) {
        struct slot *s = &w->slots[i];
        if (s->busy && w->pool)
            job_group_wait(&s->group);
        if (s->compressor)
            libdeflate_free_compressor(s->compressor);
        free(s->in);
        free(s->out);
    }
    free(w);
}
