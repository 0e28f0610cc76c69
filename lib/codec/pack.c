/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/pack.h"

#include "lib/base/mem.h"

enum { SLOTS_MAX = 16 };

/* One block under way. Slots are used round-robin, so `next` to write is always the oldest. */
struct slot {
    const struct pack_encoder *encoder;
    struct job_group group; /* initialised only while the slot is busy */
    bool busy;
    void *state;
    unsigned char *in;
    size_t in_len;
    unsigned char *out;
    size_t out_len;
};

struct pack_writer {
    struct writer base;
    const struct pack_encoder *encoder;
    int level;
    struct writer *out;
    struct thread_pool *pool;
    struct slot slots[SLOTS_MAX];
    size_t slot_count;
    size_t current; /* the slot being filled */
    bool any;       /* a block was started */
};

static void encode_slot(void *arg)
{
    struct slot *s = arg;
    s->out_len = s->encoder->encode(s->state, s->in, s->in_len, s->out, s->encoder->bound());
}

static void prepare_slot(const struct pack_writer *w, struct slot *s)
{
    if (s->encoder)
        return;
    s->encoder = w->encoder;
    s->state = w->encoder->open(w->level);
    s->in = xmalloc(PACK_BLOCK);
    s->out = xmalloc(w->encoder->bound());
}

/* Waits for a slot's block and writes it. */
static int drain_slot(struct pack_writer *w, struct slot *s, struct error *err)
{
    if (!s->busy)
        return 0;
    if (w->pool)
        job_group_wait(&s->group);
    s->busy = false;
    s->in_len = 0;
    return writer_write(w->out, s->out, s->out_len, err);
}

/* Sends the current slot off and moves to the next, whose old block is written first. */
static int dispatch(struct pack_writer *w, struct error *err)
{
    struct slot *s = &w->slots[w->current];
    s->busy = true;
    w->any = true;
    if (w->pool) {
        job_group_init(&s->group, w->pool);
        job_group_submit(&s->group, encode_slot, s);
    } else {
        encode_slot(s);
    }
    w->current = (w->current + 1) % w->slot_count;
    prepare_slot(w, &w->slots[w->current]);
    return drain_slot(w, &w->slots[w->current], err);
}

static int pack_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct pack_writer *w = (struct pack_writer *)base;
    const unsigned char *p = data;
    while (len) {
        struct slot *s = &w->slots[w->current];
        size_t room = PACK_BLOCK - s->in_len;
        size_t n = len < room ? len : room;
        memcpy(s->in + s->in_len, p, n);
        s->in_len += n;
        p += n;
        len -= n;
        if (s->in_len == PACK_BLOCK)
            TRY(dispatch(w, err));
    }
    return 0;
}

struct pack_writer *pack_writer_open(const struct pack_encoder *encoder, int level,
                                     struct writer *out, struct thread_pool *pool)
{
    struct pack_writer *w = xcalloc(1, sizeof *w);
    size_t wanted = pool ? thread_pool_cores() + 1 : 1;
    *w = (struct pack_writer){
        .base = { pack_write }, .encoder = encoder, .level = level, .out = out, .pool = pool
    };
    w->slot_count = wanted < SLOTS_MAX ? wanted : SLOTS_MAX;
    prepare_slot(w, &w->slots[0]);
    return w;
}

struct writer *pack_writer_base(struct pack_writer *w)
{
    return &w->base;
}

int pack_writer_finish(struct pack_writer *w, struct error *err)
{
    if (w->slots[w->current].in_len || !w->any)
        TRY(dispatch(w, err));
    for (size_t i = 0; i < w->slot_count; i++)
        TRY(drain_slot(w, &w->slots[(w->current + i) % w->slot_count], err));
    return 0;
}

void pack_writer_free(struct pack_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->slot_count; i++) {
        struct slot *s = &w->slots[i];
        if (s->busy && w->pool)
            job_group_wait(&s->group);
        if (s->encoder)
            s->encoder->close(s->state);
        free(s->in);
        free(s->out);
    }
    free(w);
}
