/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/rootfs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/test.h"

static void a_raised_cancel_stops_the_export(void **state)
{
    struct error err = { 0 };
    struct cancel cancel;
    const struct diff_options times = { 0 };
    const struct rootfs_options options = { .diff = &times, .cancel = &cancel };
    char *path = test_tmpdir();
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)state;
    mkdirat(dir, "root", 0755);
    mkdirat(dir, "dest", 0755);
    test_write_file(dir, "root/file", "content");
    int root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int dest = openat(dir, "dest", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(cancel_init(&cancel, &err), &err);
    assert_ok(rootfs_write_dir(root, &options, dest, &err), &err);
    assert_int_equal(unlinkat(dest, "file", 0), 0);
    cancel_raise(&cancel);
    assert_error(rootfs_write_dir(root, &options, dest, &err), &err, ERROR_CANCELLED,
                 "interrupted");
    assert_int_equal(faccessat(dest, "file", F_OK, 0), -1);
    cancel_release(&cancel);
    close(root);
    close(dest);
    close(dir);
    test_tmpdir_remove(path);
}

/* A root and a destination beside each other. */
struct trees {
    struct test_dir dir;
    int root, dest;
    struct thread_pool *pool; /* NULL: without */
};

static void trees_open(struct trees *t, bool with_pool)
{
    t->dir.path = test_tmpdir();
    t->dir.fd = open(t->dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mkdirat(t->dir.fd, "root", 0755);
    mkdirat(t->dir.fd, "dest", 0755);
    t->root = openat(t->dir.fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t->dest = openat(t->dir.fd, "dest", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t->pool = with_pool ? thread_pool_new(4) : NULL;
}

static void trees_close(struct trees *t)
{
    thread_pool_free(t->pool);
    close(t->root);
    close(t->dest);
    close(t->dir.fd);
    test_tmpdir_remove(t->dir.path);
}

static int write_dir(const struct trees *t, struct meter *meter, struct error *err)
{
    const struct diff_options times = { 0 };
    const struct rootfs_options options = { .diff = &times, .pool = t->pool, .meter = meter };
    return rootfs_write_dir(t->root, &options, t->dest, err);
}

static void assert_text(int dir, const char *path, const char *text)
{
    char *found = test_read_file(dir, path);
    assert_string_equal(found, text);
    free(found);
}

enum { FOLDERS = 30, FILES = 100 };

static void make_many(int root)
{
    for (int folder = 0; folder < FOLDERS; folder++) {
        char name[64];
        snprintf(name, sizeof name, "%d", folder);
        mkdirat(root, name, 0755);
        for (int file = 0; file < FILES; file++) {
            snprintf(name, sizeof name, "%d/%d", folder, file);
            test_write_file(root, name, name);
        }
    }
}

static void ignore(struct progress_sink *sink, const struct progress_event *e)
{
    (void)sink;
    (void)e;
}

static void many_files(void **state)
{
    struct progress_sink nobody = { .event = ignore };
    struct progress progress;
    (void)state;
    progress_init(&progress, &nobody);
    for (int with_pool = 0; with_pool < 2; with_pool++) {
        struct error err = { 0 };
        struct trees t;
        struct meter meter;
        size_t bytes = 0;
        trees_open(&t, with_pool);
        make_many(t.root);
        meter_start(&meter, &progress, 0, "writing", 0);
        assert_ok(write_dir(&t, &meter, &err), &err);
        for (int i = 0; i < FOLDERS * FILES; i++) {
            char name[64];
            snprintf(name, sizeof name, "%d/%d", i / FILES, i % FILES);
            assert_text(t.dest, name, name);
            bytes += strlen(name);
        }
        assert_int_equal(atomic_load(&meter.current), bytes);
        trees_close(&t);
    }
}

/* The first name may still be on its way when the second one comes. */
static void links_follow_their_files(void **state)
{
    (void)state;
    struct error err = { 0 };
    struct stat one;
    struct stat two;
    struct trees t;

    trees_open(&t, true);
    make_many(t.root);
    test_write_file(t.root, "a", "linked");
    for (int folder = 0; folder < FOLDERS; folder++) {
        char name[64];
        snprintf(name, sizeof name, "%d/z", folder);
        assert_int_equal(linkat(t.root, "a", t.root, name, 0), 0);
    }
    assert_int_equal(symlinkat("a", t.root, "s"), 0);
    assert_int_equal(linkat(t.root, "s", t.root, "t", 0), 0);
    test_write_file(t.dest, "t", "in the way");
    assert_ok(write_dir(&t, NULL, &err), &err);
    assert_int_equal(fstatat(t.dest, "0/z", &one, 0), 0);
    assert_int_equal(fstatat(t.dest, "a", &two, 0), 0);
    assert_int_equal(one.st_ino, two.st_ino);
    assert_int_equal(one.st_nlink, FOLDERS + 1);
    assert_int_equal(fstatat(t.dest, "t", &one, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISLNK(one.st_mode) && one.st_nlink == 2);
    trees_close(&t);
}

/* What is in the destination: files give way and are not written through, directories merge, links
 * are not followed, a directory with something in it is the user's. */
static void the_destination_is_not_empty(void **state)
{
    (void)state;
    struct error err = { 0 };
    struct stat st;
    struct trees t;

    trees_open(&t, true);
    mkdirat(t.root, "dir", 0750);
    test_write_file(t.root, "dir/file", "new");
    test_write_file(t.root, "linked", "new");
    test_write_file(t.root, "empty", "new");
    test_write_file(t.root, "mode", "new");
    assert_int_equal(fchmodat(t.root, "mode", 04751, 0), 0);
    mkdirat(t.dest, "dir", 0700);
    mkdirat(t.dest, "empty", 0700);
    test_write_file(t.dest, "dir/file", "old");
    test_write_file(t.dest, "dir/mine", "mine");
    test_write_file(t.dir.fd, "outside", "outside");
    assert_int_equal(symlinkat("../outside", t.dest, "linked"), 0);
    assert_ok(write_dir(&t, NULL, &err), &err);
    assert_text(t.dest, "dir/file", "new");
    assert_text(t.dest, "dir/mine", "mine");
    assert_text(t.dest, "linked", "new");
    assert_text(t.dest, "empty", "new");
    assert_text(t.dir.fd, "outside", "outside");
    assert_int_equal(fstatat(t.dest, "mode", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0751);

    unlinkat(t.dest, "empty", 0);
    mkdirat(t.dest, "empty", 0700);
    test_write_file(t.dest, "empty/mine", "mine");
    assert_error(write_dir(&t, NULL, &err), &err, ERROR_USER, "replace empty in the destination");
    assert_text(t.dest, "empty/mine", "mine");

    /* a directory on the way that is a link, to one that is there */
    unlinkat(t.dest, "dir/file", 0);
    unlinkat(t.dest, "dir/mine", 0);
    unlinkat(t.dest, "dir", AT_REMOVEDIR);
    mkdirat(t.dir.fd, "elsewhere", 0700);
    assert_int_equal(symlinkat("../elsewhere", t.dest, "dir"), 0);
    assert_error(write_dir(&t, NULL, &err), &err, ERROR_USER, "dir in the destination is not");
    assert_int_equal(faccessat(t.dir.fd, "elsewhere/file", F_OK, 0), -1);
    trees_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raised_cancel_stops_the_export),
        cmocka_unit_test(many_files),
        cmocka_unit_test(links_follow_their_files),
        cmocka_unit_test(the_destination_is_not_empty),
    };
    return cmocka_run_group_tests_name("rootfs", tests, NULL, NULL);
}
