/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: one request, one answer, blocking; libcurl underneath. It decides nothing: redirects,
 * errors of status and authorisation come back to the caller as they are.
 *
 * libcurl brings some thirty libraries along, 7 ms of dynamic loading, so it is loaded at the first
 * request; a build that finds all in its cache never does.
 *
 *     struct http_client *client = http_client_new(cancel);
 *     struct http_request request = { .method = "GET", .url = url, .out = &writer.base };
 *     struct http_response response = { 0 };
 *     TRY(http_perform(client, &request, &response, err));
 *     if (response.status == 200) ...
 *     http_response_release(&response);
 *
 * Invariants: https only, unless the request says otherwise; bodies arrive as they were sent (never
 * decoded); no cookies, no .netrc, no credentials but those in `headers`; time-outs for connecting
 * and for transfers that stall; proxies from the environment (https_proxy, no_proxy, ...) but for
 * this host itself, certificates from CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR.
 *
 * Thread-safe: any number of requests at once on one client; connections are kept and used again. A
 * client may be used on both sides of a fork that happens between requests.
 */
#ifndef LIB_NET_HTTP_H
#define LIB_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cancel.h"
#include "lib/base/error.h"
#include "lib/base/strbuf.h"
#include "lib/base/stream.h"
#include "lib/base/strvec.h"

enum http_header {
    HTTP_CONTENT_TYPE,
    HTTP_CONTENT_ENCODING,
    HTTP_CONTENT_RANGE,
    HTTP_CONTENT_DIGEST, /* Docker-Content-Digest */
    HTTP_LOCATION,
    HTTP_AUTHENTICATE, /* WWW-Authenticate; several are joined by ", " */
    HTTP_RANGE,
    HTTP_CHUNK_MIN_LENGTH, /* OCI-Chunk-Min-Length */
    HTTP_LINK,
    HTTP_ETAG,
    HTTP_LAST_MODIFIED,
    HTTP_BUCKET_REGION, /* x-amz-bucket-region */
    HTTP_RATE_LIMIT,    /* RateLimit-Limit: "100;w=21600" is 100 in 6 hours */
    HTTP_HEADER_COUNT,
};

struct http_response {
    char *url; /* of the request; what the headers say is relative to it */
    int status;
    char *headers[HTTP_HEADER_COUNT]; /* NULL if not sent */
    int64_t content_length;           /* -1: not sent */
    long retry_after_s;               /* RETRY_AFTER_NONE: not sent */
    bool peer_is_private;             /* it came from a loopback, private or link-local address */
    struct strbuf body;               /* what did not go to request->out */
};
#define HTTP_RESPONSE_INIT                                                                         \
    {                                                                                              \
        .body = STRBUF_INIT                                                                        \
    }

/* Called once the headers of an answer are there and before its body. -1 gives the request up. */
typedef int http_headers_fn(void *arg, const struct http_response *response, struct error *err);
/* Bytes of body sent and received so far. */
typedef void http_progress_fn(void *arg, uint64_t sent, uint64_t received);

enum { HTTP_BODY_DEFAULT = 64 * 1024, HTTP_STALL_S = 30, HTTP_CONNECT_S = 30 };

/* Whom to trust beside the system's authorities, and who we are to those who ask. */
struct http_trust {
    struct strbuf authorities; /* PEM certificates */
    char *certificate, *key;   /* files, PEM; NULL: none */
};
#define HTTP_TRUST_INIT                                                                            \
    {                                                                                              \
        .authorities = STRBUF_INIT                                                                 \
    }

/* What goes along with a request, and where what comes goes. All borrowed. */
struct http_bodies {
    /* The body to send: `len` bytes at `data`, or of file `fd` from `offset` on if `data` is NULL.
     */
    const void *data;
    int fd;
    uint64_t offset;
    uint64_t len;
    /* The body received: with status 2xx to `out` if that is set, else into response->body. More
     * than `limit` bytes (0: HTTP_BODY_DEFAULT) are CORRUPT; of other answers all beyond
     * HTTP_BODY_DEFAULT is dropped.
     */
    struct writer *out;
    uint64_t limit;
    http_headers_fn *on_headers;
    http_progress_fn *on_progress;
    void *arg; /* for both */
};

struct http_request {
    const char *method;
    const char *url;
    const struct strvec *headers; /* "Name: value" each; may be NULL */
    struct http_bodies bodies;
    bool allow_http;
    const struct http_trust *trust; /* may be NULL */
    bool skip_verify;               /* any certificate will do */
    bool refuse_private; /* do not connect to loopback, private or link-local addresses */
    unsigned stall_s;    /* give up after so long below 1 KiB/s; 0: HTTP_STALL_S */
};

struct http_client;
/* `cancel` is borrowed and may be NULL. */
struct http_client *http_client_new(const struct cancel *cancel);
void http_client_free(struct http_client *client);

/* Any status is a success. Errors: NETWORK (worth a retry), REMOTE (is not: certificate, policy,
 * malformed answer), CORRUPT (longer than allowed), CANCELLED, HOST (no libcurl), and whatever
 * `out` and `on_headers` report. `response` starts as HTTP_RESPONSE_INIT and is released by the
 * caller. */
int http_perform(struct http_client *client, const struct http_request *request,
                 struct http_response *response, struct error *err) MUST_CHECK;
void http_trust_release(struct http_trust *trust);
void http_response_release(struct http_response *response);
DEFINE_AUTO(http_response, struct http_response, http_response_release(value))

/* Does the part that was sent (206) begin at byte `offset`? */
bool http_range_starts_at(const struct http_response *response, uint64_t offset);
/* Is the answer a passing weakness of the server: 408, 429, 500, 502, 503, 504? */
bool http_status_is_transient(int status);

#endif
