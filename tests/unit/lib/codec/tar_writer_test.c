/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of headers, and that what is written is what is read. */
#include "lib/codec/tar.h"
#include "tests/support/memory_stream.h"
#include "tests/support/test.h"

#define X10  "xxxxxxxxxx"
#define X50  X10 X10 X10 X10 X10
#define X99  X50 X10 X10 X10 X10 "xxxxxxxxx"
#define X100 X99 "x"

static const struct tar_xattr xattrs[] = {
    { "security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20 },
    { "user.binary", "\0\n=\xff", 4 },
};

/* One entry, the digest of its bytes, and whether it needs an extended header. */
static const struct golden_case {
    const char *label;
    struct tar_entry e;
    bool extended;
    const char *digest;
} goldens[] = {
    { "file", { .path = "a/b", .mode = 0644, .mtime_s = 1700000000, .size = 5 }, false, "?" },
    { "directory", { .path = "d", .type = TAR_DIR, .mode = 01777 }, false, "?" },
    { "root", { .path = "", .type = TAR_DIR, .mode = 0755 }, false, "?" },
    { "link", { .path = "l", .type = TAR_SYMLINK, .mode = 0777, .link = "../t" }, false, "?" },
    { "hard link", { .path = "h", .type = TAR_HARDLINK, .mode = 0644, .link = "a/b" }, false, "?" },
    { "char device",
      { .path = "c", .type = TAR_CHAR, .mode = 0666, .dev_major = 1, .dev_minor = 3 },
      false,
      "?" },
    { "block device",
      { .path = "b", .type = TAR_BLOCK, .mode = 0660, .dev_major = 8, .dev_minor = 300 },
      false,
      "?" },
    { "FIFO", { .path = "f", .type = TAR_FIFO, .mode = 0600 }, false, "?" },
    { "setuid", { .path = "s", .mode = 04755, .uid = 1, .gid = 2 }, false, "?" },
    { "path of 100", { .path = X100 }, false, "?" },
    { "directory of 99", { .path = X99, .type = TAR_DIR }, false, "?" },
    { "directory of 100", { .path = X100, .type = TAR_DIR }, true, "?" },
    { "path of 101, no slash", { .path = X100 "x" }, true, "?" },
    { "path with prefix", { .path = X100 "/" X100 }, false, "?" },
    { "path with long prefix", { .path = X100 "/" X50 "xxxx/" X100 }, false, "?" },
    { "path with longer prefix", { .path = X100 "/" X50 "xxxxx/" X100 }, true, "?" },
    { "path with long name", { .path = "a/" X100 "x" }, true, "?" },
    { "path not ASCII", { .path = "\xc3\xa9/\xff" }, true, "?" },
    { "link of 100", { .path = "l", .type = TAR_SYMLINK, .link = X100 }, false, "?" },
    { "link of 101", { .path = "l", .type = TAR_SYMLINK, .link = X100 "x" }, true, "?" },
    { "link not ASCII", { .path = "l", .type = TAR_SYMLINK, .link = "\xc3\xa9" }, true, "?" },
    { "largest plain ids", { .path = "i", .uid = 2097151, .gid = 2097151 }, false, "?" },
    { "large user", { .path = "i", .uid = 2097152 }, true, "?" },
    { "largest ids", { .path = "i", .uid = 4294967294, .gid = 4294967294 }, true, "?" },
    { "largest plain size", { .path = "s", .size = (1ULL << 33) - 1 }, false, "?" },
    { "large size", { .path = "s", .size = 1ULL << 33 }, true, "?" },
    { "before 1970", { .path = "t", .mtime_s = -1 }, true, "?" },
    { "latest plain time", { .path = "t", .mtime_s = (1LL << 33) - 1 }, false, "?" },
    { "late time", { .path = "t", .mtime_s = 1LL << 33 }, true, "?" },
    { "fraction of a second", { .path = "t", .mtime_s = 1, .mtime_ns = 999999999 }, false, "?" },
    { "attributes", { .path = "x", .xattrs = xattrs, .xattr_count = 2 }, true, "?" },
};

static void header_is_golden(void **state)
{
    const struct golden_case *c = *state;
    struct error err = { 0 };
    struct memory_writer out = memory_writer_init();
    struct tar_writer w = tar_writer_init(&out.base);
    assert_ok(tar_writer_entry(&w, &c->e, &err), &err);
    assert_int_equal(out.data.len, c->extended ? 512 * 3 : 512);
    assert_int_equal(out.data.buf[156] == 'x', c->extended);
    if (getenv("UPDATE_GOLDEN"))
        printf("GOLDEN %s|%s\n", c->label, test_digest_text(out.data.buf, out.data.len) + 7);
    else
        assert_string_equal(test_digest_text(out.data.buf, out.data.len) + 7, c->digest);
    strbuf_release(&out.data);
}

static void assert_same_entry(const struct tar_entry *a, const struct tar_entry *b)
{
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->mode, b->mode);
    assert_int_equal(a->uid, b->uid);
    assert_int_equal(a->gid, b->gid);
    assert_int_equal(a->mtime_s, b->mtime_s);
    assert_int_equal(a->size, b->size);
    assert_int_equal(a->dev_major, b->dev_major);
    assert_int_equal(a->dev_minor, b->dev_minor);
    assert_int_equal(a->link != NULL, b->link != NULL);
    if (a->link)
        assert_string_equal(a->link, b->link);
    assert_int_equal(a->xattr_count, b->xattr_count);
    for (size_t i = 0; i < a->xattr_count; i++) {
        assert_string_equal(a->xattrs[i].name, b->xattrs[i].name);
        assert_int_equal(a->xattrs[i].len, b->xattrs[i].len);
        assert_memory_equal(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].len);
    }
}

static void is_read_as_it_was_written(void **state)
{
    const struct golden_case *c = *state;
    struct error err = { 0 };
    static const char zeros[8192];
    struct memory_writer out = memory_writer_init();
    struct tar_writer w = tar_writer_init(&out.base);
    struct tar_entry e = c->e;
    const struct tar_entry *back = NULL;
    if (e.size > sizeof zeros)
        e.size = 0; /* the header alone is enough for those */
    assert_ok(tar_writer_entry(&w, &e, &err), &err);
    if (e.size)
        assert_ok(tar_writer_content(&w, zeros, e.size, &err), &err);
    assert_ok(tar_writer_finish(&w, &err), &err);
    assert_int_equal(out.data.len % 512, 0);
    struct memory_reader in = memory_reader_init(out.data.buf, out.data.len, 0);
    auto_(tar_reader) struct tar_reader *r = NULL;
    assert_ok(tar_reader_open(&in.base, "layer", &r, &err), &err);
    assert_ok(tar_reader_next(r, &back, &err), &err);
    assert_non_null(back);
    if (strcmp(c->label, "link not ASCII") != 0)
        assert_int_equal(back->mtime_ns, 0);
    assert_same_entry(back, &e);
    assert_ok(tar_reader_next(r, &back, &err), &err);
    assert_null(back);
    strbuf_release(&out.data);
}

/* Content is padded to whole blocks, however it comes. */
static void content_is_padded(void **state)
{
    static const size_t sizes[] = { 0, 1, 511, 512, 513, 1024, 5000 };
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct error err = { 0 };
        char data[5000];
        struct memory_writer out = memory_writer_init();
        struct tar_writer w = tar_writer_init(&out.base);
        struct tar_entry e = { .path = "f", .mode = 0600, .size = sizes[i] };
        memset(data, 'd', sizeof data);
        assert_ok(tar_writer_entry(&w, &e, &err), &err);
        for (size_t at = 0; at < sizes[i]; at += 100)
            assert_ok(tar_writer_content(&w, data, sizes[i] - at < 100 ? sizes[i] - at : 100, &err),
                      &err);
        assert_ok(tar_writer_finish(&w, &err), &err);
        assert_int_equal(out.data.len, 512 + (sizes[i] + 511) / 512 * 512 + 1024);
        strbuf_release(&out.data);
    }
}

int main(void)
{
    enum { OTHERS = 1 };
    struct CMUnitTest tests[OTHERS + 2 * COUNT(goldens)] = { cmocka_unit_test(content_is_padded) };
    for (size_t i = 0; i < COUNT(goldens); i++) {
        void *c = (void *)&goldens[i];
        tests[OTHERS + 2 * i] =
            (struct CMUnitTest){ goldens[i].label, header_is_golden, NULL, NULL, c };
        tests[OTHERS + 2 * i + 1] =
            (struct CMUnitTest){ goldens[i].label, is_read_as_it_was_written, NULL, NULL, c };
    }
    return cmocka_run_group_tests_name("tar_writer", tests, NULL, NULL);
}
