/* SPDX-License-Identifier: Apache-2.0 */
/* COPY of thousands of sources, and of files: linear, in order, by jobs. */
#include <sys/stat.h>

#include "lib/base/mem.h"
#include "tests/support/copy_bench.h"
#include "tests/support/test.h"

#define FROM(number, from)                                                                         \
    {                                                                                              \
        .input = (number), .path = (from)                                                          \
    }
enum { MANY = 5000 };

/* Linear: this takes minutes if any part of it is not. */
static void thousands_of_sources(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    struct copy_source *sources = arena_alloc(&b->graph.arena, MANY, sizeof *sources);
    for (size_t i = 0; i < MANY; i++) {
        const char *name = arena_printf(&b->graph.arena, "f%zu", i);
        sources[i] = (struct copy_source){ .input = 1, .path = name };
        if (i < 100)
            test_write_file(b->context_fd, name, "x");
        else
            sources[i].path = arena_printf(&b->graph.arena, "f%zu", i % 100);
    }
    struct op_copy op = { .sources = sources, .source_count = MANY, .dest = "/d/" };
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_int_equal(b->snapshotter.entries.count, MANY + 1);
    op.parents = true;
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_int_equal(b->snapshotter.entries.count, MANY + 1);
}

/* Directories of some files, the last of which is another name of the first: numbers that sort. */
static void make_many_files(int fd)
{
    for (size_t i = 0; i < MANY; i++) {
        auto_free char *dir = xasprintf("d%02zu", i / 100);
        auto_free char *path = xasprintf("%s/%02zu", dir, i % 100);
        auto_free char *first = xasprintf("%s/00", dir);
        if (i % 100 == 0)
            assert_int_equal(mkdirat(fd, dir, 0755), 0);
        if (i % 100 == 99)
            assert_int_equal(linkat(fd, first, fd, path, 0), 0);
        else if (i % 100 == 50)
            assert_int_equal(symlinkat("00", fd, path), 0);
        else
            test_write_file(fd, path, path);
    }
}

static void thousands_of_files(void **state)
{
    struct copy_bench *b = *state;
    struct error err = { 0 };
    static const struct copy_source sources[] = { FROM(1, ".") };
    struct op_copy op = { .sources = sources, .source_count = 1, .dest = "/to" };
    make_many_files(b->context_fd);
    assert_ok(copy_bench_run(b, &op, &err), &err);
    assert_int_equal(b->snapshotter.entries.count, 1 + MANY + MANY / 100);
    const char *line = strchr(b->written.buf, '\n') + 1;
    for (size_t i = 0; i < MANY; i++) {
        char expected[64];
        if (i % 100 == 0)
            line = strchr(line, '\n') + 1;
        if (i % 100 == 99)
            snprintf(expected, sizeof expected, "to/d%02zu/99 -> to/d%02zu/00\n", i / 100, i / 100);
        else if (i % 100 == 50)
            snprintf(expected, sizeof expected, "to/d%02zu/50 -> 00\n", i / 100);
        else
            snprintf(expected, sizeof expected, "to/d%02zu/%02zu =d%02zu/%02zu\n", i / 100, i % 100,
                     i / 100, i % 100);
        line = strstr(line, " to/") + 1;
        if (strncmp(line, expected, strlen(expected)) != 0)
            fail_msg("%.60s is not %s", line, expected);
        line = strchr(line, '\n') + 1;
    }
    /* Of two that cannot be copied the first one is named. */
    test_write_file(b->context_fd, "d41/.wh.later", "");
    test_write_file(b->context_fd, "d40/.wh.first", "");
    assert_error(copy_bench_run(b, &op, &err), &err, ERROR_USER, "to/d40/.wh.first cannot be part");
}

#define BENCH_TEST(test)                                                                           \
    cmocka_unit_test_setup_teardown(test, copy_bench_setup, copy_bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { BENCH_TEST(thousands_of_sources),
                                        BENCH_TEST(thousands_of_files) };
    return cmocka_run_group_tests_name("copy of many", tests, NULL, NULL);
}
