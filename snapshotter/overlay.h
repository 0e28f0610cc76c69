/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: the snapshotter that mounts layers with overlayfs (userxattr) in the build's own user
 * and mount namespace. Mounts are detached: they appear in no mount table and end with their
 * descriptor.
 */
#ifndef SNAPSHOTTER_OVERLAY_H
#define SNAPSHOTTER_OVERLAY_H

#include "lib/base/cancel.h"
#include "lib/base/thread_pool.h"
#include "lib/layer/snapshotter.h"
#include "lib/store/store.h"

/* `pool` takes what need not be waited for: a mount ends some milliseconds after its last use.
 * Tries an overlay mount in the store's scratch space; HOST if this kernel or file system has none,
 * for then plain copies can stand in (native.h). All are borrowed; the store has a lease. */
int overlay_new(const struct store *store, struct thread_pool *pool, const struct cancel *cancel,
                struct snapshotter **out, struct error *err) MUST_CHECK;

#endif
