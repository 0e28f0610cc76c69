/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/gzip.h"

#include <libdeflate.h>

#include "lib/base/mem.h"
#include "lib/codec/huffman.h"

enum {
    SLOTS_MAX = 16,
    HEADER_SIZE = 10,
    TRAILER_SIZE = 8,
    STORED_MAX = 65535,     /* bytes of a stored block, RFC 1951 3.2.4 */
    PROBE_MIN = 64 * 1024,  /* a shorter member is not worth a probe */
    PROBE_SIZE = 48 * 1024, /* sees repetitions that deflate's window of 32 KiB can use */
    PROBE_LEVEL = 1,
    WORTH_PERCENT = 98, /* more than this of the input left is not worth unpacking */
};

/* One member under way. Slots are used round-robin, so `next` to write is always the oldest. */
struct slot {
    struct job_group group; /* initialised only while the slot is busy */
    bool busy;
    struct libdeflate_compressor *compressor, *probe;
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
    return "gzip-2:1048576:6:libdeflate-" LIBDEFLATE_VERSION_STRING;
}

enum method { METHOD_DEFLATE, METHOD_HUFFMAN, METHOD_STORED };

static size_t percent_of(uint64_t part, uint64_t whole)
{
    return (size_t)(part * 100 / whole);
}

/* What matches find in two samples, beside what the bytes' own frequencies give. */
static enum method choose_method(struct slot *s, const struct huffman *h)
{
    uint64_t matched = 0;
    uint64_t plain = 0;
    if (s->in_len < PROBE_MIN)
        return METHOD_DEFLATE;
    for (size_t i = 1; i <= 3; i += 2) {
        const unsigned char *sample = s->in + (s->in_len - PROBE_SIZE) * i / 4;
        size_t n = libdeflate_deflate_compress(s->probe, sample, PROBE_SIZE, s->out, s->out_cap);
        matched += n ? n : PROBE_SIZE;
        plain += huffman_bits(h, sample, PROBE_SIZE) / 8;
    }
    if (percent_of(matched, 2 * (uint64_t)PROBE_SIZE) >= WORTH_PERCENT &&
        percent_of(plain, 2 * (uint64_t)PROBE_SIZE) >= WORTH_PERCENT)
        return METHOD_STORED;
    return plain * 100 <= matched * 101 ? METHOD_HUFFMAN : METHOD_DEFLATE;
}

static void put_u16(unsigned char *p, unsigned value)
{
    p[0] = (unsigned char)value;
    p[1] = (unsigned char)(value >> 8);
}

static void put_u32(unsigned char *p, uint32_t value)
{
    put_u16(p, value & 0xffff);
    put_u16(p + 2, value >> 16);
}

static size_t store(const struct slot *s, unsigned char *out)
{
    unsigned char *p = out;
    for (size_t at = 0; at < s->in_len;) {
        size_t n = s->in_len - at < STORED_MAX ? s->in_len - at : STORED_MAX;
        *p = at + n == s->in_len;
        put_u16(p + 1, (unsigned)n);
        put_u16(p + 3, ~(unsigned)n & 0xffff);
        memcpy(p + 5, s->in + at, n);
        p += 5 + n;
        at += n;
    }
    return (size_t)(p - out);
}

/* A member whose deflate stream is not libdeflate's. */
static void write_member(struct slot *s, const struct huffman *h, enum method method)
{
    static const unsigned char header[HEADER_SIZE] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff };
    unsigned char *body = s->out + HEADER_SIZE;
    memcpy(s->out, header, HEADER_SIZE);
    size_t len =
        method == METHOD_STORED ? store(s, body) : huffman_write(h, s->in, s->in_len, body);
    put_u32(body + len, libdeflate_crc32(0, s->in, s->in_len));
    put_u32(body + len + 4, (uint32_t)s->in_len);
    s->out_len = HEADER_SIZE + len + TRAILER_SIZE;
}

static void compress_slot(void *arg)
{
    struct slot *s = arg;
    struct huffman h;
    if (s->in_len)
        huffman_plan(&h, s->in, s->in_len);
    enum method method = choose_method(s, &h);
    if (method == METHOD_DEFLATE)
        s->out_len = libdeflate_gzip_compress(s->compressor, s->in, s->in_len, s->out, s->out_cap);
    else
        write_member(s, &h, method);
}

static void prepare_slot(struct slot *s)
{
    if (s->compressor)
        return;
    s->compressor = libdeflate_alloc_compressor(GZIP_LEVEL);
    s->probe = libdeflate_alloc_compressor(PROBE_LEVEL);
    if (!s->compressor || !s->probe)
        abort();
    s->in = xmalloc(GZIP_BLOCK);
    s->out_cap = libdeflate_gzip_compress_bound(s->compressor, GZIP_BLOCK);
    if (s->out_cap < HEADER_SIZE + huffman_bound(GZIP_BLOCK) + TRAILER_SIZE)
        s->out_cap = HEADER_SIZE + huffman_bound(GZIP_BLOCK) + TRAILER_SIZE;
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
        libdeflate_free_compressor(s->compressor);
        libdeflate_free_compressor(s->probe);
        free(s->in);
        free(s->out);
    }
    free(w);
}
