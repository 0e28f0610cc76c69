/* SPDX-License-Identifier: Apache-2.0 */
/* ADD of archives on fakes: where entries land, what they replace, what is refused. */
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "tests/support/copy_bench.h"
#include "tests/support/raw_tar.h"
#include "tests/support/test.h"

#define FILE_(path)                                                                                \
    {                                                                                              \
        .name = (path), .uid = "0000014", .content = "x"                                           \
    }
#define DIR_(path)                                                                                 \
    {                                                                                              \
        .name = (path), .type = '5', .mode = "0000711", .uid = "0000014"                           \
    }
#define LINK_(path, t)                                                                             \
    {                                                                                              \
        .name = (path), .type = '2', .mode = "0000777", .link = (t)                                \
    }
#define HARD_(path, t)                                                                             \
    {                                                                                              \
        .name = (path), .type = '1', .mode = "0000600", .link = (t)                                \
    }

static const struct unpack_case {
    const char *name;
    const char *root; /* files, as tree_make takes them */
    struct raw_entry entries[8];
    const char *dest, *chown, *chmod;
    const char *written; /* NULL: it fails */
    enum error_kind kind;
    const char *message;
} cases[] = {
    { .name = "onto nothing",
      .entries = { DIR_("d"), FILE_("d/f"), LINK_("d/l", "f") },
      .dest = "/x",
      .written =
          "d 0755 0:0 x @0\nd 0711 12:0 x/d\nf 0644 12:0 x/d/f =x\nl 0777 0:0 x/d/l -> f\n" },
    { .name = "implied parents",
      .entries = { FILE_("./a/b/f") },
      .dest = "/x/",
      .written =
          "d 0755 0:0 x @0\nd 0755 0:0 x/a @0\nd 0755 0:0 x/a/b @0\nf 0644 12:0 x/a/b/f =x\n" },
    { .name = "an owner for all, no mode",
      .entries = { FILE_("f"), DIR_("d") },
      .dest = "/x",
      .chown = "3:4",
      .chmod = "0600",
      .written = "d 0755 3:4 x @0\nf 0644 3:4 x/f =x\nd 0711 3:4 x/d\n" },
    { .name = "the destination's own entry",
      .entries = { DIR_("./"), FILE_("./f") },
      .dest = "/x",
      .written = "d 0755 0:0 x @0\nd 0711 12:0 x\nf 0644 12:0 x/f =x\n" },
    { .name = "the root directory's own entry",
      .entries = { DIR_("./"), FILE_("./f") },
      .dest = "/",
      .written = "f 0644 12:0 f =x\n" },
    { .name = "directories of the root are passed through",
      .root = "d 0755 x\nd 0750 x/a\n",
      .entries = { FILE_("a/f"), FILE_("a/g") },
      .dest = "/x",
      .written = "d 0755 0:0 x\nd 0750 0:0 x/a\nf 0644 12:0 x/a/f =x\nf 0644 12:0 x/a/g =x\n" },
    { .name = "links of the root are followed below the destination",
      .root = "d 0755 x\nd 0755 x/usr\nd 0755 x/usr/lib\nl x/lib /usr/lib\n",
      .entries = { FILE_("lib/f") },
      .dest = "/x",
      .written =
          "d 0755 0:0 x\nd 0755 0:0 x/usr\nd 0755 0:0 x/usr/lib\nf 0644 12:0 x/usr/lib/f =x\n" },
    { .name = "links that lead out of the destination do not",
      .root = "d 0755 x\nd 0755 etc\nl x/l ../../etc\n",
      .entries = { FILE_("l/f") },
      .dest = "/x",
      .written = "d 0755 0:0 x\nd 0755 0:0 x/etc @0\nf 0644 12:0 x/etc/f =x\n" },
    { .name = "links of the archive are followed too",
      .entries = { DIR_("d"), LINK_("l", "/d"), FILE_("l/f") },
      .dest = "/x",
      .written = "d 0755 0:0 x @0\nd 0711 12:0 x/d\nl 0777 0:0 x/l -> /d\nf 0644 12:0 x/d/f =x\n" },
    { .name = "a link that became a directory is one",
      .root = "d 0755 x\nd 0755 x/t\nf 0644 x/t/old o\nl x/l t\n",
      .entries = { DIR_("l"), FILE_("l/f") },
      .dest = "/x",
      .written = "d 0755 0:0 x\nd 0711 12:0 x/l\nf 0644 12:0 x/l/f =x\n" },
    { .name = "a directory that became a file and one again hides the root's",
      .root = "d 0755 x\nd 0755 x/d\nd 0700 x/d/sub\n",
      .entries = { FILE_("d"), DIR_("d"), FILE_("d/sub/f") },
      .dest = "/x",
      .written = "d 0755 0:0 x\nf 0644 12:0 x/d =x\nd 0711 12:0 x/d\nd 0755 0:0 x/d/sub @0\n"
                 "f 0644 12:0 x/d/sub/f =x\n" },
    { .name = "a hard link, its header's mode and owner",
      .entries = { DIR_("d"), FILE_("d/f"), HARD_("h", "d/f") },
      .dest = "/x",
      .written =
          "d 0755 0:0 x @0\nd 0711 12:0 x/d\nf 0644 12:0 x/d/f =x\nh 0600 0:0 x/h -> x/d/f\n" },
    { .name = "a hard link through a link",
      .entries = { DIR_("d"), FILE_("d/f"), LINK_("l", "d"), HARD_("h", "/l/f") },
      .dest = "/x",
      .written = "d 0755 0:0 x @0\nd 0711 12:0 x/d\nf 0644 12:0 x/d/f =x\nl 0777 0:0 x/l -> d\n"
                 "h 0600 0:0 x/h -> x/d/f\n" },
    { .name = "the same name twice: both, the later wins",
      .entries = { FILE_("f"), LINK_("f", "t") },
      .dest = "/x",
      .written = "d 0755 0:0 x @0\nf 0644 12:0 x/f =x\nl 0777 0:0 x/f -> t\n" },
    { .name = "a fifo, and devices that are left out",
      .entries = { { .name = "p", .type = '6' },
                   { .name = "null", .type = '3', .major = "0000001", .minor = "0000003" },
                   { .name = "sda", .type = '4', .major = "0000010" },
                   FILE_("f") },
      .dest = "/x",
      .written = "d 0755 0:0 x @0\np 0644 0:0 x/p\nf 0644 12:0 x/f =x\n" },
    { .name = "global headers say nothing",
      .entries = { { .name = "pax_global_header",
                     .type = 'g',
                     .content = "27 comment=0123456789abcdef\n" },
                   FILE_("f") },
      .dest = "/x",
      .written = "d 0755 0:0 x @0\nf 0644 12:0 x/f =x\n" },
    { .name = "a file on the way",
      .root = "d 0755 x\nf 0644 x/a 1\n",
      .entries = { FILE_("a/f") },
      .dest = "/x",
      .kind = ERROR_USER,
      .message = "archive: /x/a is not a directory" },
    { .name = "a file of the archive on the way",
      .entries = { FILE_("a"), FILE_("a/f") },
      .dest = "/x",
      .kind = ERROR_USER,
      .message = "archive: /x/a is not a directory" },
    { .name = "the destination is a file",
      .root = "f 0644 x 1\n",
      .entries = { FILE_("f") },
      .dest = "/x",
      .kind = ERROR_USER,
      .message = "cannot copy to non-directory: /x" },
    { .name = "links without an end",
      .entries = { LINK_("a", "b"), LINK_("b", "a"), FILE_("a/f") },
      .dest = "/x",
      .kind = ERROR_USER,
      .message = "too many symbolic links" },
    { .name = "a name that climbs",
      .entries = { FILE_("../f") },
      .dest = "/x",
      .kind = ERROR_CORRUPT,
      .message = "climbs out" },
    { .name = "a name that means a deletion",
      .entries = { FILE_("d/.wh.f") },
      .dest = "/x",
      .kind = ERROR_USER,
      .message = "means a deletion" },
    { .name = "a directory whose name means a deletion",
      .entries = { FILE_(".wh.d/f") },
      .dest = "/x",
      .kind = ERROR_USER,
      .message = "means a deletion" },
    { .name = "more than fits",
      .entries = { FILE_("f"), FILE_("g"), { .name = "big", .size = "777777777777" } },
      .dest = "/x",
      .kind = ERROR_USER,
      .message = "unpacks to more than" },
    { .name = "damage behind the first entry",
      .entries = { FILE_("f"), { .name = "g", .content = "y", .bad_checksum = true } },
      .dest = "/x",
      .kind = ERROR_CORRUPT,
      .message = "archive: " },
};

static void write_archive(const struct copy_bench *b, const char *name,
                          const struct raw_entry *entries)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    for (; entries->name; entries++)
        raw_tar_add(&tar, entries);
    raw_tar_end(&tar);
    test_write_file(b->context_fd, name, "");
    auto_close int fd = openat(b->context_fd, name, O_WRONLY | O_CLOEXEC);
    assert_ok(fd_write_all(fd, tar.buf, tar.len, name, &err), &err);
}

static const struct copy_source archive[] = { { .input = 1, .path = "archive", .unpack = true } };

static void it_unpacks(void **state)
{
    const struct unpack_case *c = *state;
    struct error err = { 0 };
    struct op_copy op = {
        .sources = archive, .source_count = 1, .dest = c->dest, .chown = c->chown, .chmod = c->chmod
    };
    assert_int_equal(copy_bench_setup(state), 0);
    struct copy_bench *b = *state;
    tree_make(b->root_fd, c->root);
    write_archive(b, "archive", c->entries);
    int rc = copy_bench_run(b, &op, &err);
    if (c->message) {
        assert_error(rc, &err, c->kind, c->message);
    } else {
        assert_ok(rc, &err);
        assert_string_equal(b->written.buf, c->written);
        assert_ok(copy_bench_run(b, &op, &err), &err);
        assert_true(b->cached);
    }
    copy_bench_teardown(state);
}

/* What has the name of an archive and is none is a file, and so is one that is not to be unpacked.
 */
static void files_are_copied(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    static const struct raw_entry entries[] = { FILE_("f"), { 0 } };
    static const struct raw_entry damaged[] = { { .name = "f", .bad_checksum = true }, { 0 } };
    static const struct raw_entry none[] = { { 0 } };
    static const struct copy_source sources[] = {
        { .input = 1, .path = "text.tar", .unpack = true },
        { .input = 1, .path = "bad.tar", .unpack = true },
        { .input = 1, .path = "zeros.tar", .unpack = true },
        { .input = 1, .path = "good.tar" }
    };
    struct op_copy op = { .sources = sources, .source_count = 4, .dest = "/d/" };
    test_write_file(b->context_fd, "text.tar", "text");
    write_archive(b, "bad.tar", damaged);
    write_archive(b, "zeros.tar", none);
    write_archive(b, "good.tar", entries);
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_int_equal(b->snapshotter.entries.count, 5);
    assert_string_equal(b->snapshotter.entries.items[4], "d/good.tar");
}

/* Archives and files in one ADD; a pattern finds both. */
static void archives_among_files(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    static const struct raw_entry entries[] = { FILE_("inside"), { 0 } };
    static const struct copy_source sources[] = { { .input = 1, .path = "a*", .unpack = true } };
    struct op_copy op = { .sources = sources, .source_count = 1, .dest = "/d" };
    write_archive(b, "a1", entries);
    test_write_file(b->context_fd, "a2", "text");
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_string_equal(b->written.buf,
                        "d 0755 0:0 d @0\nf 0644 12:0 d/inside =x\nf 0644 0:0 d/a2 =text\n");
}

/* The layer depends on what the archive met in the root, and on nothing else there. */
static void facts_are_what_it_met(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    static const struct raw_entry entries[] = { FILE_("a/f"), { 0 } };
    struct op_copy op = { .sources = archive, .source_count = 1, .dest = "/x" };
    b->root_is_new = true;
    write_archive(b, "archive", entries);
    tree_make(b->root_fd, "d 0755 x\nd 0755 x/a\nd 0755 x/b\n");
    size_t layers = 0;
    assert_ok(copy_bench_run(b, &op, &err), &err);
    for (int i = 0; i < 3; i++) {
        layers = b->snapshotter.committed;
        if (i == 1)
            tree_make(b->root_fd, "f 0644 x/b/other 1\n");
        if (i == 2)
            assert_int_equal(fchmodat(b->root_fd, "x/a", 0700, 0), 0);
        assert_ok(copy_bench_run(b, &op, &err), &err);
        /* The root's own layer is always another. */
        assert_int_equal(b->snapshotter.committed - layers, i == 2 ? 2 : 1);
    }
}

#define BENCH_TEST(test)                                                                           \
    cmocka_unit_test_setup_teardown(test, copy_bench_setup, copy_bench_teardown)

int main(void)
{
    const struct CMUnitTest others[] = { BENCH_TEST(files_are_copied),
                                         BENCH_TEST(archives_among_files),
                                         BENCH_TEST(facts_are_what_it_met) };
    struct CMUnitTest tests[COUNT(cases) + COUNT(others)];
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[i] = (struct CMUnitTest){ cases[i].name, it_unpacks, NULL, NULL, (void *)&cases[i] };
    memcpy(tests + COUNT(cases), others, sizeof others);
    return cmocka_run_group_tests_name("unpack", tests, NULL, NULL);
}
