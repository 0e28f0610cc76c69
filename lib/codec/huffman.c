/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/huffman.h"

#include <endian.h>
#include <string.h>

enum {
    BYTES = 256,
    END = 256,       /* the symbol that ends a block */
    LENGTH_MAX = 15, /* of a code */
    META_SYMBOLS = 19,
    META_LENGTH_MAX = 7,
    REPEAT = 16,       /* the last length 3 to 6 times */
    ZEROS = 17,        /* 3 to 10 */
    ZEROS_LONG = 18,   /* 11 to 138 */
    DYNAMIC_FINAL = 5, /* the block's first three bits */
};

/* Bits go out from the lowest one on. */
struct bit_writer {
    uint8_t *out;
    uint64_t bits;
    unsigned count;
};

static inline void put(struct bit_writer *w, uint64_t bits, unsigned count)
{
    w->bits |= bits << w->count;
    w->count += count;
}

/* Leaves at most seven bits behind; up to 56 fit in then. */
static inline void flush(struct bit_writer *w)
{
    uint64_t little = htole64(w->bits);
    memcpy(w->out, &little, sizeof little);
    w->out += w->count / 8;
    w->bits >>= w->count & ~7U;
    w->count &= 7;
}

/* Four tables, since a run of one byte would wait for its own count. */
static void count(uint32_t counts[BYTES], const uint8_t *data, size_t len)
{
    uint32_t parts[4][BYTES] = { 0 };
    size_t i = 0;
    for (; i + 4 <= len; i += 4) {
        parts[0][data[i]]++;
        parts[1][data[i + 1]]++;
        parts[2][data[i + 2]]++;
        parts[3][data[i + 3]]++;
    }
    for (; i < len; i++)
        parts[0][data[i]]++;
    for (size_t b = 0; b < BYTES; b++)
        counts[b] = parts[0][b] + parts[1][b] + parts[2][b] + parts[3][b];
}

struct leaf {
    uint32_t count;
    uint16_t symbol;
};

/* By count, then symbol; an insertion sort is quick for so few. */
static size_t sort_leaves(const uint32_t *counts, size_t symbols, struct leaf *leaves)
{
    size_t n = 0;
    for (size_t s = 0; s < symbols; s++) {
        size_t at = n;
        if (counts[s] == 0)
            continue;
        for (; at > 0 && leaves[at - 1].count > counts[s]; at--)
            leaves[at] = leaves[at - 1];
        leaves[at] = (struct leaf){ counts[s], (uint16_t)s };
        n++;
    }
    return n;
}

/* How many codes have each length, from the tree that joins the two rarest again and again. Inner
 * nodes come out sorted, so two queues do. */
static void tree_lengths(const struct leaf *leaves, size_t n, size_t of_length[])
{
    uint64_t weight[2 * HUFFMAN_SYMBOLS];
    size_t parent[2 * HUFFMAN_SYMBOLS];
    unsigned depth[2 * HUFFMAN_SYMBOLS];
    size_t leaf = 0;
    size_t inner = n;
    for (size_t i = 0; i < n; i++)
        weight[i] = leaves[i].count;
    for (size_t next = n; next < 2 * n - 1; next++) {
        weight[next] = 0;
        for (int k = 0; k < 2; k++) {
            size_t pick =
                leaf < n && (inner >= next || weight[leaf] <= weight[inner]) ? leaf++ : inner++;
            weight[next] += weight[pick];
            parent[pick] = next;
        }
    }
    depth[2 * n - 2] = 0;
    for (size_t i = 2 * n - 2; i-- > 0;) {
        depth[i] = depth[parent[i]] + 1;
        if (i < n)
            of_length[depth[i]]++;
    }
}

/* Codes that are too long become `max` long, and shorter ones give the room for them. */
static void limit_lengths(size_t of_length[], size_t n, unsigned max)
{
    uint64_t used = 0;
    for (size_t i = max + 1; i <= n; i++) {
        of_length[max] += of_length[i];
        of_length[i] = 0;
    }
    for (unsigned i = 1; i <= max; i++)
        used += (uint64_t)of_length[i] << (max - i);
    while (used > (uint64_t)1 << max) {
        unsigned i = max - 1;
        while (of_length[i] == 0)
            i--;
        of_length[i]--;
        of_length[i + 1] += 2;
        of_length[max]--;
        used--;
    }
}

static uint16_t reversed(unsigned code, unsigned length)
{
    unsigned out = 0;
    for (unsigned i = 0; i < length; i++)
        out |= (code >> i & 1) << (length - 1 - i);
    return (uint16_t)out;
}

static void assign_codes(const uint8_t *lengths, size_t symbols, uint16_t *codes)
{
    unsigned next[LENGTH_MAX + 2] = { 0 };
    unsigned of_length[LENGTH_MAX + 1] = { 0 };
    for (size_t s = 0; s < symbols; s++)
        of_length[lengths[s]]++;
    of_length[0] = 0;
    for (unsigned i = 1; i <= LENGTH_MAX; i++)
        next[i + 1] = (next[i] + of_length[i]) << 1;
    for (size_t s = 0; s < symbols; s++) {
        if (lengths[s])
            codes[s] = reversed(next[lengths[s]]++, lengths[s]);
    }
}

/* Canonical codes of at most `max` bits; a symbol that does not occur has length 0. A code that
 * stands alone is one bit long. */
static void make_codes(const uint32_t *counts, size_t symbols, unsigned max, uint8_t *lengths,
                       uint16_t *codes)
{
    struct leaf leaves[HUFFMAN_SYMBOLS];
    size_t of_length[HUFFMAN_SYMBOLS + 1] = { 0 };
    size_t n = sort_leaves(counts, symbols, leaves);
    size_t leaf = 0;
    memset(lengths, 0, symbols);
    if (n == 1)
        of_length[1] = 1;
    else
        tree_lengths(leaves, n, of_length);
    limit_lengths(of_length, n, max);
    for (unsigned length = max; length > 0; length--) {
        for (size_t i = 0; i < of_length[length]; i++)
            lengths[leaves[leaf++].symbol] = (uint8_t)length;
    }
    assign_codes(lengths, symbols, codes);
}

void huffman_plan(struct huffman *h, const uint8_t *data, size_t len)
{
    count(h->counts, data, len);
    h->counts[END] = 1;
    make_codes(h->counts, HUFFMAN_SYMBOLS, LENGTH_MAX, h->lengths, h->codes);
}

static uint64_t bits_of(const struct huffman *h, const uint32_t counts[BYTES])
{
    uint64_t bits = 0;
    for (size_t b = 0; b < BYTES; b++)
        bits += (uint64_t)counts[b] * h->lengths[b];
    return bits;
}

uint64_t huffman_bits(const struct huffman *h, const uint8_t *data, size_t len)
{
    uint32_t counts[BYTES];
    count(counts, data, len);
    return bits_of(h, counts);
}

uint64_t huffman_own_bits(const struct huffman *h)
{
    return bits_of(h, h->counts);
}

/* One symbol of the header's own alphabet, with its extra bits. */
struct meta {
    uint8_t symbol, extra, extra_bits;
};

static size_t run_at(const uint8_t *lengths, size_t at, size_t end)
{
    size_t n = 1;
    while (at + n < end && lengths[at + n] == lengths[at])
        n++;
    return n;
}

/* The lengths of all literals and of the one distance code that is not used, as runs. */
static size_t encode_lengths(const struct huffman *h, struct meta *out)
{
    uint8_t lengths[HUFFMAN_SYMBOLS + 1];
    size_t n = 0;
    memcpy(lengths, h->lengths, HUFFMAN_SYMBOLS);
    lengths[HUFFMAN_SYMBOLS] = 0;
    for (size_t i = 0; i < sizeof lengths;) {
        size_t run = run_at(lengths, i, sizeof lengths);
        if (lengths[i] == 0 && run >= 3) {
            run = run > 138 ? 138 : run;
            out[n++] = run >= 11 ? (struct meta){ ZEROS_LONG, (uint8_t)(run - 11), 7 }
                                 : (struct meta){ ZEROS, (uint8_t)(run - 3), 3 };
        } else if (run >= 4) {
            run = run > 7 ? 7 : run;
            out[n++] = (struct meta){ lengths[i], 0, 0 };
            out[n++] = (struct meta){ REPEAT, (uint8_t)(run - 4), 2 };
        } else {
            run = 1;
            out[n++] = (struct meta){ lengths[i], 0, 0 };
        }
        i += run;
    }
    return n;
}

static void write_header(const struct huffman *h, struct bit_writer *w)
{
    static const uint8_t order[META_SYMBOLS] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                 11, 4,  12, 3, 13, 2, 14, 1, 15 };
    struct meta metas[HUFFMAN_SYMBOLS + 1];
    uint32_t counts[META_SYMBOLS] = { 0 };
    uint8_t lengths[META_SYMBOLS];
    uint16_t codes[META_SYMBOLS] = { 0 };
    size_t n = encode_lengths(h, metas);
    for (size_t i = 0; i < n; i++)
        counts[metas[i].symbol]++;
    make_codes(counts, META_SYMBOLS, META_LENGTH_MAX, lengths, codes);

    put(w, DYNAMIC_FINAL, 3);
    put(w, HUFFMAN_SYMBOLS - 257, 5);
    put(w, 0, 5); /* one distance code */
    put(w, META_SYMBOLS - 4, 4);
    for (size_t i = 0; i < META_SYMBOLS; i++) {
        put(w, lengths[order[i]], 3);
        flush(w);
    }
    for (size_t i = 0; i < n; i++) {
        put(w, codes[metas[i].symbol], lengths[metas[i].symbol]);
        put(w, metas[i].extra, metas[i].extra_bits);
        flush(w);
    }
}

size_t huffman_write(const struct huffman *h, const uint8_t *data, size_t len, uint8_t *out)
{
    struct bit_writer w = { .out = out };
    size_t i = 0;
    write_header(h, &w);
    for (; i + 3 <= len; i += 3) {
        put(&w, h->codes[data[i]], h->lengths[data[i]]);
        put(&w, h->codes[data[i + 1]], h->lengths[data[i + 1]]);
        put(&w, h->codes[data[i + 2]], h->lengths[data[i + 2]]);
        flush(&w);
    }
    for (; i < len; i++) {
        put(&w, h->codes[data[i]], h->lengths[data[i]]);
        flush(&w);
    }
    put(&w, h->codes[END], h->lengths[END]);
    flush(&w);
    return (size_t)(w.out - out) + (w.count > 0);
}
