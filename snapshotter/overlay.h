/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlay: the snapshotter that mounts layers with overlayfs (userxattr) in the build's own user
 * and mount namespace. Mounts are detached: they appear in no mount table and end with their
 * descriptor.
 */
#ifndef SNAPSHOTTER_OVERLAY_H
#define SNAPSHOTTER_OVERLAY_H

#include "lib/solver/snapshotter.h"
#include "lib/store/store.h"

/* Tries an overlay mount in the store's scratch space; HOST if this kernel or file system has none,
 * for then plain copies can stand in (native.h). `store` is borrowed and has a lease. */
int overlay_new(const struct store *store, struct snapshotter **out, struct error *err) MUST_CHECK;

#endif
