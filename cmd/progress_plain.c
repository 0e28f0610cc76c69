/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines in the form people grep (spec 10.2):
 *
 *     #5 [builder 2/5] RUN make
 *     #5 0.312 cc -c main.c
 *     #5 DONE 1.2s
 *
 * A blank line stands where the output moves to another step; a step that goes on later is left by
 * "#5 ...".
 */
#include "cmd/progress.h"
#include "cmd/report.h"
#include "cmd/transfers.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/strbuf.h"

/* A line for so much more of a transfer but not too often, and after a while in any case. */
enum { STATUS_PERCENT = 5 };
#define STATUS_SOONEST_NS 1000000000ULL
#define STATUS_LATEST_NS  5000000000ULL

struct plain_vertex {
    char *name;
    uint64_t start_ns;
    struct strbuf line; /* output that has not ended in a newline yet */
    struct transfers transfers;
    bool ended;
};

struct plain {
    struct progress_sink base;
    struct plain_vertex *vertices; /* by number - 1 */
    size_t count;
    unsigned current; /* whose block is open; 0: none */
};

static struct plain_vertex *vertex_of(struct plain *p, unsigned number)
{
    if (number > p->count) {
        p->vertices = xreallocarray(p->vertices, number, sizeof *p->vertices);
        for (size_t i = p->count; i < number; i++)
            p->vertices[i] = (struct plain_vertex){ .line = STRBUF_INIT };
        p->count = number;
    }
    return &p->vertices[number - 1];
}

static void switch_to(struct plain *p, unsigned number)
{
    const struct plain_vertex *v = vertex_of(p, number);
    if (p->current == number)
        return;
    if (p->current) {
        if (!vertex_of(p, p->current)->ended)
            fprintf(stderr, "#%u ...\n", p->current);
        fputc('\n', stderr);
    }
    p->current = number;
    fprintf(stderr, "#%u ", number);
    report_print_safe(stderr, v->name ? v->name : "", v->name ? strlen(v->name) : 0);
    fputc('\n', stderr);
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

static void print_line(struct plain *p, unsigned number, const char *text, size_t len)
{
    struct plain_vertex *v = vertex_of(p, number);
    switch_to(p, number);
    fprintf(stderr, "#%u %.3f ", number, seconds_since(v->start_ns));
    report_print_safe(stderr, text, len && text[len - 1] == '\r' ? len - 1 : len);
    fputc('\n', stderr);
}

static void print_log(struct plain *p, const struct progress_event *e)
{
    struct plain_vertex *v = vertex_of(p, e->vertex);
    size_t start = 0;
    for (size_t i = 0; i < e->len; i++) {
        if (e->text[i] != '\n')
            continue;
        strbuf_add(&v->line, e->text + start, i - start);
        print_line(p, e->vertex, v->line.buf, v->line.len);
        strbuf_clear(&v->line);
        start = i + 1;
    }
    strbuf_add(&v->line, e->text + start, e->len - start);
    /* A program that never ends its line is shown in pieces. */
    if (v->line.len > (size_t)64 * 1024) {
        print_line(p, e->vertex, v->line.buf, v->line.len);
        strbuf_clear(&v->line);
    }
}

static bool is_worth_a_line(const struct transfer *t, uint64_t percent)
{
    uint64_t since = t->now_ns - (t->shown_ns ? t->shown_ns : t->first_ns);
    if (transfer_is_done(t) || since >= STATUS_LATEST_NS)
        return true;
    return t->total && since >= STATUS_SOONEST_NS && percent >= t->shown_percent + STATUS_PERCENT;
}

static void print_status(struct plain *p, const struct progress_event *e)
{
    struct plain_vertex *v = vertex_of(p, e->vertex);
    struct transfer *t = transfers_update(&v->transfers, e, v->start_ns, clock_monotonic_ns());
    uint64_t percent = t->total ? t->current * 100 / t->total : 0;
    auto_(strbuf) struct strbuf line = STRBUF_INIT;
    if (!is_worth_a_line(t, percent))
        return;
    t->shown_ns = t->now_ns;
    t->shown_percent = percent;
    transfer_print_bytes(t, &line);
    strbuf_addf(&line, " %.1fs", seconds_since(v->start_ns));
    transfer_print_rate(t, &line);
    switch_to(p, e->vertex);
    fprintf(stderr, "#%u %s %s%s\n", e->vertex, e->name, line.buf,
            transfer_is_done(t) ? " done" : "");
}

static void print_end(struct plain *p, const struct progress_event *e, const char *how)
{
    struct plain_vertex *v = vertex_of(p, e->vertex);
    if (v->line.len)
        print_line(p, e->vertex, v->line.buf, v->line.len);
    strbuf_release(&v->line);
    transfers_release(&v->transfers);
    switch_to(p, e->vertex);
    fprintf(stderr, "#%u %s", e->vertex, how);
    if (e->kind == PROGRESS_DONE)
        fprintf(stderr, " %.1fs", seconds_since(v->start_ns));
    if (e->kind == PROGRESS_FAILED)
        fprintf(stderr, ": ");
    if (e->kind == PROGRESS_FAILED && e->text)
        report_print_safe(stderr, e->text, e->len);
    fputc('\n', stderr);
    v->ended = true;
}

static void plain_event(struct progress_sink *sink, const struct progress_event *e)
{
    struct plain *p = (struct plain *)sink;
    switch (e->kind) {
    case PROGRESS_STARTED:
        *vertex_of(p, e->vertex) = (struct plain_vertex){ .name = xstrdup(e->name),
                                                          .start_ns = clock_monotonic_ns(),
                                                          .line = STRBUF_INIT };
        switch_to(p, e->vertex);
        break;
    case PROGRESS_LOG: print_log(p, e); break;
    case PROGRESS_STATUS: print_status(p, e); break;
    case PROGRESS_NOTE:
        switch_to(p, e->vertex);
        fprintf(stderr, "#%u ", e->vertex);
        report_print_safe(stderr, e->text, e->len);
        fputc('\n', stderr);
        break;
    case PROGRESS_WARNING:
        fprintf(stderr, "WARNING: ");
        report_print_safe(stderr, e->text, e->len);
        fputc('\n', stderr);
        break;
    case PROGRESS_DONE: print_end(p, e, "DONE"); break;
    case PROGRESS_CACHED: print_end(p, e, "CACHED"); break;
    case PROGRESS_FAILED: print_end(p, e, "ERROR"); break;
    case PROGRESS_CANCELLED: print_end(p, e, "CANCELED"); break;
    }
}

static void plain_finish(struct progress_sink *sink)
{
    struct plain *p = (struct plain *)sink;
    if (p->current)
        fputc('\n', stderr);
    p->current = 0;
}

static void plain_forget(struct progress_sink *sink)
{
    ((struct plain *)sink)->current = 0;
}

static void plain_free(struct progress_sink *sink)
{
    struct plain *p = (struct plain *)sink;
    for (size_t i = 0; i < p->count; i++) {
        free(p->vertices[i].name);
        strbuf_release(&p->vertices[i].line);
        transfers_release(&p->vertices[i].transfers);
    }
    free(p->vertices);
    free(p);
}

struct progress_sink *progress_plain_open(void)
{
    struct plain *p = xcalloc(1, sizeof *p);
    p->base = (struct progress_sink){ plain_event, NULL, plain_finish, plain_forget, plain_free };
    setvbuf(stderr, NULL, _IOLBF, 0);
    return &p->base;
}
