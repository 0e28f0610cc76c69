/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack_lower: what a stack of layers holds, by overlayfs's rules and without a mount: each layer
 * answers by its tree, or, if it is packed, by its index. Implements lib/layer/lower.h.
 */
#ifndef SNAPSHOTTER_STACK_LOWER_H
#define SNAPSHOTTER_STACK_LOWER_H

#include "lib/layer/snapshotter.h"

/* An operation of all snapshotters of a store. Errors: NOT_FOUND for a layer that has neither. */
int stack_lower_open(struct snapshotter *s, const struct layer_list *layers, struct lower **out,
                     struct error *err) MUST_CHECK;

#endif
