/* SPDX-License-Identifier: Apache-2.0 */
/*
 * executor: INTERFACE for running one process on a prepared root. The solver asks; the sandbox
 * (snapshotter/sandbox) answers; a fake one makes the solver testable without privileges.
 */
#ifndef LIB_SOLVER_EXECUTOR_H
#define LIB_SOLVER_EXECUTOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/cancel.h"
#include "lib/base/error.h"
#include "lib/graph/graph.h"
#include "lib/layer/snapshotter.h"

/* What one of op->mounts shows, looked up by the solver. */
struct exec_source {
    bool absent; /* an optional secret or agent that nobody lent: nothing is mounted */
    bool is_dir; /* what is mounted; a TMPFS is */
    /* BIND: the root that `path` is in, a detached or attached mount. CACHE: the directory. SSH:
     * the socket. Borrowed; else -1. */
    int fd;
    const char *path; /* BIND: in that root, no link on the way; "" is the root itself */
    const char *data; /* SECRET: the value */
    size_t size;
};

struct exec_request {
    const struct op_exec *op;
    int root_fd; /* the root of the step: a detached or attached mount, borrowed */
    const struct exec_source *sources; /* one for each of op->mounts */
    /* Takes a piece of output as it comes (stream 1 or 2), in the caller's thread. */
    void (*output)(void *arg, int stream, const char *data, size_t len);
    /* Takes what is worth a warning beside, likewise. May be NULL. */
    void (*warn)(void *arg, const char *text);
    void *output_arg;      /* of both */
    struct cancel *cancel; /* raised: the step is ended, by force after 10 s */
};

struct executor {
    /* Runs the step to its end. 0 with *out_status = exit code (128 + n: killed by signal n), or
     * -1: it could not be started (bad user, missing program is status 127 with a message on stream
     * 2), or was cancelled. Thread-safe: any number of steps at once. */
    int (*run)(struct executor *executor, const struct exec_request *request, int *out_status,
               struct error *err);
    /* What every step has mounted below its root; `count` entries, the executor's. */
    const struct mount_point *mount_points;
    size_t mount_point_count;
    /* What the devices of a step have mounted beside; the executor's. NULL: nothing. */
    int (*device_points)(struct executor *executor, const struct op_exec *op,
                         const struct mount_point **out, size_t *out_count, struct error *err);
};

#endif
