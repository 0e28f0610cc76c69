/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/timings.h"

#include "tests/support/test.h"

#include <time.h>

#include "lib/base/mem.h"
#include "lib/base/process.h"
#include "lib/codec/json.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

static const struct phase_case {
    const char *name;
    enum phase phase;
} phases[] = {
    { "[internal] load build definition from Dockerfile", PHASE_DOCKERFILE },
    { "[internal] load metadata for docker.io/library/base:latest", PHASE_BASE },
    { "[1/4] FROM docker.io/library/base:latest", PHASE_BASE },
    { "[builder 1/3] FROM docker.io/library/base", PHASE_BASE },
    { "[internal] load build context", PHASE_CONTEXT },
    { "[context models] load", PHASE_CONTEXT },
    { "https://example.org/weights.bin", PHASE_DOWNLOAD },
    { "[builder 2/3] RUN echo ] FROM here", PHASE_STEP },
    { "[2/2] COPY a b", PHASE_STEP },
    { "exporting layers", PHASE_EXPORT },
    { "exporting to oci image format: a.tar", PHASE_EXPORT },
    { "pushing registry.example/a:latest", PHASE_PUSH },
    { "[internal] sync the store", PHASE_SYNC },
};

static void step_has_a_phase(void **state)
{
    const struct phase_case *c = *state;
    assert_int_equal(phase_of(c->name), c->phase);
}

#define STEP(number, process, title, from, to, moved)                                              \
    {                                                                                              \
        .vertex = (number), .pid = (process), .name = (char *)(title), .start_ns = (from),         \
        .end_ns = (to), .how = PROGRESS_DONE, .bytes = (moved)                                     \
    }

static struct timed_step steps[] = {
    STEP(1, 10, "[internal] load build context", S, 2 * S, 500000000),
    STEP(2, 11, "[a 2/2] RUN sleep 2", 2 * S, 4 * S, 0),
    STEP(3, 11, "[b 2/2] RUN sleep 2\n\033[31mred \302\233x \303\251", 3 * S, 5 * S, 0),
    STEP(4, 11, "[3/3] COPY a b", 5 * S, 5 * S + 5 * MS, 1000),
    STEP(5, 10, "exporting layers", 6 * S, 7 * S, 0),
};

static const struct account account = {
    .planner = 10, .start_ns = S, .end_ns = 11 * S, .steps = steps, .step_count = COUNT(steps)
};

static void table_counts_what_overlaps_once(void **state)
{
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    (void)state;
    timings_print_table(&account, &out);
    assert_string_equal(out.buf,
                        "     wall   share       sum    bytes       rate  phase\n"
                        "    1.00s   10.0%     1.00s    500MB    500MB/s  context\n"
                        "    3.00s   30.1%     4.00s   1.00kB             steps (3)\n"
                        "                      2.00s                        [a 2/2] RUN sleep 2\n"
                        "                      2.00s                        [b 2/2] RUN sleep 2  "
                        "[31mred  x \303\251\n"
                        "    1.00s   10.0%     1.00s                      export\n"
                        "    5.00s   50.0%                                in between\n"
                        "   10.00s  100.0%                                build\n");
}

static int64_t number(const js *object, const char *key)
{
    struct error err = { 0 };
    int64_t value = -1;
    assert_ok(js_get_i64(object, key, &value, &err), &err);
    return value;
}

/* The first event "X" of this name. */
static const js *find_event(const js *trace, const char *name)
{
    for (size_t i = 0; i < js_count(trace); i++) {
        const js *event = js_item(trace, i);
        if (strcmp(js_text(js_member(event, "ph")), "X") == 0 &&
            strcmp(js_text(js_member(event, "name")), name) == 0)
            return event;
    }
    fail_msg("no event %s", name);
    return NULL;
}

static void trace_has_lanes(void **state)
{
    struct error err = { 0 };
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    auto_(js) js *doc = NULL;
    (void)state;
    strbuf_addstr(&out, "{\"trace\":");
    timings_print_trace(&account, &out);
    strbuf_addch(&out, '}');
    assert_ok(js_parse(out.buf, out.len, "trace", &doc, &err), &err);
    const js *trace = js_member(doc, "trace");
    assert_int_equal(js_count(trace), COUNT(steps) + 2); /* and the names of two processes */
    const js *context = find_event(trace, steps[0].name);
    assert_int_equal(number(context, "ts"), 0);
    assert_int_equal(number(context, "dur"), 1000000);
    assert_int_equal(number(context, "pid"), 10);
    assert_string_equal(js_text(js_member(context, "cat")), "context");
    assert_int_equal(number(js_member(context, "args"), "bytes"), 500000000);
    assert_int_equal(number(find_event(trace, steps[1].name), "tid"), 1);
    assert_int_equal(number(find_event(trace, steps[2].name), "tid"), 2);
    assert_int_equal(number(find_event(trace, steps[3].name), "tid"), 1);
}

static void ignore(struct progress_sink *sink, const struct progress_event *e)
{
    unsigned *count = (unsigned *)(sink + 1);
    (void)e;
    (*count)++;
}

static void free_nothing(struct progress_sink *sink)
{
    (void)sink;
}

/* A process that began with a copy of the sink writes into the same log. */
static void log_is_of_both_processes(void **state)
{
    struct {
        struct progress_sink base;
        unsigned count;
    } next = { { .event = ignore, .free = free_nothing }, 0 };
    struct timings *t = NULL;
    struct error err = { 0 };
    struct progress p;
    auto_(account) struct account a = { 0 };
    (void)state;
    assert_ok(timings_open(&next.base, &t, &err), &err);
    progress_init(&p, timings_base(t));
    unsigned first = progress_start(&p, "ours");
    pid_t child = fork();
    if (child == 0) {
        unsigned second = progress_start(&p, "the child's");
        progress_log(&p, second, 1, "not kept", 8);
        progress_status(&p, second, "bytes", 7, 7);
        progress_end(&p, second, PROGRESS_FAILED, "why");
        _exit(0);
    }
    process_wait(child);
    progress_end(&p, first, PROGRESS_DONE, NULL);
    progress_warning(&p, "beware");
    assert_int_equal(next.count, 3);
    assert_ok(timings_read(t, &a, &err), &err);
    assert_int_equal(a.step_count, 2);
    assert_string_equal(a.steps[1].name, "the child's");
    assert_int_equal(a.steps[1].pid, child);
    assert_int_equal(a.steps[1].how, PROGRESS_FAILED);
    assert_int_equal(a.steps[1].bytes, 7);
    assert_int_equal(a.steps[0].pid, a.planner);
    assert_true(a.steps[0].start_ns <= a.steps[1].start_ns);
    assert_true(a.steps[0].end_ns >= a.steps[1].end_ns);
    assert_int_equal(a.moment_count, 2);
    timings_base(t)->free(timings_base(t));
}

int main(void)
{
    const struct CMUnitTest others[] = { cmocka_unit_test(table_counts_what_overlaps_once),
                                         cmocka_unit_test(trace_has_lanes),
                                         cmocka_unit_test(log_is_of_both_processes) };
    struct CMUnitTest tests[COUNT(phases) + COUNT(others)];
    for (size_t i = 0; i < COUNT(phases); i++)
        tests[i] = (struct CMUnitTest){ phases[i].name, step_has_a_phase, NULL, NULL,
                                        (void *)(uintptr_t)&phases[i] };
    memcpy(tests + COUNT(phases), others, sizeof others);
    return cmocka_run_group_tests_name("timings", tests, NULL, NULL);
}
