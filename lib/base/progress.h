/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress: what a build does, as typed events on their way to one sink (cmd/progress_*.c). Pull,
 * solver, exporter and push all report here; none of them prints.
 *
 *     unsigned v = progress_start(p, "[builder 2/5] RUN make");
 *     progress_log(p, v, STDOUT_FILENO, data, len);
 *     progress_status(p, v, "sha256:ab12", current, total);
 *     progress_end(p, v, PROGRESS_DONE, NULL);
 *
 * Thread-safe: events reach the sink one at a time. `p` may be NULL: nobody watches. What has no
 * vertex (0) is told to nobody, but for warnings. Bytes are best told by meter.h.
 */
#ifndef LIB_BASE_PROGRESS_H
#define LIB_BASE_PROGRESS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

enum progress_kind {
    PROGRESS_STARTED, /* name */
    PROGRESS_LOG,     /* stream, text, len: raw output of a step */
    PROGRESS_STATUS,  /* name: what moves; current, total in bytes (total 0: unknown) */
    PROGRESS_NOTE,    /* text: one line of a step's own story ("exporting manifest sha256:..") */
    PROGRESS_WARNING, /* text */
    PROGRESS_DONE,
    PROGRESS_CACHED,
    PROGRESS_FAILED, /* text: why */
    PROGRESS_CANCELLED,
};

struct progress_event {
    enum progress_kind kind;
    unsigned vertex; /* 1, 2, ... in order of start */
    int stream;      /* 1 or 2 */
    const char *name;
    const char *text;
    size_t len;
    uint64_t current, total;
    uint64_t since_ns; /* when the first byte moved, on the monotonic clock; 0: unknown */
};

struct progress_sink {
    void (*event)(struct progress_sink *sink, const struct progress_event *e);
    /* Nothing has happened for a while: clocks go on. May be NULL. */
    void (*tick)(struct progress_sink *sink);
    /* Everything was said by this process: print summaries, restore the terminal. May be NULL. */
    void (*finish)(struct progress_sink *sink);
    /* Another process that began with a copy of this sink has shown all it held. May be NULL. */
    void (*forget)(struct progress_sink *sink);
    void (*free)(struct progress_sink *sink);
};

struct progress {
    struct progress_sink *sink;
    pthread_mutex_t lock;
    unsigned next; /* number of the next vertex; under `lock` */
};

void progress_init(struct progress *p, struct progress_sink *sink);
unsigned progress_start(struct progress *p, const char *name);
void progress_log(struct progress *p, unsigned vertex, int stream, const char *data, size_t len);
void progress_status(struct progress *p, unsigned vertex, const char *name, uint64_t current,
                     uint64_t total);
/* The same for what began to move at `since_ns`. */
void progress_status_since(struct progress *p, unsigned vertex, const char *name, uint64_t since_ns,
                           uint64_t current, uint64_t total);
void progress_note(struct progress *p, unsigned vertex, const char *text);
void progress_warning(struct progress *p, const char *text);
void progress_tick(struct progress *p);
/* Ends a vertex with DONE, CACHED, FAILED or CANCELLED; `text` says why it failed. */
void progress_end(struct progress *p, unsigned vertex, enum progress_kind how, const char *text);
/* Ends a vertex with what its work came to: DONE if `rc` is 0, else CANCELLED or FAILED with what
 * `err` says. Returns `rc`. */
int progress_end_with(struct progress *p, unsigned vertex, int rc, const struct error *err);

#endif
