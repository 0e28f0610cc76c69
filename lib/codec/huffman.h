/* SPDX-License-Identifier: Apache-2.0 */
/*
 * huffman: deflate without matches: one block (RFC 1951, 3.2.7) whose codes are made for the bytes
 * at hand. For data that repeats nothing but prefers some bytes, as weights of a model do, this is
 * as small as deflate at its best, at many times its speed. The same input gives the same bytes
 * everywhere.
 */
#ifndef LIB_CODEC_HUFFMAN_H
#define LIB_CODEC_HUFFMAN_H

#include <stddef.h>
#include <stdint.h>

enum {
    HUFFMAN_SYMBOLS = 257,   /* the bytes, and the end of the block */
    HUFFMAN_HEADER_MAX = 320 /* bytes that the description of the codes takes at most */
};

/* Codes for the literals of one block. */
struct huffman {
    uint32_t counts[HUFFMAN_SYMBOLS];
    uint16_t codes[HUFFMAN_SYMBOLS]; /* bit-reversed, as deflate sends them */
    uint8_t lengths[HUFFMAN_SYMBOLS];
};

/* Counts the bytes and makes the codes. */
void huffman_plan(struct huffman *h, const uint8_t *data, size_t len);
/* Bits that `data` takes in these codes, the header not counted. */
uint64_t huffman_bits(const struct huffman *h, const uint8_t *data, size_t len);
/* The same for what was counted. */
uint64_t huffman_own_bits(const struct huffman *h);
/* Writes the whole stream, one final block; `out` has room for huffman_bound(len) bytes. Returns
 * the length. */
size_t huffman_write(const struct huffman *h, const uint8_t *data, size_t len, uint8_t *out);
static inline size_t huffman_bound(size_t len)
{
    return len + len / 8 + HUFFMAN_HEADER_MAX + 16; /* codes of one length would take nine bits */
}

#endif
