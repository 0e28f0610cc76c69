/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/meter.h"

#include "tests/support/test.h"

#include <string.h>
#include <time.h>

struct listener {
    struct progress_sink base;
    unsigned count;
    uint64_t current, total;
    char name[64];
};

static void listen_to(struct progress_sink *sink, const struct progress_event *e)
{
    struct listener *l = (struct listener *)sink;
    l->count++;
    l->current = e->current;
    l->total = e->total;
    snprintf(l->name, sizeof l->name, "%s", e->name);
}

static void tells_seldom_and_at_the_end(void **state)
{
    struct listener l = { .base.event = listen_to };
    struct progress progress;
    struct meter m;
    (void)state;
    progress_init(&progress, &l.base);
    meter_start(&m, &progress, 1, "file", 0);
    for (int i = 0; i < 1000; i++)
        meter_add(&m, 10);
    assert_true(l.count <= 1); /* unless the machine slept */
    nanosleep(&(struct timespec){ .tv_nsec = 250 * 1000000L }, NULL);
    unsigned before = l.count;
    meter_add(&m, 1);
    meter_add(&m, 1);
    assert_int_equal(l.count, before + 1);
    assert_int_equal(l.current, 10001);
    assert_int_equal(l.total, 0);
    meter_end(&m);
    assert_int_equal(l.current, 10002);
    assert_int_equal(l.total, 10002);
    assert_string_equal(l.name, "file");
}

static void nothing_is_no_news(void **state)
{
    struct listener l = { .base.event = listen_to };
    struct progress progress;
    struct meter m;
    (void)state;
    progress_init(&progress, &l.base);
    meter_start(&m, &progress, 1, "file", 10);
    meter_end(&m);
    meter_start(&m, NULL, 1, "file", 10);
    meter_add(&m, 10);
    meter_end(&m);
    meter_add(NULL, 10);
    assert_int_equal(l.count, 0);
}

static ssize_t read_once(struct reader *r, void *buf, size_t cap, struct error *err)
{
    (void)err;
    assert_true(cap >= 3);
    memcpy(buf, "abc", 3);
    r->read = NULL;
    return 3;
}

static void reader_counts(void **state)
{
    struct listener l = { .base.event = listen_to };
    struct progress progress;
    struct meter m;
    struct error err = { 0 };
    struct reader source = { read_once };
    char buf[8];
    (void)state;
    progress_init(&progress, &l.base);
    meter_start(&m, &progress, 1, "stream", 0);
    struct metered_reader r = metered_reader_init(&source, &m);
    assert_int_equal(r.base.read(&r.base, buf, sizeof buf, &err), 3);
    meter_end(&m);
    assert_int_equal(l.current, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(tells_seldom_and_at_the_end),
                                        cmocka_unit_test(nothing_is_no_news),
                                        cmocka_unit_test(reader_counts) };
    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
