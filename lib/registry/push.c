/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/push.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/registry/registry_internal.h"
#include "lib/store/blob.h"

/* A registry may hash a whole layer before it answers the last byte. */
enum { UPLOAD_STALL_S = 300, REPORT_NS = 100 * 1000 * 1000, STATUS_NAME_SIZE = 7 + 12 + 1 };

/* One repository that is pushed to. */
struct destination {
    struct registry_host *host;
    const char *repository;
    const char *mount_from; /* another repository of the host, or NULL */
    char *scope;
};

struct upload {
    const struct destination *to;
    const struct descriptor *blob;
    int fd;
    unsigned vertex;
    uint64_t reported_ns;
    char digest[DIGEST_TEXT_SIZE];
    char status_name[STATUS_NAME_SIZE];
};

static void report(struct upload *u, uint64_t sent)
{
    uint64_t now = clock_monotonic_ns();

    if (sent < u->blob->size && now - u->reported_ns < REPORT_NS)
        return;
    u->reported_ns = now;
    progress_status(u->to->host->client->options.progress, u->vertex, u->status_name, sent,
                    u->blob->size);
}

static void on_progress(void *arg, uint64_t sent, uint64_t received)
{
    (void)received;
    if (sent > 0)
        report(arg, sent);
}

static int upload_failed(const struct upload *u, const struct http_response *response,
                         struct error *err)
{
    auto_free char *what = xasprintf("push blob %.19s to %s", u->digest, u->to->repository);
    return registry_status_error(u->to->host, what, response, err);
}

static int is_there(const struct upload *u, struct http_response *response, bool *out,
                    struct error *err)
{
    auto_free char *target = xasprintf("/v2/%s/blobs/%s", u->to->repository, u->digest);
    const struct registry_request request = { .method = "HEAD",
                                              .target = target,
                                              .scope = u->to->scope };

    TRY(registry_call(u->to->host, &request, response, err));
    *out = response->status == 200;
    if (*out || response->status == 404)
        return 0;
    return upload_failed(u, response, err);
}

/* Opens an upload session, unless the blob could be mounted (201). */
static int begin_upload(const struct upload *u, const char *mount_from,
                        struct http_response *response, struct error *err)
{
    auto_(strbuf) struct strbuf target = STRBUF_INIT;

    strbuf_addf(&target, "/v2/%s/blobs/uploads/", u->to->repository);
    if (mount_from) {
        auto_free char *from = url_escape(mount_from);
        strbuf_addf(&target, "?mount=%s&from=%s", u->digest, from);
    }
    const struct registry_request request = {
        .method = "POST", .target = target.buf, .scope = u->to->scope, .data = "", .len = 0
    };
    TRY(registry_call(u->to->host, &request, response, err));
    if (response->status == 201 || response->status == 202)
        return 0;
    /* some registries do not mount, and say so in ways of their own */
    if (mount_from && response->status >= 400 && response->status < 500 &&
        response->status != 401 && response->status != 429)
        return begin_upload(u, NULL, response, err);
    return upload_failed(u, response, err);
}

static int send_blob(struct upload *u, const char *location, struct http_response *response,
                     struct error *err)
{
    /* Location is relative or absolute, and what its query holds is the registry's own business */
    auto_free char *target =
        xasprintf("%s%cdigest=%s", location, strchr(location, '?') ? '&' : '?', u->digest);
    auto_(strvec) struct strvec headers = { 0 };

    strvec_push(&headers, "Content-Type: application/octet-stream");
    const struct registry_request request = { .method = "PUT",
                                              .target = target,
                                              .scope = u->to->scope,
                                              .headers = headers,
                                              .data = u->blob->size ? NULL : "",
                                              .fd = u->fd,
                                              .len = u->blob->size,
                                              .on_progress = on_progress,
                                              .arg = u,
                                              .stall_s = UPLOAD_STALL_S };
    TRY(registry_call(u->to->host, &request, response, err));
    if (response->status == 201 || response->status == 204)
        return 0;
    return upload_failed(u, response, err);
}

/* From the start each time: a session that broke off may hold anything. */
static int upload_once(void *arg, long *retry_after_s, struct error *err)
{
    struct upload *u = arg;
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;
    bool done = false;

    int rc = is_there(u, &response, &done, err);
    if (rc == 0 && !done) {
        rc = begin_upload(u, u->to->mount_from, &response, err);
        done = rc == 0 && response.status == 201;
    }
    if (rc == 0 && !done) {
        auto_free char *location =
            response.headers[HTTP_LOCATION] ? xstrdup(response.headers[HTTP_LOCATION]) : NULL;
        rc = location ? send_blob(u, location, &response, err)
                      : error_set(err, ERROR_REMOTE, 0, "%s: upload without Location",
                                  u->to->host->name);
    }
    *retry_after_s = response.retry_after_s;
    if (rc == 0)
        report(u, u->blob->size);
    return rc;
}

static int push_blob(const struct destination *to, const struct descriptor *blob, unsigned vertex,
                     struct error *err)
{
    struct registry_client *client = to->host->client;
    struct upload u = { .to = to, .blob = blob, .vertex = vertex };
    uint64_t size = 0;
    auto_close int fd = -1;

    digest_print(&blob->digest, u.digest);
    snprintf(u.status_name, sizeof u.status_name, "%.19s", u.digest);
    TRY(blob_open(client->options.store, &blob->digest, &fd, &size, err));
    if (size != blob->size)
        return error_set(err, ERROR_CORRUPT, 0, "blob %s has %llu bytes, not %llu", u.digest,
                         (unsigned long long)size, (unsigned long long)blob->size);
    u.fd = fd;
    return registry_try(client, upload_once, &u, err);
}

/* All blobs of an image to one destination, taken one by one by a few jobs. */
struct blob_queue {
    const struct destination *to;
    const struct manifest *manifest;
    unsigned vertex;
    atomic_size_t next; /* 0 is the configuration, then the layers */
    atomic_bool failed;
    pthread_mutex_t lock;
    struct error err; /* the first one; under `lock` */
};

static void push_blobs_job(void *arg)
{
    struct blob_queue *q = arg;

    for (;;) {
        size_t at = atomic_fetch_add(&q->next, 1);
        if (at > q->manifest->layer_count || atomic_load(&q->failed))
            return;
        const struct descriptor *blob = at ? &q->manifest->layers[at - 1] : &q->manifest->config;
        struct error why = { 0 };
        if (push_blob(q->to, blob, q->vertex, &why) == 0)
            continue;
        atomic_store(&q->failed, true);
        pthread_mutex_lock(&q->lock);
        if (error_is_set(&q->err))
            error_clear(&why);
        else
            error_move(&q->err, &why);
        pthread_mutex_unlock(&q->lock);
    }
}

static int push_blobs(const struct destination *to, const struct push_image *image,
                      struct thread_pool *pool, unsigned vertex, struct error *err)
{
    struct blob_queue q = {
        .to = to, .manifest = image->manifest, .vertex = vertex, .lock = PTHREAD_MUTEX_INITIALIZER
    };

    if (pool) {
        struct job_group group;
        job_group_init(&group, pool);
        for (size_t i = 0; i < REGISTRY_PARALLEL_MAX && i <= image->manifest->layer_count; i++)
            job_group_submit(&group, push_blobs_job, &q);
        job_group_wait(&group);
    } else {
        push_blobs_job(&q);
    }
    pthread_mutex_destroy(&q.lock);
    if (!error_is_set(&q.err))
        return 0;
    error_move(err, &q.err);
    return -1;
}

struct document_upload {
    const struct destination *to;
    const char *name; /* tag or digest */
    enum media_type type;
    const char *text;
    size_t len;
};

static int put_document(void *arg, long *retry_after_s, struct error *err)
{
    struct document_upload *d = arg;
    auto_free char *target = xasprintf("/v2/%s/manifests/%s", d->to->repository, d->name);
    auto_(strvec) struct strvec headers = { 0 };
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;

    strvec_pushf(&headers, "Content-Type: %s", media_type_print(d->type));
    const struct registry_request request = { .method = "PUT",
                                              .target = target,
                                              .scope = d->to->scope,
                                              .headers = headers,
                                              .data = d->text,
                                              .len = d->len };
    TRY(registry_call(d->to->host, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    if (response.status < 200 || response.status > 299) {
        auto_free char *what = xasprintf("push manifest %s to %s", d->name, d->to->repository);
        return registry_status_error(d->to->host, what, &response, err);
    }
    const char *header = response.headers[HTTP_CONTENT_DIGEST];
    struct digest ours;
    struct digest theirs;
    digest_of(d->text, d->len, &ours);
    if (header && digest_parse(header, &theirs) && !digest_equal(&ours, &theirs))
        return error_set(err, ERROR_CORRUPT, 0, "%s stored another manifest than was sent (%s)",
                         d->to->host->name, header);
    return 0;
}

static int destination_open(struct registry_client *client, const struct reference *target,
                            const char *mount_from, struct destination *out, struct error *err)
{
    *out = (struct destination){ .repository = target->repository };
    if (mount_from && strcmp(mount_from, target->repository) != 0)
        out->mount_from = mount_from;
    TRY(registry_host_get(client, target, &out->host, err));
    out->scope = xasprintf("repository:%s:pull,push%s%s%s", target->repository,
                           out->mount_from ? " repository:" : "",
                           out->mount_from ? out->mount_from : "", out->mount_from ? ":pull" : "");
    return 0;
}

static void destination_release(struct destination *to)
{
    free(to->scope);
}
DEFINE_AUTO(destination, struct destination, destination_release(value))

int registry_push_document(struct registry_client *client, const struct reference *target,
                           enum media_type type, const char *text, size_t len, struct error *err)
{
    struct digest digest;
    char digest_text[DIGEST_TEXT_SIZE];
    auto_(destination) struct destination to = { 0 };

    digest_of(text, len, &digest);
    digest_print(&digest, digest_text);
    TRY(destination_open(client, target, NULL, &to, err));
    struct document_upload upload = { .to = &to,
                                      .name = target->tag ? target->tag : digest_text,
                                      .type = type,
                                      .text = text,
                                      .len = len };
    return registry_try(client, put_document, &upload, err);
}

/* The first target before `at` on the same host: with `same_repository` in the same repository too.
 */
static const struct reference *earlier_target(const struct push_image *image, size_t at,
                                              bool same_repository)
{
    const struct reference *target = &image->targets[at];

    for (size_t i = 0; i < at; i++) {
        const struct reference *other = &image->targets[i];
        if (strcmp(other->host, target->host) == 0 &&
            (!same_repository || strcmp(other->repository, target->repository) == 0))
            return other;
    }
    return NULL;
}

int registry_push(struct registry_client *client, const struct push_image *image,
                  struct thread_pool *pool, unsigned vertex, struct error *err)
{
    assert(client->options.store);
    for (size_t i = 0; i < image->target_count; i++) {
        const struct reference *target = &image->targets[i];
        const struct reference *pushed = earlier_target(image, i, false);
        auto_free char *brief = reference_print_short(target);
        auto_(destination) struct destination to = { 0 };
        TRY(destination_open(client, target, pushed ? pushed->repository : image->mount_from, &to,
                             err));
        if (!earlier_target(image, i, true) && push_blobs(&to, image, pool, vertex, err) < 0)
            return error_wrap(err, "push %s", brief);
        auto_free char *note = xasprintf("pushing manifest for %s", brief);
        progress_note(client->options.progress, vertex, note);
        if (registry_push_document(client, target, image->manifest->media_type, image->text,
                                   image->len, err) < 0)
            return error_wrap(err, "push %s", brief);
    }
    return 0;
}
