/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper: keeps the cache within its limits for a build: before it begins, and while it runs when
 * the file system is running out of space or inodes; then what was unused longest goes, instead of
 * the build. What is said about it is said as progress.
 *
 *     keeper_start (in the builder, before steps run) ... keeper_stop
 */
#ifndef CMD_KEEPER_H
#define CMD_KEEPER_H

#include "cmd/session.h"
#include "lib/store/gc.h"

struct keeper;

/* `policy` is copied. The limits hold when this returns, as far as they can. */
struct keeper *keeper_start(struct session *s, const struct gc_policy *policy);
void keeper_stop(struct keeper *k);

#endif
