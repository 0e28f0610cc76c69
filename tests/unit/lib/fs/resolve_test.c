/* SPDX-License-Identifier: Apache-2.0 */
/* Paths in a hostile root, by openat2 and by the walk: both must give the same answers. */
#include "lib/fs/resolve.h"

#include <fcntl.h>

#include "lib/base/mem.h"
#include "lib/fs/dir.h"
#include "tests/support/test.h"

static int build_root(void **state)
{
    static const char *const links[][2] = {
        { "/etc/file", "abs" },
        { "etc/file", "rel" },
        { "../../etc/file", "up" },
        { "/etc", "dir" },
        { "none/x", "dangling" },
        { "loop2", "loop1" },
        { "loop1", "loop2" },
        { "self", "self" },
        { "/", "top" },
        { "/proc/self/root", "magic" },
        { "etc/file/", "slashed" },
        { "..", "etc/parent" },
        { "../rel", "etc/two" },
        { "etc/.", "dotted" },
    };
    if (test_dir_setup(state) < 0)
        return -1;
    const struct test_dir *dir = *state;
    mkdirat(dir->fd, "etc", 0755);
    mkdirat(dir->fd, "etc/deep", 0755);
    test_write_file(dir->fd, "etc/file", "inside");
    for (size_t i = 0; i < COUNT(links); i++)
        assert_int_equal(symlinkat(links[i][0], dir->fd, links[i][1]), 0);
    return 0;
}

static const struct open_case {
    const char *path;
    int flags;
    int sys;           /* 0: it opens */
    const char *leads; /* the same file as this, without links */
} opens[] = {
    { "etc/file", O_RDONLY, 0, "etc/file" },
    { "/etc/file", O_RDONLY, 0, "etc/file" },
    { "//etc//./file", O_RDONLY, 0, "etc/file" },
    { "abs", O_RDONLY, 0, "etc/file" },
    { "rel", O_RDONLY, 0, "etc/file" },
    { "up", O_RDONLY, 0, "etc/file" },
    { "etc/two", O_RDONLY, 0, "etc/file" },
    { "dir/file", O_RDONLY, 0, "etc/file" },
    { "top/etc/file", O_RDONLY, 0, "etc/file" },
    { "etc/parent/etc/file", O_RDONLY, 0, "etc/file" },
    { "../../etc/file", O_RDONLY, 0, "etc/file" },
    { "etc/../../etc/file", O_RDONLY, 0, "etc/file" },
    { "dir/../etc/file", O_RDONLY, 0, "etc/file" },
    { "", O_RDONLY, 0, "." },
    { ".", O_RDONLY, 0, "." },
    { "/", O_RDONLY, 0, "." },
    { "..", O_RDONLY, 0, "." },
    { "top", O_RDONLY | O_DIRECTORY, 0, "." },
    { "etc/", O_RDONLY, 0, "etc" },
    { "dir/", O_RDONLY, 0, "etc" },
    { "dotted", O_RDONLY, 0, "etc" },
    { "etc/deep/..", O_PATH, 0, "etc" },
    { "etc/file/", O_RDONLY, ENOTDIR, NULL },
    { "etc/file/.", O_RDONLY, ENOTDIR, NULL },
    { "etc/file/..", O_RDONLY, ENOTDIR, NULL },
    { "etc/file/x", O_RDONLY, ENOTDIR, NULL },
    { "abs/", O_RDONLY, ENOTDIR, NULL },
    { "slashed", O_RDONLY, ENOTDIR, NULL },
    { "abs/x", O_RDONLY, ENOTDIR, NULL },
    { "none", O_RDONLY, ENOENT, NULL },
    { "none/", O_RDONLY, ENOENT, NULL },
    { "none/..", O_RDONLY, ENOENT, NULL },
    { "dangling", O_RDONLY, ENOENT, NULL },
    { "dangling/x", O_RDONLY, ENOENT, NULL },
    { "loop1", O_RDONLY, ELOOP, NULL },
    { "self/x", O_RDONLY, ELOOP, NULL },
    { "magic", O_RDONLY, ENOENT, NULL },
    { "magic/etc", O_RDONLY, ENOENT, NULL },
    { "abs", O_RDONLY | O_NOFOLLOW, ELOOP, NULL },
    { "abs", O_PATH | O_NOFOLLOW, 0, "abs" },
    { "dir/parent", O_PATH | O_NOFOLLOW, 0, "etc/parent" },
    { "dir/", O_PATH | O_NOFOLLOW, 0, "etc" },
    { "etc/file", O_RDONLY | O_DIRECTORY, ENOTDIR, NULL },
    { "etc/file", O_PATH | O_DIRECTORY, ENOTDIR, NULL },
    { "abs", O_PATH | O_DIRECTORY, ENOTDIR, NULL },
    { "dir", O_PATH | O_DIRECTORY | O_NOFOLLOW, ENOTDIR, NULL },
    { "etc", O_PATH | O_DIRECTORY, 0, "etc" },
};

static void check_open(int root, const struct open_case *c, const char *how)
{
    struct stat wanted;
    struct stat st;
    errno = 0;
    auto_close int fd = root_open(root, c->path, c->flags);
    int sys = fd < 0 ? errno : 0;
    if (sys != c->sys)
        fail_msg("%s \"%s\" flags %o: errno %d, not %d", how, c->path, (unsigned)c->flags, sys,
                 c->sys);
    if (sys)
        return;
    assert_int_equal(fstatat(root, c->leads, &wanted, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(fstat(fd, &st), 0);
    if (st.st_ino != wanted.st_ino || st.st_dev != wanted.st_dev)
        fail_msg("%s \"%s\" leads elsewhere", how, c->path);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

/* setenv is banned in the program; a test may want it. */
static char no_openat2[] = "MLBUILD_TEST_NO_OPENAT2=1";
static char *environment[] = { no_openat2, NULL };

static void opens_alike(void **state)
{
    const struct test_dir *dir = *state;
    char **saved = environ;
    for (size_t i = 0; i < COUNT(opens); i++)
        check_open(dir->fd, &opens[i], "openat2");
    environ = environment;
    for (size_t i = 0; i < COUNT(opens); i++)
        check_open(dir->fd, &opens[i], "walk");
    environ = saved;
}

static void long_names_are_refused(void **state)
{
    const struct test_dir *dir = *state;
    char **saved = environ;
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    for (int i = 0; i < 2; i++) {
        assert_int_equal(root_open(dir->fd, name, O_RDONLY), -1);
        assert_int_equal(errno, ENAMETOOLONG);
        environ = environment;
    }
    environ = saved;
}

static const struct resolve_case {
    const char *path;
    bool follow;
    const char *leads; /* NULL: an error */
    bool exists;
    size_t existing;
} resolves[] = {
    { "/etc/file", true, "etc/file", true, 8 },
    { "abs", true, "etc/file", true, 8 },
    { "abs", false, "abs", true, 3 },
    { "/", true, "", true, 0 },
    { "..", true, "", true, 0 },
    { "dir/deep/new", true, "etc/deep/new", false, 8 },
    { "dir/a/b/../c", true, "etc/a/c", false, 3 },
    { "dir/a/../../b", true, "b", false, 0 },
    { "dangling", true, "none/x", false, 0 },
    { "dangling/y", true, "none/x/y", false, 0 },
    { "dangling", false, "dangling", true, 8 },
    { "new/", true, "new", false, 0 },
    { "etc/./new", true, "etc/new", false, 3 },
    { "etc/file/x", true, NULL, false, 0 },
    { "loop1", true, NULL, false, 0 },
    { "loop1/x", true, NULL, false, 0 },
};

static void resolves_as_far_as_it_goes(void **state)
{
    const struct test_dir *dir = *state;
    for (size_t i = 0; i < COUNT(resolves); i++) {
        const struct resolve_case *c = &resolves[i];
        struct error err = { 0 };
        auto_(resolved) struct resolved r = { 0 };
        int rc = root_resolve(dir->fd, c->path, c->follow, &r, &err);
        if (!c->leads) {
            assert_error(rc, &err, ERROR_USER, c->path);
            continue;
        }
        assert_ok(rc, &err);
        assert_string_equal(r.path, c->leads);
        assert_int_equal(r.exists, c->exists);
        if (r.existing != c->existing)
            fail_msg("%s: %zu bytes exist, not %zu", c->path, r.existing, c->existing);
    }
}

static void beneath_takes_no_links(void **state)
{
    static const struct {
        const char *path;
        bool ok;
    } cases[] = {
        { "etc/file", true },  { "etc", true },   { "", true },           { "abs", false },
        { "dir/file", false }, { "../x", false }, { "/etc/file", false },
    };
    const struct test_dir *dir = *state;
    char **saved = environ;
    for (int way = 0; way < 2; way++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            auto_close int fd = beneath_open(dir->fd, cases[i].path, O_RDONLY, 0);
            if ((fd >= 0) != cases[i].ok)
                fail_msg("way %d, %s: %d", way, cases[i].path, errno);
        }
        environ = environment;
    }
    environ = saved;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_alike),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(resolves_as_far_as_it_goes),
        cmocka_unit_test(beneath_takes_no_links),
    };
    return cmocka_run_group_tests_name("resolve", tests, build_root, test_dir_teardown);
}
