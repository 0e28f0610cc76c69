/* SPDX-License-Identifier: Apache-2.0 */
/* bzip2 and xz in; gzip and zstd are in pack_test. */
#include "lib/codec/decompress.h"

#include <bzlib.h>
#include <lzma.h>

#include "lib/base/mem.h"
#include "tests/support/memory_stream.h"
#include "tests/support/test.h"

enum { INPUT_SIZE = 3 * 1000 * 1000, PACKED_MAX = INPUT_SIZE + 100000 };

static char *make_input(void)
{
    char *data = xmalloc(INPUT_SIZE);
    uint32_t x = 7;
    for (size_t i = 0; i < INPUT_SIZE; i++) {
        x = x * 1664525U + 1013904223U;
        data[i] = i % 3 ? "text"[i % 4] : (char)(x >> 28);
    }
    return data;
}

static void pack_bzip2(const char *in, size_t len, uint32_t dictionary, struct strbuf *out)
{
    auto_free char *buf = xmalloc(PACKED_MAX);
    unsigned size = PACKED_MAX;
    (void)dictionary;
    assert_int_equal(
        BZ2_bzBuffToBuffCompress(buf, &size, (char *)(uintptr_t)in, (unsigned)len, 1, 0, 0), BZ_OK);
    strbuf_add(out, buf, size);
}

static void pack_xz(const char *in, size_t len, uint32_t dictionary, struct strbuf *out)
{
    auto_free uint8_t *buf = xmalloc(PACKED_MAX);
    lzma_options_lzma options;
    size_t size = 0;
    assert_false(lzma_lzma_preset(&options, 0));
    options.dict_size = dictionary;
    lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };
    assert_int_equal(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC64, NULL, (const uint8_t *)in,
                                               len, buf, &size, PACKED_MAX),
                     LZMA_OK);
    strbuf_add(out, (const char *)buf, size);
}

static const struct codec {
    const char *name;
    void (*pack)(const char *in, size_t len, uint32_t dictionary, struct strbuf *out);
} codecs[] = { { "bzip2", pack_bzip2 }, { "xz", pack_xz } };

enum { SMALL_DICTIONARY = 1 << 20, LARGE_DICTIONARY = 512 << 20 };

static int unpack(const struct strbuf *packed, size_t len, size_t step, struct strbuf *out,
                  struct error *err)
{
    struct memory_reader in = memory_reader_init(packed->buf, len, step);
    auto_(decompressor) struct decompressor *d = decompressor_open_any(&in.base, "file");
    return test_read_all(decompressor_base(d), 1000, out, err);
}

static void what_was_packed_comes_back(void **state)
{
    const struct codec *c = *state;
    static const size_t steps[] = { 1, 777, 1 << 20 };
    auto_free char *input = make_input();
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    c->pack(input, 100000, SMALL_DICTIONARY, &packed);
    /* A second stream behind the first. */
    c->pack(input + 100000, INPUT_SIZE - 100000, SMALL_DICTIONARY, &packed);
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct error err = { 0 };
        auto_(strbuf) struct strbuf out = STRBUF_INIT;
        assert_ok(unpack(&packed, packed.len, steps[i], &out, &err), &err);
        assert_int_equal(out.len, INPUT_SIZE);
        assert_memory_equal(out.buf, input, INPUT_SIZE);
    }
}

static void damage_is_noticed(void **state)
{
    const struct codec *c = *state;
    auto_free char *input = make_input();
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    c->pack(input, INPUT_SIZE, SMALL_DICTIONARY, &packed);
    for (size_t cut = 7; cut < packed.len; cut += packed.len / 11) {
        struct error err = { 0 };
        auto_(strbuf) struct strbuf out = STRBUF_INIT;
        assert_error(unpack(&packed, cut, 4096, &out, &err), &err, ERROR_CORRUPT, "it ends early");
    }
    struct error err = { 0 };
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    packed.buf[packed.len / 2] = (char)~packed.buf[packed.len / 2];
    auto_free char *text = xasprintf("file: damaged %s data", c->name);
    assert_error(unpack(&packed, packed.len, 4096, &out, &err), &err, ERROR_CORRUPT, text);
}

/* As gzip and bzip2 do; a layer may have nothing behind it. */
static void what_follows_is_ignored(void **state)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    (void)state;
    pack_bzip2("text", 4, 0, &packed);
    strbuf_add(&packed, "\0\0\0garbage", 10);
    assert_ok(unpack(&packed, packed.len, 4096, &out, &err), &err);
    assert_string_equal(out.buf, "text");
}

static void a_large_dictionary_is_refused(void **state)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    (void)state;
    /* Small at first, large in the second stream. */
    pack_xz("small", 5, SMALL_DICTIONARY, &packed);
    pack_xz("large", 5, LARGE_DICTIONARY, &packed);
    assert_error(unpack(&packed, packed.len, 4096, &out, &err), &err, ERROR_CORRUPT,
                 "more than 128 MiB of memory");
}

static void layers_are_never_packed_so(void **state)
{
    const struct codec *c = *state;
    struct error err = { 0 };
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    c->pack("text", 4, SMALL_DICTIONARY, &packed);
    struct memory_reader in = memory_reader_init(packed.buf, packed.len, 4096);
    auto_(decompressor) struct decompressor *d = decompressor_open(&in.base, "layer");
    assert_ok(test_read_all(decompressor_base(d), 1000, &out, &err), &err);
    assert_int_equal(out.len, packed.len);
}

#define FOR_EACH_CODEC(test)                                                                       \
    { #test ": bzip2", test, NULL, NULL, (void *)&codecs[0] },                                     \
    {                                                                                              \
#test ": xz", test, NULL, NULL, (void *)&codecs[1]                                         \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_EACH_CODEC(what_was_packed_comes_back), FOR_EACH_CODEC(damage_is_noticed),
        FOR_EACH_CODEC(layers_are_never_packed_so), cmocka_unit_test(a_large_dictionary_is_refused),
        cmocka_unit_test(what_follows_is_ignored),
    };
    return cmocka_run_group_tests_name("decompress", tests, NULL, NULL);
}
