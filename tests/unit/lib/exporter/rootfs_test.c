/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/exporter/rootfs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/support/test.h"

static void a_raised_cancel_stops_the_export(void **state)
{
    struct error err = { 0 };
    struct cancel cancel;
    const struct diff_options times = { 0 };
    char *path = test_tmpdir();
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)state;
    mkdirat(dir, "root", 0755);
    mkdirat(dir, "dest", 0755);
    test_write_file(dir, "root/file", "content");
    int root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int dest = openat(dir, "dest", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_ok(cancel_init(&cancel, &err), &err);
    assert_ok(rootfs_write_dir(root, &times, &cancel, dest, &err), &err);
    assert_int_equal(unlinkat(dest, "file", 0), 0);
    cancel_raise(&cancel);
    assert_error(rootfs_write_dir(root, &times, &cancel, dest, &err), &err, ERROR_CANCELLED,
                 "interrupted");
    assert_int_equal(faccessat(dest, "file", F_OK, 0), -1);
    cancel_release(&cancel);
    close(root);
    close(dest);
    close(dir);
    test_tmpdir_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raised_cancel_stops_the_export),
    };
    return cmocka_run_group_tests_name("rootfs", tests, NULL, NULL);
}
