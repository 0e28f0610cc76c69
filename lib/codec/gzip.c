/* SPDX-License-Identifier: Apache-2.0 */
#include <libdeflate.h>
#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/codec/huffman.h"
#include "lib/codec/pack.h"

enum {
    LEVEL_MAX = 9,
    LEVEL_AUTO = 5, /* a fifth faster than 6, and no larger than zlib at 6 by a hundredth */
    HEADER_SIZE = 10,
    TRAILER_SIZE = 8,
    STORED_MAX = 65535,     /* bytes of a stored block, RFC 1951 3.2.4 */
    PROBE_MIN = 64 * 1024,  /* a shorter block is not worth a probe */
    PROBE_SIZE = 48 * 1024, /* sees repetitions that deflate's window of 32 KiB can use */
    PROBE_LEVEL = 1,
    SAMPLES = 2,
    REPEAT_BITS = 13,
    REPEAT_PERCENT = 4,
    NOISE_SAMPLE = 4096,
    NOISE_PERCENT = 125, /* of the pairs that chance makes */
    WORTH_PERCENT = 98,  /* more than this of the input left is not worth unpacking */
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

/* What can be said of a sample before codes are made for the whole block. */
struct sample {
    const unsigned char *data;
    bool repeats;
    uint64_t own;     /* bytes in codes of its own: no others make it shorter */
    uint64_t matched; /* bytes by deflate, if it repeats */
};

static void take_sample(const struct gzip *g, const struct block *b, size_t i, struct sample *out)
{
    struct huffman own;
    *out = (struct sample){ .data = b->in +
                                    (b->len - PROBE_SIZE) * (2 * i + 1) / ((size_t)2 * SAMPLES) };
    huffman_plan(&own, out->data, PROBE_SIZE);
    out->own = huffman_own_bits(&own) / 8;
    out->repeats = has_repeats(out->data);
    if (!out->repeats)
        return;
    size_t n = libdeflate_deflate_compress(g->probe, out->data, PROBE_SIZE, b->out, b->cap);
    out->matched = n ? n : PROBE_SIZE;
}

static bool is_worthless(uint64_t bytes)
{
    return percent_of(bytes, SAMPLES * (uint64_t)PROBE_SIZE) >= WORTH_PERCENT;
}

static bool is_better(uint64_t matched, uint64_t plain)
{
    return plain * 100 > matched * 101;
}

/* What matches find in samples, beside what the bytes' own frequencies give. Noise and text are
 * told by the samples alone. */
static enum method choose_method(const struct gzip *g, const struct block *b, struct huffman *h)
{
    struct sample samples[SAMPLES];
    uint64_t own = 0;
    uint64_t matched = 0;
    uint64_t plain = 0;
    size_t repeating = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        take_sample(g, b, i, &samples[i]);
        own += samples[i].own;
        matched += samples[i].matched;
        repeating += samples[i].repeats;
    }
    if (repeating == 0 && is_worthless(own))
        return METHOD_STORED;
    if (repeating == SAMPLES && !is_worthless(matched) && is_better(matched, own))
        return METHOD_DEFLATE;
    huffman_plan(h, b->in, b->len);
    for (size_t i = 0; i < SAMPLES; i++) {
        uint64_t bytes = huffman_bits(h, samples[i].data, PROBE_SIZE) / 8;
        matched += samples[i].repeats ? 0 : bytes;
        plain += bytes;
    }
    if (is_worthless(matched) && is_worthless(plain))
        return METHOD_STORED;
    return is_better(matched, plain) ? METHOD_DEFLATE : METHOD_HUFFMAN;
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
    if (g->probe && len >= PROBE_MIN)
        method = choose_method(g, &b, &h);
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

/* In a sample of noise pairs of bytes are equal about as often as chance has it. */
static bool is_noise(const unsigned char *in, size_t len)
{
    unsigned count[256] = { 0 };
    uint64_t pairs = 0;
    if (len < NOISE_SAMPLE)
        return false;
    for (size_t i = 0; i < NOISE_SAMPLE; i++)
        pairs += count[in[(len - NOISE_SAMPLE) / 2 + i]]++;
    uint64_t by_chance = (uint64_t)NOISE_SAMPLE * (NOISE_SAMPLE - 1) / 2 / COUNT(count);
    return pairs * 100 < by_chance * NOISE_PERCENT;
}

static bool is_quick(int level, const unsigned char *in, size_t len)
{
    return level < 0 && is_noise(in, len);
}

static size_t bound(void)
{
    size_t ours = HEADER_SIZE + huffman_bound(PACK_BLOCK) + TRAILER_SIZE;
    size_t theirs = libdeflate_gzip_compress_bound(NULL, PACK_BLOCK);
    return ours > theirs ? ours : theirs;
}

static void layout(int level, char out[static PACK_LAYOUT_SIZE])
{
    bool is_auto = level < 0;
    snprintf(out, PACK_LAYOUT_SIZE, "gzip-5:%d:%s%d:libdeflate-%s", PACK_BLOCK,
             is_auto ? "auto" : "", is_auto ? LEVEL_AUTO : level, LIBDEFLATE_VERSION_STRING);
}

const struct pack_encoder pack_gzip = { LEVEL_MAX,   open_state, bound, encode,
                                        close_state, is_quick,   layout };
