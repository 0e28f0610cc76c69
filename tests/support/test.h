/* SPDX-License-Identifier: Apache-2.0 */
/* test.h: cmocka, with the includes it needs, and assertions that print a `struct error`. */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/error.h"

/* The call succeeded; prints why if not. */
#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, (err)->message ? (err)->message : "(no message)");           \
    } while (0)

/* The call failed with this kind, and its message contains `text`. Clears the error. */
#define assert_error(call, err, expected_kind, text)                                               \
    do {                                                                                           \
        if ((call) >= 0)                                                                           \
            fail_msg("%s succeeded", #call);                                                       \
        test_check_error((err), (expected_kind), (text), #call);                                   \
    } while (0)

void test_check_error(struct error *err, enum error_kind kind, const char *text, const char *call);

/* A fresh directory that test_tmpdir_remove deletes with all that is in it. Returns its path (the
 * caller frees it). */
char *test_tmpdir(void);
void test_tmpdir_remove(char *path);

/* The same for a group of tests: setup stores a `struct test_dir` in *state, teardown removes it.
 */
struct test_dir {
    char *path;
    int fd;
};
int test_dir_setup(void **state);
int test_dir_teardown(void **state);

/* Makes a file with this text; a missing parent or any other failure ends the process. */
void test_write_file(int dir_fd, const char *path, const char *text);
/* The text of a file; the caller frees it. */
char *test_read_file(int dir_fd, const char *path);

#endif
