/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/s3/bucket.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/s3/bucket_internal.h"
#include "lib/s3/signature.h"

enum { PUT_STALL_S = 120 /* a server may hash all of a part before it answers */ };

/* `text` as it stands in a path: '/' stays. */
static void add_escaped(struct strbuf *out, const char *text)
{
    struct str rest = str_of(text);
    while (rest.len) {
        struct str segment = str_cut(&rest, '/');
        auto_free char *name = xstrndup(segment.ptr, segment.len);
        auto_free char *escaped = url_escape(name);
        bool is_last = segment.ptr + segment.len == rest.ptr;
        strbuf_addf(out, "%s%s", escaped, is_last ? "" : "/");
    }
}

static void place(struct s3_bucket *b)
{
    const struct s3_options *o = &b->options;
    const struct url *at = o->endpoint;
    size_t path_len = str_trim(str_of(at->path), "/").len;
    struct strbuf base = STRBUF_INIT;
    auto_free char *port =
        at->port == (at->is_https ? 443 : 80) ? xstrdup("") : xasprintf(":%u", at->port);

    b->host = o->is_path_style ? xasprintf("%s%s", at->host, port)
                               : xasprintf("%s.%s%s", o->name, at->host, port);
    strbuf_addf(&base, "%s://%s", at->is_https ? "https" : "http", b->host);
    size_t path = base.len;
    if (path_len)
        strbuf_addf(&base, "/%.*s", (int)path_len, str_trim(str_of(at->path), "/").ptr);
    if (o->is_path_style)
        strbuf_addf(&base, "/%s", o->name);
    b->base = strbuf_detach(&base);
    b->path = b->base + path;
}

struct s3_bucket *s3_bucket_new(const struct s3_options *options)
{
    struct s3_bucket *b = xcalloc(1, sizeof *b);

    b->options = *options;
    if (!b->options.retry)
        b->options.retry = &retry_policy_default;
    if (!b->options.part_size)
        b->options.part_size = S3_PART_SIZE;
    place(b);
    (void)!s3_keys_find(options->places, &b->keys, &b->no_keys);
    b->http = http_client_new(options->cancel);
    b->cleaning = http_client_new(NULL);
    claims_init(&b->claims);
    pthread_mutex_init(&b->lock, NULL);
    return b;
}

void s3_bucket_free(struct s3_bucket *b)
{
    if (!b)
        return;
    http_client_free(b->http);
    http_client_free(b->cleaning);
    claims_release(&b->claims);
    pthread_mutex_destroy(&b->lock);
    map_release(&b->there);
    s3_keys_release(&b->keys);
    error_clear(&b->no_keys);
    free(b->host);
    free(b->base);
    free(b);
}

/* Everything that is sent is signed. In order of the names. */
static void add_headers(const struct s3_bucket *b, const struct s3_request *r, const char *time,
                        const char *payload, struct strvec *out)
{
    strvec_pushf(out, "host:%s", b->host);
    if (r->range)
        strvec_pushf(out, "range:%s", r->range);
    strvec_pushf(out, "x-amz-content-sha256:%s", payload);
    strvec_pushf(out, "x-amz-date:%s", time);
    if (b->keys.token)
        strvec_pushf(out, "x-amz-security-token:%s", b->keys.token);
}

static void sign(const struct s3_bucket *b, const struct s3_request *r, const char *path,
                 struct strvec *headers)
{
    char payload[DIGEST_HEX_SIZE];
    struct digest nothing;
    struct signature_scope scope = { .region = b->options.region, .service = "s3" };

    digest_of("", 0, &nothing);
    digest_hex(r->digest ? r->digest : &nothing, payload);
    signature_time(clock_now().tv_sec, scope.time);
    add_headers(b, r, scope.time, payload, headers);
    const struct signature_request request = { .method = r->method,
                                               .path = path,
                                               .query = r->query ? r->query : "",
                                               .headers = headers,
                                               .payload = payload };
    auto_free char *authorization = signature_print(&scope, &b->keys, &request);
    strvec_pushf(headers, "authorization:%s", authorization);
}

static int tell_no_keys(const struct s3_bucket *b, struct error *err)
{
    error_set(err, b->no_keys.kind, 0, "%s", b->no_keys.message);
    return b->no_keys.hint ? error_hint(err, "%s", b->no_keys.hint) : -1;
}

int s3_call(const struct s3_bucket *b, const struct s3_request *r, struct http_response *response,
            struct error *err)
{
    auto_(strvec) struct strvec headers = { 0 };
    auto_(strbuf) struct strbuf url = STRBUF_INIT;

    if (error_is_set(&b->no_keys))
        return tell_no_keys(b, err);
    strbuf_addf(&url, "%s/", b->base);
    add_escaped(&url, r->key);
    sign(b, r, url.buf + (b->path - b->base), &headers);
    if (r->query)
        strbuf_addf(&url, "?%s", r->query);
    const struct http_request request = { .method = r->method,
                                          .url = url.buf,
                                          .headers = &headers,
                                          .bodies = r->bodies,
                                          .allow_http = !b->options.endpoint->is_https,
                                          .stall_s = r->digest ? PUT_STALL_S : 0 };
    if (http_perform(r->is_cleaning ? b->cleaning : b->http, &request, response, err) < 0)
        return error_wrap(err, "%s %s/%s", r->method, b->base, r->key);
    return 0;
}

int s3_try(const struct s3_bucket *b, retry_attempt_fn *attempt, void *arg,
           const uint64_t *position, struct error *err)
{
    const struct retry_task task = { .policy = b->options.retry,
                                     .cancel = b->options.cancel,
                                     .attempt = attempt,
                                     .arg = arg,
                                     .position = position,
                                     .wait_max_s = RETRY_AFTER_MAX_S,
                                     .explain = b->options.explain,
                                     .explain_arg = b->options.explain_arg };
    return retry_run(&task, err);
}

struct text_order {
    const struct s3_bucket *bucket;
    struct s3_request request;
    struct strbuf *out; /* NULL: it is sent */
    bool is_found;
};

static int get_text(void *arg, long *retry_after_s, struct error *err)
{
    struct text_order *o = arg;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;

    TRY(s3_call(o->bucket, &o->request, &response, err));
    *retry_after_s = response.retry_after_s;
    if (response.status == 200) {
        o->is_found = true;
        strbuf_add(o->out, response.body.buf, response.body.len);
        return 0;
    }
    /* that there is no such bucket is another 404 */
    auto_free char *code = s3_answer_element(&response, "Code");
    if (response.status == 404 && (!code || strcmp(code, "NoSuchKey") == 0))
        return 0;
    auto_free char *what = xasprintf("read %s", o->request.key);
    return s3_answer_error(o->bucket, what, &response, err);
}

int s3_get_text(struct s3_bucket *b, const char *key, uint64_t limit, struct strbuf *out,
                bool *out_found, struct error *err)
{
    struct text_order order = { .bucket = b,
                                .request = { .method = "GET", .key = key, .bodies.limit = limit },
                                .out = out };
    int rc = s3_try(b, get_text, &order, NULL, err);
    *out_found = order.is_found;
    return rc;
}

static int put_text(void *arg, long *retry_after_s, struct error *err)
{
    const struct text_order *o = arg;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;

    TRY(s3_call(o->bucket, &o->request, &response, err));
    *retry_after_s = response.retry_after_s;
    if (response.status == 200)
        return 0;
    auto_free char *what = xasprintf("write %s", o->request.key);
    return s3_answer_error(o->bucket, what, &response, err);
}

int s3_put_text(struct s3_bucket *b, const char *key, const void *data, size_t len,
                struct error *err)
{
    struct digest digest;
    digest_of(data, len, &digest);
    struct text_order order = { .bucket = b,
                                .request = { .method = "PUT",
                                             .key = key,
                                             .digest = &digest,
                                             .bodies.data = data,
                                             .bodies.len = len } };
    return s3_try(b, put_text, &order, NULL, err);
}

void s3_remember(struct s3_bucket *b, const char *key)
{
    pthread_mutex_lock(&b->lock);
    map_set(&b->there, key, b);
    pthread_mutex_unlock(&b->lock);
}

static bool is_remembered(struct s3_bucket *b, const char *key)
{
    pthread_mutex_lock(&b->lock);
    bool is_there = map_find(&b->there, key) != NULL;
    pthread_mutex_unlock(&b->lock);
    return is_there;
}

struct look {
    const struct s3_bucket *bucket;
    const char *key;
    uint64_t size;
    bool is_there;
};

/* An answer to HEAD has no body that could say what is wrong. */
static int look_once(void *arg, long *retry_after_s, struct error *err)
{
    struct look *l = arg;
    const struct s3_request request = { .method = "HEAD", .key = l->key };
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;

    TRY(s3_call(l->bucket, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    if (http_status_is_transient(response.status)) {
        auto_free char *what = xasprintf("look for %s", l->key);
        return s3_answer_error(l->bucket, what, &response, err);
    }
    l->is_there = response.status == 200 && response.content_length >= 0 &&
                  (uint64_t)response.content_length == l->size;
    return 0;
}

int s3_look(struct s3_bucket *b, const char *key, uint64_t size, bool *out_is_there,
            struct error *err)
{
    struct look l = { b, key, size, is_remembered(b, key) };

    if (!l.is_there)
        TRY(s3_try(b, look_once, &l, NULL, err));
    *out_is_there = l.is_there;
    if (l.is_there)
        s3_remember(b, key);
    return 0;
}
