/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: from what the solver asks for to what the init is told: environment with secrets, mounts
 * with the descriptors that they come from.
 *
 *     TRY(request_build(exec_request, &call, err));
 *     request_add_host(&call.request, ...)          what every step has, what devices bring
 *     ... send call.request and call.trees ...
 *     call_release(&call);
 */
#ifndef SNAPSHOTTER_SANDBOX_REQUEST_H
#define SNAPSHOTTER_SANDBOX_REQUEST_H

#include "snapshotter/sandbox/init.h"

struct call {
    struct request request;
    int trees[TREES_MAX]; /* descriptors that the mounts come from; owned if is_copy says so */
    bool is_copy[TREES_MAX];
    size_t tree_count;
};

/* Fills the zeroed `out`, which the caller releases also after an error. Errors: USER (too many
 * mounts), SYSTEM. */
int call_build(const struct exec_request *from, struct call *out, struct error *err) MUST_CHECK;
/* A copy of the root that a snapshotter made, or -1: then it is handed over itself. */
int call_clone_root(int fd);
void call_release(struct call *call);
DEFINE_AUTO(call, struct call, call_release(value))

/* A path of the host at `target`; a device node if `is_device`. */
void request_add_host(struct request *r, const char *source, const char *target, bool writable,
                      bool is_device);
/* By target, so that what lies in another comes after it; of equal ones the last hides the rest. */
void request_sort_mounts(struct request *r);
/* Sets a variable, in place of an earlier one of the same name. */
void request_set_env(struct request *r, const char *name, const char *value, size_t len);

#endif
