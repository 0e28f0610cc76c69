/* SPDX-License-Identifier: Apache-2.0 */
/* COPY on fakes: what each rule writes, and what it refuses. */
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "tests/support/copy_bench.h"
#include "tests/support/test.h"

#define FROM(number, from)                                                                         \
    {                                                                                              \
        .input = (number), .path = (from)                                                          \
    }
#define INLINE(name, text)                                                                         \
    {                                                                                              \
        .path = (name), .data = (text), .size = sizeof(text) - 1                                   \
    }

/* What most cases copy. */
#define TREE                                                                                       \
    "d 0750 a\nd 0700 a/b\nf 0640 a/b/x.txt one\nf 0755 a/run two\nl a/to run\nf 0600 top top\n"

static const struct copy_case {
    const char *name;
    const char *context, *other, *root; /* files, as tree_make takes them */
    struct copy_source sources[5];      /* until a NULL path */
    const char *dest, *chown, *chmod;
    bool parents, on_scratch;
    const char *exclude[4];
    const char *written; /* NULL: it fails */
    enum error_kind kind;
    const char *message;
} cases[] = {
    { .name = "a file to a name",
      .context = TREE,
      .sources = { FROM(1, "top") },
      .dest = "/new/name",
      .written = "d 0755 0:0 new @0\nf 0600 0:0 new/name =top\n" },
    { .name = "a file into a directory asked for",
      .context = TREE,
      .sources = { FROM(1, "a/b/x.txt") },
      .dest = "/new/",
      .written = "d 0755 0:0 new @0\nf 0640 0:0 new/x.txt =one\n" },
    { .name = "a file into a directory that is there",
      .context = TREE,
      .root = "d 0711 opt\n",
      .sources = { FROM(1, "top") },
      .dest = "/opt",
      .written = "d 0711 0:0 opt\nf 0600 0:0 opt/top =top\n" },
    { .name = "a file over a file",
      .context = TREE,
      .root = "f 0644 old x\n",
      .sources = { FROM(1, "top") },
      .dest = "/old",
      .written = "f 0600 0:0 old =top\n" },
    { .name = "a file over a link goes where it leads",
      .context = TREE,
      .root = "d 0755 real\nl link /real/file\n",
      .sources = { FROM(1, "top") },
      .dest = "/link",
      .written = "d 0755 0:0 real\nf 0600 0:0 real/file =top\n" },
    { .name = "links at the destination stay in the root",
      .context = TREE,
      .root = "d 0755 real\nl link ../../../real\n",
      .sources = { FROM(1, "top") },
      .dest = "/link/",
      .written = "d 0755 0:0 real\nf 0600 0:0 real/top =top\n" },
    { .name = "a directory: its content",
      .context = TREE,
      .sources = { FROM(1, "a") },
      .dest = "/new",
      .written = "d 0755 0:0 new\nd 0700 0:0 new/b\nf 0640 0:0 new/b/x.txt =one\n"
                 "f 0755 0:0 new/run =two\nl 0777 0:0 new/to -> run\n" },
    { .name = "a directory written a/.",
      .context = TREE,
      .sources = { FROM(1, "./a/.") },
      .dest = "/new/",
      .written = "d 0755 0:0 new\nd 0700 0:0 new/b\nf 0640 0:0 new/b/x.txt =one\n"
                 "f 0755 0:0 new/run =two\nl 0777 0:0 new/to -> run\n" },
    { .name = "an existing destination keeps owner and mode",
      .context = "d 0700 d\nd 0701 d/sub\n",
      .root = "d 0712 opt\nd 0755 opt/sub\n",
      .sources = { FROM(1, "d") },
      .dest = "/opt",
      .written = "d 0712 0:0 opt\nd 0712 0:0 opt\nd 0701 0:0 opt/sub\n" },
    { .name = "a link as source is followed",
      .context = TREE "l in a/b/x.txt\n",
      .sources = { FROM(1, "in") },
      .dest = "/d/",
      .written = "d 0755 0:0 d @0\nf 0640 0:0 d/in =one\n" },
    { .name = ".. stays in the source",
      .context = TREE,
      .sources = { FROM(1, "../../a/../top") },
      .dest = "/d",
      .written = "f 0600 0:0 d =top\n" },
    { .name = "a file, then a directory on it",
      .context = TREE,
      .sources = { FROM(1, "top"), FROM(1, "a") },
      .dest = "/d",
      .kind = ERROR_USER,
      .message = "cannot copy to non-directory: /d" },
    { .name = "a directory, then a file into it",
      .context = "d 0755 a\n"
                 "f 0644 f x\n",
      .sources = { FROM(1, "a"), FROM(1, "f") },
      .dest = "/d",
      .written = "d 0755 0:0 d\nf 0644 0:0 d/f =x\n" },
    { .name = "two inputs, in the written order",
      .context = "f 0644 one 1\nf 0644 both a\n",
      .other = "f 0644 two 2\nf 0644 both b\n",
      .sources = { FROM(2, "two"), FROM(1, "one"), FROM(1, "both"), FROM(2, "both") },
      .dest = "/d/",
      .written = "d 0755 0:0 d @0\nf 0644 0:0 d/two =2\nf 0644 0:0 d/one =1\n"
                 "f 0644 0:0 d/both =a\nf 0644 0:0 d/both =b\n" },
    { .name = "an inline file among others",
      .context = "f 0644 one 1\n",
      .sources = { FROM(1, "one"), INLINE("hello", "hi"), INLINE("empty", "") },
      .dest = "/d/",
      .written = "d 0755 0:0 d @0\nf 0644 0:0 d/empty = @0\nf 0644 0:0 d/hello =hi @0\n"
                 "f 0644 0:0 d/one =1\n" },
    { .name = "an inline file to a name, with owner and mode",
      .sources = { INLINE("hello", "hi") },
      .dest = "/d/script",
      .chown = "3:4",
      .chmod = "a+x",
      .written = "d 0755 3:4 d @0\nf 0755 3:4 d/script =hi @0\n" },
    { .name = "an inline file onto a directory's name",
      .root = "d 0755 d\n",
      .sources = { INLINE("hello", "hi") },
      .dest = "/d",
      .written = "d 0755 0:0 d\nf 0644 0:0 d/hello =hi @0\n" },
    { .name = "wildcards",
      .context = "d 0755 d\nd 0755 d/e1\nf 0644 d/e1/x 1\nf 0644 d/e2 2\nf 0644 d/f 3\n",
      .sources = { FROM(1, "d/e*") },
      .dest = "/d/",
      .written = "d 0755 0:0 d\nf 0644 0:0 d/x =1\nf 0644 0:0 d/e2 =2\n" },
    { .name = "a wildcard that matches nothing",
      .context = TREE,
      .sources = { FROM(1, "no*") },
      .dest = "/d/",
      .written = "" },
    { .name = "a backslash without a wildcard is part of the name",
      .context = "f 0644 a\\*b odd\nf 0644 a*b even\n",
      .sources = { FROM(1, "a\\*b") },
      .dest = "/d/",
      .written = "d 0755 0:0 d @0\nf 0644 0:0 d/a\\*b =odd\n" },
    { .name = "a missing source",
      .context = TREE,
      .sources = { FROM(1, "none") },
      .dest = "/d",
      .kind = ERROR_NOT_FOUND,
      .message = "\"/none\": not found in the build context" },
    { .name = "a directory onto a file",
      .context = TREE,
      .root = "f 0644 d x\n",
      .sources = { FROM(1, "a") },
      .dest = "/d",
      .kind = ERROR_USER,
      .message = "cannot copy to non-directory: /d" },
    { .name = "a directory onto a file below",
      .context = TREE,
      .root = "d 0755 d\nf 0644 d/b x\n",
      .sources = { FROM(1, "a") },
      .dest = "/d",
      .kind = ERROR_USER,
      .message = "cannot copy to non-directory: /d/b" },
    { .name = "a directory onto a link below",
      .context = TREE,
      .root = "d 0755 d\nd 0755 e\nl d/b ../e\n",
      .sources = { FROM(1, "a") },
      .dest = "/d",
      .kind = ERROR_USER,
      .message = "cannot copy to non-directory: /d/b" },
    { .name = "a file onto a directory below",
      .context = TREE,
      .root = "d 0755 d\nd 0755 d/run\n",
      .sources = { FROM(1, "a") },
      .dest = "/d",
      .kind = ERROR_USER,
      .message = "cannot replace to directory /d/run with file" },
    { .name = "one source onto another: type",
      .context = "d 0755 a\nd 0755 a/x\nd 0755 b\nf 0644 b/x 1\n",
      .sources = { FROM(1, "a"), FROM(1, "b") },
      .dest = "/d",
      .kind = ERROR_USER,
      .message = "fake: /d/x has another type" },
    { .name = "hard links in one source, none between sources",
      .context = "d 0755 a\nf 0644 a/x 1\nh a/y a/x\nh top a/x\n",
      .sources = { FROM(1, "a"), FROM(1, "top") },
      .dest = "/d",
      .written = "d 0755 0:0 d\nf 0644 0:0 d/x =1\nh 0644 0:0 d/y -> d/x\nf 0644 0:0 d/top =1\n" },
    { .name = "a fifo",
      .context = "p pipe\n",
      .sources = { FROM(1, "pipe") },
      .dest = "/d/",
      .written = "d 0755 0:0 d @0\np 0644 0:0 d/pipe\n" },
    { .name = "a name that means a deletion",
      .context = "f 0644 .wh.x 1\n",
      .sources = { FROM(1, ".wh.x") },
      .dest = "/d/",
      .kind = ERROR_USER,
      .message = "its name means a deletion" },
    { .name = "octal mode: directories too, not links, and made parents",
      .context = TREE,
      .sources = { FROM(1, "a") },
      .dest = "/p/d",
      .chmod = "0711",
      .written = "d 0711 0:0 p @0\nd 0711 0:0 p/d\nd 0711 0:0 p/d/b\nf 0711 0:0 p/d/b/x.txt =one\n"
                 "f 0711 0:0 p/d/run =two\nl 0777 0:0 p/d/to -> run\n" },
    { .name = "symbolic mode: by entry",
      .context = TREE,
      .sources = { FROM(1, "a") },
      .dest = "/p/d",
      .chmod = "u=rwX,go=rX",
      .written = "d 0755 0:0 p @0\nd 0755 0:0 p/d\nd 0755 0:0 p/d/b\nf 0644 0:0 p/d/b/x.txt =one\n"
                 "f 0755 0:0 p/d/run =two\nl 0777 0:0 p/d/to -> run\n" },
    { .name = "an owner: all, and made parents",
      .context = "d 0755 a\nl a/l x\n",
      .sources = { FROM(1, "a") },
      .dest = "/p/d",
      .chown = "12:34",
      .written = "d 0755 12:34 p @0\nd 0755 12:34 p/d\nl 0777 12:34 p/d/l -> x\n" },
    { .name = "an owner by name",
      .context = "f 0644 f x\n",
      .root = "d 0755 etc\nf 0644 etc/passwd app:x:7:8::/:/bin/sh\nf 0644 etc/group extra:x:9:\n",
      .sources = { FROM(1, "f") },
      .dest = "/f",
      .chown = "app:extra",
      .written = "f 0644 7:9 f =x\n" },
    { .name = "names on an empty root belong to 0",
      .context = "f 0644 f x\n",
      .root = "d 0755 etc\nf 0644 etc/passwd app:x:7:8::/:/bin/sh\n",
      .sources = { FROM(1, "f") },
      .dest = "/d/f",
      .chown = "app",
      .on_scratch = true,
      .written = "d 0755 0:0 d @0\nf 0644 0:0 d/f =x\n" },
    { .name = "an empty root: no link is followed, parents are plain",
      .context = "f 0644 f x\n",
      .root = "d 0700 real\nl d real\n",
      .sources = { FROM(1, "f") },
      .dest = "/d/f",
      .on_scratch = true,
      .written = "d 0755 0:0 d @0\nf 0644 0:0 d/f =x\n" },
    { .name = "exclude: below the source",
      .context = TREE "f 0644 a/b/y.md 3\n",
      .sources = { FROM(1, "a") },
      .dest = "/d",
      .exclude = { "**/*.txt", "run" },
      .written = "d 0755 0:0 d\nd 0700 0:0 d/b\nf 0644 0:0 d/b/y.md =3\nl 0777 0:0 d/to -> run\n" },
    { .name = "exclude: with an exception",
      .context = TREE,
      .sources = { FROM(1, "a") },
      .dest = "/d",
      .exclude = { "*", "!b/x.txt" },
      .written = "d 0755 0:0 d\nd 0700 0:0 d/b\nf 0640 0:0 d/b/x.txt =one\n" },
    { .name = "exclude: all of it",
      .context = TREE,
      .sources = { FROM(1, "a") },
      .dest = "/d",
      .exclude = { "*" },
      .written = "d 0755 0:0 d\n" },
    { .name = "exclude: a source that is a file, by its name",
      .context = "f 0644 home.txt 1\nf 0644 home.png 2\nd 0755 homes\nf 0644 homes/a 3\n",
      .sources = { FROM(1, "hom*") },
      .dest = "/d/",
      .exclude = { "*.txt" },
      .written = "d 0755 0:0 d @0\nf 0644 0:0 d/home.png =2\nd 0755 0:0 d\nf 0644 0:0 d/a =3\n" },
    { .name = "exclude: nothing is left of a file source",
      .context = "f 0644 a.txt 1\n",
      .sources = { FROM(1, "a.txt") },
      .dest = "/d/",
      .exclude = { "*.txt" },
      .written = "" },
    { .name = "exclude: a bad pattern",
      .context = TREE,
      .sources = { FROM(1, "a") },
      .dest = "/d",
      .exclude = { "[" },
      .kind = ERROR_USER,
      .message = "syntax error in pattern" },
    { .name = "parents: a file",
      .context = TREE,
      .sources = { FROM(1, "a/b/x.txt") },
      .dest = "/d",
      .parents = true,
      .written =
          "d 0755 0:0 d @0\nd 0750 0:0 d/a\nd 0700 0:0 d/a/b\nf 0640 0:0 d/a/b/x.txt =one\n" },
    { .name = "parents: a directory",
      .context = TREE,
      .sources = { FROM(1, "./a/b/") },
      .dest = "/",
      .parents = true,
      .written = "d 0750 0:0 a\nd 0700 0:0 a/b\nf 0640 0:0 a/b/x.txt =one\n" },
    { .name = "parents: an empty directory",
      .context = "d 0755 a\nd 0711 a/empty\n",
      .sources = { FROM(1, "a/empty") },
      .dest = "/",
      .parents = true,
      .written = "d 0755 0:0 a\nd 0711 0:0 a/empty\n" },
    { .name = "parents: a link is a link",
      .context = TREE,
      .sources = { FROM(1, "a/to") },
      .dest = "/",
      .parents = true,
      .written = "d 0750 0:0 a\nl 0777 0:0 a/to -> run\n" },
    { .name = "parents: from a pivot on",
      .context = TREE,
      .sources = { FROM(1, "a/./b/x.txt") },
      .dest = "/d/",
      .parents = true,
      .written = "d 0755 0:0 d @0\nd 0700 0:0 d/b\nf 0640 0:0 d/b/x.txt =one\n" },
    { .name = "parents: a pivot that is all",
      .context = "d 0755 a\nf 0644 a/x 1\n",
      .sources = { FROM(1, "a/./") },
      .dest = "/d/",
      .parents = true,
      .written = "d 0755 0:0 d @0\nf 0644 0:0 d/x =1\n" },
    { .name = "parents: two stars, and only directories that lead to a match",
      .context = TREE "d 0755 c\nf 0644 c/y.md 3\nf 0644 z.txt 4\n",
      .sources = { FROM(1, "**/*.txt") },
      .dest = "/d/",
      .parents = true,
      .written = "d 0755 0:0 d @0\nd 0750 0:0 d/a\nd 0700 0:0 d/a/b\nf 0640 0:0 d/a/b/x.txt =one\n"
                 "f 0644 0:0 d/z.txt =4\n" },
    { .name = "parents: a wildcard with directories before it",
      .context = TREE,
      .sources = { FROM(1, "a/b/*") },
      .dest = "/d/",
      .parents = true,
      .written =
          "d 0755 0:0 d @0\nd 0750 0:0 d/a\nd 0700 0:0 d/a/b\nf 0640 0:0 d/a/b/x.txt =one\n" },
    { .name = "parents: a wildcard before the pivot",
      .context =
          "d 0755 p1\nd 0755 p2\nd 0755 p1/k\nd 0755 p2/k\nf 0644 p1/k/x 1\nf 0644 p2/k/y 2\n",
      .sources = { FROM(1, "p*/./k/*") },
      .dest = "/d/",
      .parents = true,
      .written = "d 0755 0:0 d @0\nd 0755 0:0 d/k\nf 0644 0:0 d/k/x =1\nd 0755 0:0 d/k\n"
                 "f 0644 0:0 d/k/y =2\n" },
    { .name = "parents: a wildcard that matches nothing",
      .context = TREE,
      .sources = { FROM(1, "a/none*"), FROM(1, "none/*"), FROM(1, "**/none") },
      .dest = "/d/",
      .parents = true,
      .written = "" },
    { .name = "parents: what is not there",
      .context = TREE,
      .sources = { FROM(1, "a/none") },
      .dest = "/d/",
      .parents = true,
      .kind = ERROR_NOT_FOUND,
      .message = "\"/a/none\": not found" },
    { .name = "parents: what is not there behind a pivot",
      .context = TREE,
      .sources = { FROM(1, "a/./none") },
      .dest = "/d/",
      .parents = true,
      .kind = ERROR_NOT_FOUND,
      .message = "\"/a/none\": not found" },
    { .name = "parents: with exclude",
      .context = TREE,
      .sources = { FROM(1, "a") },
      .dest = "/d/",
      .parents = true,
      .exclude = { "a/b", "**/to" },
      .written = "d 0755 0:0 d @0\nd 0750 0:0 d/a\nf 0755 0:0 d/a/run =two\n" },
    { .name = "parents: onto a file",
      .context = TREE,
      .root = "d 0755 d\nf 0644 d/a x\n",
      .sources = { FROM(1, "a/b") },
      .dest = "/d/",
      .parents = true,
      .kind = ERROR_USER,
      .message = "cannot copy to non-directory: /d/a" },
    { .name = "parents: owner and mode of all",
      .context = "d 0755 a\nf 0600 a/x 1\n",
      .sources = { FROM(1, "a/x") },
      .dest = "/",
      .parents = true,
      .chown = "5",
      .chmod = "g=u",
      .written = "d 0775 5:5 a\nf 0660 5:5 a/x =1\n" },
};

static struct op_copy op_of(const struct copy_case *c)
{
    struct op_copy op = { .sources = c->sources,
                          .dest = c->dest,
                          .chown = c->chown,
                          .chmod = c->chmod,
                          .parents = c->parents,
                          .exclude = c->exclude };
    while (c->sources[op.source_count].path)
        op.source_count++;
    return op;
}

static void it_writes(void **state)
{
    const struct copy_case *c = *state;
    struct error err = { 0 };
    struct op_copy op = op_of(c);
    assert_int_equal(copy_bench_setup(state), 0);
    struct copy_bench *b = *state;
    tree_make(b->context_fd, c->context);
    tree_make(b->other_fd, c->other);
    tree_make(b->root_fd, c->root);
    b->on_scratch = c->on_scratch;
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

/* A change that no file of the selection shows leaves the step cached; one that shows does not. */
static void what_is_left_out_is_in_no_key(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    static const struct copy_source sources[] = { FROM(1, "a") };
    struct op_copy op = { .sources = sources,
                          .source_count = 1,
                          .dest = "/d/",
                          .exclude = (const char *const[]){ "**/*.tmp", NULL } };
    tree_make(b->context_fd, TREE "f 0644 a/b/x.tmp 1\n");
    assert_ok(copy_bench_run(b, &op, &err), &err);
    test_write_file(b->context_fd, "a/b/x.tmp", "changed");
    test_write_file(b->context_fd, "a/new.tmp", "new");
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_true(b->cached);
    test_write_file(b->context_fd, "a/b/new", "new");
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_false(b->cached);
}

static void parents_are_part_of_the_key(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    static const struct copy_source sources[] = { FROM(1, "a/b/x.txt") };
    struct op_copy op = { .sources = sources, .source_count = 1, .dest = "/d/", .parents = true };
    tree_make(b->context_fd, TREE);
    assert_ok(copy_bench_run(b, &op, &err), &err);
    test_write_file(b->context_fd, "a/run", "changed");
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_true(b->cached);
    tree_make(b->context_fd, "f 0644 ignored 1\n");
    assert_int_equal(fchmodat(b->context_fd, "a", 0755, 0), 0);
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_false(b->cached);
}

static void each_input_counts(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    static const struct copy_source sources[] = { FROM(1, "x"), FROM(2, "y") };
    struct op_copy op = { .sources = sources, .source_count = 2, .dest = "/d/" };
    tree_make(b->context_fd, "f 0644 x 1\n");
    tree_make(b->other_fd, "f 0644 y 2\n");
    assert_ok(copy_bench_run(b, &op, &err), &err);
    test_write_file(b->other_fd, "y", "3");
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_false(b->cached);
    assert_non_null(strstr(b->written.buf, "d/y =3"));
    test_write_file(b->other_fd, "y", "2");
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_true(b->cached);
}

static void a_new_root_below_is_no_reason(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    static const struct copy_source sources[] = { FROM(1, "a"), INLINE("f", "text") };
    struct op_copy op = { .sources = sources, .source_count = 2, .dest = "/d/e/" };
    b->root_is_new = true;
    tree_make(b->context_fd, TREE);
    tree_make(b->root_fd, "d 0755 d\n");
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_false(b->cached);
    assert_string_equal(b->written.buf, "");
    assert_int_equal(fchmodat(b->root_fd, "d", 0700, 0), 0);
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_non_null(strstr(b->written.buf, "d 0700 0:0 d\n"));
}

static void a_vertex_may_be_told_to_run_anew(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    static const struct copy_source sources[] = { FROM(1, "top") };
    struct op_copy op = { .sources = sources, .source_count = 1, .dest = "/d/" };
    tree_make(b->context_fd, TREE);
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_int_equal(b->executor.ran.count, 1);
    b->no_cache = true;
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_false(b->cached);
    assert_string_not_equal(b->written.buf, "");
    /* Only this one: its root did not run again. */
    assert_int_equal(b->executor.ran.count, 1);
    b->no_cache = false;
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_true(b->cached);
}

#define BENCH_TEST(test)                                                                           \
    cmocka_unit_test_setup_teardown(test, copy_bench_setup, copy_bench_teardown)

int main(void)
{
    const struct CMUnitTest others[] = {
        BENCH_TEST(what_is_left_out_is_in_no_key),
        BENCH_TEST(parents_are_part_of_the_key),
        BENCH_TEST(each_input_counts),
        BENCH_TEST(a_new_root_below_is_no_reason),
        BENCH_TEST(a_vertex_may_be_told_to_run_anew),
    };
    struct CMUnitTest tests[COUNT(cases) + COUNT(others)];
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[i] = (struct CMUnitTest){ cases[i].name, it_writes, NULL, NULL, (void *)&cases[i] };
    memcpy(tests + COUNT(cases), others, sizeof others);
    return cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
