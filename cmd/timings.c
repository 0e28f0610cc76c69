/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/timings.h"

#include <sys/mman.h>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

/* Bytes are kept a few times a second: a day of transfers is not to fill the memory. */
#define STATUS_NS UINT64_C(200000000)

enum { LOG_MAX = 256 * 1024 * 1024, TEXT_MAX = 512 };

/* An event in the log, with `len` bytes of text behind it. */
struct record {
    uint64_t ns, current, total;
    uint32_t kind, vertex, pid, len;
};

struct timings {
    struct progress_sink base; /* first: it is a sink */
    struct progress_sink *next;
    int fd; /* the log; planner and builder share its position */
    pid_t planner;
    uint64_t start_ns, status_ns;
};

static struct timings *timings_of(struct progress_sink *sink)
{
    return (struct timings *)sink;
}

/* An account that lacks something is no reason for a build to fail. */
static void append(const struct timings *t, const struct progress_event *e, uint64_t now)
{
    char buf[sizeof(struct record) + TEXT_MAX];
    const char *text = e->name ? e->name : e->text ? e->text : "";
    size_t len = e->name || !e->text ? strlen(text) : e->len;
    len = len < TEXT_MAX ? len : TEXT_MAX;
    const struct record r = { .ns = now,
                              .current = e->current,
                              .total = e->total,
                              .kind = e->kind,
                              .vertex = e->vertex,
                              .pid = (uint32_t)getpid(),
                              .len = (uint32_t)len };
    memcpy(buf, &r, sizeof r);
    memcpy(buf + sizeof r, text, len);
    (void)!write(t->fd, buf, sizeof r + len);
}

static void timings_event(struct progress_sink *sink, const struct progress_event *e)
{
    struct timings *t = timings_of(sink);
    uint64_t now = clock_monotonic_ns();
    bool is_over = e->total && e->current >= e->total;
    bool is_status = e->kind == PROGRESS_STATUS;
    if (e->kind != PROGRESS_LOG && (!is_status || is_over || now - t->status_ns >= STATUS_NS))
        append(t, e, now);
    if (is_status)
        t->status_ns = now - t->status_ns >= STATUS_NS ? now : t->status_ns;
    t->next->event(t->next, e);
}

static void timings_tick(struct progress_sink *sink)
{
    struct progress_sink *next = timings_of(sink)->next;
    if (next->tick)
        next->tick(next);
}

static void timings_finish(struct progress_sink *sink)
{
    struct progress_sink *next = timings_of(sink)->next;
    if (next->finish)
        next->finish(next);
}

static void timings_forget(struct progress_sink *sink)
{
    struct progress_sink *next = timings_of(sink)->next;
    if (next->forget)
        next->forget(next);
}

static void timings_free(struct progress_sink *sink)
{
    struct timings *t = timings_of(sink);
    t->next->free(t->next);
    close(t->fd);
    free(t);
}

int timings_open(struct progress_sink *next, struct timings **out, struct error *err)
{
    int fd = memfd_create("mlbuild-timings", MFD_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "memfd_create");
    struct timings *t = xcalloc(1, sizeof *t);
    *t = (struct timings){ .base = { timings_event, timings_tick, timings_finish, timings_forget,
                                     timings_free },
                           .next = next,
                           .fd = fd,
                           .planner = getpid(),
                           .start_ns = clock_monotonic_ns() };
    *out = t;
    return 0;
}

struct progress_sink *timings_base(struct timings *t)
{
    return &t->base;
}

static struct timed_step *find_step(const struct account *a, unsigned vertex)
{
    for (size_t i = a->step_count; i-- > 0;) {
        if (a->steps[i].vertex == vertex)
            return &a->steps[i];
    }
    return NULL;
}

static void add_moment(struct account *a, const struct record *r, const char *text)
{
    GROW(a->moments, a->moment_count, a->moment_cap);
    a->moments[a->moment_count++] = (struct timed_moment){ .kind = (enum progress_kind)r->kind,
                                                           .vertex = r->vertex,
                                                           .pid = (pid_t)r->pid,
                                                           .ns = r->ns,
                                                           .text = xstrndup(text, r->len),
                                                           .current = r->current };
}

static void take_record(struct account *a, const struct record *r, const char *text)
{
    struct timed_step *step = find_step(a, r->vertex);
    switch ((enum progress_kind)r->kind) {
    case PROGRESS_STARTED:
        GROW(a->steps, a->step_count, a->step_cap);
        a->steps[a->step_count++] = (struct timed_step){ .vertex = r->vertex,
                                                         .pid = (pid_t)r->pid,
                                                         .name = xstrndup(text, r->len),
                                                         .start_ns = r->ns };
        break;
    case PROGRESS_STATUS:
        if (step && r->total && r->current >= r->total)
            step->bytes += r->current;
        add_moment(a, r, text);
        break;
    case PROGRESS_NOTE:
    case PROGRESS_WARNING: add_moment(a, r, text); break;
    case PROGRESS_DONE:
    case PROGRESS_CACHED:
    case PROGRESS_FAILED:
    case PROGRESS_CANCELLED:
        if (!step)
            break;
        step->how = (enum progress_kind)r->kind;
        step->end_ns = r->ns;
        break;
    case PROGRESS_LOG: break;
    }
}

int timings_read(const struct timings *t, struct account *out, struct error *err)
{
    auto_(strbuf) struct strbuf log = STRBUF_INIT;
    *out = (struct account){ .planner = t->planner,
                             .start_ns = t->start_ns,
                             .end_ns = clock_monotonic_ns() };
    if (lseek(t->fd, 0, SEEK_SET) < 0)
        return error_set(err, ERROR_SYSTEM, errno, "read the timings");
    TRY(fd_read_all(t->fd, LOG_MAX, "the timings", &log, err));
    for (size_t at = 0; at + sizeof(struct record) <= log.len;) {
        struct record r;
        memcpy(&r, log.buf + at, sizeof r);
        at += sizeof r;
        if (r.len > log.len - at)
            break;
        take_record(out, &r, log.buf + at);
        at += r.len;
    }
    for (size_t i = 0; i < out->step_count; i++) {
        if (out->steps[i].how == PROGRESS_STARTED)
            out->steps[i].end_ns = out->end_ns;
    }
    return 0;
}

void account_release(struct account *a)
{
    for (size_t i = 0; i < a->step_count; i++)
        free(a->steps[i].name);
    for (size_t i = 0; i < a->moment_count; i++)
        free(a->moments[i].text);
    free(a->steps);
    free(a->moments);
    *a = (struct account){ 0 };
}

enum phase phase_of(const char *step)
{
    static const struct {
        const char *prefix;
        enum phase phase;
    } prefixes[] = {
        { "[internal] load build definition", PHASE_DOCKERFILE },
        { "[internal] load metadata", PHASE_BASE },
        { "[internal] unpack layers", PHASE_BASE },
        { "[internal] load build context", PHASE_CONTEXT },
        { "[context ", PHASE_CONTEXT },
        { "[internal] sync", PHASE_SYNC },
        { "exporting ", PHASE_EXPORT },
        { "pushing ", PHASE_PUSH },
    };
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        if (str_starts_with(step, prefixes[i].prefix))
            return prefixes[i].phase;
    }
    if (step[0] != '[')
        return PHASE_DOWNLOAD; /* by its address */
    const char *instruction = strchr(step, ']');
    return instruction && str_starts_with(instruction, "] FROM ") ? PHASE_BASE : PHASE_STEP;
}

const char *phase_name(enum phase phase)
{
    static const char *const names[PHASE_COUNT] = {
        [PHASE_DOCKERFILE] = "dockerfile",
        [PHASE_BASE] = "base images",
        [PHASE_CONTEXT] = "context",
        [PHASE_DOWNLOAD] = "downloads",
        [PHASE_STEP] = "steps",
        [PHASE_EXPORT] = "export",
        [PHASE_PUSH] = "push",
        [PHASE_SYNC] = "sync",
    };
    return names[phase];
}
