/* SPDX-License-Identifier: Apache-2.0 */
/* What COPY and ADD ask of a layer under construction. Needs root, for it sets owners. */
#include "snapshotter/tree_writer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "tests/support/test.h"

struct bench {
    struct test_dir *dir;
    struct tree_writer *w;
};

static int setup(void **state)
{
    struct bench *b = xcalloc(1, sizeof *b);
    assert_int_equal(test_dir_setup((void **)&b->dir), 0);
    b->w = tree_writer_open(b->dir->fd, -1, NULL);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    tree_writer_free(b->w);
    test_dir_teardown((void **)&b->dir);
    free(b);
    return 0;
}

static void need_root(void)
{
    if (geteuid() != 0) {
        print_message("not root: owners cannot be set\n");
        skip();
    }
}

static int put(struct bench *b, enum tar_type type, const char *path, const char *link,
               struct error *err)
{
    struct tar_entry e = { .path = path, .type = type, .mode = 0640, .link = link };
    return tree_writer_entry(b->w, &e, &(struct tree_content){ .fd = -1 }, err);
}

static void types_are_kept_if_asked(void **state)
{
    struct bench *b = *state;
    struct error err = { 0 };
    need_root();
    assert_ok(put(b, TAR_FILE, "f", NULL, &err), &err);
    assert_ok(put(b, TAR_DIR, "d", NULL, &err), &err);
    assert_ok(put(b, TAR_SYMLINK, "l", "d", &err), &err);
    tree_writer_keep_types(b->w, true);
    assert_error(put(b, TAR_DIR, "f", NULL, &err), &err, ERROR_USER,
                 "cannot copy to non-directory: /f");
    assert_error(put(b, TAR_DIR, "l", NULL, &err), &err, ERROR_USER,
                 "cannot copy to non-directory: /l");
    assert_error(put(b, TAR_FILE, "f/below", NULL, &err), &err, ERROR_USER,
                 "cannot copy to non-directory: /f");
    assert_error(put(b, TAR_FILE, "d", NULL, &err), &err, ERROR_USER,
                 "cannot replace to directory /d with file");
    assert_error(put(b, TAR_HARDLINK, "d", "f", &err), &err, ERROR_USER,
                 "cannot replace to directory /d with file");
    assert_ok(put(b, TAR_SYMLINK, "f", "d", &err), &err);
    assert_ok(put(b, TAR_DIR, "d", NULL, &err), &err);
    tree_writer_keep_types(b->w, false);
    assert_ok(put(b, TAR_DIR, "f", NULL, &err), &err);
    assert_ok(put(b, TAR_FILE, "d", NULL, &err), &err);
}

static void what_was_written_is_found(void **state)
{
    static const struct {
        const char *path;
        enum layer_look look;
    } looks[] = { { "d", LAYER_LOOK_DIR },         { "d/f", LAYER_LOOK_OTHER },
                  { "l", LAYER_LOOK_LINK },        { "l/f", LAYER_LOOK_NOTHING },
                  { "d/f/x", LAYER_LOOK_NOTHING }, { "none", LAYER_LOOK_NOTHING },
                  { "again", LAYER_LOOK_OPAQUE } };
    struct bench *b = *state;
    struct error err = { 0 };
    need_root();
    assert_ok(put(b, TAR_DIR, "d", NULL, &err), &err);
    assert_ok(put(b, TAR_FILE, "d/f", NULL, &err), &err);
    assert_ok(put(b, TAR_SYMLINK, "l", "d", &err), &err);
    assert_ok(put(b, TAR_FILE, "again", NULL, &err), &err);
    assert_ok(put(b, TAR_DIR, "again", NULL, &err), &err);
    for (size_t i = 0; i < COUNT(looks); i++) {
        enum layer_look found = LAYER_LOOK_OTHER;
        auto_free char *target = NULL;
        assert_ok(tree_writer_look(b->w, looks[i].path, &found, &target, &err), &err);
        assert_int_equal(found, looks[i].look);
        assert_int_equal(target != NULL, found == LAYER_LOOK_LINK);
        if (target)
            assert_string_equal(target, "d");
    }
}

static void a_links_header_is_the_files(void **state)
{
    struct bench *b = *state;
    need_root();
    struct error err = { 0 };
    struct stat st;
    struct tar_entry link = {
        .path = "l", .type = TAR_HARDLINK, .link = "f", .mode = 04711, .uid = 12, .gid = 34
    };
    assert_ok(put(b, TAR_FILE, "f", NULL, &err), &err);
    assert_ok(tree_writer_entry(b->w, &link, &(struct tree_content){ .fd = -1 }, &err), &err);
    assert_int_equal(fstatat(b->dir->fd, "f", &st, 0), 0);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(st.st_mode, S_IFREG | 04711);
    assert_int_equal(st.st_uid, 12);
    assert_int_equal(st.st_gid, 34);
}

/* What is made in a set-group-ID directory begins with its group. */
static void owners_and_modes_are_as_the_entry_says(void **state)
{
    static const struct tar_entry entries[] = {
        { .path = "d", .type = TAR_DIR, .mode = 02775, .gid = 8 },
        { .path = "d/root", .type = TAR_FILE, .mode = 0644 },
        { .path = "d/same", .type = TAR_FILE, .mode = 0600, .gid = 8 },
        { .path = "d/bits", .type = TAR_FILE, .mode = 06755, .uid = 5 },
        { .path = "d/none", .type = TAR_FILE, .mode = 0 },
        { .path = "d/below", .type = TAR_DIR, .mode = 01777 },
        { .path = "d/link", .type = TAR_SYMLINK, .mode = 0777, .link = "root", .uid = 3 },
        { .path = "d/pipe", .type = TAR_FIFO, .mode = 0620, .uid = 7, .gid = 6 },
    };
    struct bench *b = *state;
    need_root();
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < COUNT(entries); i++) {
            const struct tar_entry *e = &entries[i];
            struct error err = { 0 };
            struct stat st;
            assert_ok(tree_writer_entry(b->w, e, &(struct tree_content){ .fd = -1 }, &err), &err);
            assert_int_equal(fstatat(b->dir->fd, e->path, &st, AT_SYMLINK_NOFOLLOW), 0);
            assert_int_equal(st.st_mode & 07777, e->mode);
            assert_int_equal(st.st_uid, e->uid);
            assert_int_equal(st.st_gid, e->gid);
            assert_int_equal(st.st_nlink, e->type == TAR_DIR ? 2 + (i == 0 && again) : 1);
        }
    }
}

#define BENCH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { BENCH_TEST(types_are_kept_if_asked),
                                        BENCH_TEST(what_was_written_is_found),
                                        BENCH_TEST(a_links_header_is_the_files),
                                        BENCH_TEST(owners_and_modes_are_as_the_entry_says) };
    return cmocka_run_group_tests_name("tree_writer", tests, NULL, NULL);
}
