/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/pull_internal.h"

#include <assert.h>

#include "lib/base/mem.h"
#include "lib/registry/download_internal.h"
#include "lib/store/blob.h"

struct pull_provider {
    struct blob_provider base;
    struct registry_client *client;
    struct origins origins;
};

/* Reads behind a download. */
struct pull_stream {
    struct blob_stream base;
    struct download *download;
    struct download_position position;
};

static struct download *join(const struct blob_provider *base, const struct descriptor *blob,
                             unsigned vertex, bool *out_is_mine)
{
    const struct pull_provider *provider = (const struct pull_provider *)base;

    assert(provider->client->options.store);
    return download_join(&provider->origins, blob, vertex, out_is_mine);
}

static int provider_fetch(struct blob_provider *base, const struct descriptor *blob,
                          unsigned vertex, struct error *err)
{
    const struct pull_provider *provider = (const struct pull_provider *)base;
    bool is_mine = false;

    if (blob_exists(provider->client->options.store, &blob->digest, blob->size))
        return 0;
    struct download *d = join(base, blob, vertex, &is_mine);
    if (is_mine)
        download_run(d);
    int rc = download_wait(d, err);
    download_leave(d);
    /* bytes that are not those that were promised: a fault of the registry's */
    if (rc < 0 && err->kind == ERROR_CORRUPT)
        err->kind = ERROR_REMOTE;
    return rc;
}

static ssize_t stream_read(struct reader *base, void *buf, size_t cap, struct error *err)
{
    struct pull_stream *stream = (struct pull_stream *)base;
    return download_read(stream->download, &stream->position, buf, cap, err);
}

static void stream_interrupt(struct blob_stream *base)
{
    struct pull_stream *stream = (struct pull_stream *)base;
    download_interrupt(stream->download, &stream->position);
}

static void stream_close(struct blob_stream *base)
{
    struct pull_stream *stream = (struct pull_stream *)base;
    download_leave(stream->download);
    free(stream);
}

static int provider_open(struct blob_provider *base, const struct descriptor *blob,
                         struct thread_pool *pool, unsigned vertex, struct blob_stream **out,
                         struct error *err)
{
    bool is_mine = false;
    struct pull_stream *stream = xcalloc(1, sizeof *stream);

    (void)err; /* what goes wrong is for the reader */
    stream->base = (struct blob_stream){ { stream_read }, stream_interrupt, stream_close };
    stream->download = join(base, blob, vertex, &is_mine);
    if (is_mine)
        download_start(stream->download, pool);
    *out = &stream->base;
    return 0;
}

struct blob_question {
    const struct origin *origin;
    const struct descriptor *blob;
    bool is_lacking;
};

static int ask_for_blob(void *arg, long *retry_after_s, struct error *err)
{
    struct blob_question *q = arg;
    char digest[DIGEST_TEXT_SIZE];
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;

    digest_print(&q->blob->digest, digest);
    auto_free char *target = xasprintf("/v2/%s/blobs/%s", q->origin->repository, digest);
    const struct registry_request request = { .method = "HEAD",
                                              .target = target,
                                              .scope = q->origin->scope };
    TRY(registry_call(q->origin->host, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    q->is_lacking = response.status == 404;
    return 0;
}

static bool provider_lacks(struct blob_provider *base, const struct descriptor *blob)
{
    const struct pull_provider *provider = (const struct pull_provider *)base;

    for (size_t i = 0; i < provider->origins.count; i++) {
        auto_(error) struct error untold = { 0 };
        struct blob_question q = { &provider->origins.items[i], blob, false };
        if (registry_try_briefly(provider->client, ask_for_blob, &q, NULL, &untold) < 0 ||
            !q.is_lacking)
            return false;
    }
    return true;
}

struct blob_provider *pull_provider_new(const struct origins *origins, size_t first)
{
    struct pull_provider *provider = xcalloc(1, sizeof *provider);

    provider->base.fetch = provider_fetch;
    provider->base.open = provider_open;
    provider->base.lacks = provider_lacks;
    provider->client = origins->items[0].host->client;
    origins_copy(origins, first, &provider->origins);
    return &provider->base;
}

void pull_provider_free(struct blob_provider *base)
{
    struct pull_provider *provider = (struct pull_provider *)base;

    if (!provider)
        return;
    origins_release(&provider->origins);
    free(provider);
}
