/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account of a build in the trace event format, for chrome://tracing and ui.perfetto.dev: an
 * event "X" for each step, in as many lanes for each process as steps ran side by side; counters of
 * bytes; notes and warnings as instants.
 */
#include "cmd/timings.h"
#include "lib/base/mem.h"
#include "lib/codec/json.h"

enum { NS_PER_US = 1000 };

static const char *result_name(enum progress_kind how)
{
    switch (how) {
    case PROGRESS_DONE: return "done";
    case PROGRESS_CACHED: return "cached";
    case PROGRESS_FAILED: return "failed";
    case PROGRESS_CANCELLED: return "cancelled";
    case PROGRESS_STARTED:
    case PROGRESS_LOG:
    case PROGRESS_STATUS:
    case PROGRESS_NOTE:
    case PROGRESS_WARNING: break;
    }
    return "not ended";
}

static js *new_event(const struct account *a, const char *name, const char *kind, pid_t pid,
                     uint64_t ns)
{
    js *event = js_new_object();
    js_set_text(event, "name", name);
    js_set_text(event, "ph", kind);
    js_set_take(event, "pid", js_new_int(pid));
    js_set_take(event, "ts", js_new_int((int64_t)(ns - a->start_ns) / NS_PER_US));
    return event;
}

static void set_args(js *event, const char *key, js *value)
{
    js *args = js_new_object();
    js_set_take(args, key, value);
    js_set_take(event, "args", args);
}

/* The first lane of this step's process in which all earlier ones have ended. */
static int64_t find_lane(const struct account *a, const int64_t *lanes, size_t index)
{
    const struct timed_step *s = &a->steps[index];
    for (int64_t lane = 1;; lane++) {
        bool is_free = true;
        for (size_t i = 0; i < index && is_free; i++)
            is_free =
                lanes[i] != lane || a->steps[i].pid != s->pid || a->steps[i].end_ns <= s->start_ns;
        if (is_free)
            return lane;
    }
}

static js *new_step(const struct account *a, const struct timed_step *s, int64_t lane)
{
    js *event = new_event(a, s->name, "X", s->pid, s->start_ns);
    js *args = js_new_object();
    js_set_text(event, "cat", phase_name(phase_of(s->name)));
    js_set_take(event, "tid", js_new_int(lane));
    js_set_take(event, "dur", js_new_int((int64_t)(s->end_ns - s->start_ns) / NS_PER_US));
    js_set_take(args, "step", js_new_int(s->vertex));
    js_set_text(args, "result", result_name(s->how));
    if (s->bytes)
        js_set_take(args, "bytes", js_new_int((int64_t)s->bytes));
    js_set_take(event, "args", args);
    return event;
}

static js *new_moment(const struct account *a, const struct timed_moment *m)
{
    if (m->kind == PROGRESS_STATUS) {
        auto_free char *name = xasprintf("#%u %s", m->vertex, m->text);
        js *event = new_event(a, name, "C", m->pid, m->ns);
        set_args(event, "bytes", js_new_int((int64_t)m->current));
        return event;
    }
    js *event = new_event(a, m->text, "i", m->pid, m->ns);
    js_set_text(event, "cat", m->kind == PROGRESS_WARNING ? "warning" : "note");
    js_set_take(event, "tid", js_new_int(0));
    js_set_text(event, "s", "p");
    return event;
}

static void add_process(const struct account *a, js *trace, pid_t pid)
{
    js *event = new_event(a, "process_name", "M", pid, a->start_ns);
    set_args(event, "name", js_new_text(pid == a->planner ? "planner" : "builder"));
    js_push_take(trace, event);
}

static bool is_new_process(const struct account *a, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (a->steps[i].pid == a->steps[index].pid)
            return false;
    }
    return true;
}

void timings_print_trace(const struct account *a, struct strbuf *out)
{
    auto_(js) js *trace = js_new_array();
    auto_free int64_t *lanes = xcalloc(a->step_count, sizeof *lanes);
    for (size_t i = 0; i < a->step_count; i++) {
        if (is_new_process(a, i))
            add_process(a, trace, a->steps[i].pid);
        lanes[i] = find_lane(a, lanes, i);
        js_push_take(trace, new_step(a, &a->steps[i], lanes[i]));
    }
    for (size_t i = 0; i < a->moment_count; i++)
        js_push_take(trace, new_moment(a, &a->moments[i]));
    js_print(trace, 0, out);
    strbuf_addch(out, '\n');
}
