/* SPDX-License-Identifier: Apache-2.0 */
/* address: is the other end this host, or a network that only its neighbours reach? */
#ifndef LIB_NET_ADDRESS_INTERNAL_H
#define LIB_NET_ADDRESS_INTERNAL_H

#include <stdbool.h>
#include <sys/socket.h>

/* Loopback, private, link-local, multicast or unspecified; other families are not. */
bool address_is_private(const struct sockaddr *address);
/* The same of "10.0.0.1" or "fe80::1". */
bool address_text_is_private(const char *text);

#endif
