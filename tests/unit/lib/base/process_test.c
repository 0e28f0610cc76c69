/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/process.h"

#include <fcntl.h>
#include <signal.h>

#include "lib/base/mem.h"
#include "tests/support/test.h"

static void shell(const char *script, const char *input, struct process_result *result)
{
    struct error err = { 0 };
    const char *argv[] = { "sh", "-c", script, NULL };
    assert_ok(process_run(argv, input, result, &err), &err);
}

static void collects_output_and_status(void **state)
{
    struct process_result r;
    (void)state;
    shell("cat; echo bad >&2; exit 7", "hello", &r);
    assert_int_equal(r.status, 7);
    assert_string_equal(r.out.buf, "hello");
    assert_string_equal(r.err.buf, "bad\n");
    process_result_release(&r);
    shell("kill -TERM $$", NULL, &r);
    assert_int_equal(r.status, 128 + SIGTERM);
    process_result_release(&r);
    shell("read line; echo \"<$line>\"", NULL, &r);
    assert_string_equal(r.out.buf, "<>\n");
    process_result_release(&r);
}

static void large_input_and_output_do_not_block(void **state)
{
    struct process_result r;
    auto_free char *input = xcalloc(1, 400001);
    (void)state;
    memset(input, 'x', 400000);
    shell("head -c 300000 /dev/zero | tr '\\0' y; cat", input, &r);
    assert_int_equal(r.status, 0);
    assert_int_equal(r.out.len, 700000);
    process_result_release(&r);
}

static void input_that_nobody_reads(void **state)
{
    struct process_result r;
    auto_free char *input = xcalloc(1, 400001);
    (void)state;
    memset(input, 'x', 400000);
    shell("exit 3", input, &r);
    assert_int_equal(r.status, 3);
    process_result_release(&r);
}

static void output_is_bounded(void **state)
{
    struct process_result r;
    (void)state;
    shell("head -c 3000000 /dev/zero", NULL, &r);
    assert_int_equal(r.status, 0);
    assert_true(r.out.len <= PROCESS_OUTPUT_MAX);
    process_result_release(&r);
}

static void inherits_nothing(void **state)
{
    struct process_result r;
    (void)state;
    auto_close int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
    auto_free char *script = xasprintf("test ! -e /proc/$$/fd/%d", fd);
    shell(script, NULL, &r);
    assert_int_equal(r.status, 0);
    process_result_release(&r);
}

static void missing_programs_are_not_found(void **state)
{
    struct error err = { 0 };
    struct process_result r;
    const char *argv[] = { "no-such-program-of-mlbuild", NULL };
    (void)state;
    assert_error(process_run(argv, NULL, &r, &err), &err, ERROR_NOT_FOUND, "run no-such-program");
}

static int ignore_sigpipe(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collects_output_and_status),
        cmocka_unit_test(large_input_and_output_do_not_block),
        cmocka_unit_test(input_that_nobody_reads),
        cmocka_unit_test(output_is_bounded),
        cmocka_unit_test(inherits_nothing),
        cmocka_unit_test(missing_programs_are_not_found),
    };
    return cmocka_run_group_tests_name("process", tests, ignore_sigpipe, NULL);
}
