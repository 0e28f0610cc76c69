/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userns: the one place where this program enters a user namespace. The planner forks; the child
 * gets user and mount namespaces of its own, becomes 0:0 there, and runs a function. Below that
 * function everything is "root here"; nothing else asks whether the build is rootless.
 *
 *     planner                              child
 *     userns_run ── fork ────────────────> unshare
 *       newuidmap, newgidmap  <─ "ready" ─
 *                             ── "go" ───> 0:0, private mounts, dies with its parent
 *       waits                              fn(arg), _exit(result)
 *
 * Signals. While it waits, the planner takes SIGINT, SIGTERM and SIGHUP (those it does not ignore)
 * itself, raises `cancel`, and sends the child the same one (SIGTERM if `cancel` was raised by
 * others); a child that has not ended 15 s later, or at the second signal, is killed. The child has
 * the signal mask and the handlers that the planner had at the call, and the terminal's Ctrl-C
 * reaches it too: its handler must bear both signals, more than once. `cancel` as the child sees it
 * shares its descriptor with the planner's, but not the flag.
 */
#ifndef SNAPSHOTTER_USERNS_H
#define SNAPSHOTTER_USERNS_H

#include "lib/base/cancel.h"
#include "lib/base/error.h"
#include "snapshotter/id_map.h"

/* What runs: `fn` in the child; `beside`, if it is not NULL, in the planner once the child is on
 * its way: threads that it starts are none of the child's. */
struct userns_job {
    int (*fn)(void *arg);
    void (*beside)(void *arg);
    void *arg; /* of both */
};

/* Runs it as described and waits. 0 with *out_status = what fn returned (its low 8 bits), or
 * 128 + the signal that killed the child; -1 if the namespace could not be had (HOST, with a hint
 * that names the command which would lift it) or the child did not end when it was told to, and had
 * to be killed (CANCELLED; *out_status is 128 + the signal that it was told). `cancel` may be NULL.
 * The child is single-threaded even if the caller is not. */
int userns_run(const struct id_map *map, const struct userns_job *job, struct cancel *cancel,
               int *out_status, struct error *err) MUST_CHECK;

#endif
