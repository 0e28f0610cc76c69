/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/error.h"

#include "tests/support/test.h"

static void the_first_error_wins(void **state)
{
    struct error err = { 0 };
    (void)state;
    assert_int_equal(error_set(&err, ERROR_USER, 0, "first %d", 1), -1);
    assert_int_equal(error_set(&err, ERROR_SYSTEM, ENOENT, "second"), -1);
    assert_int_equal(error_wrap(&err, "outer"), -1);
    assert_int_equal(error_hint(&err, "try"), -1);
    assert_int_equal(error_hint(&err, "not this"), -1);
    assert_int_equal(err.kind, ERROR_USER);
    assert_string_equal(err.message, "outer: first 1");
    assert_string_equal(err.hint, "try");
    error_at(&err, (struct position){ .line = 3, .end_line = 3 });
    error_at(&err, (struct position){ .line = 9, .end_line = 9 });
    assert_int_equal(err.where.line, 3);
    error_clear(&err);
    assert_false(error_is_set(&err));
    assert_null(err.message);
}

static void system_errors_say_why(void **state)
{
    struct error err = { 0 };
    (void)state;
    error_set(&err, ERROR_SYSTEM, ENOENT, "open x");
    assert_string_equal(err.message, "open x: No such file or directory");
    assert_int_equal(err.sys, ENOENT);
    error_clear(&err);
    error_set(&err, ERROR_SYSTEM, ENOSPC, "write x");
    assert_int_equal(err.kind, ERROR_NO_SPACE);
    error_clear(&err);
    error_set(&err, ERROR_SYSTEM, EDQUOT, "write x");
    assert_int_equal(err.kind, ERROR_NO_SPACE);
    error_clear(&err);
}

static void moves(void **state)
{
    struct error from = { 0 };
    struct error to = { 0 };
    (void)state;
    error_set(&from, ERROR_REMOTE, 0, "no");
    error_move(&to, &from);
    assert_false(error_is_set(&from));
    assert_string_equal(to.message, "no");
    error_clear(&to);
    error_clear(&from);
}

static void of_several_the_first_stays(void **state)
{
    struct error errs[3] = { 0 };
    struct error err = { 0 };
    (void)state;
    error_set(&errs[1], ERROR_REMOTE, 0, "one");
    error_set(&errs[2], ERROR_USER, 0, "two");
    assert_int_equal(error_first(&err, &errs[0]), 0);
    assert_int_equal(error_first(&err, &errs[1]), -1);
    assert_int_equal(error_first(&err, &errs[2]), -1);
    assert_string_equal(err.message, "one");
    assert_false(error_is_set(&errs[1]) || error_is_set(&errs[2]));
    error_clear(&err);
    error_clear(&errs[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_error_wins),
        cmocka_unit_test(system_errors_say_why),
        cmocka_unit_test(moves),
        cmocka_unit_test(of_several_the_first_stays),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
