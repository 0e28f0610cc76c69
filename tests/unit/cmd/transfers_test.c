/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/transfers.h"

#include "tests/support/test.h"

#include "lib/base/cleanup.h"

#define MS UINT64_C(1000000)

/* First heard of at `first` bytes; `current` of `total` are there `ms` later. */
static const struct transfer_case {
    const char *name;
    uint64_t first, current, total, ms;
    const char *bytes, *rate;
    bool done;
} cases[] = {
    { "half", 0, 15000000, 30000000, 1500, "15.0MB / 30.0MB", " 10.0MB/s, 2s left", false },
    { "whole", 0, 30000000, 30000000, 3000, "30.0MB / 30.0MB", " 10.0MB/s", true },
    { "of unknown size", 0, 5000, 0, 1000, "5.00kB", " 5.00kB/s", false },
    { "taken up again", 20000000, 21000000, 30000000, 1000, "21.0MB / 30.0MB",
      " 1.00MB/s, 10s left", false },
    { "minutes", 0, 1000000, 100000000, 1000, "1.00MB / 100MB", " 1.00MB/s, 1m40s left", false },
    { "too soon to tell", 0, 1000, 2000, 10, "1.00kB / 2.00kB", "", false },
    { "stuck", 500, 500, 1000, 5000, "500B / 1.00kB", "", false },
    { "nearly for ever", 0, 1, UINT64_C(1) << 50, 1000, "1B / 1.13PB", " 1B/s", false },
};

static void transfer_is_shown(void **state)
{
    const struct transfer_case *c = *state;
    struct transfers t = { 0 };
    struct progress_event e = { .name = "x", .current = c->first, .total = c->total };
    auto_(strbuf) struct strbuf bytes = STRBUF_INIT;
    auto_(strbuf) struct strbuf rate = STRBUF_INIT;
    transfers_update(&t, &e, 500 * MS, 1000 * MS);
    e.current = c->current;
    struct transfer *one = transfers_update(&t, &e, 500 * MS, (1000 + c->ms) * MS);
    assert_int_equal(t.count, 1);
    transfer_print_bytes(one, &bytes);
    transfer_print_rate(one, &rate);
    assert_string_equal(bytes.buf, c->bytes);
    assert_string_equal(rate.buf, c->rate);
    assert_int_equal(transfer_is_done(one), c->done);
    transfers_release(&t);
}

static void names_keep_apart(void **state)
{
    struct transfers t = { 0 };
    (void)state;
    transfers_update(&t, &(struct progress_event){ .name = "a", .current = 1 }, 0, MS);
    transfers_update(&t, &(struct progress_event){ .name = "b", .current = 2 }, 0, MS);
    transfers_update(&t, &(struct progress_event){ .name = "a", .current = 3 }, 0, MS);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.items[0].current, 3);
    assert_int_equal(t.items[1].current, 2);
    transfers_release(&t);
}

static void beginnings_are_told_or_guessed(void **state)
{
    struct transfers t = { 0 };
    auto_(strbuf) struct strbuf rate = STRBUF_INIT;
    struct progress_event e = { .name = "x", .current = 1000, .total = 1000 };
    (void)state;
    transfer_print_rate(transfers_update(&t, &e, 1000 * MS, 1100 * MS), &rate);
    assert_string_equal(rate.buf, " 10.0kB/s");
    transfers_release(&t);

    e = (struct progress_event){ .name = "x", .current = 500, .since_ns = 1050 * MS };
    strbuf_clear(&rate);
    transfer_print_rate(transfers_update(&t, &e, 1000 * MS, 1150 * MS), &rate);
    assert_string_equal(rate.buf, " 5.00kB/s");
    transfers_release(&t);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(cases) + 2];
    for (size_t i = 0; i < COUNT(cases); i++)
        tests[i] = (struct CMUnitTest){ cases[i].name, transfer_is_shown, NULL, NULL,
                                        (void *)(uintptr_t)&cases[i] };
    tests[COUNT(cases)] = (struct CMUnitTest)cmocka_unit_test(names_keep_apart);
    tests[COUNT(cases) + 1] = (struct CMUnitTest)cmocka_unit_test(beginnings_are_told_or_guessed);
    return cmocka_run_group_tests_name("transfers", tests, NULL, NULL);
}
