/* SPDX-License-Identifier: Apache-2.0 */
/* copy_tree: the copy has what the original has, and nothing is followed. */
#include "lib/fs/copy_tree.h"

#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static void copies_all(void **state)
{
    const struct test_dir *d = *state;
    struct error err = { 0 };
    struct stat a;
    struct stat b;
    const struct timespec times[2] = { { 1000, 5 }, { 2000, 7 } };
    mkdirat(d->fd, "from", 0750);
    mkdirat(d->fd, "from/dir", 0700);
    mkdirat(d->fd, "from/dir/deep", 0500);
    test_write_file(d->fd, "from/dir/file", "text");
    assert_int_equal(fchmodat(d->fd, "from/dir/file", 04711, 0), 0);
    assert_int_equal(linkat(d->fd, "from/dir/file", d->fd, "from/second", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", d->fd, "from/link"), 0);
    assert_int_equal(mkfifoat(d->fd, "from/pipe", 0640), 0);
    auto_close int file = openat(d->fd, "from/dir/file", O_RDONLY | O_CLOEXEC);
    bool has_xattrs = fsetxattr(file, "user.mark", "x", 1, 0) == 0;
    assert_int_equal(futimens(file, times), 0);
    assert_int_equal(utimensat(d->fd, "from/dir", times, 0), 0);
    mkdirat(d->fd, "to", 0700);
    auto_close int from = openat(d->fd, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int to = openat(d->fd, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(copy_tree(from, to, NULL, &err), &err);

    char link[32] = { 0 };
    auto_free char *text = test_read_file(to, "second");
    assert_string_equal(text, "text");
    assert_int_equal(fstatat(to, "dir/file", &a, 0), 0);
    assert_int_equal(fstatat(to, "second", &b, 0), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(a.st_mode & 07777, 04711);
    assert_int_equal(a.st_mtim.tv_sec, 2000);
    assert_int_equal(fstatat(to, "dir", &a, 0), 0);
    assert_int_equal(a.st_mtim.tv_nsec, 7);
    assert_int_equal(fstat(to, &a), 0);
    assert_int_equal(a.st_mode & 07777, 0750);
    assert_int_equal(fstatat(to, "pipe", &a, 0), 0);
    assert_true(S_ISFIFO(a.st_mode));
    assert_int_equal(readlinkat(to, "link", link, sizeof link - 1), 11);
    auto_close int copy = openat(to, "dir/file", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fgetxattr(copy, "user.mark", link, sizeof link), has_xattrs ? 1 : -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_all, test_dir_setup, test_dir_teardown),
    };
    return cmocka_run_group_tests_name("copy_tree", tests, NULL, NULL);
}
