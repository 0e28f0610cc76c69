/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native: the snapshotter for hosts without overlayfs: a root is a full copy of its layers, and a
 * step's changes are found by looking at all of it. Slow, works everywhere, leaves the same layers.
 */
#ifndef SNAPSHOTTER_NATIVE_H
#define SNAPSHOTTER_NATIVE_H

#include "lib/base/cancel.h"
#include "lib/layer/snapshotter.h"
#include "lib/store/store.h"

/* Both are borrowed; the store has a lease. */
int native_new(const struct store *store, const struct cancel *cancel, struct snapshotter **out,
               struct error *err) MUST_CHECK;

#endif
