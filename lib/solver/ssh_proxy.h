/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssh_proxy: a socket for one step that leads to an ssh agent of the caller's. The step may list
 * keys and have things signed; whatever else it asks (add, remove, lock, extensions) is answered
 * with a failure and does not reach the agent. Messages are bounded, so is the number of
 * connections.
 *
 *     ssh_proxy_start ... mount ssh_proxy_fd() ... ssh_proxy_stop
 */
#ifndef LIB_SOLVER_SSH_PROXY_H
#define LIB_SOLVER_SSH_PROXY_H

#include <sys/types.h>

#include "lib/base/error.h"

struct ssh_proxy;

/* Listens on a socket of its own in `dir_fd`, with these attributes, and serves it in threads.
 * Errors: USER (an id that the build does not have), SYSTEM. */
int ssh_proxy_start(int dir_fd, const char *agent, unsigned mode, uid_t uid, gid_t gid,
                    struct ssh_proxy **out, struct error *err) MUST_CHECK;
/* The socket as a file (O_PATH), the proxy's. */
int ssh_proxy_fd(const struct ssh_proxy *p);
/* Breaks off what is under way and removes the socket. NULL is allowed. */
void ssh_proxy_stop(struct ssh_proxy *p);

#endif
