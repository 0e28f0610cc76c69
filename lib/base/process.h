/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: run another program of the host (newuidmap, a credential helper, git) and collect what
 * it says. Never a shell; PATH is the host's. RUN steps are not started here, see
 * snapshotter/sandbox.
 */
#ifndef LIB_BASE_PROCESS_H
#define LIB_BASE_PROCESS_H

#include <stdbool.h>

#include "lib/base/cancel.h"
#include "lib/base/error.h"
#include "lib/base/strbuf.h"

struct process_result {
    int status;        /* exit code, or 128 + signal */
    struct strbuf out; /* standard output, at most PROCESS_OUTPUT_MAX bytes */
    struct strbuf err; /* standard error, likewise */
};
enum { PROCESS_OUTPUT_MAX = 1024 * 1024 };

/* Runs argv[0] (looked up in PATH) with `input` on standard input (NULL: /dev/null) and waits for
 * it. A program that cannot be started is NOT_FOUND or SYSTEM; its own failure is result->status.
 * The caller releases the result. The builder's other descriptors are not inherited. */
int process_run(const char *const *argv, const char *input, struct process_result *result,
                struct error *err) MUST_CHECK;
/* The same with another environment: the caller's, but each "NAME=value" of `changes` set, and each
 * "NAME" of it unset. NULL-terminated. With `cancel` (may be NULL) the program has a session of its
 * own, which ends with the builder; once raised it ends at once, and the error is CANCELLED. */
int process_run_env(const char *const *argv, const char *const *changes, const char *input,
                    const struct cancel *cancel, struct process_result *result,
                    struct error *err) MUST_CHECK;
void process_result_release(struct process_result *result);

/* A program that is fed a stream, through `in_fd`. What it says is kept meanwhile. */
struct process_feed {
    int pid;
    int in_fd;   /* the caller writes here */
    int said_fd; /* its standard output and error, in one */
};
#define PROCESS_FEED_INIT                                                                          \
    {                                                                                              \
        -1, -1, -1                                                                                 \
    }
/* Errors: NOT_FOUND, SYSTEM. The caller ends *out. */
int process_feed_start(const char *const *argv, struct process_feed *out,
                       struct error *err) MUST_CHECK;
/* All was written: waits for the program's end and returns its status as process_wait does; what it
 * has said is appended to `said` (at most PROCESS_OUTPUT_MAX bytes). With `is_broken` it is not to
 * make anything of what it got, and is ended. */
int process_feed_end(struct process_feed *feed, bool is_broken, struct strbuf *said);

/* waitpid for one child, EINTR dealt with: exit code, or 128 + signal. */
int process_wait(int pid);

#endif
