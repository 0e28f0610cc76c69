/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices: what the CDI devices of a step, and those that every step gets, bring along. Looked up
 * once for each step; thread-safe.
 */
#ifndef SNAPSHOTTER_SANDBOX_DEVICES_H
#define SNAPSHOTTER_SANDBOX_DEVICES_H

#include "lib/base/error.h"
#include "snapshotter/cdi.h"
#include "snapshotter/sandbox/request.h"
#include "snapshotter/sandbox/sandbox.h"

struct devices;

struct step_devices {
    const struct op_exec *op;
    struct cdi_edits edits;
    struct mount_point *points; /* one for each of edits.binds */
};

struct devices *devices_new(const struct sandbox_options *options);
void devices_free(struct devices *d);
/* Borrowed until devices_free. Errors: NOT_FOUND (a required device), USER (one that is not
 * allowed). */
int devices_of(struct devices *d, const struct op_exec *op, const struct step_devices **out,
               struct error *err) MUST_CHECK;
void devices_apply(const struct step_devices *d, struct request *r);

#endif
