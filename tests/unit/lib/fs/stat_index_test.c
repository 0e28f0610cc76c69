/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/stat_index.h"

#include <fcntl.h>
#include <time.h>

#include "lib/base/fd.h"
#include "tests/support/test.h"

/* A file that was last touched long ago. */
static struct stat old_file(ino_t ino)
{
    return (struct stat){ .st_dev = 1,
                          .st_ino = ino,
                          .st_size = 10,
                          .st_mtim = { 1700000000, 5 },
                          .st_ctim = { 1700000000, 5 } };
}

static const char *const paths[] = { "A", "a/b", "a/b/c", "a/z", "a.x", "a0", "b" };

static void fill(int dir_fd)
{
    auto_(stat_index) struct stat_index *x = stat_index_open(dir_fd, "index");
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct stat st = old_file(i + 1);
        struct digest d = { { (unsigned char)i } };
        struct digest found;
        assert_false(stat_index_find(x, paths[i], &st, &found));
        stat_index_add(x, paths[i], &st, &d);
    }
    stat_index_commit(x);
}

static void remembers_in_walk_order(void **state)
{
    const struct test_dir *dir = *state;
    fill(dir->fd);
    auto_(stat_index) struct stat_index *x = stat_index_open(dir->fd, "index");
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct stat st = old_file(i + 1);
        struct digest d;
        assert_true(stat_index_find(x, paths[i], &st, &d));
        assert_int_equal(d.bytes[0], i);
        stat_index_add(x, paths[i], &st, &d);
    }
    stat_index_commit(x);
}

/* The first `count` paths without one, and with one changed (COUNT(paths): none), all asked for
 * before they are added. */
static void update(int dir_fd, const char *name, size_t gone, size_t changed, size_t count)
{
    auto_(stat_index) struct stat_index *x = stat_index_open(dir_fd, name);
    struct digest digests[COUNT(paths)];
    struct stat st[COUNT(paths)];
    for (size_t i = 0; i < count; i++) {
        st[i] = old_file(i + 1);
        st[i].st_size += i == changed;
        if (i != gone && !stat_index_find(x, paths[i], &st[i], &digests[i]))
            digests[i] = (struct digest){ { (unsigned char)i } };
    }
    for (size_t i = 0; i < count; i++) {
        if (i != gone)
            stat_index_add(x, paths[i], &st[i], &digests[i]);
    }
    stat_index_commit(x);
}

static void assert_same_files(int dir_fd, const char *a, const char *b)
{
    auto_(strbuf) struct strbuf left = STRBUF_INIT;
    auto_(strbuf) struct strbuf right = STRBUF_INIT;
    auto_(error) struct error err = { 0 };
    assert_int_equal(fd_read_file(dir_fd, a, SIZE_MAX / 2, &left, &err), 0);
    assert_int_equal(fd_read_file(dir_fd, b, SIZE_MAX / 2, &right, &err), 0);
    assert_int_equal(left.len, right.len);
    assert_memory_equal(left.buf, right.buf, left.len);
}

static void what_stays_at_its_start_is_as_if_written_anew(void **state)
{
    const struct test_dir *dir = *state;
    for (size_t gone = 0; gone <= COUNT(paths); gone++) {
        for (size_t changed = 0; changed <= COUNT(paths); changed++) {
            fill(dir->fd);
            update(dir->fd, "index", gone, changed, COUNT(paths));
            update(dir->fd, "fresh", gone, changed, COUNT(paths));
            assert_same_files(dir->fd, "index", "fresh");
            assert_int_equal(unlinkat(dir->fd, "index", 0), 0);
            assert_int_equal(unlinkat(dir->fd, "fresh", 0), 0);
        }
    }
}

/* Finds of `count` files are so far ahead of their adds. */
static void walk_unchanged(int dir_fd, size_t count, size_t ahead)
{
    auto_(stat_index) struct stat_index *x = stat_index_open(dir_fd, "index");
    struct digest d;
    for (size_t i = 0; i < count + ahead; i++) {
        if (i < count) {
            struct stat st = old_file(i + 1);
            assert_true(stat_index_find(x, paths[i], &st, &d));
        }
        if (i >= ahead) {
            struct stat st = old_file(i - ahead + 1);
            d = (struct digest){ { (unsigned char)(i - ahead) } };
            stat_index_add(x, paths[i - ahead], &st, &d);
        }
    }
    stat_index_commit(x);
}

/* ... but is marked as used: unused ones are collected. */
static void an_index_that_says_the_same_is_left_alone(void **state)
{
    static const struct timespec old[2] = { { 1700000000, 0 }, { 1700000000, 0 } };
    const struct test_dir *dir = *state;
    for (size_t count = 1; count <= COUNT(paths); count++) {
        struct stat before;
        struct stat after;
        update(dir->fd, "index", COUNT(paths), COUNT(paths), count);
        for (size_t ahead = 0; ahead <= count; ahead++) {
            assert_int_equal(utimensat(dir->fd, "index", old, 0), 0);
            assert_int_equal(fstatat(dir->fd, "index", &before, 0), 0);
            walk_unchanged(dir->fd, count, ahead);
            assert_int_equal(fstatat(dir->fd, "index", &after, 0), 0);
            assert_int_equal(after.st_ino, before.st_ino);
            assert_true(after.st_mtim.tv_sec > before.st_mtim.tv_sec);
        }
        assert_int_equal(unlinkat(dir->fd, "index", 0), 0);
    }
}

static void skips_what_is_gone_and_new(void **state)
{
    const struct test_dir *dir = *state;
    fill(dir->fd);
    auto_(stat_index) struct stat_index *x = stat_index_open(dir->fd, "index");
    struct digest d;
    struct stat st = old_file(2);
    assert_true(stat_index_find(x, "a/b", &st, &d));
    assert_false(stat_index_find(x, "a/new", &st, &d));
    st = old_file(4);
    assert_true(stat_index_find(x, "a/z", &st, &d));
    st = old_file(7);
    assert_true(stat_index_find(x, "b", &st, &d));
    assert_false(stat_index_find(x, "c", &st, &d));
}

static void any_changed_field_counts(void **state)
{
    const struct test_dir *dir = *state;
    for (int field = 0; field < 7; field++) {
        struct stat st = old_file(1);
        struct digest d;
        fill(dir->fd);
        auto_(stat_index) struct stat_index *x = stat_index_open(dir->fd, "index");
        st.st_dev += field == 0;
        st.st_ino += field == 1;
        st.st_size += field == 2;
        st.st_mtim.tv_sec += field == 3;
        st.st_mtim.tv_nsec += field == 4;
        st.st_ctim.tv_sec += field == 5;
        st.st_ctim.tv_nsec += field == 6;
        assert_false(stat_index_find(x, paths[0], &st, &d));
        assert_int_equal(unlinkat(dir->fd, "index", 0), 0);
    }
}

/* Adds one file with these stamps and says whether the next build trusts it. */
static bool is_remembered(int dir_fd, struct timespec modified, struct timespec changed)
{
    struct stat st = old_file(1);
    struct digest d = { { 0 } };
    st.st_mtim = modified;
    st.st_ctim = changed;
    struct stat_index *x = stat_index_open(dir_fd, "racy");
    bool found = stat_index_find(x, "f", &st, &d);
    assert_false(found);
    stat_index_add(x, "f", &st, &d);
    stat_index_commit(x);
    stat_index_free(x);
    x = stat_index_open(dir_fd, "racy");
    found = stat_index_find(x, "f", &st, &d);
    stat_index_free(x);
    unlinkat(dir_fd, "racy", 0);
    return found;
}

static void fresh_files_are_not_trusted(void **state)
{
    const struct test_dir *dir = *state;
    struct timespec now;
    struct timespec old = { 1700000000, 5 };
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    struct timespec future = { now.tv_sec + 100, 5 };
    struct timespec second_ago = { now.tv_sec - 1, now.tv_nsec | 1 };
    struct timespec coarse = { now.tv_sec - 1, 0 };
    struct timespec coarse_old = { now.tv_sec - 10, 0 };
    assert_true(is_remembered(dir->fd, old, old));
    assert_false(is_remembered(dir->fd, now, old));
    assert_false(is_remembered(dir->fd, old, now));
    assert_false(is_remembered(dir->fd, future, old));
    assert_false(is_remembered(dir->fd, old, future));
    assert_true(is_remembered(dir->fd, second_ago, old));
    assert_false(is_remembered(dir->fd, coarse, old));
    assert_true(is_remembered(dir->fd, coarse_old, coarse_old));
    /* Years that no count of nanoseconds reaches. */
    assert_false(is_remembered(dir->fd, (struct timespec){ INT64_MAX, 5 }, old));
    assert_false(is_remembered(dir->fd, (struct timespec){ 15032385535, 5 }, old));
    assert_true(is_remembered(dir->fd, (struct timespec){ INT64_MIN, 5 }, old));
}

/* Cut anywhere or filled with noise, it is an index that knows less, never one that lies. */
static void torn_files_are_empty(void **state)
{
    const struct test_dir *dir = *state;
    fill(dir->fd);
    struct stat whole;
    assert_int_equal(fstatat(dir->fd, "index", &whole, 0), 0);
    for (off_t len = 0; len < whole.st_size; len += 13) {
        unlinkat(dir->fd, "index", 0);
        fill(dir->fd);
        auto_close int fd = openat(dir->fd, "index", O_RDWR | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, len), 0);
        assert_int_equal(ftruncate(fd, whole.st_size), 0);
        auto_(stat_index) struct stat_index *x = stat_index_open(dir->fd, "index");
        for (size_t i = 0; i < COUNT(paths); i++) {
            struct stat st = old_file(i + 1);
            struct digest d;
            if (stat_index_find(x, paths[i], &st, &d))
                assert_int_equal(d.bytes[0], i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(remembers_in_walk_order, test_dir_setup, test_dir_teardown),
        cmocka_unit_test_setup_teardown(what_stays_at_its_start_is_as_if_written_anew,
                                        test_dir_setup, test_dir_teardown),
        cmocka_unit_test_setup_teardown(an_index_that_says_the_same_is_left_alone, test_dir_setup,
                                        test_dir_teardown),
        cmocka_unit_test_setup_teardown(skips_what_is_gone_and_new, test_dir_setup,
                                        test_dir_teardown),
        cmocka_unit_test_setup_teardown(any_changed_field_counts, test_dir_setup,
                                        test_dir_teardown),
        cmocka_unit_test_setup_teardown(fresh_files_are_not_trusted, test_dir_setup,
                                        test_dir_teardown),
        cmocka_unit_test_setup_teardown(torn_files_are_empty, test_dir_setup, test_dir_teardown),
    };
    return cmocka_run_group_tests_name("stat_index", tests, NULL, NULL);
}
