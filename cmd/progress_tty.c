/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live view: one line a step with its time, the last lines of output below steps that run,
 * redrawn in place. What does not fit on the screen scrolls off at the top: finished steps first.
 * (spec 10.2)
 */
#include <sys/ioctl.h>

#include "cmd/progress.h"
#include "cmd/transfers.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"
#include "lib/base/strvec.h"

enum { LOG_LINES = 6, TRANSFER_LINES = 6, LINE_MAX_BYTES = 512 };
#define REDRAW_NS 80000000ULL

struct tty_vertex {
    char *name;
    uint64_t start_ns, end_ns; /* end 0: runs */
    enum progress_kind how;
    char *note; /* or NULL */
    struct transfers transfers;
    char *log[LOG_LINES]; /* a ring */
    size_t log_count;
    struct strbuf line;
};

struct tty {
    struct progress_sink base;
    struct tty_vertex *vertices; /* by number - 1; name NULL: not ours */
    size_t count;
    uint64_t start_ns, drawn_ns;
    int drawn_lines;
    bool colour;
};

static struct tty_vertex *vertex_of(struct tty *t, unsigned number)
{
    if (number > t->count) {
        t->vertices = xreallocarray(t->vertices, number, sizeof *t->vertices);
        for (size_t i = t->count; i < number; i++)
            t->vertices[i] = (struct tty_vertex){ .line = STRBUF_INIT };
        t->count = number;
    }
    return &t->vertices[number - 1];
}

static struct winsize window(void)
{
    struct winsize w = { 0 };
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col < 20 || w.ws_row < 4)
        w = (struct winsize){ .ws_row = 24, .ws_col = 80 };
    return w;
}

/* Printable ASCII and UTF-8 pass; whatever else a step wrote cannot steer the terminal. */
static void add_visible(struct strbuf *out, const char *text, size_t width)
{
    size_t used = 0;
    for (; *text && used < width; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == 0x7f)
            continue;
        if (c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0) {
            text++;
            continue;
        }
        strbuf_addch(out, (char)c);
        used += (c & 0xc0) != 0x80;
    }
    for (; used < width; used++)
        strbuf_addch(out, ' ');
}

static const char *colour_of(const struct tty *t, const struct tty_vertex *v)
{
    if (!t->colour)
        return "";
    if (!v->end_ns)
        return "";
    switch (v->how) {
    case PROGRESS_FAILED: return "\033[31m";
    case PROGRESS_CANCELLED: return "\033[33m";
    case PROGRESS_DONE:
    case PROGRESS_CACHED:
    case PROGRESS_STARTED:
    case PROGRESS_LOG:
    case PROGRESS_STATUS:
    case PROGRESS_NOTE:
    case PROGRESS_WARNING: break;
    }
    return "\033[34m";
}

static void add_below(struct strvec *lines, const char *mark, const char *text, size_t width)
{
    auto_(strbuf) struct strbuf line = STRBUF_INIT;
    auto_free char *all = xasprintf(" => => %s%s", mark, text);
    add_visible(&line, all, width - 1);
    strvec_push(lines, line.buf);
}

/* What is under way. */
static void add_transfers(const struct transfers *transfers, size_t width, struct strvec *lines)
{
    size_t shown = 0;
    for (size_t i = 0; i < transfers->count && shown < TRANSFER_LINES; i++) {
        const struct transfer *one = &transfers->items[i];
        auto_(strbuf) struct strbuf text = STRBUF_INIT;
        if (transfer_is_done(one))
            continue;
        strbuf_addf(&text, "%s ", one->name);
        transfer_print_bytes(one, &text);
        transfer_print_rate(one, &text);
        add_below(lines, "", text.buf, width);
        shown++;
    }
}

static void add_vertex(const struct tty *t, const struct tty_vertex *v, uint64_t now, size_t width,
                       struct strvec *lines)
{
    auto_(strbuf) struct strbuf line = STRBUF_INIT;
    auto_free char *text = xasprintf(" => %s%s%s%s", v->how == PROGRESS_CACHED ? "CACHED " : "",
                                     v->how == PROGRESS_FAILED ? "ERROR " : "", v->name,
                                     v->how == PROGRESS_CANCELLED ? " CANCELED" : "");
    double seconds = (double)((v->end_ns ? v->end_ns : now) - v->start_ns) / 1e9;
    strbuf_addstr(&line, colour_of(t, v));
    add_visible(&line, text, width > 10 ? width - 9 : width);
    strbuf_addf(&line, "%7.1fs", seconds);
    if (t->colour)
        strbuf_addstr(&line, "\033[0m");
    strvec_push(lines, line.buf);
    if (v->end_ns)
        return;
    size_t first = v->log_count > LOG_LINES ? v->log_count - LOG_LINES : 0;
    for (size_t i = first; i < v->log_count; i++)
        add_below(lines, "# ", v->log[i % LOG_LINES], width);
    if (v->note)
        add_below(lines, "", v->note, width);
    add_transfers(&v->transfers, width, lines);
}

static void draw(struct tty *t)
{
    struct winsize size = window();
    uint64_t now = clock_monotonic_ns();
    size_t ended = 0;
    size_t known = 0;
    auto_(strvec) struct strvec lines = { 0 };
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < t->count; i++) {
        if (!t->vertices[i].name)
            continue;
        known++;
        ended += t->vertices[i].end_ns != 0;
        add_vertex(t, &t->vertices[i], now, size.ws_col, &lines);
    }
    if (t->drawn_lines)
        strbuf_addf(&out, "\033[%dA\r\033[J", t->drawn_lines);
    strbuf_addf(&out, "[+] Building %.1fs (%zu/%zu)%s\n", (double)(now - t->start_ns) / 1e9, ended,
                known, ended == known ? " FINISHED" : "");
    size_t room = size.ws_row > 3 ? (size_t)size.ws_row - 2 : 1;
    size_t first = lines.count > room ? lines.count - room : 0;
    for (size_t i = first; i < lines.count; i++)
        strbuf_addf(&out, "%s\n", lines.items[i]);
    fwrite(out.buf, 1, out.len, stderr);
    fflush(stderr);
    t->drawn_lines = (int)(lines.count - first) + 1;
    t->drawn_ns = now;
}

static void add_log(struct tty_vertex *v, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\n' && text[i] != '\r' && v->line.len < LINE_MAX_BYTES) {
            strbuf_addch(&v->line, text[i]);
        } else if (text[i] == '\n' && v->line.len) {
            size_t slot = v->log_count++ % LOG_LINES;
            free(v->log[slot]);
            v->log[slot] = strbuf_detach(&v->line);
        } else if (text[i] == '\r') {
            strbuf_clear(&v->line);
        }
    }
}

/* A warning stands above the view for good. */
static void print_warning(struct tty *t, const char *text)
{
    auto_(strbuf) struct strbuf out = STRBUF_INIT;
    if (t->drawn_lines)
        strbuf_addf(&out, "\033[%dA\r\033[J", t->drawn_lines);
    strbuf_addstr(&out, "WARNING: ");
    add_visible(&out, text, strlen(text));
    fprintf(stderr, "%s\n", out.buf);
    t->drawn_lines = 0;
}

static void tty_event(struct progress_sink *sink, const struct progress_event *e)
{
    struct tty *t = (struct tty *)sink;
    if (e->kind == PROGRESS_WARNING) {
        print_warning(t, e->text);
        return;
    }
    struct tty_vertex *v = vertex_of(t, e->vertex);
    switch (e->kind) {
    case PROGRESS_STARTED:
        v->name = xstrdup(e->name);
        v->start_ns = clock_monotonic_ns();
        break;
    case PROGRESS_LOG: add_log(v, e->text, e->len); break;
    case PROGRESS_STATUS:
        transfers_update(&v->transfers, e, v->start_ns, clock_monotonic_ns());
        break;
    case PROGRESS_NOTE:
        free(v->note);
        v->note = xstrndup(e->text, e->len);
        break;
    case PROGRESS_DONE:
    case PROGRESS_CACHED:
    case PROGRESS_FAILED:
    case PROGRESS_CANCELLED:
        v->how = e->kind;
        v->end_ns = clock_monotonic_ns();
        break;
    case PROGRESS_WARNING: break;
    }
    if (clock_monotonic_ns() - t->drawn_ns > REDRAW_NS)
        draw(t);
}

static void tty_tick(struct progress_sink *sink)
{
    struct tty *t = (struct tty *)sink;
    if (t->count)
        draw(t);
}

static void tty_forget(struct progress_sink *sink)
{
    struct tty *t = (struct tty *)sink;
    t->drawn_lines = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct tty_vertex *v = &t->vertices[i];
        for (size_t k = 0; k < LOG_LINES; k++)
            free(v->log[k]);
        free(v->name);
        free(v->note);
        transfers_release(&v->transfers);
        strbuf_release(&v->line);
    }
    free(t->vertices);
    t->vertices = NULL;
    t->count = 0;
}

static void tty_finish(struct progress_sink *sink)
{
    struct tty *t = (struct tty *)sink;
    if (t->count)
        draw(t);
    tty_forget(sink);
}

static void tty_free(struct progress_sink *sink)
{
    tty_forget(sink);
    free(sink);
}

struct progress_sink *progress_tty_open(void)
{
    struct tty *t = xcalloc(1, sizeof *t);
    t->base = (struct progress_sink){ tty_event, tty_tick, tty_finish, tty_forget, tty_free };
    t->start_ns = clock_monotonic_ns();
    t->colour = !getenv("NO_COLOR");
    return &t->base;
}
