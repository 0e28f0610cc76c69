/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/read_ahead.h"

#include <poll.h>
#include <stdatomic.h>

#include "lib/base/cancel.h"
#include "lib/base/mem.h"
#include "tests/support/memory_stream.h"
#include "tests/support/test.h"

enum { LEN = 5 * 1000 * 1000 };

/* Numbered bytes in pieces of any size; counts how many threads are in it at once. */
struct source {
    struct reader base;
    size_t done, len, step;
    bool fails; /* at its end */
    bool ended;
    bool is_slow;
    atomic_int inside;
    atomic_int calls;
};

static char byte_at(size_t i)
{
    return (char)(i * 7 + i / 251);
}

static ssize_t source_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct source *s = (struct source *)base;
    assert_int_equal(atomic_fetch_add(&s->inside, 1), 0);
    atomic_fetch_add(&s->calls, 1);
    assert_false(s->ended);
    if (s->is_slow && s->done % 3 == 0)
        poll(NULL, 0, 1);
    size_t n = s->len - s->done;
    n = n < cap ? n : cap;
    n = s->step && s->step < n ? s->step : n;
    for (size_t i = 0; i < n; i++)
        ((char *)buf)[i] = byte_at(s->done + i);
    s->done += n;
    s->ended = n == 0;
    atomic_fetch_sub(&s->inside, 1);
    return n == 0 && s->fails ? error_set(err, ERROR_NETWORK, 0, "the line went dead") : (ssize_t)n;
}

static void check_bytes(const struct strbuf *got, size_t len)
{
    assert_int_equal(got->len, len);
    for (size_t i = 0; i < len; i++) {
        if (got->buf[i] != byte_at(i))
            fail_msg("byte %zu differs", i);
    }
}

static void the_same_bytes(void **state)
{
    static const size_t lengths[] = { 0, 1, 255 * 1024, 256 * 1024, 1024 * 1024, LEN };
    static const size_t steps[] = { 0, 4093, 300000 };
    (void)state;
    for (size_t threads = 0; threads < 3; threads++) {
        struct thread_pool *pool = threads ? thread_pool_new(threads) : NULL;
        for (size_t i = 0; i < COUNT(lengths) * COUNT(steps); i++) {
            struct error err = { 0 };
            struct source in = { .base = { source_read },
                                 .len = lengths[i % COUNT(lengths)],
                                 .step = steps[i / COUNT(lengths)] };
            auto_(strbuf) struct strbuf got = STRBUF_INIT;
            auto_(read_ahead) struct read_ahead *r = read_ahead_open(&in.base, pool);
            assert_ok(test_read_all(read_ahead_base(r), i % 2 ? 1000 : 1 << 20, &got, &err), &err);
            check_bytes(&got, in.len);
            char more[1];
            assert_int_equal(read_ahead_base(r)->read(read_ahead_base(r), more, 1, &err), 0);
        }
        thread_pool_free(pool);
    }
}

static void either_side_may_be_slower(void **state)
{
    enum { SHORT = 300 * 1000 };
    struct thread_pool *pool = thread_pool_new(2);
    (void)state;
    for (int slow_reader = 0; slow_reader < 2; slow_reader++) {
        struct error err = { 0 };
        struct source in = {
            .base = { source_read }, .len = SHORT, .step = 5000, .is_slow = !slow_reader
        };
        auto_(strbuf) struct strbuf got = STRBUF_INIT;
        auto_(read_ahead) struct read_ahead *r = read_ahead_open(&in.base, pool);
        ssize_t n = 1;
        while (n > 0) {
            n = read_ahead_base(r)->read(read_ahead_base(r), strbuf_reserve(&got, 3000), 3000,
                                         &err);
            assert_true(n >= 0);
            got.len += (size_t)n;
            if (slow_reader && got.len % 7 == 0)
                poll(NULL, 0, 1);
        }
        check_bytes(&got, SHORT);
    }
    thread_pool_free(pool);
}

/* What came before the error is given first; the error stays. */
static void an_error_comes_in_its_place(void **state)
{
    struct thread_pool *pool = thread_pool_new(2);
    (void)state;
    for (int threads = 0; threads < 2; threads++) {
        struct error err = { 0 };
        struct source in = { .base = { source_read }, .len = 700000, .fails = true };
        auto_(strbuf) struct strbuf got = STRBUF_INIT;
        auto_(read_ahead) struct read_ahead *r = read_ahead_open(&in.base, threads ? pool : NULL);
        struct reader *base = read_ahead_base(r);
        assert_error(test_read_all(base, 4096, &got, &err), &err, ERROR_NETWORK, "line went dead");
        check_bytes(&got, in.len);
        assert_error(base->read(base, got.buf, 1, &err), &err, ERROR_SYSTEM, "after an error");
    }
    thread_pool_free(pool);
}

static void it_may_be_given_up_at_any_time(void **state)
{
    struct thread_pool *pool = thread_pool_new(2);
    (void)state;
    for (size_t wanted = 0; wanted < 3000 * 1000; wanted += 250 * 1000) {
        struct error err = { 0 };
        struct source in = { .base = { source_read }, .len = LEN };
        auto_free char *buf = xmalloc(wanted + 1);
        struct read_ahead *r = read_ahead_open(&in.base, pool);
        assert_ok(reader_read_full(read_ahead_base(r), buf, wanted, "source", &err), &err);
        read_ahead_free(r);
        int calls = atomic_load(&in.calls);
        poll(NULL, 0, 1);
        assert_int_equal(atomic_load(&in.calls), calls);
    }
    read_ahead_free(NULL);
    thread_pool_free(pool);
}

static void wait_for_raise(void *arg)
{
    struct pollfd p = { .fd = ((const struct cancel *)arg)->fd, .events = POLLIN };
    poll(&p, 1, 10000);
}

/* The only thread of the pool is held up for as long as the stream is read. */
static void no_thread_is_waited_for(void **state)
{
    struct error err = { 0 };
    struct cancel cancel;
    struct job_group group;
    struct thread_pool *pool = thread_pool_new(1);
    struct source in = { .base = { source_read }, .len = LEN };
    auto_(strbuf) struct strbuf got = STRBUF_INIT;
    (void)state;
    assert_ok(cancel_init(&cancel, &err), &err);
    job_group_init(&group, pool);
    job_group_submit(&group, wait_for_raise, &cancel);
    while (job_group_wait_for(&group, 1))
        ;
    struct read_ahead *r = read_ahead_open(&in.base, pool);
    assert_ok(test_read_all(read_ahead_base(r), 65536, &got, &err), &err);
    check_bytes(&got, LEN);
    read_ahead_free(r);
    cancel_raise(&cancel);
    job_group_wait(&group);
    thread_pool_free(pool);
    cancel_release(&cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes),
        cmocka_unit_test(either_side_may_be_slower),
        cmocka_unit_test(an_error_comes_in_its_place),
        cmocka_unit_test(it_may_be_given_up_at_any_time),
        cmocka_unit_test(no_thread_is_waited_for),
    };
    return cmocka_run_group_tests_name("read_ahead", tests, NULL, NULL);
}
