/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "frontend/context/dockerfile_source.h"
#include "frontend/context/ignore.h"
#include "lib/base/mem.h"

struct fixture {
    char *dir;
    int fd;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = test_tmpdir();
    f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return f->fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close(f->fd);
    test_tmpdir_remove(f->dir);
    free(f);
    return 0;
}

static void put(const struct fixture *f, const char *name, const char *text)
{
    auto_close int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void finds_default(void **state)
{
    const struct fixture *f = *state;
    auto_(dockerfile_source) struct dockerfile_source s = { 0 };
    struct error err = { 0 };
    put(f, "dockerfile", "FROM lower\n");
    assert_ok(dockerfile_source_read(f->dir, NULL, &s, &err), &err);
    assert_string_equal(s.name, "dockerfile");
    dockerfile_source_release(&s);
    put(f, "Dockerfile", "FROM upper\n");
    assert_ok(dockerfile_source_read(f->dir, NULL, &s, &err), &err);
    assert_string_equal(s.name, "Dockerfile");
    assert_string_equal(s.text.buf, "FROM upper\n");
}

static void finds_named(void **state)
{
    const struct fixture *f = *state;
    auto_(dockerfile_source) struct dockerfile_source s = { 0 };
    struct error err = { 0 };
    assert_int_equal(mkdirat(f->fd, "sub", 0755), 0);
    put(f, "sub/x.Dockerfile", "FROM sub\n");
    auto_free char *path = xasprintf("%s/sub/x.Dockerfile", f->dir);
    assert_ok(dockerfile_source_read("/nonexistent", path, &s, &err), &err);
    assert_string_equal(s.name, "x.Dockerfile");
    assert_string_equal(s.text.buf, "FROM sub\n");
}

static void missing(void **state)
{
    const struct fixture *f = *state;
    struct dockerfile_source s = { 0 };
    auto_(error) struct error err = { 0 };
    assert_int_equal(dockerfile_source_read(f->dir, NULL, &s, &err), -1);
    assert_non_null(strstr(err.message, "there is no Dockerfile in "));
    assert_non_null(strstr(err.message, f->dir));
    assert_non_null(strstr(err.hint, "-f FILE"));
    error_clear(&err);
    put(f, "Containerfile", "FROM x\n");
    assert_int_equal(dockerfile_source_read(f->dir, NULL, &s, &err), -1);
    assert_non_null(strstr(err.hint, "there is a Containerfile"));
    error_clear(&err);
    assert_error(dockerfile_source_read("/nonexistent/x", NULL, &s, &err), &err, ERROR_USER,
                 "directory /nonexistent/x not found");
    assert_int_equal(mkdirat(f->fd, "Dockerfile", 0755), 0);
    assert_error(dockerfile_source_read(f->dir, NULL, &s, &err), &err, ERROR_USER,
                 "not a regular file");
}

static bool ignores(const struct fixture *f, int dockerfile_dir, const char *path)
{
    auto_(pattern_list) struct pattern_list list = { 0 };
    struct error err = { 0 };
    assert_ok(context_ignore_load(f->fd, dockerfile_dir, "Dockerfile", &list, &err), &err);
    return pattern_list_excludes(&list, path, NULL);
}

static void chooses_ignore_file(void **state)
{
    const struct fixture *f = *state;
    assert_false(ignores(f, f->fd, "a"));
    put(f, ".dockerignore", "a\n");
    assert_true(ignores(f, f->fd, "a"));
    put(f, "Dockerfile.dockerignore", "");
    assert_false(ignores(f, f->fd, "a"));
    assert_true(ignores(f, -1, "a"));
    put(f, "Dockerfile.dockerignore", "b\n");
    assert_true(ignores(f, f->fd, "b"));
    assert_false(ignores(f, -1, "b"));
}

static void malformed_ignore_file(void **state)
{
    const struct fixture *f = *state;
    struct pattern_list list;
    struct error err = { 0 };
    put(f, ".dockerignore", "ok\n[\n");
    assert_error(context_ignore_load(f->fd, -1, "Dockerfile", &list, &err), &err, ERROR_USER,
                 "failed parsing .dockerignore: line 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_default, setup, teardown),
        cmocka_unit_test_setup_teardown(finds_named, setup, teardown),
        cmocka_unit_test_setup_teardown(missing, setup, teardown),
        cmocka_unit_test_setup_teardown(chooses_ignore_file, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_ignore_file, setup, teardown),
    };
    return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
