/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/pack.h"

#include "lib/base/mem.h"

enum { SLOTS_MAX = 16 };

/* Where blocks end: before the header of a file that is a block or more itself, so that its blocks
 * do not depend on what stands before it; and when a block has some size, before one name in so
 * many. */
enum { RECORD = 512, CUT_MIN = 256 * 1024, CUT_ONE_IN = 64 };

/* Of a header, as POSIX has it. */
enum {
    NAME_AT = 0,
    NAME_SIZE = 100,
    SIZE_AT = 124,
    SIZE_SIZE = 12,
    MAGIC_AT = 257,
    PREFIX_AT = 345,
    PREFIX_SIZE = 155
};

enum slot_state {
    SLOT_FREE, /* to be filled; at most one is in part */
    SLOT_BUSY, /* a job encodes it */
    SLOT_DONE, /* waits for its turn to be written */
};

/* One block under way. Slots are used round-robin, so the blocks of a row of slots follow each
 * other. */
struct slot {
    struct pack_writer *writer;
    enum slot_state state; /* under the writer's lock */
    void *encoder_state;
    unsigned char *in;
    size_t in_len;
    size_t scanned; /* bytes of `in` that were looked through for a place to cut */
    unsigned char *out;
    size_t out_len;
    bool is_slow; /* worth remembering: */
    struct digest plain, packed;
};

/* Blocks are encoded by jobs, and written in order by whichever job ends a gap: the caller does
 * neither, but fills the next slot. */
struct pack_writer {
    struct writer base;
    const struct pack_encoder *encoder;
    int level;
    struct writer *out; /* used by one job at a time: the one that set `is_writing` */
    uint64_t offset;    /* what was written; likewise */
    struct thread_pool *pool;
    struct pack_memory *memory; /* or NULL */
    struct job_group group;
    struct slot slots[SLOTS_MAX];
    size_t slot_count;
    size_t current; /* the slot being filled */
    size_t quiet;   /* so many records are content of a large file */
    bool any;       /* a block was started */
    pthread_mutex_t lock;
    pthread_cond_t written;
    size_t oldest; /* the slot to be written next; under `lock`, as what follows */
    bool is_writing;
    bool has_failed;  /* nothing is written any more */
    struct error err; /* why; until somebody is told */
};

/* By one job at a time. */
static int write_slot(struct pack_writer *w, const struct slot *s, struct error *err)
{
    const struct pack_block block = { s->plain, s->packed, w->offset, (uint32_t)s->out_len };
    TRY(writer_write(w->out, s->out, s->out_len, err));
    w->offset += s->out_len;
    if (w->memory && s->is_slow)
        w->memory->learn(w->memory, &block);
    return 0;
}

static void write_done(struct pack_writer *w)
{
    struct slot *s = &w->slots[w->oldest];
    w->is_writing = true;
    while (s->state == SLOT_DONE) {
        if (!w->has_failed) {
            struct error err = { 0 };
            pthread_mutex_unlock(&w->lock);
            int rc = write_slot(w, s, &err);
            pthread_mutex_lock(&w->lock);
            w->has_failed = rc < 0;
            error_move(&w->err, &err);
        }
        s->in_len = s->scanned = 0;
        s->state = SLOT_FREE;
        w->oldest = (w->oldest + 1) % w->slot_count;
        s = &w->slots[w->oldest];
        pthread_cond_broadcast(&w->written);
    }
    w->is_writing = false;
}

/* From memory, or by the encoder. What is quick to encode is not in memory: to look for it would
 * take a digest. */
static void pack_slot(const struct pack_writer *w, struct slot *s)
{
    size_t cap = w->encoder->bound();
    struct pack_memory *memory = w->memory;
    bool is_quick = w->encoder->is_quick && w->encoder->is_quick(w->level, s->in, s->in_len);
    bool is_asked = memory && memory->has_any && !is_quick;
    s->out_len = 0;
    if (is_asked) {
        digest_of(s->in, s->in_len, &s->plain);
        s->out_len = memory->recall(memory, &s->plain, s->out, cap);
    }
    s->is_slow = s->out_len > 0;
    if (!s->is_slow)
        s->out_len =
            w->encoder->encode(s->encoder_state, s->in, s->in_len, s->out, cap, &s->is_slow);
    if (!memory || !s->is_slow)
        return;
    if (!is_asked)
        digest_of(s->in, s->in_len, &s->plain);
    digest_of(s->out, s->out_len, &s->packed);
}

static void encode_slot(void *arg)
{
    struct slot *s = arg;
    struct pack_writer *w = s->writer;
    pack_slot(w, s);
    pthread_mutex_lock(&w->lock);
    s->state = SLOT_DONE;
    if (!w->is_writing)
        write_done(w);
    pthread_mutex_unlock(&w->lock);
}

/* Waits until `s` has been written, and does what of the work no thread has begun. */
static int wait_for(struct pack_writer *w, const struct slot *s, struct error *err)
{
    pthread_mutex_lock(&w->lock);
    while (s->state != SLOT_FREE) {
        pthread_mutex_unlock(&w->lock);
        bool helped = job_group_help(&w->group);
        pthread_mutex_lock(&w->lock);
        if (!helped && s->state != SLOT_FREE)
            pthread_cond_wait(&w->written, &w->lock);
    }
    bool failed = w->has_failed;
    if (failed && error_is_set(&w->err))
        error_move(err, &w->err);
    else if (failed)
        error_set(err, ERROR_CANCELLED, 0, "what was packed before could not be written");
    pthread_mutex_unlock(&w->lock);
    return failed ? -1 : 0;
}

static int prepare_slot(struct pack_writer *w, struct error *err)
{
    struct slot *s = &w->slots[w->current];
    if (s->in)
        return wait_for(w, s, err);
    s->writer = w;
    s->encoder_state = w->encoder->open(w->level);
    s->in = xmalloc(PACK_BLOCK);
    s->out = xmalloc(w->encoder->bound());
    return 0;
}

/* Sends the current slot off and moves to the next. */
static int dispatch(struct pack_writer *w, struct error *err)
{
    struct slot *s = &w->slots[w->current];
    w->any = true;
    pthread_mutex_lock(&w->lock);
    s->state = SLOT_BUSY;
    pthread_mutex_unlock(&w->lock);
    if (w->pool)
        job_group_submit(&w->group, encode_slot, s);
    else
        encode_slot(s);
    w->current = (w->current + 1) % w->slot_count;
    return prepare_slot(w, err);
}

static uint64_t size_in(const unsigned char *header)
{
    const unsigned char *field = header + SIZE_AT;
    uint64_t size = 0;
    if (field[0] & 0x80) /* too large for its digits */
        return UINT64_MAX;
    for (size_t i = 0; i < SIZE_SIZE && field[i] >= '0' && field[i] <= '7'; i++)
        size = size * 8 + (uint64_t)(field[i] - '0');
    return size;
}

static uint32_t hash_in(uint32_t hash, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT32_C(16777619);
    return hash;
}

/* Content that looks like a header is as good. */
static bool is_header(const unsigned char *record)
{
    return memcmp(record + MAGIC_AT, "ustar", strlen("ustar")) == 0;
}

static bool is_chosen(const unsigned char *header)
{
    uint32_t hash = hash_in(UINT32_C(2166136261), header + NAME_AT, NAME_SIZE);
    return hash_in(hash, header + PREFIX_AT, PREFIX_SIZE) / 7 % CUT_ONE_IN == 0;
}

/* Where the block that is being filled ends, or 0. Every block begins where a record does. */
static size_t find_cut(struct pack_writer *w, struct slot *s)
{
    for (; s->in_len - s->scanned >= RECORD; s->scanned += RECORD) {
        const unsigned char *record = s->in + s->scanned;
        bool is_quiet = w->quiet > 0;
        w->quiet -= is_quiet;
        if (is_quiet || !is_header(record))
            continue;
        bool is_large = size_in(record) >= PACK_BLOCK;
        if (s->scanned && (is_large || (s->scanned >= CUT_MIN && is_chosen(record))))
            return s->scanned;
        if (is_large)
            w->quiet = PACK_BLOCK / RECORD - 1;
    }
    return 0;
}

/* Ends the block at `len`; what follows begins the next. */
static int cut(struct pack_writer *w, size_t len, struct error *err)
{
    struct slot *s = &w->slots[w->current];
    const unsigned char *rest = s->in + len;
    size_t rest_len = s->in_len - len;
    s->in_len = len;
    TRY(dispatch(w, err));
    /* Until it is filled again nobody changes the old block, which may be this one. */
    struct slot *next = &w->slots[w->current];
    memmove(next->in, rest, rest_len);
    next->in_len = rest_len;
    return 0;
}

static int pack_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct pack_writer *w = (struct pack_writer *)base;
    const unsigned char *p = data;
    while (len) {
        struct slot *s = &w->slots[w->current];
        size_t room = PACK_BLOCK - s->in_len;
        size_t n = len < room ? len : room;
        size_t end = 0;
        memcpy(s->in + s->in_len, p, n);
        s->in_len += n;
        p += n;
        len -= n;
        while ((end = find_cut(w, &w->slots[w->current])) > 0)
            TRY(cut(w, end, err));
        if (w->slots[w->current].in_len == PACK_BLOCK)
            TRY(dispatch(w, err));
    }
    return 0;
}

struct pack_writer *pack_writer_open(const struct pack_encoder *encoder, int level,
                                     struct writer *out, struct thread_pool *pool,
                                     struct pack_memory *memory)
{
    struct pack_writer *w = xcalloc(1, sizeof *w);
    struct error none = { 0 };
    size_t wanted = pool ? thread_pool_cores() + 2 : 1;
    *w = (struct pack_writer){ .base = { pack_write },
                               .encoder = encoder,
                               .level = level,
                               .out = out,
                               .pool = pool,
                               .memory = memory };
    w->slot_count = wanted < SLOTS_MAX ? wanted : SLOTS_MAX;
    job_group_init(&w->group, pool);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->written, NULL);
    (void)!prepare_slot(w, &none);
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
        TRY(wait_for(w, &w->slots[i], err));
    return 0;
}

void pack_writer_free(struct pack_writer *w)
{
    if (!w)
        return;
    job_group_wait(&w->group);
    for (size_t i = 0; i < w->slot_count; i++) {
        struct slot *s = &w->slots[i];
        if (s->in)
            w->encoder->close(s->encoder_state);
        free(s->in);
        free(s->out);
    }
    pthread_cond_destroy(&w->written);
    pthread_mutex_destroy(&w->lock);
    error_clear(&w->err);
    free(w);
}
