/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timings: a progress sink that stands before another and keeps when everything began and ended,
 * to tell afterwards where the time went. The log is a file in memory that the planner and its
 * builder, which has a copy of the sink, both append to: one account tells of both.
 *
 *     TRY(timings_open(sink, &t, err));     give timings_base(t) to the progress instead of `sink`
 *     ... the build ...
 *     TRY(timings_read(t, &account, err));
 *     timings_print_table(&account, &text);   timings_print_trace(&account, &text);
 */
#ifndef CMD_TIMINGS_H
#define CMD_TIMINGS_H

#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/base/progress.h"
#include "lib/base/strbuf.h"

struct timings;

struct timed_step {
    unsigned vertex;
    pid_t pid;
    char *name;
    uint64_t start_ns, end_ns;
    enum progress_kind how; /* PROGRESS_STARTED: it has not ended */
    uint64_t bytes;         /* that it moved */
};

/* A moment: bytes of a transfer (PROGRESS_STATUS), a note, a warning. */
struct timed_moment {
    enum progress_kind kind;
    unsigned vertex;
    pid_t pid;
    uint64_t ns;
    char *text;
    uint64_t current;
};

struct account {
    pid_t planner;
    uint64_t start_ns, end_ns;
    struct timed_step *steps; /* in order of start */
    size_t step_count, step_cap;
    struct timed_moment *moments;
    size_t moment_count, moment_cap;
};

/* `next` becomes the sink's, which is the caller's to free by its `free`. Errors: SYSTEM. */
int timings_open(struct progress_sink *next, struct timings **out, struct error *err) MUST_CHECK;
struct progress_sink *timings_base(struct timings *t);
/* All up to now. */
int timings_read(const struct timings *t, struct account *out, struct error *err) MUST_CHECK;
void account_release(struct account *a);
DEFINE_AUTO(account, struct account, account_release(value))

/* What a step belongs to, by its name. */
enum phase {
    PHASE_DOCKERFILE,
    PHASE_BASE,
    PHASE_CONTEXT,
    PHASE_DOWNLOAD,
    PHASE_STEP,
    PHASE_EXPORT,
    PHASE_PUSH,
    PHASE_SYNC,
    PHASE_COUNT
};
enum phase phase_of(const char *step);
const char *phase_name(enum phase phase);

/* For people: wall time, share and bytes of each phase, and the slowest steps. Phases that run side
 * by side each count in full; what is in none of them is told, too. */
void timings_print_table(const struct account *a, struct strbuf *out);
/* For chrome://tracing and Perfetto: the trace event format, a JSON array. */
void timings_print_trace(const struct account *a, struct strbuf *out);

#endif
