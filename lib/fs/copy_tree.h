/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_tree: a directory with all below it, with owners, modes, times, hard links and the extended
 * attributes that travel in images. Sockets stay behind, and devices that the caller may not make.
 */
#ifndef LIB_FS_COPY_TREE_H
#define LIB_FS_COPY_TREE_H

#include "lib/base/cancel.h"
#include "lib/base/error.h"

/* Makes the empty directory `to_fd`, which nobody else can reach yet, a copy of `from_fd` (open for
 * reading). Links are copied, never followed. `cancel` may be NULL. Errors: SYSTEM, NO_SPACE,
 * CANCELLED. */
int copy_tree(int from_fd, int to_fd, const struct cancel *cancel, struct error *err) MUST_CHECK;

#endif
