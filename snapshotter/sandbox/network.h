/* SPDX-License-Identifier: Apache-2.0 */
/* network: the text of /etc/hosts and /etc/resolv.conf in a sandbox. */
#ifndef SNAPSHOTTER_SANDBOX_NETWORK_H
#define SNAPSHOTTER_SANDBOX_NETWORK_H

#include "snapshotter/sandbox/sandbox.h"

/* Both texts are the caller's to free. `extra` is whole lines, or NULL. */
char *network_hosts(const char *hostname, const char *extra) __attribute__((returns_nonnull));
/* For a network namespace of its own: `host` without the name servers that are reachable only from
 * the host itself; with public ones if none is left. */
char *network_resolv_own(const char *host) __attribute__((returns_nonnull));
/* `host` with what the caller has chosen in its place; NULL if there is no choice. */
char *network_resolv_chosen(const char *host, const struct sandbox_dns *dns);
/* The host's resolv.conf, "" if there is none. With `stub_aside`, if its only server is systemd's
 * stub, the file that names the real ones. */
char *network_resolv_host(bool stub_aside) __attribute__((returns_nonnull));

#endif
