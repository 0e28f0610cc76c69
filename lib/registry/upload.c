/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/upload_internal.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/store/blob.h"

enum {
    UPLOAD_STALL_S = 300, /* a registry may hash a whole layer before it answers the last byte */
    REPORT_NS = 100 * 1000 * 1000,
    STATUS_NAME_SIZE = 7 + 12 + 1,
    CHUNK_LEAST = 16 * 1024, /* a registry that takes no more at once is not worth the requests */
    CHUNK_SHRINK = 4,
    MISFITS_MAX = 3,
};

struct upload {
    const struct upload_order *order;
    int fd;
    uint64_t size;
    char digest[DIGEST_TEXT_SIZE];
    char status_name[STATUS_NAME_SIZE];
    uint64_t reported_ns;

    char *location;     /* of the session; NULL: there is none */
    uint64_t offset;    /* what the registry has */
    uint64_t chunk;     /* how much to send at once */
    uint64_t chunk_min; /* the registry wants no smaller ones, but for the last */
    unsigned misfits;   /* how often it expected another part than it had told us */
    bool is_torn;       /* a request broke off: what arrived of it is not known */
    bool is_whole;      /* chunks do not work: it does not take them, or muddles them up */
    bool is_done;
};

static void upload_release(struct upload *u)
{
    free(u->location);
    if (u->fd >= 0)
        close(u->fd);
}
DEFINE_AUTO(upload, struct upload, upload_release(value))

static void report(struct upload *u, uint64_t sent)
{
    uint64_t now = clock_monotonic_ns();

    if (sent < u->size && now - u->reported_ns < REPORT_NS)
        return;
    u->reported_ns = now;
    progress_status(u->order->host->client->options.progress, u->order->vertex, u->status_name,
                    sent, u->size);
}

/* That it is done is said when the registry has said so. */
static void on_progress(void *arg, uint64_t sent, uint64_t received)
{
    struct upload *u = arg;

    (void)received;
    if (sent > 0 && u->offset + sent < u->size)
        report(u, u->offset + sent);
}

static int upload_failed(const struct upload *u, const struct http_response *response,
                         struct error *err)
{
    auto_free char *what = xasprintf("push blob %.19s to %s", u->digest, u->order->repository);
    return registry_status_error(u->order->host, what, response, err);
}

static void forget_session(struct upload *u)
{
    free(take_ptr(u->location));
    u->offset = 0;
    u->is_torn = false;
}

/* Where the session goes on. Location may be relative to who answered, which after a redirect is
 * another host, and what its query holds is the registry's own business. */
static int take_location(struct upload *u, const struct http_response *response, struct error *err)
{
    auto_(url) struct url here = { 0 };
    auto_(url) struct url next = { 0 };
    const char *location = response->headers[HTTP_LOCATION];

    if (!location)
        return 0;
    TRY(url_parse(response->url, &here, err));
    TRY(registry_host_locate(u->order->host, &here, location, &next, err));
    free(u->location);
    u->location = url_print(&next);
    return 0;
}

/* "0-99", "bytes=0-99": 100 bytes are there. "0-0" may mean one, or none: none is more likely, and
 * the digest will tell. */
static bool parse_range(const char *header, uint64_t *out_have)
{
    const char *equals = header ? strchr(header, '=') : NULL;
    struct str rest = str_of(equals ? equals + 1 : header ? header : "");
    uint64_t start = 0;
    uint64_t end = 0;

    if (!str_to_u64(str_cut(&rest, '-'), 10, UINT64_MAX, &start) || start != 0 ||
        !str_to_u64(rest, 10, UINT64_MAX - 1, &end))
        return false;
    *out_have = end ? end + 1 : 0;
    return true;
}

static void take_chunk_min(struct upload *u, const struct http_response *response)
{
    uint64_t least = 0;
    const char *header = response->headers[HTTP_CHUNK_MIN_LENGTH];

    if (header && str_to_u64(str_of(header), 10, UINT64_MAX, &least))
        u->chunk_min = least;
}

static int look_for_blob(struct upload *u, struct http_response *response, struct error *err)
{
    const struct upload_order *o = u->order;
    auto_free char *target = xasprintf("/v2/%s/blobs/%s", o->repository, u->digest);
    const struct registry_request request = { .method = "HEAD",
                                              .target = target,
                                              .scope = o->scope };

    TRY(registry_call(o->host, &request, response, err));
    u->is_done = response->status == 200;
    return u->is_done || response->status == 404 ? 0 : upload_failed(u, response, err);
}

/* Opens a session, unless the blob could be mounted (201). */
static int post(struct upload *u, const char *mount_from, struct http_response *response,
                struct error *err)
{
    const struct upload_order *o = u->order;
    auto_(strbuf) struct strbuf target = STRBUF_INIT;
    auto_(strbuf) struct strbuf scope = STRBUF_INIT;

    strbuf_addf(&target, "/v2/%s/blobs/uploads/", o->repository);
    strbuf_addstr(&scope, o->scope);
    if (mount_from) {
        auto_free char *from = url_escape(mount_from);
        strbuf_addf(&target, "?mount=%s&from=%s", u->digest, from);
        strbuf_addf(&scope, " repository:%s:pull", mount_from);
    }
    const struct registry_request request = { .method = "POST",
                                              .target = target.buf,
                                              .scope = scope.buf,
                                              .bodies.data = "",
                                              .bodies.len = 0 };
    return registry_call(o->host, &request, response, err);
}

/* A mount is worth a try only: registries that do not mount, or not for us, say so in ways of their
 * own. */
static int open_session(struct upload *u, struct http_response *response, struct error *err)
{
    const char *mount_from = u->order->is_forced ? NULL : u->order->mount_from;
    auto_(error) struct error why = { 0 };
    bool was_tried = mount_from && post(u, mount_from, response, &why) == 0 &&
                     (response->status == 201 || response->status == 202);

    if (why.kind == ERROR_CANCELLED) {
        error_move(err, &why);
        return -1;
    }
    if (!was_tried)
        TRY(post(u, NULL, response, err));
    if (response->status == 201 && mount_from) {
        u->is_done = true;
        return 0;
    }
    if (response->status != 202)
        return upload_failed(u, response, err);
    if (!response->headers[HTTP_LOCATION])
        return error_set(err, ERROR_REMOTE, 0, "%s: upload without Location", u->order->host->name);
    take_chunk_min(u, response);
    return take_location(u, response, err);
}

/* After a request that broke off: how much is there? A registry that cannot say begins anew. */
static int ask_status(struct upload *u, struct http_response *response, struct error *err)
{
    const struct registry_request request = { .method = "GET",
                                              .target = u->location,
                                              .scope = u->order->scope };
    uint64_t have = 0;

    TRY(registry_call(u->order->host, &request, response, err));
    if (http_status_is_transient(response->status))
        return upload_failed(u, response, err);
    bool is_known = response->status >= 200 && response->status < 300 &&
                    parse_range(response->headers[HTTP_RANGE], &have) && have <= u->size;
    if (!is_known || (u->is_whole && have > 0)) {
        forget_session(u);
        return 0;
    }
    u->offset = have;
    u->is_torn = false;
    return take_location(u, response, err);
}

static int wants_retry(struct upload *u, const char *why, struct error *err)
{
    return error_set(err, ERROR_NETWORK, 0, "%s: push blob %.19s to %s: %s", u->order->host->name,
                     u->digest, u->order->repository, why);
}

/* A request of the session was answered with something else than success. */
static int react(struct upload *u, const struct http_response *response, bool is_chunk,
                 uint64_t sent, struct error *err)
{
    switch (response->status) {
    case 404:
        forget_session(u);
        return wants_retry(u, "the registry has forgotten the upload", err);
    case 416:
        if (++u->misfits >= MISFITS_MAX) {
            forget_session(u);
            u->is_whole = true;
        }
        return wants_retry(u, "the registry expects another part", err);
    case 413:
        if (sent / CHUNK_SHRINK >= CHUNK_LEAST && sent / CHUNK_SHRINK >= u->chunk_min) {
            u->chunk = sent / CHUNK_SHRINK;
            return wants_retry(u, "more than it takes at once", err);
        }
        upload_failed(u, response, err);
        return error_hint(err, "a proxy before the registry may limit the size of requests (nginx: "
                               "client_max_body_size)");
    default: break;
    }
    bool is_refusal = response->status == 400 || response->status == 405 ||
                      response->status == 411 || response->status == 501;
    bool is_damaged = response->status == 400 && strstr(response->body.buf, "DIGEST_INVALID");
    if (is_refusal && !u->is_whole && (is_chunk || u->offset > 0 || is_damaged)) {
        forget_session(u);
        u->is_whole = true;
        return wants_retry(u, "the registry does not take it in parts", err);
    }
    return upload_failed(u, response, err);
}

static int send_part(struct upload *u, const char *method, const char *target, uint64_t len,
                     struct http_response *response, struct error *err)
{
    auto_(strvec) struct strvec headers = { 0 };

    strvec_push(&headers, "Content-Type: application/octet-stream");
    if (strcmp(method, "PATCH") == 0)
        strvec_pushf(&headers, "Content-Range: %llu-%llu", (unsigned long long)u->offset,
                     (unsigned long long)(u->offset + len - 1));
    const struct registry_request request = { .method = method,
                                              .target = target,
                                              .scope = u->order->scope,
                                              .headers = headers,
                                              .bodies.data = len ? NULL : "",
                                              .bodies.fd = u->fd,
                                              .bodies.offset = u->offset,
                                              .bodies.len = len,
                                              .bodies.on_progress = on_progress,
                                              .bodies.arg = u,
                                              .stall_s = UPLOAD_STALL_S };
    u->is_torn = true;
    return registry_call(u->order->host, &request, response, err);
}

static int send_chunk(struct upload *u, struct http_response *response, struct error *err)
{
    uint64_t left = u->size - u->offset;
    uint64_t most = u->chunk > u->chunk_min ? u->chunk : u->chunk_min;
    uint64_t len = left < most ? left : most;
    uint64_t have = 0;

    TRY(send_part(u, "PATCH", u->location, len, response, err));
    if (response->status < 200 || response->status > 299)
        return react(u, response, true, len, err);
    u->is_torn = false;
    /* it may have taken a part only; what makes no sense is passed over: the digest will tell */
    bool is_part = parse_range(response->headers[HTTP_RANGE], &have) && have > u->offset &&
                   have <= u->offset + len;
    u->offset = is_part ? have : u->offset + len;
    u->misfits = 0;
    return take_location(u, response, err);
}

/* With all of the blob, if none of it was sent. */
static int finish(struct upload *u, struct http_response *response, struct error *err)
{
    uint64_t len = u->size - u->offset;
    auto_free char *target =
        xasprintf("%s%cdigest=%s", u->location, strchr(u->location, '?') ? '&' : '?', u->digest);
    struct digest theirs;

    TRY(send_part(u, "PUT", target, len, response, err));
    if (response->status < 200 || response->status > 299)
        return react(u, response, false, len, err);
    const char *header = response->headers[HTTP_CONTENT_DIGEST];
    if (header && digest_parse(header, &theirs) && !digest_equal(&theirs, &u->order->blob->digest))
        return error_set(err, ERROR_REMOTE, 0, "%s stored %s where %s was sent",
                         u->order->host->name, header, u->digest);
    u->is_done = true;
    return 0;
}

/* Only what has to be sent needs to be here. */
static int open_blob(struct upload *u, struct error *err)
{
    const struct upload_order *o = u->order;
    uint64_t size = 0;

    if (u->fd >= 0)
        return 0;
    if (o->provider)
        TRY(o->provider->fetch(o->provider, o->blob, o->vertex, err));
    TRY(blob_open(o->host->client->options.store, &o->blob->digest, &u->fd, &size, err));
    if (size == u->size)
        return 0;
    return error_set(err, ERROR_CORRUPT, 0, "blob %s has %llu bytes, not %llu", u->digest,
                     (unsigned long long)size, (unsigned long long)u->size);
}

static bool goes_in_chunks(const struct upload *u)
{
    return !u->is_whole && (u->offset > 0 || u->size > u->chunk);
}

static int upload_once(void *arg, long *retry_after_s, struct error *err)
{
    struct upload *u = arg;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    int rc = 0;

    if (u->location && u->is_torn)
        rc = ask_status(u, &response, err);
    if (rc == 0 && !u->location && !u->order->is_forced)
        rc = look_for_blob(u, &response, err);
    if (rc == 0 && !u->location && !u->is_done)
        rc = open_session(u, &response, err);
    if (rc == 0 && !u->is_done)
        rc = open_blob(u, err);
    while (rc == 0 && !u->is_done) {
        rc = goes_in_chunks(u) && u->offset < u->size ? send_chunk(u, &response, err)
                                                      : finish(u, &response, err);
    }
    *retry_after_s = response.retry_after_s;
    if (rc == 0)
        report(u, u->size);
    return rc;
}

static int upload(const struct upload_order *order, struct error *err)
{
    struct registry_client *client = order->host->client;
    auto_(upload) struct upload u = {
        .order = order, .fd = -1, .size = order->blob->size, .chunk = client->options.upload_chunk
    };

    digest_print(&order->blob->digest, u.digest);
    snprintf(u.status_name, sizeof u.status_name, "%.19s", u.digest);
    return registry_try(client, upload_once, &u, &u.offset, err);
}

static bool is_known(struct registry_client *client, const char *name)
{
    pthread_mutex_lock(&client->lock);
    bool known = map_find(&client->uploaded, name) != NULL;
    pthread_mutex_unlock(&client->lock);
    return known;
}

static void set_known(struct registry_client *client, const char *name)
{
    pthread_mutex_lock(&client->lock);
    map_set(&client->uploaded, name, client);
    pthread_mutex_unlock(&client->lock);
}

/* Many images at once may have a layer in common: it is asked for, and sent, once. */
int upload_blob(const struct upload_order *order, struct error *err)
{
    struct registry_client *client = order->host->client;
    char digest[DIGEST_TEXT_SIZE];
    int rc = 0;

    digest_print(&order->blob->digest, digest);
    auto_free char *name = xasprintf("%s/%s@%s", order->host->name, order->repository, digest);
    claims_take(&client->uploading, name);
    if (order->is_forced || !is_known(client, name))
        rc = upload(order, err);
    if (rc == 0)
        set_known(client, name);
    claims_drop(&client->uploading, name);
    return rc;
}
