/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/progress.h"

#include <string.h>

void progress_init(struct progress *p, struct progress_sink *sink)
{
    p->sink = sink;
    p->next = 1;
    pthread_mutex_init(&p->lock, NULL);
}

static void send(struct progress *p, const struct progress_event *e)
{
    if (!p || (!e->vertex && e->kind != PROGRESS_WARNING))
        return;
    pthread_mutex_lock(&p->lock);
    p->sink->event(p->sink, e);
    pthread_mutex_unlock(&p->lock);
}

unsigned progress_start(struct progress *p, const char *name)
{
    if (!p)
        return 0;
    pthread_mutex_lock(&p->lock);
    struct progress_event e = { .kind = PROGRESS_STARTED, .vertex = p->next++, .name = name };
    p->sink->event(p->sink, &e);
    pthread_mutex_unlock(&p->lock);
    return e.vertex;
}

void progress_log(struct progress *p, unsigned vertex, int stream, const char *data, size_t len)
{
    send(p,
         &(struct progress_event){
             .kind = PROGRESS_LOG, .vertex = vertex, .stream = stream, .text = data, .len = len });
}

void progress_status(struct progress *p, unsigned vertex, const char *name, uint64_t current,
                     uint64_t total)
{
    progress_status_since(p, vertex, name, 0, current, total);
}

void progress_status_since(struct progress *p, unsigned vertex, const char *name, uint64_t since_ns,
                           uint64_t current, uint64_t total)
{
    send(p, &(struct progress_event){ .kind = PROGRESS_STATUS,
                                      .vertex = vertex,
                                      .name = name,
                                      .current = current,
                                      .total = total,
                                      .since_ns = since_ns });
}

void progress_note(struct progress *p, unsigned vertex, const char *text)
{
    send(p, &(struct progress_event){
                .kind = PROGRESS_NOTE, .vertex = vertex, .text = text, .len = strlen(text) });
}

void progress_warning(struct progress *p, const char *text)
{
    send(p,
         &(struct progress_event){ .kind = PROGRESS_WARNING, .text = text, .len = strlen(text) });
}

void progress_end(struct progress *p, unsigned vertex, enum progress_kind how, const char *text)
{
    send(p, &(struct progress_event){
                .kind = how, .vertex = vertex, .text = text, .len = text ? strlen(text) : 0 });
}

int progress_end_with(struct progress *p, unsigned vertex, int rc, const struct error *err)
{
    if (rc == 0)
        progress_end(p, vertex, PROGRESS_DONE, NULL);
    else
        progress_end(p, vertex, err->kind == ERROR_CANCELLED ? PROGRESS_CANCELLED : PROGRESS_FAILED,
                     err->message);
    return rc;
}

void progress_tick(struct progress *p)
{
    if (!p || !p->sink->tick)
        return;
    pthread_mutex_lock(&p->lock);
    p->sink->tick(p->sink);
    pthread_mutex_unlock(&p->lock);
}
