/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push_ahead: layers that a builder has packed go to the registry while it makes others (runs later
 * steps, or packs); the push at the end finds them there. A build that fails leaves blobs that
 * nothing names, no tag.
 *
 *     push_ahead_open                         planner
 *     builder_run_beside(... push_ahead_begin ...)
 *         push_ahead_blob                     builder, any thread: one more is in the store
 *     push_ahead_end                          planner
 *
 * It is the planner that sends: credential helpers are programs of the caller's (design 5), and
 * what it knows of the registry by then is of use at the end. It hears of blobs through a pipe.
 * Meanwhile the builder has the terminal, so what is sent is shown from push_ahead_end on. What
 * goes wrong is not told: the push at the end meets it again.
 */
#ifndef CMD_PUSH_AHEAD_H
#define CMD_PUSH_AHEAD_H

#include "cmd/session.h"
#include "lib/exporter/image.h"

struct push_ahead;

/* To the repositories of `names`, full references. Errors: USER, SYSTEM. */
int push_ahead_open(struct session *s, const struct strvec *names, struct push_ahead **out,
                    struct error *err) MUST_CHECK;
/* The builder has begun. This and the next take a struct push_ahead, and are what an
 * export_listener calls. */
void push_ahead_begin(void *a);
void push_ahead_blob(void *a, const struct image_blob *blob);
/* The builder has ended, and all is to be sent; or not, and what is on its way is given up. Frees
 * it; NULL is allowed. */
void push_ahead_end(struct push_ahead *a, bool is_wanted);

#endif
