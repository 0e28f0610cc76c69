/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/job_row.h"

#include <sched.h>

#include "lib/base/mem.h"
#include "tests/support/test.h"

enum { ITEMS = 4000, NONE = ITEMS };

struct owner {
    size_t taken;                        /* items that were taken, all in order */
    size_t fails_in_work, fails_in_take; /* items; NONE: none */
    bool is_slow;
};

struct item {
    size_t number;
    bool is_worked;
    uint64_t cost;
    unsigned char *room;
    char *owned;
};

static int work(void *arg, void *p, void *room, struct error *err)
{
    const struct owner *o = arg;
    struct item *item = p;
    for (size_t i = 0; o->is_slow && i < item->number % 7; i++)
        sched_yield();
    item->is_worked = true;
    item->room = room;
    if (room)
        memset(room, (unsigned char)item->number, item->cost);
    return item->number >= o->fails_in_work
               ? error_set(err, ERROR_USER, 0, "work on %zu", item->number)
               : 0;
}

static int take(void *arg, void *p, struct error *err)
{
    struct owner *o = arg;
    const struct item *item = p;
    assert_int_equal(item->number, o->taken);
    assert_int_equal(item->is_worked, item->cost > 0);
    assert_int_equal(item->room != NULL, item->cost > 0 && item->cost <= JOB_ROW_ROOM);
    for (size_t i = 0; item->room && i < item->cost; i++)
        assert_int_equal(item->room[i], (unsigned char)item->number);
    if (item->number >= o->fails_in_take)
        return error_set(err, ERROR_USER, 0, "take %zu", item->number);
    o->taken++;
    return 0;
}

static void release(void *p)
{
    free(((struct item *)p)->owned);
}

static const struct job_row_work how = { .item_size = sizeof(struct item),
                                         .has_room = true,
                                         .work = work,
                                         .take = take,
                                         .release = release };

/* Adds up to `count` items; every seventh has no work in it. *out_added counts. */
static int add_items(struct job_row *row, size_t first, size_t count, uint64_t cost,
                     size_t *out_added, struct error *err)
{
    for (size_t i = first; i < first + count; i++) {
        struct item *item = job_row_room(row);
        assert_null(item->owned);
        *item = (struct item){ .number = i, .cost = i % 7 ? cost : 0, .owned = xstrdup("text") };
        ++*out_added;
        if (job_row_add(row, item->cost, err) < 0)
            return -1;
    }
    return 0;
}

static void all_are_taken_in_order(void **state)
{
    static const uint64_t costs[] = { 1, 500, JOB_ROW_ROOM - 1, JOB_ROW_ROOM, JOB_ROW_COST };
    (void)state;
    for (size_t threads = 0; threads < 6; threads++) {
        struct error err = { 0 };
        struct thread_pool *pool = threads ? thread_pool_new(threads) : NULL;
        struct owner o = { .fails_in_work = NONE, .fails_in_take = NONE, .is_slow = threads > 3 };
        auto_(job_row) struct job_row *row = job_row_new(&how, &o, pool);
        size_t added = 0;
        assert_ok(job_row_end(row, 0, &err), &err);
        for (size_t i = 0; i < COUNT(costs); i++) {
            size_t part = ITEMS / COUNT(costs);
            assert_ok(add_items(row, i * part, part, costs[i], &added, &err), &err);
            /* All that was added is taken here, and the row goes on. */
            if (i % 2 == 0)
                assert_ok(job_row_end(row, 0, &err), &err);
            if (i % 2 == 0)
                assert_int_equal(o.taken, added);
        }
        assert_int_equal(o.taken, ITEMS);
        thread_pool_free(pool);
    }
}

static const struct failing {
    const char *name;
    size_t work, take, items; /* what fails from there on; then the caller does, after so many */
    bool caller;
    const char *message;
    size_t taken;
} failures[] = {
    { "work", 1000, NONE, ITEMS, false, "work on 1000", 1000 },
    { "taking", NONE, 1000, ITEMS, false, "take 1000", 1000 },
    { "taking before work", 1001, 1000, ITEMS, false, "take 1000", 1000 },
    { "work before taking", 1000, 1001, ITEMS, false, "work on 1000", 1000 },
    { "the last", 3001, NONE, 3002, false, "work on 3001", 3001 },
    { "the caller", NONE, NONE, 100, true, "the caller's", 100 },
    { "work before the caller", 99, NONE, 100, true, "work on 99", 99 },
    { "taking before the caller", NONE, 1, 100, true, "take 1", 1 },
};

static void the_first_error_counts(void **state)
{
    const struct failing *f = *state;
    for (size_t threads = 0; threads < 4; threads++) {
        struct error err = { 0 };
        struct thread_pool *pool = threads ? thread_pool_new(threads) : NULL;
        struct owner o = { .fails_in_work = f->work, .fails_in_take = f->take, .is_slow = true };
        auto_(job_row) struct job_row *row = job_row_new(&how, &o, pool);
        size_t added = 0;
        int rc = add_items(row, 0, f->items, 1, &added, &err);
        if (rc == 0 && f->caller)
            rc = error_set(&err, ERROR_USER, 0, "the caller's");
        assert_error(job_row_end(row, rc, &err), &err, ERROR_USER, f->message);
        assert_int_equal(o.taken, f->taken);
        /* It is empty, and may be used again. */
        o = (struct owner){ .fails_in_work = NONE, .fails_in_take = NONE };
        assert_ok(add_items(row, 0, 10, 1, &added, &err), &err);
        assert_ok(job_row_end(row, 0, &err), &err);
        assert_int_equal(o.taken, 10);
        thread_pool_free(pool);
    }
}

int main(void)
{
    struct CMUnitTest tests[COUNT(failures) + 1] = { cmocka_unit_test(all_are_taken_in_order) };
    for (size_t i = 0; i < COUNT(failures); i++)
        tests[i + 1] = (struct CMUnitTest){ failures[i].name, the_first_error_counts, NULL, NULL,
                                            (void *)&failures[i] };
    return cmocka_run_group_tests_name("job_row", tests, NULL, NULL);
}
