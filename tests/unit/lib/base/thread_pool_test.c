/* SPDX-License-Identifier: Apache-2.0 */
/* thread_pool, cancel, clock. */
#include "lib/base/thread_pool.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>

#include "lib/base/cancel.h"
#include "lib/base/clock.h"
#include "tests/support/test.h"

static void count_up(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void runs_every_job(void **state)
{
    static const size_t sizes[] = { 1, 2, 8, 64 };
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        atomic_int done = 0;
        struct job_group group;
        struct thread_pool *pool = thread_pool_new(sizes[i]);
        job_group_init(&group, pool);
        for (int k = 0; k < 500; k++)
            job_group_submit(&group, count_up, &done);
        job_group_wait(&group);
        assert_int_equal(atomic_load(&done), 500);
        thread_pool_free(pool);
    }
    thread_pool_free(NULL);
}

struct meeting {
    pthread_barrier_t barrier;
};

static void meet(void *arg)
{
    pthread_barrier_wait(&((struct meeting *)arg)->barrier);
}

/* Jobs that block do not keep others from running. */
static void blocked_jobs_get_company(void **state)
{
    enum { TOGETHER = 8 };
    struct meeting meeting;
    struct job_group group;
    struct thread_pool *pool = thread_pool_new(TOGETHER);
    (void)state;
    pthread_barrier_init(&meeting.barrier, NULL, TOGETHER);
    job_group_init(&group, pool);
    for (int i = 0; i < TOGETHER; i++)
        job_group_submit(&group, meet, &meeting);
    job_group_wait(&group);
    pthread_barrier_destroy(&meeting.barrier);
    thread_pool_free(pool);
}

struct nest {
    struct job_group *group;
    atomic_int done;
};

static void submit_more(void *arg)
{
    struct nest *n = arg;
    if (atomic_fetch_add(&n->done, 1) < 100)
        job_group_submit(n->group, submit_more, n);
}

static void jobs_submit_jobs(void **state)
{
    struct job_group group;
    struct nest nest = { .group = &group };
    struct thread_pool *pool = thread_pool_new(4);
    (void)state;
    job_group_init(&group, pool);
    job_group_submit(&group, submit_more, &nest);
    job_group_wait(&group);
    assert_int_equal(atomic_load(&nest.done), 101);
    thread_pool_free(pool);
}

static void wait_for_raise(void *arg)
{
    const struct cancel *c = arg;
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    poll(&p, 1, 10000);
}

static void groups_are_waited_for_alone(void **state)
{
    struct error err = { 0 };
    struct cancel cancel;
    struct job_group slow;
    struct job_group fast;
    atomic_int done = 0;
    struct thread_pool *pool = thread_pool_new(4);
    (void)state;
    assert_ok(cancel_init(&cancel, &err), &err);
    job_group_init(&slow, pool);
    job_group_init(&fast, pool);
    job_group_submit(&slow, wait_for_raise, &cancel);
    job_group_submit(&fast, count_up, &done);
    job_group_wait(&fast);
    assert_int_equal(atomic_load(&done), 1);
    assert_false(job_group_wait_for(&slow, 20));
    cancel_raise(&cancel);
    job_group_wait(&slow);
    cancel_release(&cancel);
    thread_pool_free(pool);
}

struct tree {
    struct thread_pool *pool;
    atomic_int leaves;
    unsigned depth;
};
struct branch {
    struct tree *tree;
    unsigned depth;
};

static void grow(void *arg, size_t index)
{
    const struct branch *b = arg;
    struct branch below = { b->tree, b->depth - 1 };
    (void)index;
    if (b->depth == 0)
        atomic_fetch_add(&b->tree->leaves, 1);
    else
        parallel_for(b->tree->pool, 3, 3, grow, &below);
}

/* Every thread waits for jobs of its own. */
static void jobs_that_wait_for_jobs_come_to_an_end(void **state)
{
    (void)state;
    for (size_t threads = 1; threads < 4; threads++) {
        struct tree tree = { .pool = thread_pool_new(threads) };
        struct branch root = { &tree, 5 };
        parallel_for(tree.pool, 3, 3, grow, &root);
        assert_int_equal(atomic_load(&tree.leaves), 729);
        thread_pool_free(tree.pool);
    }
}

static void note_signals(void *arg)
{
    sigset_t *mask = arg;
    pthread_sigmask(SIG_SETMASK, NULL, mask);
}

static void threads_see_no_signals(void **state)
{
    sigset_t mask;
    struct job_group group;
    struct thread_pool *pool = thread_pool_new(1);
    (void)state;
    sigemptyset(&mask);
    job_group_init(&group, pool);
    job_group_submit(&group, note_signals, &mask);
    /* job_group_wait would do it in this thread. */
    while (!job_group_wait_for(&group, 100))
        ;
    job_group_wait(&group);
    assert_true(sigismember(&mask, SIGINT));
    assert_true(sigismember(&mask, SIGTERM));
    thread_pool_free(pool);
    assert_true(thread_pool_cores() >= 1);
}

static void cancel_is_raised_once_and_for_all(void **state)
{
    struct error err = { 0 };
    struct cancel c;
    (void)state;
    assert_ok(cancel_init(&c, &err), &err);
    struct pollfd p = { .fd = c.fd, .events = POLLIN };
    assert_ok(cancel_check(&c, &err), &err);
    assert_ok(cancel_check(NULL, &err), &err);
    assert_false(cancel_is_raised(NULL));
    assert_int_equal(poll(&p, 1, 0), 0);
    for (int i = 0; i < 3; i++)
        cancel_raise(&c);
    assert_true(cancel_is_raised(&c));
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_error(cancel_check(&c, &err), &err, ERROR_CANCELLED, "interrupted");
    cancel_release(&c);
    cancel_release(&c);
}

static void times_print_as_go_prints_them(void **state)
{
    static const struct {
        struct timespec t;
        const char *text;
    } cases[] = {
        { { 0, 0 }, "1970-01-01T00:00:00Z" },
        { { 1136214245, 999999999 }, "2006-01-02T15:04:05.999999999Z" },
        { { 1136214245, 500000000 }, "2006-01-02T15:04:05.5Z" },
        { { 1136214245, 1000 }, "2006-01-02T15:04:05.000001Z" },
        { { -1, 0 }, "1969-12-31T23:59:59Z" },
        { { 4294967296, 0 }, "2106-02-07T06:28:16Z" },
        { { 951782400, 0 }, "2000-02-29T00:00:00Z" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[CLOCK_TEXT_SIZE];
        clock_print(cases[i].t, text);
        assert_string_equal(text, cases[i].text);
    }
    uint64_t before = clock_monotonic_ns();
    assert_true(clock_monotonic_ns() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_every_job),
        cmocka_unit_test(blocked_jobs_get_company),
        cmocka_unit_test(jobs_submit_jobs),
        cmocka_unit_test(groups_are_waited_for_alone),
        cmocka_unit_test(jobs_that_wait_for_jobs_come_to_an_end),
        cmocka_unit_test(threads_see_no_signals),
        cmocka_unit_test(cancel_is_raised_once_and_for_all),
        cmocka_unit_test(times_print_as_go_prints_them),
    };
    return cmocka_run_group_tests_name("thread_pool", tests, NULL, NULL);
}
