/* SPDX-License-Identifier: Apache-2.0 */
/* compare: have two layers the same files? Names, types, owners, modes, attributes (marks of
 * overlayfs among them), links, then bytes; never times. */
#ifndef SNAPSHOTTER_COMPARE_H
#define SNAPSHOTTER_COMPARE_H

#include "lib/layer/snapshotter.h"

/* An operation of all snapshotters of a store. */
int compare_layers(struct snapshotter *s, const char *id, const char *other, bool *out,
                   struct error *err) MUST_CHECK;

#endif
