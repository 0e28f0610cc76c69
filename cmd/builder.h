/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builder: the process that runs things: a child in a user and mount namespace of its own, with the
 * zygote of the sandboxes, the snapshotter and the thread pool (design.md 5). The only place that
 * knows which snapshotter and executor there are.
 */
#ifndef CMD_BUILDER_H
#define CMD_BUILDER_H

#include "cmd/report.h"
#include "cmd/session.h"

typedef int builder_fn(struct session *s, const struct solver_workers *workers, void *arg,
                       struct error *err);

/* Runs `fn` there. If it fails the child has reported why, with `source` (may be NULL); the result
 * is then -1, s->child_status its exit code, and `err` is not set. Otherwise -1 means that the
 * child could not be had (HOST). What `fn` changes in memory is lost; what it leaves in the store
 * is not. */
int builder_run(struct session *s, builder_fn *fn, void *arg, const struct report_source *source,
                struct error *err) MUST_CHECK;
/* The same; `beside` is called here with the same argument once the builder has begun, and must not
 * wait. */
int builder_run_beside(struct session *s, builder_fn *fn, void (*beside)(void *arg), void *arg,
                       const struct report_source *source, struct error *err) MUST_CHECK;

#endif
