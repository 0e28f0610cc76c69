/* SPDX-License-Identifier: Apache-2.0 */
/*
 * download: one file of a web server, as ADD and URL contexts take it. It is kept in the store as a
 * blob, and asked for again only if the server says that it changed (ETag, Last-Modified).
 */
#ifndef FRONTEND_CONTEXT_DOWNLOAD_H
#define FRONTEND_CONTEXT_DOWNLOAD_H

#include <stdint.h>

#include "lib/base/cancel.h"
#include "lib/base/progress.h"
#include "lib/codec/digest.h"
#include "lib/net/http.h"
#include "lib/store/store.h"

struct download_options {
    const struct store *store;
    struct http_client *http;
    struct progress *progress;
    const struct cancel *cancel;
    const struct digest *expected; /* what it has to be; with one in the store nobody is asked */
    const char *authorization;     /* value of an Authorization header for the host, or NULL */
};

struct downloaded {
    struct digest digest; /* of a blob in the store */
    uint64_t size;
    int64_t modified_s; /* Last-Modified, 0 if the server did not say */
};

/* http and https; redirects are followed, never with the header on another host. `progress` vertex
 * `vertex` shows the bytes. Errors: USER (malformed address, another digest), REMOTE, NETWORK. */
int download(const char *url, const struct download_options *options, unsigned vertex,
             struct downloaded *out, struct error *err) MUST_CHECK;

#endif
