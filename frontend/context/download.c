/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/context/download.h"

#include <time.h>

#include "lib/base/mem.h"
#include "lib/base/meter.h"
#include "lib/base/str.h"
#include "lib/net/retry.h"
#include "lib/net/url.h"
#include "lib/store/blob.h"
#include "lib/store/record.h"

enum { REDIRECTS_MAX = 10 };
static const uint64_t size_max = (uint64_t)1 << 40;

/* One file on its way. */
struct transfer {
    const struct download_options *options;
    const char *url; /* as asked for: names the record */
    struct meter meter;
    struct url origin; /* the first address: the only one that sees the authorization */
    struct url at;
    struct blob_writer blob;
    struct downloaded known; /* what the store has of an earlier time */
    char *etag, *modified;   /* of that time; NULL: none */
    long retry_after_s;
};

static void transfer_release(struct transfer *t)
{
    url_release(&t->origin);
    url_release(&t->at);
    blob_writer_release(&t->blob);
    free(t->etag);
    free(t->modified);
}
DEFINE_AUTO(transfer, struct transfer, transfer_release(value))

static void record_key(const char *url, struct digest *out)
{
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_text(h, "download");
    hasher_add_text(h, url);
    hasher_finish(h, out);
}

static char *copy_text(const js *body, const char *name)
{
    const char *text = js_text(js_member(body, name));
    return text && *text ? xstrdup(text) : NULL;
}

/* What an earlier download said, if its blob is still there. */
static bool recall(struct transfer *t)
{
    struct digest key;
    uint64_t modified = 0;
    auto_(error) struct error ignored = { 0 };
    record_key(t->url, &key);
    auto_(js) js *body = record_find(t->options->store, &key);
    if (!body || js_get_digest(body, "digest", &t->known.digest, &ignored) < 0 ||
        js_get_u64(body, "size", true, &t->known.size, &ignored) < 0 ||
        js_get_u64(body, "modified", true, &modified, &ignored) < 0 ||
        !blob_exists(t->options->store, &t->known.digest, t->known.size))
        return false;
    t->known.modified_s = (int64_t)modified;
    t->etag = copy_text(body, "etag");
    t->modified = copy_text(body, "lastModified");
    return true;
}

static int keep(const struct transfer *t, const struct downloaded *file,
                const struct http_response *response, struct error *err)
{
    struct digest key;
    js *body = js_new_object();
    record_key(t->url, &key);
    js_set_digest(body, "digest", &file->digest);
    js_set_take(body, "size", js_new_int((int64_t)file->size));
    js_set_take(body, "modified", js_new_int(file->modified_s));
    if (response->headers[HTTP_ETAG])
        js_set_text(body, "etag", response->headers[HTTP_ETAG]);
    if (response->headers[HTTP_LAST_MODIFIED])
        js_set_text(body, "lastModified", response->headers[HTTP_LAST_MODIFIED]);
    return record_put_take(t->options->store, &key, body, err);
}

static void show_bytes(void *arg, uint64_t sent, uint64_t received)
{
    struct transfer *t = arg;
    (void)sent;
    meter_set(&t->meter, received);
}

/* RFC 9110's preferred form, the only one that servers send. */
static int64_t parse_time(const char *text)
{
    struct tm tm = { 0 };
    if (!text || !strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return 0;
    time_t t = timegm(&tm);
    return t > 0 ? (int64_t)t : 0;
}

static int follow(struct transfer *t, const struct http_response *response, struct error *err)
{
    struct url next = { 0 };
    if (!response->headers[HTTP_LOCATION])
        return error_set(err, ERROR_REMOTE, 0, "a redirect (%d) to nowhere", response->status);
    TRY(url_resolve(&t->at, response->headers[HTTP_LOCATION], &next, err));
    bool downgrade = t->at.is_https && !next.is_https;
    url_release(&t->at);
    t->at = next;
    return downgrade
               ? error_set(err, ERROR_REMOTE, 0, "a redirect from https to http, %s", next.host)
               : 0;
}

static int request_once(struct transfer *t, struct http_response *response, struct error *err)
{
    auto_(strvec) struct strvec headers = { 0 };
    auto_free char *address = url_print(&t->at);
    if (t->etag)
        strvec_pushf(&headers, "If-None-Match: %s", t->etag);
    else if (t->modified)
        strvec_pushf(&headers, "If-Modified-Since: %s", t->modified);
    if (t->options->authorization && url_same_origin(&t->at, &t->origin))
        strvec_pushf(&headers, "Authorization: %s", t->options->authorization);
    TRY(blob_writer_restart(&t->blob, err));
    struct http_request request = { .method = "GET",
                                    .url = address,
                                    .headers = &headers,
                                    .bodies.out = &t->blob.base,
                                    .bodies.limit = size_max,
                                    .bodies.on_progress = show_bytes,
                                    .bodies.arg = t,
                                    .allow_http = !t->at.is_https };
    return http_perform(t->options->http, &request, response, err);
}

static int refuse(struct transfer *t, const struct http_response *response, struct error *err)
{
    t->retry_after_s = response->retry_after_s;
    return error_set(err, http_status_is_transient(response->status) ? ERROR_NETWORK : ERROR_REMOTE,
                     0, "invalid response status %d", response->status);
}

static int finish(struct transfer *t, const struct http_response *response, struct downloaded *out,
                  struct error *err)
{
    out->size = t->blob.size;
    out->modified_s = parse_time(response->headers[HTTP_LAST_MODIFIED]);
    TRY(blob_writer_commit(&t->blob, NULL, &out->digest, err));
    return keep(t, out, response, err);
}

static int try_once(struct transfer *t, struct downloaded *out, struct error *err)
{
    t->retry_after_s = RETRY_AFTER_NONE;
    for (int i = 0; i <= REDIRECTS_MAX; i++) {
        auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
        TRY(request_once(t, &response, err));
        if (response.status == 304 && (t->etag || t->modified)) {
            *out = t->known;
            return 0;
        }
        if (response.status == 200)
            return finish(t, &response, out, err);
        if (response.status / 100 != 3)
            return refuse(t, &response, err);
        TRY(follow(t, &response, err));
    }
    return error_set(err, ERROR_REMOTE, 0, "more than %d redirects", REDIRECTS_MAX);
}

static int check_digest(const struct download_options *o, const struct downloaded *file,
                        struct error *err)
{
    char expected[DIGEST_TEXT_SIZE];
    char got[DIGEST_TEXT_SIZE];
    if (!o->expected || digest_equal(o->expected, &file->digest))
        return 0;
    digest_print(o->expected, expected);
    digest_print(&file->digest, got);
    error_set(err, ERROR_USER, 0, "digest mismatch %s: %s", got, expected);
    return error_hint(err, "the file is another one than the Dockerfile expects; look at it, then "
                           "change the checksum");
}

static bool is_expected(const struct transfer *t)
{
    const struct digest *expected = t->options->expected;
    return expected && digest_equal(expected, &t->known.digest);
}

static int transfer_with_retries(struct transfer *t, struct downloaded *out, struct error *err)
{
    struct retry retry = retry_init(&retry_policy_default, t->options->cancel);
    int rc = 0;
    do {
        error_clear(err);
        url_release(&t->at);
        TRY(blob_writer_open(t->options->store, &t->blob, err));
        TRY(url_parse(t->url, &t->at, err));
        rc = try_once(t, out, err);
        blob_writer_release(&t->blob);
    } while (rc < 0 && err->kind == ERROR_NETWORK && retry_wait(&retry, t->retry_after_s));
    return rc;
}

int download(const char *url, const struct download_options *options, unsigned vertex,
             struct downloaded *out, struct error *err)
{
    auto_(transfer) struct transfer t = { .options = options, .url = url, .blob.fd = -1 };
    meter_start(&t.meter, options->progress, vertex, "transferring", 0);
    if (url_parse(url, &t.origin, err) < 0) {
        err->kind = ERROR_USER;
        return -1;
    }
    auto_free char *safe = url_print_safe(&t.origin);
    /* A file with a known digest is the same wherever it comes from: nobody is asked. */
    if (recall(&t) && is_expected(&t)) {
        *out = t.known;
        return 0;
    }
    if (transfer_with_retries(&t, out, err) < 0)
        return error_wrap(err, "%s", safe);
    meter_end(&t.meter);
    return check_digest(options, out, err);
}
