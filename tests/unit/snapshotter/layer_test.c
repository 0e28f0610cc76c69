/* SPDX-License-Identifier: Apache-2.0 */
/* A layer's tar into its tree and back: whiteouts in every order, opaque directories, hard links,
 * implied directories, names that are odd. Needs root, for whiteouts are device nodes. */
#include <fcntl.h>
#include <sys/xattr.h>

#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "snapshotter/apply.h"
#include "snapshotter/diff.h"
#include "snapshotter/merge.h"
#include "tests/support/memory_stream.h"
#include "tests/support/raw_tar.h"
#include "tests/support/test.h"

/* Entries are "NAME" (a file with its name as content), "NAME/" (a directory), "NAME>TARGET" (a
 * link), "NAME=TARGET" (a hard link), "NAME!" (char device 0:0), separated by blanks. */
static void add_entries(struct strbuf *tar, const char *text)
{
    auto_free char *copy = xstrdup(text);
    char *rest = copy;
    for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
        struct raw_entry e = { .name = word, .mode = "0000755" };
        char *mark = word + strcspn(word, ">=!");
        if (!*word)
            continue;
        if (*mark == '>' || *mark == '=') {
            e.type = *mark == '>' ? '2' : '1';
            e.link = mark + 1;
            *mark = '\0';
        } else if (*mark == '!') {
            e.type = '3';
            *mark = '\0';
        } else if (word[strlen(word) - 1] == '/') {
            e.type = '5';
        } else if (!strstr(word, ".wh.")) {
            e.content = word;
        }
        raw_tar_add(tar, &e);
    }
    raw_tar_end(tar);
}

/* What a tree says, as the same words, sorted; 'o' behind an opaque directory, '-' before a
 * whiteout. */
static void show_tree(int fd, const char *path, struct strbuf *out)
{
    struct error err = { 0 };
    auto_(strvec) struct strvec names = { 0 };
    assert_ok(dir_list(fd, path, &names, &err), &err);
    for (size_t i = 0; i < names.count; i++) {
        struct stat st;
        auto_free char *below = xasprintf("%s%s%s", path, *path ? "/" : "", names.items[i]);
        assert_int_equal(fstatat(fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW), 0);
        bool whiteout = S_ISCHR(st.st_mode) && st.st_rdev == 0;
        strbuf_addf(out, "%s%s%s", out->len ? " " : "", whiteout ? "-" : "", below);
        if (S_ISREG(st.st_mode) && st.st_nlink > 1)
            strbuf_addf(out, "*%u", (unsigned)st.st_nlink);
        if (!S_ISDIR(st.st_mode))
            continue;
        auto_close int child = openat(fd, names.items[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char mark[4];
        bool opaque = fgetxattr(child, "user.overlay.opaque", mark, sizeof mark) == 1;
        strbuf_addstr(out, opaque ? "/o" : "/");
        show_tree(child, below, out);
    }
}

static const struct apply_case {
    const char *label, *entries;
    const char *tree; /* NULL: refused */
    const char *error;
    bool lacks; /* it relies on what lies below */
} applies[] = {
    { "files", "d/ d/a b", "b d/ d/a", NULL, false },
    { "whiteout", ".wh.x", "-x", NULL, false },
    { "whiteout below", "d/ d/.wh.x", "d/ -d/x", NULL, false },
    { "whiteout before its entry", ".wh.x x", "x", NULL, false },
    { "whiteout behind its entry", "x .wh.x", "x", NULL, false },
    { "whiteout before a directory", ".wh.d d/ d/a", "d/o d/a", NULL, false },
    { "whiteout behind a directory", "d/ d/a .wh.d", "d/o d/a", NULL, false },
    { "whiteout before an implied directory", ".wh.d d/a", "d/o d/a", NULL, true },
    { "opaque first", "d/ d/.wh..wh..opq d/a", "d/o d/a", NULL, false },
    { "opaque last", "d/ d/a d/.wh..wh..opq", "d/o d/a", NULL, false },
    { "opaque before its directory", "d/.wh..wh..opq d/ d/a", "d/o d/a", NULL, true },
    { "opaque twice", "d/ d/.wh..wh..opq d/.wh..wh..opq", "d/o", NULL, false },
    { "a whiteout in an opaque directory", "d/ d/.wh..wh..opq d/.wh.x", "d/o -d/x", NULL, false },
    { "bare .wh.", ".wh.", NULL, "names nothing", false },
    { "whiteout of .", ".wh..", NULL, "names nothing", false },
    { "whiteout of ..", "d/ d/.wh...", NULL, "names nothing", false },
    { "bookkeeping of aufs", ".wh..wh.plnk .wh..wh.aufs a", "a", NULL, false },
    { "whiteout as a directory", ".wh.x/", "-x", NULL, false },
    { "something below a whiteout", ".wh.a/b", ".wh.a/ .wh.a/b", NULL, true },
    { "hard links", "a b=a d/ d/c=/a", "a*3 b*3 d/ d/c*3", NULL, false },
    { "hard link to a link", "l>x h=l", "h l", NULL, false },
    { "hard link to itself", "a a=a", "a", NULL, false },
    { "hard link to nothing", "h=none", NULL, "which does not exist", true },
    { "hard link to a later entry", "h=a a", NULL, "which does not exist", true },
    { "hard link to a directory", "d/ h=d", NULL, "to the directory", false },
    { "hard link through a link", "l>/etc h=l/passwd", NULL, "which does not exist", true },
    { "a file through a link", "l>/etc l/passwd", "l/o l/passwd", NULL, true },
    { "a file through a parent link", "d/ d/l>.. d/l/x", "d/ d/l/o d/l/x", NULL, true },
    { "implied directories", "a/b/c", "a/ a/b/ a/b/c", NULL, true },
    { "later wins", "a a>x a", "a", NULL, false },
    { "a directory over a file", "a a/ a/b", "a/o a/b", NULL, false },
    { "a file over a full directory", "d/ d/a d", "d", NULL, false },
    { "a link over a directory", "d/ d/a d>x", "d", NULL, false },
    { "a directory twice keeps its content", "d/ d/a d/", "d/ d/a", NULL, false },
    { "a device 0:0", "w!", NULL, "character device 0:0", false },
    { "the root", "./ a", "a", NULL, false },
};

static int apply(int tree_fd, const char *entries, bool *out_lacks, struct error *err)
{
    struct layer_info info = { 0 };
    auto_(strbuf) struct strbuf tar = STRBUF_INIT;
    add_entries(&tar, entries);
    struct memory_reader in = memory_reader_init(tar.buf, tar.len, 0);
    auto_(tree_writer) struct tree_writer *w = tree_writer_open(tree_fd, -1, NULL);
    int rc = apply_tar(&in.base, "layer", w, err);
    *out_lacks = tree_writer_lacked(w);
    return rc < 0 ? -1 : tree_writer_finish(w, &info, err);
}

static void pack(int tree_fd, struct memory_writer *out)
{
    struct error err = { 0 };
    struct diff_options options = { .has_epoch = true, .epoch_s = 1000 };
    *out = memory_writer_init();
    struct tar_writer w = tar_writer_init(&out->base);
    assert_ok(diff_write(tree_fd, &options, &w, &err), &err);
    assert_ok(tar_writer_finish(&w, &err), &err);
}

/* The tar of the tree gives the same tree and the same tar again. */
static void check_round_trip(int dir_fd, int tree_fd, const char *tree)
{
    struct error err = { 0 };
    struct layer_info info = { 0 };
    struct memory_writer first;
    struct memory_writer second;
    auto_(strbuf) struct strbuf shown = STRBUF_INIT;
    assert_int_equal(mkdirat(dir_fd, "again", 0755), 0);
    auto_close int again = openat(dir_fd, "again", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pack(tree_fd, &first);
    struct memory_reader in = memory_reader_init(first.data.buf, first.data.len, 0);
    auto_(tree_writer) struct tree_writer *w = tree_writer_open(again, -1, NULL);
    assert_ok(apply_tar(&in.base, "again", w, &err), &err);
    assert_ok(tree_writer_finish(w, &info, &err), &err);
    assert_false(tree_writer_lacked(w));
    show_tree(again, "", &shown);
    assert_string_equal(shown.buf, tree);
    pack(again, &second);
    assert_int_equal(first.data.len, second.data.len);
    assert_memory_equal(first.data.buf, second.data.buf, first.data.len);
    strbuf_release(&first.data);
    strbuf_release(&second.data);
}

static void need_root(void)
{
    if (geteuid() != 0) {
        print_message("not root: whiteouts cannot be made\n");
        skip();
    }
}

static void layer_is_applied(void **state)
{
    const struct apply_case *c = *state;
    struct error err = { 0 };
    bool lacks = false;
    void *dir_state = NULL;
    auto_(strbuf) struct strbuf shown = STRBUF_INIT;
    need_root();
    assert_int_equal(test_dir_setup(&dir_state), 0);
    const struct test_dir *dir = dir_state;
    assert_int_equal(mkdirat(dir->fd, "tree", 0755), 0);
    auto_close int tree = openat(dir->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = apply(tree, c->entries, &lacks, &err);
    assert_int_equal(lacks, c->lacks);
    if (!c->tree) {
        assert_error(rc, &err, ERROR_CORRUPT, c->error);
    } else {
        assert_ok(rc, &err);
        show_tree(tree, "", &shown);
        assert_string_equal(shown.buf, c->tree);
        if (!strstr(c->tree, ".wh."))
            check_round_trip(dir->fd, tree, c->tree);
    }
    test_dir_teardown(&dir_state);
}

static void a_whiteouts_directory_is_marked(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    bool lacks = false;
    char value[4];
    need_root();
    assert_ok(apply(dir->fd, "d/ d/.wh.x e/ e/a", &lacks, &err), &err);
    auto_close int d = openat(dir->fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int e = openat(dir->fd, "e", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fgetxattr(d, "user.overlay.origin", value, sizeof value), 0);
    assert_int_equal(fgetxattr(e, "user.overlay.origin", value, sizeof value), -1);
}

static void names_that_mean_deletion_are_refused(void **state)
{
    const struct test_dir *dir = *state;
    struct error err = { 0 };
    struct diff_options options = { 0 };
    struct memory_writer out = memory_writer_init();
    struct tar_writer w = tar_writer_init(&out.base);
    test_write_file(dir->fd, ".wh.mine", "");
    assert_error(diff_write(dir->fd, &options, &w, &err), &err, ERROR_USER, ".wh.mine cannot be");
    strbuf_release(&out.data);
}

/* Three layers, top first; what a merged root shows. */
static const struct merge_case {
    const char *label, *layers[3], *shown;
} merges[] = {
    { "union", { "a", "b", "c" }, "a b c" },
    { "the topmost shows", { "a", "a/ a/x", "a" }, "a" },
    { "whiteout", { ".wh.a", "a b", "a c" }, "b c" },
    { "whiteout of a directory", { "x", ".wh.d", "d/ d/a" }, "x" },
    { "brought back", { "d/ d/new", ".wh.d", "d/ d/old" }, "d/ d/new" },
    { "directories merge", { "d/ d/a", "d/ d/b", "d/ d/c" }, "d/ d/a d/b d/c" },
    { "opaque", { "d/ d/a", "d/ d/.wh..wh..opq d/b", "d/ d/c" }, "d/ d/a d/b" },
    { "a file between directories", { "d/ d/a", "d", "d/ d/c" }, "d/ d/a" },
    { "a link hides a directory", { "d>x", "d/ d/a", "" }, "d" },
    { "whiteout deep down", { "d/ d/.wh.a", "d/ d/a d/b", "" }, "d/ d/b" },
};

static void show_merged(const struct merge_dir *dir, const char *path, struct strbuf *out)
{
    struct error err = { 0 };
    auto_(merge_list) struct merge_list list = { 0 };
    assert_ok(merge_list(dir, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) {
        auto_(merge_dir) struct merge_dir child = { 0 };
        auto_free char *below = xasprintf("%s%s%s", path, *path ? "/" : "", list.items[i].name);
        bool is_dir = S_ISDIR(list.items[i].st.st_mode);
        strbuf_addf(out, "%s%s%s", out->len ? " " : "", below, is_dir ? "/" : "");
        assert_ptr_equal(merge_find(&list, list.items[i].name), &list.items[i]);
        if (!is_dir)
            continue;
        assert_ok(merge_open(dir, &list.items[i], &child, &err), &err);
        show_merged(&child, below, out);
    }
    assert_null(merge_find(&list, "none"));
}

static void layers_merge(void **state)
{
    const struct merge_case *c = *state;
    void *dir_state = NULL;
    auto_(strbuf) struct strbuf shown = STRBUF_INIT;
    need_root();
    assert_int_equal(test_dir_setup(&dir_state), 0);
    const struct test_dir *dir = dir_state;
    {
        auto_(merge_dir) struct merge_dir root = { .fds = xcalloc(3, sizeof(int)) };
        for (size_t i = 0; i < 3; i++) {
            struct error err = { 0 };
            bool lacks = false;
            char name[2] = { (char)('0' + i), '\0' };
            assert_int_equal(mkdirat(dir->fd, name, 0755), 0);
            root.fds[i] = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            root.count++;
            assert_ok(apply(root.fds[i], c->layers[i], &lacks, &err), &err);
        }
        show_merged(&root, "", &shown);
    }
    test_dir_teardown(&dir_state);
    assert_string_equal(shown.buf, c->shown);
}

int main(void)
{
    enum { OTHERS = 2 };
    struct CMUnitTest tests[OTHERS + COUNT(applies) + COUNT(merges)] = {
        cmocka_unit_test_setup_teardown(a_whiteouts_directory_is_marked, test_dir_setup,
                                        test_dir_teardown),
        cmocka_unit_test_setup_teardown(names_that_mean_deletion_are_refused, test_dir_setup,
                                        test_dir_teardown),
    };
    for (size_t i = 0; i < COUNT(applies); i++)
        tests[OTHERS + i] = (struct CMUnitTest){ applies[i].label, layer_is_applied, NULL, NULL,
                                                 (void *)&applies[i] };
    for (size_t i = 0; i < COUNT(merges); i++)
        tests[OTHERS + COUNT(applies) + i] =
            (struct CMUnitTest){ merges[i].label, layers_merge, NULL, NULL, (void *)&merges[i] };
    return cmocka_run_group_tests_name("layer", tests, NULL, NULL);
}
