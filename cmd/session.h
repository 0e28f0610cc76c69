/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session: the composition root: the store, progress, cancellation and the registry client of one
 * run of the program. Only cmd/ knows which snapshotter, executor and sinks there are.
 */
#ifndef CMD_SESSION_H
#define CMD_SESSION_H

#include "cmd/timings.h"
#include "lib/base/cancel.h"
#include "lib/base/progress.h"
#include "lib/registry/registry.h"
#include "lib/s3/bucket.h"
#include "lib/solver/solver.h"
#include "lib/store/store.h"
#include "snapshotter/sandbox/sandbox.h"

struct session {
    struct store store;        /* open after session_open_store */
    struct cancel cancel;      /* raised by a signal, and by the first error of a build */
    struct cancel interrupt;   /* by a signal alone: for what goes on when a build has failed */
    struct progress *progress; /* in memory that the builder process shares */
    struct timings *timings;   /* the sink of `progress`, if they are recorded; else NULL */
    bool is_raw_progress;      /* rawjson: nothing else is said on standard error but errors */
    struct registry_client *registry, *cache_registry;
    struct strvec insecure_hosts;
    bool debug;                            /* say whose credentials are used, and the like */
    const struct sandbox_options *sandbox; /* of RUN steps; NULL: the default */
    mode_t umask; /* the caller's: what leaves the store obeys it, the store itself is private */
    int child_status; /* exit code of a builder that has said why itself, else 0 */
    bool reported;    /* the error has been shown, with the lines it is about */
};

int session_init(struct session *s, struct error *err) MUST_CHECK;
void session_release(struct session *s);
/* The signal that interrupted, or 0. */
int session_signal(void);
/* From here on this process is a builder: its planner decides when it has been asked twice. */
void session_enter_builder(void);

/* Opens the store and takes a lease in it. */
int session_open_store(struct session *s, struct error *err) MUST_CHECK;
/* `mode` is auto, plain, tty, quiet or none; NULL asks BUILDKIT_PROGRESS, then auto. */
int session_open_progress(struct session *s, const char *mode, struct error *err) MUST_CHECK;
/* From here on it is kept when everything begins and ends. */
int session_record_timings(struct session *s, struct error *err) MUST_CHECK;
/* Summaries, the terminal as it was. */
void session_finish_progress(struct session *s);
/* The builder, which began with a copy of what there was to show, has shown it. */
void session_forget_progress(struct session *s);
struct registry_client *session_registry(struct session *s);
/* Another one, that an error of the build does not stop. */
struct registry_client *session_cache_registry(struct session *s);
/* What that client is made of, for one more. */
struct registry_options session_registry_options(struct session *s);
/* What a bucket is made of, but for which one it is; with `cancel` of the two above. */
struct s3_options session_s3_options(struct session *s, const struct cancel *cancel);

#endif
