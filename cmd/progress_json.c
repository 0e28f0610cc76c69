/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One JSON object a line for each event, as buildx's rawjson: "vertexes", "statuses", "logs" or
 * "warnings", each an array of one (spec 10.2).
 */
#include "cmd/progress.h"
#include "cmd/transfers.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/strbuf.h"
#include "lib/codec/base64.h"
#include "lib/codec/digest.h"
#include "lib/codec/json.h"

struct json_vertex {
    char *name;
    char started[CLOCK_TEXT_SIZE];
    uint64_t start_ns;
    struct transfers transfers;
};

struct json_sink {
    struct progress_sink base;
    struct json_vertex *vertices; /* by number - 1 */
    size_t count;
};

static struct json_vertex *vertex_of(struct json_sink *s, unsigned number)
{
    if (number > s->count) {
        s->vertices = xreallocarray(s->vertices, number, sizeof *s->vertices);
        for (size_t i = s->count; i < number; i++)
            s->vertices[i] = (struct json_vertex){ 0 };
        s->count = number;
    }
    return &s->vertices[number - 1];
}

/* A name for a vertex that no other of this build has. */
static void set_digest(js *object, const char *key, unsigned number, const char *name)
{
    struct digest d;
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_u64(h, number);
    hasher_add_text(h, name);
    hasher_finish(h, &d);
    js_set_digest(object, key, &d);
}

static void set_now(js *object, const char *key)
{
    char now[CLOCK_TEXT_SIZE];
    clock_print(clock_now(), now);
    js_set_text(object, key, now);
}

static void set_data(js *object, const char *key, const char *data, size_t len)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    base64_encode(data, len, &text);
    js_set_text(object, key, text.buf);
}

static void print_take(const char *kind, js *item)
{
    auto_(js) js *doc = js_new_object();
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    js *list = js_new_array();
    js_push_take(list, item);
    js_set_take(doc, kind, list);
    js_print_in_order(doc, 0, &text);
    fprintf(stderr, "%s\n", text.buf);
}

static js *new_vertex(const struct json_vertex *v, unsigned number)
{
    js *item = js_new_object();
    const char *name = v->name ? v->name : "";
    set_digest(item, "digest", number, name);
    js_set_text(item, "name", name);
    js_set_text(item, "started", v->started);
    return item;
}

static void print_end(const struct json_vertex *v, const struct progress_event *e)
{
    js *item = new_vertex(v, e->vertex);
    set_now(item, "completed");
    if (e->kind == PROGRESS_CACHED)
        js_set_take(item, "cached", js_new_bool(true));
    if (e->kind == PROGRESS_FAILED)
        js_set_text(item, "error", e->text ? e->text : "failed");
    if (e->kind == PROGRESS_CANCELLED)
        js_set_text(item, "error", "context canceled");
    print_take("vertexes", item);
}

static void print_log(const struct json_vertex *v, const struct progress_event *e)
{
    js *item = js_new_object();
    set_digest(item, "vertex", e->vertex, v->name ? v->name : "");
    js_set_take(item, "stream", js_new_int(e->stream));
    set_data(item, "data", e->text, e->len);
    set_now(item, "timestamp");
    print_take("logs", item);
}

static js *new_status(const struct json_vertex *v, unsigned number, const char *name)
{
    js *item = js_new_object();
    js_set_text(item, "id", name);
    set_digest(item, "vertex", number, v->name ? v->name : "");
    js_set_text(item, "name", name);
    return item;
}

static void set_ago(js *object, const char *key, uint64_t ago_ns)
{
    char text[CLOCK_TEXT_SIZE];
    struct timespec t = clock_now();
    int64_t ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - (int64_t)ago_ns;
    clock_print((struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 }, text);
    js_set_text(object, key, text);
}

/* Its time and those below tell the rate. */
static void print_status(struct json_vertex *v, const struct progress_event *e)
{
    const struct transfer *t =
        transfers_update(&v->transfers, e, v->start_ns, clock_monotonic_ns());
    js *item = new_status(v, e->vertex, e->name);
    js_set_take(item, "total", js_new_int((int64_t)e->total));
    js_set_take(item, "current", js_new_int((int64_t)e->current));
    set_now(item, "timestamp");
    set_ago(item, "started", t->now_ns - t->first_ns);
    if (transfer_is_done(t))
        set_now(item, "completed");
    print_take("statuses", item);
}

static void print_note(const struct json_vertex *v, const struct progress_event *e)
{
    js *item = new_status(v, e->vertex, e->text);
    js_set_take(item, "total", js_new_int(0));
    js_set_take(item, "current", js_new_int(0));
    set_now(item, "timestamp");
    print_take("statuses", item);
}

static void print_warning(const struct progress_event *e)
{
    js *item = js_new_object();
    js_set_take(item, "level", js_new_int(1));
    set_data(item, "short", e->text, strlen(e->text));
    print_take("warnings", item);
}

static void json_event(struct progress_sink *sink, const struct progress_event *e)
{
    struct json_sink *s = (struct json_sink *)sink;
    if (e->kind == PROGRESS_WARNING) {
        print_warning(e);
        return;
    }
    struct json_vertex *v = vertex_of(s, e->vertex);
    switch (e->kind) {
    case PROGRESS_STARTED:
        free(v->name);
        v->name = xstrdup(e->name);
        clock_print(clock_now(), v->started);
        v->start_ns = clock_monotonic_ns();
        print_take("vertexes", new_vertex(v, e->vertex));
        break;
    case PROGRESS_LOG: print_log(v, e); break;
    case PROGRESS_STATUS: print_status(v, e); break;
    case PROGRESS_NOTE: print_note(v, e); break;
    case PROGRESS_DONE:
    case PROGRESS_CACHED:
    case PROGRESS_FAILED:
    case PROGRESS_CANCELLED: print_end(v, e); break;
    case PROGRESS_WARNING: break;
    }
}

static void json_free(struct progress_sink *sink)
{
    struct json_sink *s = (struct json_sink *)sink;
    for (size_t i = 0; i < s->count; i++) {
        free(s->vertices[i].name);
        transfers_release(&s->vertices[i].transfers);
    }
    free(s->vertices);
    free(s);
}

struct progress_sink *progress_json_open(void)
{
    struct json_sink *s = xcalloc(1, sizeof *s);
    s->base.event = json_event;
    s->base.free = json_free;
    return &s->base;
}
