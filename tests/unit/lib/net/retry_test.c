/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/retry.h"

#include "lib/base/clock.h"
#include "tests/support/test.h"

static void delays_stay_in_their_span(void **state)
{
    (void)state;
    static const struct {
        unsigned tries;
        long retry_after_s;
        unsigned least, most;
    } rows[] = {
        { 1, RETRY_AFTER_NONE, 0, 500 },    { 2, RETRY_AFTER_NONE, 0, 1000 },
        { 6, RETRY_AFTER_NONE, 0, 16000 },  { 7, RETRY_AFTER_NONE, 0, 30000 },
        { 60, RETRY_AFTER_NONE, 0, 30000 }, { 1, 7, 7000, 7500 },
        { 1, 1000000000, 120000, 120500 },  { 1, 0, 0, 500 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (uint64_t random = 0; random < 100000; random += 77) {
            unsigned ms =
                retry_delay_ms(&retry_policy_default, rows[i].tries, rows[i].retry_after_s, random);
            if (ms < rows[i].least || ms > rows[i].most)
                fail_msg("row %zu: %u ms", i, ms);
        }
    }
}

static void tries_are_counted(void **state)
{
    (void)state;
    static const struct retry_policy quick = {
        .max_tries = 3, .base_ms = 1, .cap_ms = 1, .budget_ms = 10000
    };
    struct retry retry = retry_init(&quick, NULL);
    assert_true(retry_wait(&retry, RETRY_AFTER_NONE));
    assert_true(retry_wait(&retry, RETRY_AFTER_NONE));
    assert_false(retry_wait(&retry, RETRY_AFTER_NONE));
}

static void a_wait_beyond_the_budget_is_none(void **state)
{
    (void)state;
    static const struct retry_policy poor = {
        .max_tries = 9, .base_ms = 1, .cap_ms = 1, .budget_ms = 500
    };
    struct retry retry = retry_init(&poor, NULL);
    uint64_t start = clock_monotonic_ns();
    assert_false(retry_wait(&retry, 60));
    assert_true(clock_monotonic_ns() - start < 1000000000U);
}

static void cancelling_ends_the_wait(void **state)
{
    (void)state;
    struct error err = { 0 };
    struct cancel cancel;
    assert_ok(cancel_init(&cancel, &err), &err);
    struct retry retry = retry_init(&retry_policy_default, &cancel);
    cancel_raise(&cancel);
    uint64_t start = clock_monotonic_ns();
    assert_false(retry_wait(&retry, 60));
    assert_true(clock_monotonic_ns() - start < 1000000000U);
    cancel_release(&cancel);
}

struct attempts {
    unsigned made, good; /* number `good` works */
    enum error_kind kind;
    long retry_after_s;
};

static int attempt(void *arg, long *retry_after_s, struct error *err)
{
    struct attempts *a = arg;
    *retry_after_s = a->retry_after_s;
    return ++a->made == a->good ? 0 : error_set(err, a->kind, 0, "no");
}

static void only_what_may_pass_is_done_again(void **state)
{
    (void)state;
    static const struct retry_policy quick = {
        .max_tries = 4, .base_ms = 1, .cap_ms = 1, .budget_ms = 10000
    };
    static const struct {
        struct attempts a;
        unsigned made;
        const char *message; /* NULL: it works */
    } rows[] = { { { 0, 1, ERROR_NETWORK, RETRY_AFTER_NONE }, 1, NULL },
                 { { 0, 3, ERROR_NETWORK, RETRY_AFTER_NONE }, 3, NULL },
                 { { 0, 5, ERROR_NETWORK, RETRY_AFTER_NONE }, 4, "after 4 tries: no" },
                 { { 0, 3, ERROR_REMOTE, RETRY_AFTER_NONE }, 1, "no" },
                 { { 0, 3, ERROR_NETWORK, 6 }, 1, "no" } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_(error) struct error err = { 0 };
        struct attempts a = rows[i].a;
        const struct retry_task task = {
            .policy = &quick, .attempt = attempt, .arg = &a, .wait_max_s = 5
        };
        int rc = retry_run(&task, &err);
        assert_int_equal(a.made, rows[i].made);
        if (rows[i].message)
            assert_error(rc, &err, a.kind, rows[i].message);
        else
            assert_ok(rc, &err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_stay_in_their_span),
        cmocka_unit_test(tries_are_counted),
        cmocka_unit_test(a_wait_beyond_the_budget_is_none),
        cmocka_unit_test(cancelling_ends_the_wait),
        cmocka_unit_test(only_what_may_pass_is_done_again),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
