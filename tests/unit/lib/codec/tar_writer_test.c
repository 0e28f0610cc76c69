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
    { "file",
      { .path = "a/b", .mode = 0644, .mtime_s = 1700000000, .size = 5 },
      false,
      "7d6e358a7d68025518cb2d958ae7b7179f2f7aedb951d1fcd22b495983874076" },
    { "directory",
      { .path = "d", .type = TAR_DIR, .mode = 01777 },
      false,
      "e90ef5b00782fdfb7c0965547d5dd35c949b66f0e37639aa65289a64f9362a29" },
    { "root",
      { .path = "", .type = TAR_DIR, .mode = 0755 },
      false,
      "926d8225e6e24b8f8bc8524d6f27cb5da96b1b8b6788e16274fbd98bc0a25852" },
    { "link",
      { .path = "l", .type = TAR_SYMLINK, .mode = 0777, .link = "../t" },
      false,
      "483eb4fee9509e1d3a2c71c876ba15ef3326a1322ad8b5906e56968b859f486f" },
    { "hard link",
      { .path = "h", .type = TAR_HARDLINK, .mode = 0644, .link = "a/b" },
      false,
      "8799089bfd40f7e97894f201382bb21df3cc071545361ecbcdc06240eb43fe31" },
    { "char device",
      { .path = "c", .type = TAR_CHAR, .mode = 0666, .dev_major = 1, .dev_minor = 3 },
      false,
      "ca2cd484cecf20f32dd8dcdfd1acba675876ccc84c0a6b6f240e4820e4eaf2bf" },
    { "block device",
      { .path = "b", .type = TAR_BLOCK, .mode = 0660, .dev_major = 8, .dev_minor = 300 },
      false,
      "ccff2542c867bed5e62e5dd0cc9b2195d11992340f9c6838e4204a26681897f6" },
    { "FIFO",
      { .path = "f", .type = TAR_FIFO, .mode = 0600 },
      false,
      "c5623301fa699c1ad503318b5ed3c150f2c4ed3cb640861f887fbe0461130370" },
    { "setuid",
      { .path = "s", .mode = 04755, .uid = 1, .gid = 2 },
      false,
      "515c1e9f6264a2ad11c7bf6fc6bd2d00216776aaa99384ddbe2b213d01c7e310" },
    { "path of 100",
      { .path = X100 },
      false,
      "db51b4465d30b21c5394a553203748f89599f5dbb07a560d1ed3a69c9b3e375d" },
    { "directory of 99",
      { .path = X99, .type = TAR_DIR },
      false,
      "96b8825c7ee4eaa59a84d1e5120517c116ce3e040e2beb8bfe231325fc1fa561" },
    { "directory of 100",
      { .path = X100, .type = TAR_DIR },
      true,
      "f1e4509f8530d4e6a40fced4e3e1fc769da4973cf6fbd0c9bfdff0144c814411" },
    { "path of 101, no slash",
      { .path = X100 "x" },
      true,
      "0611c604b36a96af88a7c4ec4458927b26afc8938c611a27ddbcc2ed356af039" },
    { "path with prefix",
      { .path = X100 "/" X100 },
      false,
      "08bc64a28aac24b0b85741d35a1443feb6f40e011965febb6ac73042f007e53f" },
    { "path with long prefix",
      { .path = X100 "/" X50 "xxxx/" X100 },
      false,
      "80f2a34e8493e86df2303d1649a47d93ff2d54447de74c1be757b3fd3bd705fa" },
    { "path with longer prefix",
      { .path = X100 "/" X50 "xxxxx/" X100 },
      true,
      "cd119d33a5829c3bedb573b878aa543bf22463bbeacf0c9b7e1fcc91a9ec0e30" },
    { "path with long name",
      { .path = "a/" X100 "x" },
      true,
      "15c5dd2e2d7f754af5091862c28dbdfb86373e808dc0dcc466c625032f3ebdd8" },
    { "path not ASCII",
      { .path = "\xc3\xa9/\xff" },
      true,
      "2d45f2fe4e6dd336de14751332025d606731c8f9793a80ebaf5586351c585c36" },
    { "link of 100",
      { .path = "l", .type = TAR_SYMLINK, .link = X100 },
      false,
      "a679ce0f4ab730c4a973b00e6d79938ddd039e9f6776574d0c2da8e6dae25cee" },
    { "link of 101",
      { .path = "l", .type = TAR_SYMLINK, .link = X100 "x" },
      true,
      "70e63703dd8d4234e87769e484e59ed7a40118819c94cb50265711ce0db0c351" },
    { "link not ASCII",
      { .path = "l", .type = TAR_SYMLINK, .link = "\xc3\xa9" },
      true,
      "533eba32d5f31a5ac9511ccad6161bf63a827fe863cc2d9c212d9bed33c3c247" },
    { "largest plain ids",
      { .path = "i", .uid = 2097151, .gid = 2097151 },
      false,
      "5e0985aae25428c0289e19cd12fd6e74aef8d35777cbd6c9f16c01952245fff5" },
    { "large user",
      { .path = "i", .uid = 2097152 },
      true,
      "637cd3e2ff29aea213b6923a42ddd8205bbb010cd790d41b13129e2df6a307c4" },
    { "largest ids",
      { .path = "i", .uid = 4294967294, .gid = 4294967294 },
      true,
      "7e2d3fb37bc1f9882d148d9a8c2b7ecf98b8dfac0b76c4b01b3c3cd84b0dabc3" },
    { "largest plain size",
      { .path = "s", .size = (1ULL << 33) - 1 },
      false,
      "9c12719f57e59baf915537cffe6c2cd8e5e730fbaf02539e8685ce5c4b07fed4" },
    { "large size",
      { .path = "s", .size = 1ULL << 33 },
      true,
      "8a6cbb6e5a9b1dbebc1e1c488ceecb13e4f80cde426608f466f6d23a7fa1b80a" },
    { "before 1970",
      { .path = "t", .mtime_s = -1 },
      true,
      "d10e9c5627cede564e755c9597a3ed5e614f8e6fa9af8d445eaedca36b5741f3" },
    { "latest plain time",
      { .path = "t", .mtime_s = (1LL << 33) - 1 },
      false,
      "ea17c5bf035db8728fa2af91592cab593035c1e392127340e07bdb0977f9c125" },
    { "late time",
      { .path = "t", .mtime_s = 1LL << 33 },
      true,
      "77f8e30de1607b022fa156ffb91ba04e51b1010cbb1d43987b9732238ffd47e1" },
    { "fraction of a second",
      { .path = "t", .mtime_s = 1, .mtime_ns = 999999999 },
      false,
      "f4bb53f24f8717e4695ff3b85fee103784343a264850ed0dc22e0cbe46b60f00" },
    { "attributes",
      { .path = "x", .xattrs = xattrs, .xattr_count = 2 },
      true,
      "e8cf0b32cb1f13b555b8860cf969df8d58fb2232b71665c1ea6afb93cd2979c9" },
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
        /* The parser gives them last first. */
        const struct tar_xattr *x = &b->xattrs[b->xattr_count - 1 - i];
        assert_string_equal(a->xattrs[i].name, x->name);
        assert_int_equal(a->xattrs[i].len, x->len);
        assert_memory_equal(a->xattrs[i].value, x->value, x->len);
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
