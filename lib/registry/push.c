/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/push.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/registry/origins_internal.h"
#include "lib/registry/upload_internal.h"

/* One repository that is pushed to. */
struct destination {
    struct registry_host *host;
    const char *repository;
    const char *sibling; /* another repository of the host, which the image was just pushed to */
    char *scope;
};

static const char *mount_source(const struct destination *to, const struct push_image *image,
                                const struct digest *blob)
{
    if (to->sibling)
        return to->sibling;
    for (size_t i = 0; i < image->mount_count; i++) {
        const struct push_mount *m = &image->mounts[i];
        if (digest_equal(&m->blob, blob) && strcmp(m->host, to->host->name) == 0 &&
            strcmp(m->repository, to->repository) != 0)
            return m->repository;
    }
    return NULL;
}

/* All blobs of an image to one destination, taken one by one by a few jobs. */
struct blob_queue {
    const struct destination *to;
    const struct push_image *image;
    const char *missing; /* what the registry says it lacks: those are sent again; or NULL */
    unsigned vertex;
    atomic_size_t next; /* 0 is the configuration, then the layers */
    atomic_bool failed;
    pthread_mutex_t lock;
    struct error err; /* the first one; under `lock` */
};

static int push_one(const struct blob_queue *q, const struct descriptor *blob, struct error *err)
{
    char digest[DIGEST_TEXT_SIZE];
    struct upload_order order = { .host = q->to->host,
                                  .repository = q->to->repository,
                                  .scope = q->to->scope,
                                  .mount_from = mount_source(q->to, q->image, &blob->digest),
                                  .blob = blob,
                                  .provider = q->image->provider,
                                  .vertex = q->vertex };

    digest_print(&blob->digest, digest);
    order.is_forced = q->missing && strstr(q->missing, digest);
    return upload_blob(&order, err);
}

static void push_blobs_job(void *arg)
{
    struct blob_queue *q = arg;
    const struct manifest *manifest = q->image->manifest;

    for (;;) {
        size_t at = atomic_fetch_add(&q->next, 1);
        if (at > manifest->layer_count || atomic_load(&q->failed))
            return;
        struct error why = { 0 };
        if (push_one(q, at ? &manifest->layers[at - 1] : &manifest->config, &why) == 0)
            continue;
        atomic_store(&q->failed, true);
        pthread_mutex_lock(&q->lock);
        (void)error_first(&q->err, &why);
        pthread_mutex_unlock(&q->lock);
    }
}

static int push_blobs(struct blob_queue *q, struct thread_pool *pool, struct error *err)
{
    pthread_mutex_init(&q->lock, NULL);
    if (pool) {
        struct job_group group;
        job_group_init(&group, pool);
        for (size_t i = 0; i < REGISTRY_PARALLEL_MAX && i <= q->image->manifest->layer_count; i++)
            job_group_submit(&group, push_blobs_job, q);
        job_group_wait(&group);
    } else {
        push_blobs_job(q);
    }
    pthread_mutex_destroy(&q->lock);
    if (!error_is_set(&q->err))
        return 0;
    error_move(err, &q->err);
    return -1;
}

struct document_upload {
    const struct destination *to;
    const char *name; /* tag or digest */
    enum media_type type;
    const char *text;
    size_t len;
    char *missing; /* the answer that says which blobs are not there; or NULL */
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
                                              .bodies.data = d->text,
                                              .bodies.len = d->len };
    TRY(registry_call(d->to->host, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    if (response.status < 200 || response.status > 299) {
        bool is_missing = response.status < 500 && (strstr(response.body.buf, "BLOB_UNKNOWN"));
        if (is_missing && !d->missing)
            d->missing = strbuf_detach(&response.body);
        auto_free char *what = xasprintf("push manifest %s to %s", d->name, d->to->repository);
        return registry_status_error(d->to->host, what, &response, err);
    }
    const char *header = response.headers[HTTP_CONTENT_DIGEST];
    struct digest ours;
    struct digest theirs;
    digest_of(d->text, d->len, &ours);
    if (header && digest_parse(header, &theirs) && !digest_equal(&ours, &theirs))
        return error_set(err, ERROR_REMOTE, 0, "%s stored another manifest than was sent (%s)",
                         d->to->host->name, header);
    return 0;
}

static int destination_open(struct registry_client *client, const struct reference *target,
                            struct destination *out, struct error *err)
{
    *out = (struct destination){ .repository = target->repository };
    TRY(origins_push_host(client, target, &out->host, err));
    out->scope = xasprintf("repository:%s:pull,push", target->repository);
    return 0;
}

static void destination_release(struct destination *to)
{
    free(to->scope);
}
DEFINE_AUTO(destination, struct destination, destination_release(value))

static int put(const struct destination *to, const struct reference *target,
               struct document_upload *upload, struct error *err)
{
    struct digest digest;
    char digest_text[DIGEST_TEXT_SIZE];

    digest_of(upload->text, upload->len, &digest);
    digest_print(&digest, digest_text);
    upload->to = to;
    upload->name = target->tag ? target->tag : digest_text;
    return registry_try(to->host->client, put_document, upload, NULL, err);
}

int registry_push_prepare(struct registry_client *client, const struct reference *target,
                          struct error *err)
{
    struct registry_host *host = NULL;

    TRY(origins_push_host(client, target, &host, err));
    return registry_host_ready(host, err);
}

int registry_push_blob(struct registry_client *client, const struct reference *target,
                       const struct descriptor *blob, unsigned vertex, struct error *err)
{
    auto_(destination) struct destination to = { 0 };

    TRY(destination_open(client, target, &to, err));
    const struct upload_order order = { .host = to.host,
                                        .repository = to.repository,
                                        .scope = to.scope,
                                        .blob = blob,
                                        .vertex = vertex };
    return upload_blob(&order, err);
}

int registry_push_document(struct registry_client *client, const struct reference *target,
                           enum media_type type, const char *text, size_t len, struct error *err)
{
    auto_(destination) struct destination to = { 0 };
    struct document_upload upload = { .type = type, .text = text, .len = len };

    TRY(destination_open(client, target, &to, err));
    int rc = put(&to, target, &upload, err);
    free(upload.missing);
    return rc;
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

/* A registry may lose a blob after it said that it has it: those are sent again, once. */
static int put_manifest(const struct destination *to, const struct push_image *image,
                        const struct reference *target, struct thread_pool *pool, unsigned vertex,
                        struct error *err)
{
    struct error why = { 0 };
    struct document_upload upload = { .type = image->manifest->media_type,
                                      .text = image->text,
                                      .len = image->len };
    int rc = put(to, target, &upload, &why);

    if (rc < 0 && upload.missing) {
        struct blob_queue q = {
            .to = to, .image = image, .vertex = vertex, .missing = upload.missing
        };
        error_clear(&why);
        rc = push_blobs(&q, pool, &why);
        if (rc == 0)
            rc = put(to, target, &upload, &why);
    }
    free(upload.missing);
    error_move(err, &why);
    return rc;
}

static int push_target(struct registry_client *client, const struct push_image *image, size_t at,
                       struct thread_pool *pool, unsigned vertex, struct error *err)
{
    const struct reference *target = &image->targets[at];
    const struct reference *pushed = earlier_target(image, at, false);
    auto_free char *brief = reference_print_short(target);
    auto_(destination) struct destination to = { 0 };

    TRY(destination_open(client, target, &to, err));
    if (!earlier_target(image, at, true)) {
        struct blob_queue q = { .to = &to, .image = image, .vertex = vertex };
        to.sibling = pushed ? pushed->repository : NULL;
        TRY(push_blobs(&q, pool, err));
    }
    auto_free char *note = xasprintf("pushing manifest for %s", brief);
    progress_note(client->options.progress, vertex, note);
    return put_manifest(&to, image, target, pool, vertex, err);
}

int registry_push(struct registry_client *client, const struct push_image *image,
                  struct thread_pool *pool, unsigned vertex, struct error *err)
{
    assert(client->options.store);
    for (size_t i = 0; i < image->target_count; i++) {
        auto_free char *brief = reference_print_short(&image->targets[i]);
        if (push_target(client, image, i, pool, vertex, err) < 0)
            return error_wrap(err, "push %s", brief);
    }
    return 0;
}
