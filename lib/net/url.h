/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url: http and https addresses taken apart, and what a Location header means seen from the page
 * that sent it. Strict on purpose: other schemes, credentials in the address and bytes that do not
 * belong into one are refused, so that no server can send us to file:// or smuggle a header in.
 */
#ifndef LIB_NET_URL_H
#define LIB_NET_URL_H

#include <stdbool.h>

#include "lib/base/error.h"

struct url {
    bool is_https;
    char *host;    /* lower case; IPv6 in brackets */
    unsigned port; /* 443 or 80 unless it was given */
    char *path;    /* starts with '/', without query */
    char *query;   /* starts with '?', or "" */
};

/* Errors: CORRUPT. */
int url_parse(const char *text, struct url *out, struct error *err) MUST_CHECK;
/* `reference` (absolute, //host, /path, ?query or relative) as seen from `base`. Errors: CORRUPT.
 */
int url_resolve(const struct url *base, const char *reference, struct url *out,
                struct error *err) MUST_CHECK;
/* Same scheme, host and port: may see the same credentials. */
bool url_same_origin(const struct url *a, const struct url *b);
/* The whole address; the caller frees it. */
char *url_print(const struct url *url) __attribute__((returns_nonnull));
/* Without the query, which may hold a signature: for messages. The caller frees it. */
char *url_print_safe(const struct url *url) __attribute__((returns_nonnull));
void url_release(struct url *url);
DEFINE_AUTO(url, struct url, url_release(value))

/* localhost, 127.0.0.0/8 or [::1], by name only. `host` may have a port. */
bool url_host_is_loopback(const char *host);
/* `text` with all bytes but letters, digits and "-._~" escaped; the caller frees it. */
char *url_escape(const char *text) __attribute__((returns_nonnull));

#endif
