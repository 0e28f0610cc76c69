/* SPDX-License-Identifier: Apache-2.0 */
#include <libdeflate.h>
#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/codec/huffman.h"
#include "lib/codec/pack.h"

enum {
    LEVEL_MAX = 9,
    LEVEL_AUTO = 6,
    HEADER_SIZE = 10,
    TRAILER_SIZE = 8,
    STORED_MAX = 65535,     /* bytes of a stored block, RFC 1951 3.2.4 */
    PROBE_MIN = 64 * 1024,  /* a shorter block is not worth a probe */
    PROBE_SIZE = 48 * 1024, /* sees repetitions that deflate's window of 32 KiB can use */
    PROBE_LEVEL = 1,
    SAMPLES = 2,
    REPEAT_BITS = 13,
    REPEAT_PERCENT = 4,
    WORTH_PERCENT = 98, /* more than this of the input left is not worth unpacking */
};

struct gzip {
    struct libdeflate_compressor *compressor;
    struct libdeflate_compressor *probe; /* NULL: a level was asked for */
};

struct block {
    const unsigned char *in;
    size_t len;
    unsigned char *out;
    size_t cap;
};

enum method { METHOD_DEFLATE, METHOD_HUFFMAN, METHOD_STORED };

static size_t percent_of(uint64_t part, uint64_t whole)
{
    return (size_t)(part * 100 / whole);
}

/* Do enough positions of the sample begin with four bytes that stood there shortly before? Weights
 * have one or two such in a hundred by chance. */
static bool has_repeats(const unsigned char *p)
{
    uint16_t last[1 << REPEAT_BITS] = { 0 };
    size_t repeats = 0;
    for (size_t i = 0; i + 4 <= PROBE_SIZE; i++) {
        uint32_t now;
        uint32_t before;
        memcpy(&now, p + i, sizeof now);
        uint32_t slot = now * UINT32_C(2654435761) >> (32 - REPEAT_BITS);
        memcpy(&before, p + last[slot], sizeof before);
        repeats += now == before;
        last[slot] = (uint16_t)i;
    }
    return repeats * 100 >= (size_t)PROBE_SIZE * REPEAT_PERCENT;
}

static const unsigned char *sample_of(const struct block *b, size_t i)
{
    return b->in + (b->len - PROBE_SIZE) * (2 * i + 1) / (2 * SAMPLES);
}

/* Is it certain from the samples alone that nothing will be found? Their own codes are the shortest
 * there can be, so codes made for the whole block need not be asked. */
static bool is_noise(const struct block *b)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct huffman own;
        huffman_plan(&own, sample_of(b, i), PROBE_SIZE);
        bits += huffman_own_bits(&own);
    }
    if (percent_of(bits / 8, SAMPLES * (uint64_t)PROBE_SIZE) <= WORTH_PERCENT)
        return false;
    for (size_t i = 0; i < SAMPLES; i++) {
        if (has_repeats(sample_of(b, i)))
            return false;
    }
    return true;
}

/* What matches find in the samples, beside what the bytes' own frequencies give. */
static enum method choose_method(const struct gzip *g, const struct block *b,
                                 const struct huffman *h)
{
    uint64_t matched = 0;
    uint64_t plain = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        const unsigned char *sample = sample_of(b, i);
        uint64_t bytes = huffman_bits(h, sample, PROBE_SIZE) / 8;
        size_t n = has_repeats(sample)
                       ? libdeflate_deflate_compress(g->probe, sample, PROBE_SIZE, b->out, b->cap)
                       : bytes;
        matched += n ? n : PROBE_SIZE;
        plain += bytes;
    }
    if (percent_of(matched, SAMPLES * (uint64_t)PROBE_SIZE) >= WORTH_PERCENT &&
        percent_of(plain, SAMPLES * (uint64_t)PROBE_SIZE) >= WORTH_PERCENT)
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

static size_t store(const struct block *b, unsigned char *out)
{
    unsigned char *p = out;
    for (size_t at = 0; at < b->len;) {
        size_t n = b->len - at < STORED_MAX ? b->len - at : STORED_MAX;
        *p = at + n == b->len;
        put_u16(p + 1, (unsigned)n);
        put_u16(p + 3, ~(unsigned)n & 0xffff);
        memcpy(p + 5, b->in + at, n);
        p += 5 + n;
        at += n;
    }
    return (size_t)(p - out);
}

/* A member whose deflate stream is not libdeflate's. */
static size_t write_member(const struct block *b, const struct huffman *h, enum method method)
{
    static const unsigned char header[HEADER_SIZE] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff };
    unsigned char *body = b->out + HEADER_SIZE;
    memcpy(b->out, header, HEADER_SIZE);
    size_t len = method == METHOD_STORED ? store(b, body) : huffman_write(h, b->in, b->len, body);
    put_u32(body + len, libdeflate_crc32(0, b->in, b->len));
    put_u32(body + len + 4, (uint32_t)b->len);
    return HEADER_SIZE + len + TRAILER_SIZE;
}

static size_t encode(void *state, const unsigned char *in, size_t len, unsigned char *out,
                     size_t cap, bool *out_slow)
{
    const struct gzip *g = state;
    const struct block b = { in, len, out, cap };
    struct huffman h;
    enum method method = METHOD_DEFLATE;
    if (g->probe && len >= PROBE_MIN) {
        method = METHOD_STORED;
        if (!is_noise(&b)) {
            huffman_plan(&h, in, len);
            method = choose_method(g, &b, &h);
        }
    }
    *out_slow = method == METHOD_DEFLATE;
    return method == METHOD_DEFLATE ? libdeflate_gzip_compress(g->compressor, in, len, out, cap)
                                    : write_member(&b, &h, method);
}

static void *open_state(int level)
{
    struct gzip *g = xcalloc(1, sizeof *g);
    g->compressor = libdeflate_alloc_compressor(level < 0 ? LEVEL_AUTO : level);
    g->probe = level < 0 ? libdeflate_alloc_compressor(PROBE_LEVEL) : NULL;
    if (!g->compressor || (level < 0 && !g->probe))
        abort();
    return g;
}

static void close_state(void *state)
{
    struct gzip *g = state;
    libdeflate_free_compressor(g->compressor);
    libdeflate_free_compressor(g->probe);
    free(g);
}

static size_t bound(void)
{
    size_t ours = HEADER_SIZE + huffman_bound(PACK_BLOCK) + TRAILER_SIZE;
    size_t theirs = libdeflate_gzip_compress_bound(NULL, PACK_BLOCK);
    return ours > theirs ? ours : theirs;
}

static void layout(int level, char out[static PACK_LAYOUT_SIZE])
{
    char text[16] = "auto6";
    if (level >= 0)
        snprintf(text, sizeof text, "%d", level);
    snprintf(out, PACK_LAYOUT_SIZE, "gzip-4:%d:%s:libdeflate-%s", PACK_BLOCK, text,
             LIBDEFLATE_VERSION_STRING);
}

const struct pack_encoder pack_gzip = { LEVEL_MAX, open_state, bound, encode, close_state, layout };
