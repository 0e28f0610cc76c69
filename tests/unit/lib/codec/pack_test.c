/* SPDX-License-Identifier: Apache-2.0 */
/* gzip out, gzip and zstd in. */
#include "lib/codec/pack.h"

#include <stdatomic.h>

#include <zlib.h>
#include <zstd.h>

#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/codec/decompress.h"
#include "lib/codec/tar.h"
#include "tests/support/memory_stream.h"
#include "tests/support/test.h"

enum { INPUT_SIZE = 3 * PACK_BLOCK + 12345 };

/* The layout's version: whoever changes these bytes changes the layout of pack_gzip. */
#define GOLDEN_PACKED "sha256:71cbd68cbd739b98df5d084c0051ea7a2202883f4fccd6998aa7d3f6d9f6e93b"

/* Text, noise and zeros, the same everywhere. Every level finds other matches in the text. */
static char *make_input(void)
{
    static const char *const words[] = { "layer ", "blob ",  "whiteout ", "digest, ",
                                         "of ",    "and a ", "manifest ", "mount\n" };
    char *data = xmalloc(INPUT_SIZE);
    const char *word = "";
    uint32_t x = 12345;
    for (size_t i = 0; i < INPUT_SIZE; i++) {
        x = x * 1664525U + 1013904223U;
        unsigned area = (unsigned)(i >> 18) % 3;
        word = *word ? word : words[x >> 29];
        data[i] = area == 0 ? (char)(x >> 24) : area == 1 ? *word++ : 0;
    }
    return data;
}

static void pack(const void *data, size_t len, struct thread_pool *pool, size_t step,
                 struct strbuf *out)
{
    struct error err = { 0 };
    struct memory_writer end = memory_writer_init();
    auto_(pack_writer) struct pack_writer *w =
        pack_writer_open(&pack_gzip, PACK_LEVEL_DEFAULT, &end.base, pool, NULL);
    for (size_t at = 0; at < len; at += step)
        assert_ok(writer_write(pack_writer_base(w), (const char *)data + at,
                               len - at < step ? len - at : step, &err),
                  &err);
    assert_ok(pack_writer_finish(w, &err), &err);
    *out = end.data;
}

static int unpack(const void *data, size_t len, size_t step, size_t cap, struct strbuf *out,
                  struct error *err)
{
    struct memory_reader in = memory_reader_init(data, len, step);
    auto_(decompressor) struct decompressor *d = decompressor_open(&in.base, "layer");
    return test_read_all(decompressor_base(d), cap, out, err);
}

static void threads_do_not_show(void **state)
{
    static const size_t threads[] = { 1, 2, 8 };
    static const size_t steps[] = { 1000, 65536, PACK_BLOCK, INPUT_SIZE };
    auto_free char *input = make_input();
    auto_(strbuf) struct strbuf alone = STRBUF_INIT;
    (void)state;
    pack(input, INPUT_SIZE, NULL, 4096, &alone);
    for (size_t i = 0; i < COUNT(threads); i++) {
        struct thread_pool *pool = thread_pool_new(threads[i]);
        auto_(strbuf) struct strbuf packed = STRBUF_INIT;
        pack(input, INPUT_SIZE, pool, steps[i], &packed);
        assert_int_equal(packed.len, alone.len);
        assert_memory_equal(packed.buf, alone.buf, alone.len);
        thread_pool_free(pool);
    }
    char layout[PACK_LAYOUT_SIZE];
    pack_gzip.layout(PACK_LEVEL_DEFAULT, layout);
    const char *library = strrchr(layout, ':');
    if (strcmp(library, ":libdeflate-1.14") != 0)
        return;
    assert_string_equal(layout, "gzip-5:1048576:auto5:libdeflate-1.14");
    assert_string_equal(test_digest_text(alone.buf, alone.len), GOLDEN_PACKED);
}

static void fill_weights(char *data, size_t len)
{
    uint32_t x = 99;
    for (size_t i = 0; i + 1 < len; i += 2) {
        int sum = 0;
        for (int k = 0; k < 4; k++) {
            x = x * 1664525U + 1013904223U;
            sum += (int)(x >> 24);
        }
        data[i] = (char)(x >> 16);
        data[i + 1] = (char)(sum / 32); /* as exponents: a few values, most of them near the mean */
    }
}

/* Levels are kept to, zstd is read by libzstd, and what comes back is what went in. */
static void other_formats_come_back(void **state)
{
    static const struct {
        const struct pack_encoder *encoder;
        int level;
    } rows[] = { { &pack_gzip, 0 }, { &pack_gzip, 1 },
                 { &pack_gzip, 9 }, { &pack_zstd, PACK_LEVEL_DEFAULT },
                 { &pack_zstd, 1 }, { &pack_zstd, 19 } };
    auto_free char *input = make_input();
    struct thread_pool *pool = thread_pool_new(3);
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = { 0 };
        struct memory_writer end = memory_writer_init();
        auto_(strbuf) struct strbuf plain = STRBUF_INIT;
        auto_(pack_writer) struct pack_writer *w =
            pack_writer_open(rows[i].encoder, rows[i].level, &end.base, pool, NULL);
        assert_ok(writer_write(pack_writer_base(w), input, INPUT_SIZE, &err), &err);
        assert_ok(pack_writer_finish(w, &err), &err);
        assert_true(rows[i].level == 0 || end.data.len < INPUT_SIZE / 2);
        assert_ok(unpack(end.data.buf, end.data.len, 0, 65536, &plain, &err), &err);
        assert_int_equal(plain.len, INPUT_SIZE);
        assert_memory_equal(plain.buf, input, INPUT_SIZE);
        strbuf_release(&end.data);
    }
    thread_pool_free(pool);
}

/* What repeats nothing is not searched for repetitions: it comes out stored, or in Huffman codes
 * alone, and no larger than the best deflate would make it. */
static void each_kind_is_packed_as_it_suits(void **state)
{
    static const char *const golden[] = {
        "sha256:95e6b20f795365c325a5a6a8287569da79565933a282c33be94b45db90f43b29",
        "sha256:53cea43625e9c796371b74a9a30172803f065f1bcdd82eda20f5fe287417ad83"
    }; /* of our own encoders: the same everywhere */
    auto_free char *input = xmalloc(PACK_BLOCK);
    uint32_t x = 7;
    (void)state;
    for (size_t i = 0; i < PACK_BLOCK; i++) {
        x = x * 1664525U + 1013904223U;
        input[i] = (char)(x >> 24);
    }
    for (int weights = 0; weights < 2; weights++) {
        struct error err = { 0 };
        auto_(strbuf) struct strbuf packed = STRBUF_INIT;
        auto_(strbuf) struct strbuf plain = STRBUF_INIT;
        if (weights)
            fill_weights(input, PACK_BLOCK);
        pack(input, PACK_BLOCK, NULL, 65536, &packed);
        unsigned block_type = ((unsigned char)packed.buf[10] >> 1) & 3;
        assert_int_equal(block_type, weights ? 2 : 0);
        assert_string_equal(test_digest_text(packed.buf, packed.len), golden[weights]);
        uLong best = compressBound(PACK_BLOCK);
        auto_free Bytef *deflated = xmalloc(best);
        assert_int_equal(compress2(deflated, &best, (Bytef *)input, PACK_BLOCK, 6), Z_OK);
        assert_true(packed.len <= best + best / 100);
        assert_ok(unpack(packed.buf, packed.len, 0, 65536, &plain, &err), &err);
        assert_int_equal(plain.len, PACK_BLOCK);
        assert_memory_equal(plain.buf, input, PACK_BLOCK);
    }
}

static void sizes_around_the_block(void **state)
{
    static const size_t sizes[] = {
        0, 1, PACK_BLOCK - 1, PACK_BLOCK, PACK_BLOCK + 1, 2 * PACK_BLOCK
    };
    auto_free char *input = make_input();
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct error err = { 0 };
        auto_(strbuf) struct strbuf packed = STRBUF_INIT;
        auto_(strbuf) struct strbuf plain = STRBUF_INIT;
        pack(input, sizes[i], NULL, sizes[i] + 1, &packed);
        assert_memory_equal(packed.buf, "\x1f\x8b\x08", 3);
        assert_memory_equal(packed.buf + 4, "\0\0\0\0", 4); /* no time */
        assert_int_equal(packed.buf[3], 0);                 /* no name */
        assert_ok(unpack(packed.buf, packed.len, 0, 65536, &plain, &err), &err);
        assert_int_equal(plain.len, sizes[i]);
        assert_memory_equal(plain.buf, input, sizes[i]);
    }
}

/* Other readers take the row of members for one stream. */
static void gzip_itself_reads_it(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    struct process_result r;
    auto_free char *input = make_input();
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    auto_free char *path = xasprintf("%s/packed.gz", dir->path);
    const char *argv[] = { "sh", "-c", "gzip -dc \"$0\" | sha256sum", path, NULL };
    pack(input, INPUT_SIZE, NULL, 4096, &packed);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(packed.buf, 1, packed.len, f), packed.len);
    assert_int_equal(fclose(f), 0);
    assert_ok(process_run(argv, NULL, &r, &err), &err);
    assert_memory_equal(r.out.buf, test_digest_text(input, INPUT_SIZE) + 7, 64);
    process_result_release(&r);
}

static void a_writer_that_fails_stops(void **state)
{
    struct error err = { 0 };
    struct memory_writer end = memory_writer_init();
    struct thread_pool *pool = thread_pool_new(4);
    auto_free char *input = make_input();
    (void)state;
    end.limit = 1000;
    struct pack_writer *w = pack_writer_open(&pack_gzip, PACK_LEVEL_DEFAULT, &end.base, pool, NULL);
    int rc = writer_write(pack_writer_base(w), input, INPUT_SIZE, &err);
    if (rc == 0)
        rc = pack_writer_finish(w, &err);
    assert_error(rc, &err, ERROR_NO_SPACE, "full");
    pack_writer_free(w);
    thread_pool_free(pool);
    strbuf_release(&end.data);
}

/* A tar in which many small files of text stand before one large one; the file `changed` has grown
 * by `more` bytes. */
static void make_tar(size_t changed, size_t more, struct strbuf *out)
{
    enum { FILES = 2000, SMALL = 3000, LARGE = 3 * 1024 * 1024 + 700 };
    struct error err = { 0 };
    struct memory_writer end = memory_writer_init();
    struct tar_writer tar = tar_writer_init(&end.base);
    auto_free char *text = xmalloc(LARGE);
    uint32_t x = 7;
    for (size_t i = 0; i < LARGE; i++) {
        x = x * 1664525U + 1013904223U;
        text[i] = "etaoin shrdlu\n"[(x >> 24) % 14];
    }
    for (size_t i = 0; i <= FILES; i++) {
        auto_free char *path = xasprintf("dir/%zu", i);
        size_t size = i == FILES ? LARGE : SMALL + (i == changed ? more : 0);
        const struct tar_entry e = { .path = path, .type = TAR_FILE, .mode = 0644, .size = size };
        assert_ok(tar_writer_entry(&tar, &e, &err), &err);
        assert_ok(tar_writer_content(&tar, i == FILES ? text : text + i, size, &err), &err);
    }
    assert_ok(tar_writer_finish(&tar, &err), &err);
    *out = end.data;
}

/* Remembers all blocks of one stream, for the next. */
struct notes {
    struct pack_memory base;
    struct pack_block blocks[200];
    size_t count;
    const struct strbuf *packed; /* what they were learnt from; NULL: nothing is recalled */
    const struct notes *before;
    atomic_size_t asked, hits;
};

static size_t recall(struct pack_memory *base, const struct digest *plain, unsigned char *out,
                     size_t cap)
{
    struct notes *n = (struct notes *)base;
    atomic_fetch_add(&n->asked, 1);
    for (size_t i = 0; i < n->before->count; i++) {
        const struct pack_block *b = &n->before->blocks[i];
        if (!digest_equal(&b->plain, plain))
            continue;
        assert_true(b->packed_len <= cap);
        memcpy(out, n->packed->buf + b->offset, b->packed_len);
        atomic_fetch_add(&n->hits, 1);
        return b->packed_len;
    }
    return 0;
}

static void learn(struct pack_memory *base, const struct pack_block *block)
{
    struct notes *n = (struct notes *)base;
    assert_true(n->count < COUNT(n->blocks));
    n->blocks[n->count++] = *block;
}

static void pack_noting(const struct pack_encoder *encoder, int level, const struct strbuf *in,
                        struct notes *notes, struct strbuf *out)
{
    struct error err = { 0 };
    struct memory_writer end = memory_writer_init();
    struct thread_pool *pool = thread_pool_new(4);
    notes->base.recall = recall;
    notes->base.learn = learn;
    struct pack_writer *w = pack_writer_open(encoder, level, &end.base, pool, &notes->base);
    assert_ok(writer_write(pack_writer_base(w), in->buf, in->len, &err), &err);
    assert_ok(pack_writer_finish(w, &err), &err);
    pack_writer_free(w);
    thread_pool_free(pool);
    *out = end.data;
}

/* Whatever a file's size has become: most blocks are those of before, and it does not show. */
static void a_change_leaves_most_blocks_alone(void **state)
{
    static const size_t growths[] = { 1, 72, 73, 600, 100000 };
    auto_(strbuf) struct strbuf before = STRBUF_INIT;
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    auto_free struct notes *first = xcalloc(1, sizeof *first);
    (void)state;
    make_tar(0, 0, &before);
    pack_noting(&pack_gzip, PACK_LEVEL_DEFAULT, &before, first, &packed);
    /* Where blocks end is of the layout: another rule is another version of it. */
    auto_(hasher) struct hasher *ends = hasher_new();
    struct digest digest;
    char text[DIGEST_TEXT_SIZE];
    for (size_t i = 0; i < first->count; i++)
        hasher_add(ends, &first->blocks[i].plain, sizeof digest);
    hasher_finish(ends, &digest);
    digest_print(&digest, text);
    assert_string_equal(text,
                        "sha256:ab14ab79be2bea28136d607764d1200599af34c155a9dc8e36b4b78d7fa546c4");
    for (size_t i = 0; i < COUNT(growths); i++) {
        auto_(strbuf) struct strbuf after = STRBUF_INIT;
        auto_(strbuf) struct strbuf again = STRBUF_INIT;
        auto_(strbuf) struct strbuf alone = STRBUF_INIT;
        auto_free struct notes *second = xcalloc(1, sizeof *second);
        second->base.has_any = true;
        second->packed = &packed;
        second->before = first;
        make_tar(900, growths[i], &after);
        pack_noting(&pack_gzip, PACK_LEVEL_DEFAULT, &after, second, &again);
        pack(after.buf, after.len, NULL, 4096, &alone);
        assert_int_equal(again.len, alone.len);
        assert_memory_equal(again.buf, alone.buf, alone.len);
        size_t hits = atomic_load(&second->hits);
        if (hits + 3 < second->count)
            fail_msg("+%zu: %zu of %zu blocks", growths[i], hits, second->count);
    }
}

/* A digest of what is stored in no time is not worth it, but of what takes long to come to nothing.
 */
static void what_is_stored_is_not_looked_for(void **state)
{
    enum { BLOCKS = 3, LEN = BLOCKS * PACK_BLOCK };
    static const struct {
        const struct pack_encoder *encoder;
        int level;
        bool is_noise;
        size_t asked;
    } rows[] = { { &pack_gzip, PACK_LEVEL_DEFAULT, true, 0 },
                 { &pack_gzip, PACK_LEVEL_DEFAULT, false, BLOCKS },
                 { &pack_gzip, 9, true, BLOCKS },
                 { &pack_zstd, PACK_LEVEL_DEFAULT, true, BLOCKS } };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_free struct notes *none = xcalloc(1, sizeof *none);
        auto_free struct notes *notes = xcalloc(1, sizeof *notes);
        auto_(strbuf) struct strbuf in = STRBUF_INIT;
        auto_(strbuf) struct strbuf out = STRBUF_INIT;
        auto_free char *data = xmalloc(LEN);
        uint32_t x = 3;
        for (size_t k = 0; k < LEN; k++) {
            x = x * 1664525U + 1013904223U;
            data[k] = (char)(x >> 24);
        }
        if (!rows[i].is_noise)
            fill_weights(data, LEN);
        strbuf_add(&in, data, LEN);
        notes->base.has_any = true;
        notes->before = none;
        pack_noting(rows[i].encoder, rows[i].level, &in, notes, &out);
        assert_int_equal(atomic_load(&notes->asked), rows[i].asked);
    }
}

/* Content of which every record looks like the header of a large file. */
static void lookalikes_make_no_small_blocks(void **state)
{
    enum { RECORDS = 20000, RECORD = 512 };
    auto_free struct notes *notes = xcalloc(1, sizeof *notes);
    auto_(strbuf) struct strbuf packed = STRBUF_INIT;
    auto_(strbuf) struct strbuf alone = STRBUF_INIT;
    struct strbuf input = { xcalloc(RECORDS, RECORD), (size_t)RECORDS * RECORD, 0 };
    (void)state;
    for (size_t i = 0; i < RECORDS; i++) {
        char *record = input.buf + i * RECORD;
        snprintf(record, 100, "file %zu", i);
        memcpy(record + 124, "77777777777", 12);
        memcpy(record + 257, "ustar", 6);
    }
    pack_noting(&pack_gzip, PACK_LEVEL_DEFAULT, &input, notes, &packed);
    assert_true(notes->count <= input.len / PACK_BLOCK + 2);
    pack(input.buf, input.len, NULL, 1000, &alone);
    assert_int_equal(packed.len, alone.len);
    assert_memory_equal(packed.buf, alone.buf, packed.len);
    free(input.buf);
}

#define HELLO      "\x1f\x8b\x08\0\0\0\0\0\0\xff\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0"
#define HELLO_LEN  (sizeof HELLO - 1)
#define BAD_CRC    "\x1f\x8b\x08\0\0\0\0\0\0\xff\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x10\x37\x05\0\0\0"
#define BAD_SIZE   "\x1f\x8b\x08\0\0\0\0\0\0\xff\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x06\0\0\0"
#define ZSTD_EMPTY "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"
#define ZSTD_SKIP  "\x50\x2a\x4d\x18\x04\0\0\0skip"
#define ROW(label, bytes, expected)                                                                \
    {                                                                                              \
        label, bytes, sizeof(bytes) - 1, expected                                                  \
    }

static const struct unpack_case {
    const char *label, *data;
    size_t len;
    const char *plain; /* NULL: an error */
} unpacks[] = {
    ROW("nothing", "", ""),
    ROW("plain", "hello", "hello"),
    ROW("plain, shorter than a magic", "\x1f", "\x1f"),
    ROW("one member", HELLO, "hello"),
    ROW("three members", HELLO HELLO HELLO, "hellohellohello"),
    ROW("a member in a member", "\x1f\x8b\x08\0\0\0\0\0\0\xff", NULL),
    ROW("garbage behind", HELLO "garbage", NULL),
    ROW("a byte behind", HELLO "\x1f", NULL),
    ROW("half a second member", HELLO "\x1f\x8b\x08\0\0\0", NULL),
    ROW("bad sum", BAD_CRC, NULL),
    ROW("bad size", BAD_SIZE, NULL),
    ROW("damaged", "\x1f\x8b\x08\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff", NULL),
    ROW("zstd, empty frame", ZSTD_EMPTY, ""),
    ROW("zstd, frames", ZSTD_EMPTY ZSTD_EMPTY, ""),
    ROW("zstd, skippable frame behind", ZSTD_EMPTY ZSTD_SKIP, ""),
    ROW("zstd, garbage behind", ZSTD_EMPTY "garbage", NULL),
    ROW("zstd, cut", "\x28\xb5\x2f\xfd\x20", NULL),
};

static void unpacks_or_says_no(void **state)
{
    static const size_t steps[] = { 0, 1, 3 };
    const struct unpack_case *c = *state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        for (size_t cap = 1; cap < 100000; cap = cap * 3 + 1) {
            struct error err = { 0 };
            auto_(strbuf) struct strbuf out = STRBUF_INIT;
            int rc = unpack(c->data, c->len, steps[i], cap, &out, &err);
            if (c->plain) {
                assert_ok(rc, &err);
                assert_string_equal(out.buf, c->plain);
            } else {
                assert_error(rc, &err, ERROR_CORRUPT, "layer: damaged");
            }
        }
    }
}

/* Cut anywhere, a member is damaged; none of its lengths is a shorter file. */
static void every_truncation_is_noticed(void **state)
{
    (void)state;
    for (size_t len = 4; len < HELLO_LEN; len++) {
        struct error err = { 0 };
        auto_(strbuf) struct strbuf out = STRBUF_INIT;
        assert_error(unpack(HELLO, len, 0, 4096, &out, &err), &err, ERROR_CORRUPT, "layer");
    }
}

/* A frame without checksum, as libzstd writes it by default; its last block may be larger than what
 * the reader asks for. */
static void zstd_frames_of_any_size(void **state)
{
    static const size_t caps[] = { 1, 7, 1000, 65536, 1 << 20 };
    auto_free char *input = make_input();
    size_t bound = ZSTD_compressBound(300000);
    auto_free char *packed = xmalloc(2 * bound);
    size_t first = ZSTD_compress(packed, bound, input, 300000, 3);
    size_t second = ZSTD_compress(packed + first, bound, input + 300000, 100, 3);
    (void)state;
    for (size_t i = 0; i < COUNT(caps); i++) {
        struct error err = { 0 };
        auto_(strbuf) struct strbuf out = STRBUF_INIT;
        assert_ok(unpack(packed, first + second, 0, caps[i], &out, &err), &err);
        assert_int_equal(out.len, 300100);
        assert_memory_equal(out.buf, input, 300100);
        strbuf_clear(&out);
        assert_error(unpack(packed, first - 1, 0, caps[i], &out, &err), &err, ERROR_CORRUPT,
                     "damaged zstd");
    }
}

/* A window that would need gigabytes. */
static void zstd_windows_are_bounded(void **state)
{
    static const char frame[] = "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00";
    struct error err = { 0 };
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    (void)state;
    assert_error(unpack(frame, sizeof frame - 1, 0, 4096, &out, &err), &err, ERROR_CORRUPT,
                 "damaged zstd");
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test(sizes_around_the_block),
        cmocka_unit_test(each_kind_is_packed_as_it_suits),
        cmocka_unit_test(other_formats_come_back),
        cmocka_unit_test_setup_teardown(gzip_itself_reads_it, test_dir_setup, test_dir_teardown),
        cmocka_unit_test(a_writer_that_fails_stops),
        cmocka_unit_test(a_change_leaves_most_blocks_alone),
        cmocka_unit_test(what_is_stored_is_not_looked_for),
        cmocka_unit_test(lookalikes_make_no_small_blocks),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(zstd_frames_of_any_size),
        cmocka_unit_test(zstd_windows_are_bounded),
    };
    struct CMUnitTest tests[COUNT(unpacks) + COUNT(others)];
    memcpy(tests, others, sizeof others);
    for (size_t i = 0; i < COUNT(unpacks); i++)
        tests[COUNT(others) + i] = (struct CMUnitTest){ unpacks[i].label, unpacks_or_says_no, NULL,
                                                        NULL, (void *)&unpacks[i] };
    return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}
