/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fs/dir.h"

#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/fs/walk.h"

enum { DEEP = 6000, FEW_DESCRIPTORS = 256 };

/* tree/d/d/d ... with a file in each; returns a descriptor of the directory that holds it. */
static int make_deep_tree(const char *top, unsigned depth)
{
    int top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = fcntl(top_fd, F_DUPFD_CLOEXEC, 0);
    for (unsigned i = 0; i < depth; i++) {
        const char *name = i ? "d" : "tree";
        assert_int_equal(mkdirat(fd, name, 0700), 0);
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
        close(openat(fd, "0", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    close(fd);
    return top_fd;
}

static void limit_descriptors(rlim_t count)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void deep_trees_are_removed(void **state)
{
    struct error err = { 0 };
    char *top = test_tmpdir();
    int fd = make_deep_tree(top, DEEP);
    (void)state;
    limit_descriptors(FEW_DESCRIPTORS);
    assert_ok(dir_remove(fd, "tree", &err), &err);
    limit_descriptors(RLIM_INFINITY);
    assert_int_equal(faccessat(fd, "tree", F_OK, 0), -1);
    close(fd);
    test_tmpdir_remove(top);
}

static void locked_directories_are_removed(void **state)
{
    struct error err = { 0 };
    char *top = test_tmpdir();
    int fd = make_deep_tree(top, 3);
    (void)state;
    assert_int_equal(fchmodat(fd, "tree/d", 0, 0), 0);
    assert_int_equal(symlinkat("/", fd, "tree/link"), 0);
    assert_ok(dir_remove(fd, "tree", &err), &err);
    assert_ok(dir_remove(fd, "tree", &err), &err);
    close(fd);
    test_tmpdir_remove(top);
}

static int visit(void *arg, const struct walk_item *item, struct error *err)
{
    (void)arg;
    (void)item;
    (void)err;
    return 0;
}

static void walks_end_at_a_depth(void **state)
{
    struct error err = { 0 };
    struct walk_visitor visitor = { .visit = visit };
    char *top = test_tmpdir();
    int fd = make_deep_tree(top, DIR_DEPTH_MAX + 10);
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_max >= DIR_DEPTH_MAX + 64);
    limit_descriptors(limit.rlim_max);
    assert_error(walk_tree(fd, "", NULL, &visitor, &err), &err, ERROR_USER, "inside each other");
    assert_ok(dir_remove(fd, "tree", &err), &err);
    close(fd);
    test_tmpdir_remove(top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deep_trees_are_removed),
        cmocka_unit_test(locked_directories_are_removed),
        cmocka_unit_test(walks_end_at_a_depth),
    };
    return cmocka_run_group_tests_name("dir", tests, NULL, NULL);
}
