/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/codec/huffman.h"

#include <zlib.h>

#include "lib/base/mem.h"
#include "tests/support/test.h"

enum { LARGE = 3 * 1024 * 1024 };

/* zlib reads the stream whole, to its last byte, and gives the data back. */
static void comes_back(const uint8_t *data, size_t len)
{
    struct huffman h;
    z_stream z = { 0 };
    auto_free uint8_t *packed = xmalloc(huffman_bound(len));
    auto_free uint8_t *plain = xmalloc(len + 1);
    huffman_plan(&h, data, len);
    size_t n = huffman_write(&h, data, len, packed);
    assert_true(n <= huffman_bound(len));
    assert_true(n * 8 >= huffman_bits(&h, data, len));
    assert_int_equal(inflateInit2(&z, -15), Z_OK);
    z.next_in = packed;
    z.avail_in = (uInt)n;
    z.next_out = plain;
    z.avail_out = (uInt)len + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, len);
    assert_int_equal(z.avail_in, 0);
    if (len)
        assert_memory_equal(plain, data, len);
    inflateEnd(&z);
}

static void every_size_and_alphabet(void **state)
{
    static const size_t alphabets[] = { 1, 2, 3, 17, 128, 256 };
    uint8_t data[700];
    uint32_t x = 1;
    (void)state;
    for (size_t len = 0; len < sizeof data; len++) {
        for (size_t a = 0; a < COUNT(alphabets); a++) {
            for (size_t i = 0; i < len; i++) {
                x = x * 1664525U + 1013904223U;
                data[i] = (uint8_t)((x >> 24) % alphabets[a] * 7);
            }
            comes_back(data, len);
        }
    }
}

/* Counts like Fibonacci's numbers give the deepest tree there is. */
static void codes_are_no_longer_than_deflate_allows(void **state)
{
    auto_free uint8_t *data = xmalloc(LARGE);
    size_t len = 0;
    size_t a = 1;
    size_t b = 1;
    (void)state;
    for (uint8_t symbol = 0; len < LARGE; symbol++) {
        for (size_t i = 0; i < a && len < LARGE; i++)
            data[len++] = symbol;
        size_t next = a + b;
        a = b;
        b = next;
    }
    comes_back(data, len);
}

static void noise_grows_by_little(void **state)
{
    struct huffman h;
    auto_free uint8_t *data = xmalloc(LARGE);
    auto_free uint8_t *packed = xmalloc(huffman_bound(LARGE));
    uint32_t x = 5;
    (void)state;
    for (size_t i = 0; i < LARGE; i++) {
        x = x * 1664525U + 1013904223U;
        data[i] = (uint8_t)(x >> 24);
    }
    huffman_plan(&h, data, LARGE);
    assert_true(huffman_write(&h, data, LARGE, packed) < LARGE + LARGE / 100);
    comes_back(data, LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_and_alphabet),
        cmocka_unit_test(codes_are_no_longer_than_deflate_allows),
        cmocka_unit_test(noise_grows_by_little),
    };
    return cmocka_run_group_tests_name("huffman", tests, NULL, NULL);
}
