/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes as images have them. */
#include "lib/fs/entry.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include "tests/support/test.h"

static void describe(int dir_fd, struct fs_entry *out)
{
    struct error err = { 0 };
    enum fs_entry_kind kind = FS_ENTRY_SOCKET;
    assert_ok(fs_entry_open(dir_fd, "file", "file", out, &kind, &err), &err);
    assert_int_equal(kind, FS_ENTRY_ORDINARY);
}

static void a_capability_of_a_namespace_is_one_like_any_other(void **state)
{
    const struct test_dir *dir = *state;
    static const unsigned char plain[20] = { 1, 0, 0, 2, 0, 0x20 };
    static const unsigned char of_a_namespace[24] = { 1, 0, 0, 3, 0, 0x20, [20] = 0xe8, 3 };
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    test_write_file(dir->fd, "file", "text");
    auto_close int fd = openat(dir->fd, "file", O_RDONLY | O_CLOEXEC);
    if (geteuid() != 0)
        skip(); /* only root of the host sets such */
    assert_int_equal(fsetxattr(fd, "security.capability", of_a_namespace, sizeof of_a_namespace, 0),
                     0);
    describe(dir->fd, &e);
    assert_int_equal(e.tar.xattr_count, 1);
    assert_int_equal(e.tar.xattrs[0].len, sizeof plain);
    assert_memory_equal(e.tar.xattrs[0].value, plain, sizeof plain);
}

static void attributes_are_sorted_and_those_of_overlayfs_left_out(void **state)
{
    static const char *const names[] = { "user.z", "user.overlay.opaque", "user.a", "user.a=b",
                                         "user.overlay.overlay.x" };
    static const char *const want[] = { "user.a", "user.overlay.x", "user.z" };
    const struct test_dir *dir = *state;
    auto_(fs_entry) struct fs_entry e = { .fd = -1 };
    test_write_file(dir->fd, "file", "text");
    auto_close int fd = openat(dir->fd, "file", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(fsetxattr(fd, names[i], "v", 1, 0), 0);
    describe(dir->fd, &e);
    assert_int_equal(e.tar.xattr_count, COUNT(want));
    for (size_t i = 0; i < COUNT(want); i++)
        assert_string_equal(e.tar.xattrs[i].name, want[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_capability_of_a_namespace_is_one_like_any_other,
                                        test_dir_setup, test_dir_teardown),
        cmocka_unit_test_setup_teardown(attributes_are_sorted_and_those_of_overlayfs_left_out,
                                        test_dir_setup, test_dir_teardown),
    };
    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
