/* SPDX-License-Identifier: Apache-2.0 */
/* zygote: how the builder starts the process that is the sandboxes' parent. */
#ifndef SNAPSHOTTER_SANDBOX_ZYGOTE_H
#define SNAPSHOTTER_SANDBOX_ZYGOTE_H

#include "snapshotter/sandbox/wire.h"

/* Forks the zygote and waits until it is ready. *out_socket takes requests (enum run_fd says which
 * descriptors); closing it ends the zygote, which is then the caller's to wait for. */
int zygote_start(const struct config *config, int *out_socket, pid_t *out_pid,
                 struct error *err) MUST_CHECK;

#endif
