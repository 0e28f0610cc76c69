/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile layer may try on the parser. */
#include "lib/base/mem.h"
#include "lib/codec/tar.h"
#include "tests/support/memory_stream.h"
#include "tests/support/raw_tar.h"
#include "tests/support/test.h"

#define NAME_100                                                                                   \
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" \
    "nnnnnnnn"
#define NAME_256 NAME_100 NAME_100 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
/* What comes out of an entry: "TYPE MODE UID MTIME SIZE PATH[ -> LINK]", or NULL for an error. */
static const struct entry_case {
    const char *label;
    struct raw_entry e;
    const char *shown, *error;
} cases[] = {
    { "climbs", { .name = "../x" }, NULL, "climbs" },
    { "climbs later", { .name = "a/../../x" }, NULL, "climbs" },
    { "climbs and stays", { .name = "a/../x" }, NULL, "climbs" },
    { "climbs by pax", { .name = "x", .pax = "path=../x\n" }, NULL, "climbs" },
    { "rooted", { .name = "/abs" }, "0 644 0 1 0 abs", NULL },
    { "no name", { .name = "" }, NULL, "without a name" },
    { "the root", { .name = ".", .type = '5', .mode = "0000755" }, "1 755 0 1 0 ", NULL },
    { "the root with slash", { .name = "./", .type = '5' }, "1 644 0 1 0 ", NULL },
    { "the root by rooted name", { .name = "/", .type = '5' }, "1 644 0 1 0 ", NULL },
    { "a name of 256 bytes", { .name = "x", .pax = "path=" NAME_256 "\n" }, NULL, "256 bytes" },
    { "doubled slash", { .name = "a//b" }, "0 644 0 1 0 a/b", NULL },
    { "dots", { .name = "./a/./b" }, "0 644 0 1 0 a/b", NULL },
    { "newline", { .name = "a\nb" }, "0 644 0 1 0 a\nb", NULL },
    { "escape", { .name = "a\033[31mb" }, "0 644 0 1 0 a\033[31mb", NULL },
    { "UTF-8", { .name = "\xc3\xa9" }, "0 644 0 1 0 \xc3\xa9", NULL },
    { "UTF-8 by pax", { .name = "x", .pax = "path=\xc3\xa9\n" }, "0 644 0 1 0 \xc3\xa9", NULL },
    { "not UTF-8", { .name = "a\xff" }, "0 644 0 1 0 a\xff", NULL },
    { "not UTF-8 by pax", { .name = "x", .pax = "path=a\xff\n" }, "0 644 0 1 0 a\xff", NULL },
    { "UTF-8 link",
      { .name = "l", .type = '2', .link = "_/x", .pax = "linkpath=\xc3\xa9/x\n" },
      "2 644 0 1 0 l -> \xc3\xa9/x",
      NULL },
    /* libarchive 3.6 loses a target that stands in the extended header only. */
    { "UTF-8 link by pax alone",
      { .name = "l", .type = '2', .pax = "linkpath=\xc3\xa9\n" },
      NULL,
      "no valid target" },
    { "link", { .name = "l", .type = '2', .link = "../../x" }, "2 644 0 1 0 l -> ../../x", NULL },
    { "link to nothing", { .name = "l", .type = '2' }, NULL, "no valid target" },
    { "hard link",
      { .name = "h", .type = '1', .link = "/etc/shadow" },
      "3 644 0 1 0 h -> etc/shadow",
      NULL },
    { "hard link that climbs", { .name = "h", .type = '1', .link = "../x" }, NULL, "climbs" },
    { "hard link to nothing", { .name = "h", .type = '1' }, NULL, "neither file nor link" },
    { "char device 0:0", { .name = "c", .type = '3' }, "4 644 0 1 0 c", NULL },
    { "block device", { .name = "b", .type = '4', .major = "0000010" }, "5 644 0 1 0 b", NULL },
    { "FIFO", { .name = "f", .type = '6' }, "6 644 0 1 0 f", NULL },
    { "contiguous", { .name = "c", .type = '7', .content = "x" }, "0 644 0 1 1 c", NULL },
    { "unknown type", { .name = "u", .type = 'Q' }, "0 644 0 1 0 u", NULL },
    { "volume label", { .name = "label", .type = 'V' }, "-", NULL },
    { "mode 07777", { .name = "m", .mode = "0007777" }, "0 7777 0 1 0 m", NULL },
    { "mode beyond", { .name = "m", .mode = "7777777" }, "0 7777 0 1 0 m", NULL },
    { "large owner", { .name = "o", .pax = "uid=65537\n" }, "0 644 65537 1 0 o", NULL },
    { "last owner", { .name = "o", .pax = "uid=4294967294\n" }, "0 644 4294967294 1 0 o", NULL },
    { "no owner", { .name = "o", .pax = "uid=4294967295\n" }, NULL, "has owner 4294967295" },
    { "huge owner", { .name = "o", .pax = "uid=18446744073709551616\n" }, NULL, "has owner" },
    { "negative owner",
      { .name = "o", .uid = "\xff\xff\xff\xff\xff\xff\xff\xfe" },
      NULL,
      "has owner -2" },
    { "owner by name", { .name = "o", .pax = "uname=daemon\n" }, "0 644 0 1 0 o", NULL },
    { "before 1970", { .name = "t", .pax = "mtime=-1\n" }, "0 644 0 -1 0 t", NULL },
    { "far future",
      { .name = "t", .pax = "mtime=4611686018427387904\n" },
      "0 644 0 4611686018427387904 0 t",
      NULL },
    { "fraction", { .name = "t", .pax = "mtime=5.25\n" }, "0 644 0 5 0 t", NULL },
    { "empty file", { .name = "z", .content = "" }, "0 644 0 1 0 z", NULL },
    { "bad sum", { .name = "x", .bad_checksum = true }, NULL, "Unrecognized" },
    { "negative size",
      { .name = "x", .size = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" },
      NULL,
      "layer" },
    { "size overflows", { .name = "x", .pax = "size=99999999999999999999999\n" }, NULL, "layer" },
    { "size beyond the stream",
      { .name = "x", .pax = "size=4611686018427387904\n" },
      NULL,
      "layer" },
    { "record too long", { .name = "x", .raw_pax = "99 path=a\n" }, NULL, "layer" },
    { "record too short", { .name = "x", .raw_pax = "3 path=a\n" }, NULL, "layer" },
    { "record of no length", { .name = "x", .raw_pax = "path=a\n" }, NULL, "layer" },
    { "record of length 0", { .name = "x", .raw_pax = "0 path=a\n" }, NULL, "layer" },
};

/* Reads all of a stream, showing its entries one a line. */
static int read_tar(const void *data, size_t len, struct strbuf *out, struct error *err)
{
    static const char type_digits[] = "0123456";
    struct memory_reader in = memory_reader_init(data, len, 0);
    auto_(tar_reader) struct tar_reader *r = NULL;
    TRY(tar_reader_open(&in.base, "layer", &r, err));
    for (;;) {
        const struct tar_entry *e = NULL;
        char buf[4096];
        static const int order[] = {
            [TAR_FILE] = 0, [TAR_DIR] = 1,   [TAR_SYMLINK] = 2, [TAR_HARDLINK] = 3,
            [TAR_CHAR] = 4, [TAR_BLOCK] = 5, [TAR_FIFO] = 6
        };
        uint64_t left = 0;
        TRY(tar_reader_next(r, &e, err));
        if (!e)
            return 0;
        strbuf_addf(out, "%s%c %o %u %lld %llu %s%s%s", out->len ? "|" : "",
                    type_digits[order[e->type]], e->mode, e->uid, (long long)e->mtime_s,
                    (unsigned long long)e->size, e->path, e->link ? " -> " : "",
                    e->link ? e->link : "");
        for (left = e->size; e->type == TAR_FILE && left;) {
            ssize_t n = tar_reader_content(r, buf, sizeof buf, err);
            TRY((int)n);
            if (n == 0)
                return error_set(err, ERROR_CORRUPT, 0, "layer: content ended early");
            left -= (uint64_t)n;
        }
    }
}

static void entry_is_read_or_refused(void **state)
{
    const struct entry_case *c = *state;
    struct error err = { 0 };
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    auto_(strbuf) struct strbuf shown = STRBUF_INIT;
    raw_tar_add(&tar, &c->e);
    raw_tar_end(&tar);
    int rc = read_tar(tar.buf, tar.len, &shown, &err);
    if (c->shown) {
        assert_ok(rc, &err);
        assert_string_equal(shown.buf, strcmp(c->shown, "-") == 0 ? "" : c->shown);
    } else {
        assert_error(rc, &err, ERROR_CORRUPT, c->error);
    }
}

static void long_and_deep_paths(void **state)
{
    struct error err = { 0 };
    static const size_t depths[] = { 100, 2500, 16000 };
    (void)state;
    for (size_t i = 0; i < COUNT(depths); i++) {
        auto_(strbuf) struct strbuf pax = STRBUF_INIT;
        auto_(strbuf) struct strbuf tar = STRBUF_INIT;
        auto_(strbuf) struct strbuf shown = STRBUF_INIT;
        strbuf_addstr(&pax, "path=x");
        for (size_t k = 1; k < depths[i]; k++)
            strbuf_addstr(&pax, "/x");
        strbuf_addstr(&pax, "\n");
        raw_tar_add(&tar, &(struct raw_entry){ .name = "x", .pax = pax.buf });
        raw_tar_end(&tar);
        assert_ok(read_tar(tar.buf, tar.len, &shown, &err), &err);
        assert_int_equal(shown.len, strlen("0 644 0 1 0 ") + 2 * depths[i] - 1);
    }
}

static void too_long_paths_are_refused(void **state)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf pax = STRBUF_INIT;
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    auto_(strbuf) struct strbuf shown = STRBUF_INIT;
    (void)state;
    strbuf_addstr(&pax, "path=");
    for (size_t k = 0; k < 20000; k++)
        strbuf_addstr(&pax, "x/");
    strbuf_addstr(&pax, "\n");
    raw_tar_add(&tar, &(struct raw_entry){ .name = "x", .pax = pax.buf });
    raw_tar_end(&tar);
    assert_error(read_tar(tar.buf, tar.len, &shown, &err), &err, ERROR_CORRUPT, "a path of");
}

static void every_truncation_is_noticed(void **state)
{
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    char content[1501];
    (void)state;
    memset(content, 'c', sizeof content - 1);
    content[sizeof content - 1] = '\0';
    raw_tar_add(&tar, &(struct raw_entry){ .name = "d", .type = '5' });
    raw_tar_add(
        &tar, &(struct raw_entry){ .name = "f", .pax = "path=f\nuid=70000\n", .content = content });
    for (size_t len = 0; len < tar.len; len += 256) {
        struct error err = { 0 };
        auto_(strbuf) struct strbuf shown = STRBUF_INIT;
        int rc = read_tar(tar.buf, len, &shown, &err);
        if (len % 512 != 0 || len > 512) {
            assert_error(rc, &err, ERROR_CORRUPT, "layer");
        } else {
            /* An archive without its end is taken as it is, as GNU tar does. */
            assert_ok(rc, &err);
        }
    }
}

static void the_end_is_the_end(void **state)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    auto_(strbuf) struct strbuf shown = STRBUF_INIT;
    (void)state;
    raw_tar_end(&tar);
    assert_ok(read_tar(tar.buf, tar.len, &shown, &err), &err);
    assert_string_equal(shown.buf, "");
    assert_ok(read_tar("", 0, &shown, &err), &err);
    raw_tar_add(&tar, &(struct raw_entry){ .name = "behind" });
    assert_ok(read_tar(tar.buf, tar.len, &shown, &err), &err);
    assert_string_equal(shown.buf, "");
    assert_error(read_tar("no tar at all", 13, &shown, &err), &err, ERROR_CORRUPT, "layer");
}

/* 10,000 long names for one entry: no recursion, no quadratic memory. */
static void stacked_extensions(void **state)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    auto_(strbuf) struct strbuf shown = STRBUF_INIT;
    (void)state;
    for (int i = 0; i < 10000; i++)
        raw_tar_add(&tar,
                    &(struct raw_entry){ .name = "././@LongLink", .type = 'L', .content = "long" });
    raw_tar_add(&tar, &(struct raw_entry){ .name = "x" });
    raw_tar_end(&tar);
    if (read_tar(tar.buf, tar.len, &shown, &err) < 0)
        test_check_error(&err, ERROR_CORRUPT, "layer", "read_tar");
    else
        assert_string_equal(shown.buf, "0 644 0 1 0 long");
}

static void duplicates_come_one_by_one(void **state)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    auto_(strbuf) struct strbuf shown = STRBUF_INIT;
    (void)state;
    for (int i = 0; i < 3; i++)
        raw_tar_add(&tar, &(struct raw_entry){ .name = "x", .content = &"abc"[i] });
    raw_tar_end(&tar);
    assert_ok(read_tar(tar.buf, tar.len, &shown, &err), &err);
    assert_string_equal(shown.buf, "0 644 0 1 3 x|0 644 0 1 2 x|0 644 0 1 1 x");
}

/* Unread content is skipped. */
static void content_may_be_left(void **state)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    const struct tar_entry *e = NULL;
    char buf[3];
    (void)state;
    raw_tar_add(&tar, &(struct raw_entry){ .name = "a", .content = "0123456789" });
    raw_tar_add(&tar, &(struct raw_entry){ .name = "b", .content = "xyz" });
    raw_tar_end(&tar);
    struct memory_reader in = memory_reader_init(tar.buf, tar.len, 7);
    auto_(tar_reader) struct tar_reader *r = NULL;
    assert_ok(tar_reader_open(&in.base, "layer", &r, &err), &err);
    assert_ok(tar_reader_next(r, &e, &err), &err);
    assert_int_equal(tar_reader_content(r, buf, 3, &err), 3);
    assert_memory_equal(buf, "012", 3);
    assert_ok(tar_reader_next(r, &e, &err), &err);
    assert_string_equal(e->path, "b");
    assert_int_equal(tar_reader_content(r, buf, 3, &err), 3);
    assert_memory_equal(buf, "xyz", 3);
    assert_int_equal(tar_reader_content(r, buf, 3, &err), 0);
    assert_ok(tar_reader_next(r, &e, &err), &err);
    assert_null(e);
}

static const struct sparse_case {
    const char *label, *pax, *content;
    int64_t size; /* -1: an error */
} sparse[] = {
    { "sparse", "GNU.sparse.size=20\nGNU.sparse.numblocks=1\nGNU.sparse.map=4,3\n", "abc", 20 },
    { "sparse, overlapping", "GNU.sparse.size=20\nGNU.sparse.numblocks=2\nGNU.sparse.map=4,3,5,3\n",
      "abcdef", -1 },
    { "sparse, descending", "GNU.sparse.size=20\nGNU.sparse.numblocks=2\nGNU.sparse.map=9,3,0,3\n",
      "abcdef", -1 },
    { "sparse, beyond its size", "GNU.sparse.size=5\nGNU.sparse.numblocks=1\nGNU.sparse.map=4,3\n",
      "abc", -1 },
};

/* A sparse file gives exactly the bytes it claims, or an error; never more, never a hang. */
static void sparse_files_keep_their_size(void **state)
{
    const struct sparse_case *c = *state;
    struct error err = { 0 };
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    const struct tar_entry *e = NULL;
    char buf[64];
    raw_tar_add(&tar, &(struct raw_entry){ .name = "s", .pax = c->pax, .content = c->content });
    raw_tar_end(&tar);
    struct memory_reader in = memory_reader_init(tar.buf, tar.len, 0);
    auto_(tar_reader) struct tar_reader *r = NULL;
    assert_ok(tar_reader_open(&in.base, "layer", &r, &err), &err);
    uint64_t total = 0;
    int rc = tar_reader_next(r, &e, &err);
    for (ssize_t n = 1; rc == 0 && n;) {
        n = tar_reader_content(r, buf + total % 32, 32, &err);
        rc = n < 0 ? -1 : 0;
        total += n > 0 ? (uint64_t)n : 0;
    }
    if (c->size < 0 && rc == 0) {
        assert_true(total == e->size);
    } else if (c->size < 0) {
        test_check_error(&err, ERROR_CORRUPT, "layer", "sparse");
    } else {
        assert_ok(rc, &err);
        assert_int_equal(total, c->size);
        assert_memory_equal(buf, "\0\0\0\0abc\0\0", 9);
    }
}

int main(void)
{
    enum { OTHERS = 7 };
    struct CMUnitTest tests[OTHERS + COUNT(cases) + COUNT(sparse)] = {
        cmocka_unit_test(long_and_deep_paths),         cmocka_unit_test(too_long_paths_are_refused),
        cmocka_unit_test(every_truncation_is_noticed), cmocka_unit_test(the_end_is_the_end),
        cmocka_unit_test(stacked_extensions),          cmocka_unit_test(duplicates_come_one_by_one),
        cmocka_unit_test(content_may_be_left),
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[OTHERS + i] = (struct CMUnitTest){ cases[i].label, entry_is_read_or_refused, NULL,
                                                 NULL, (void *)&cases[i] };
    for (size_t i = 0; i < COUNT(sparse); i++)
        tests[OTHERS + COUNT(cases) + i] =
            (struct CMUnitTest){ sparse[i].label, sparse_files_keep_their_size, NULL, NULL,
                                 (void *)&sparse[i] };
    return cmocka_run_group_tests_name("tar_reader", tests, NULL, NULL);
}
