/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/claims.h"

#include <stdatomic.h>

#include "lib/base/thread_pool.h"
#include "tests/support/test.h"

enum { THREADS = 8, ROUNDS = 400, NAMES = 3 };

struct shared {
    struct claims claims;
    atomic_int inside[NAMES];
    atomic_int clashes;
    atomic_int done;
};

static void take_turns(void *arg, size_t index)
{
    static const char *const names[NAMES] = { "one", "two", "three" };
    struct shared *s = arg;
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t name = (index + i) % NAMES;
        claims_take(&s->claims, names[name]);
        if (atomic_fetch_add(&s->inside[name], 1) != 0)
            atomic_fetch_add(&s->clashes, 1);
        atomic_fetch_sub(&s->inside[name], 1);
        claims_drop(&s->claims, names[name]);
    }
    atomic_fetch_add(&s->done, 1);
}

static void one_thread_has_a_name_at_a_time(void **state)
{
    (void)state;
    struct shared s = { .done = 0 };
    struct thread_pool *pool = thread_pool_new(THREADS);
    claims_init(&s.claims);
    parallel_for(pool, THREADS, THREADS, take_turns, &s);
    assert_int_equal(atomic_load(&s.clashes), 0);
    assert_int_equal(atomic_load(&s.done), THREADS);
    assert_int_equal(s.claims.names.count, 0);
    claims_release(&s.claims);
    thread_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(one_thread_has_a_name_at_a_time) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
