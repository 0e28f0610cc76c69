/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/pull_internal.h"

#include <assert.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/store/blob.h"

enum { STATUS_NAME_SIZE = 7 + 12 + 1, REPORT_NS = 100 * 1000 * 1000, WORTH_GOING_ON = 1024 * 1024 };

struct pull_provider {
    struct blob_provider base;
    struct registry_host *host;
    char *repository;
    char *scope;
};

/* One blob on its way; a writer that lets no more through than was promised. */
struct download {
    struct writer base;
    const struct pull_provider *provider;
    const struct descriptor *blob;
    struct blob_writer blob_writer;
    bool from_start; /* the server got a range wrong: ask for the whole */
    unsigned vertex;
    uint64_t reported_ns;
    char status_name[STATUS_NAME_SIZE];
};

static int download_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct download *d = (struct download *)base;

    if (len > d->blob->size - d->blob_writer.size)
        return error_set(err, ERROR_CORRUPT, 0, "more than the %llu bytes promised",
                         (unsigned long long)d->blob->size);
    return writer_write(&d->blob_writer.base, data, len, err);
}

/* "bytes 100-199/200" begins where we stopped? */
static bool range_starts_at(const char *header, uint64_t offset)
{
    struct str rest = str_of(header ? header : "");
    uint64_t start = 0;

    if (!str_equal(str_cut(&rest, ' '), STR("bytes")))
        return false;
    return str_to_u64(str_cut(&rest, '-'), 10, UINT64_MAX, &start) && start == offset;
}

static int on_headers(void *arg, const struct http_response *response, struct error *err)
{
    struct download *d = arg;

    if (response->status == 206) {
        if (range_starts_at(response->headers[HTTP_CONTENT_RANGE], d->blob_writer.size))
            return 0;
        d->from_start = true;
        return error_set(err, ERROR_NETWORK, 0, "server sent another range than was asked for");
    }
    /* a server that knows no ranges sends all of it again */
    if (response->status == 200 && d->blob_writer.size > 0)
        return blob_writer_restart(&d->blob_writer, err);
    return 0;
}

static void report(struct download *d, bool is_last)
{
    uint64_t now = clock_monotonic_ns();

    if (!is_last && now - d->reported_ns < REPORT_NS)
        return;
    d->reported_ns = now;
    progress_status(d->provider->host->client->options.progress, d->vertex, d->status_name,
                    d->blob_writer.size, d->blob->size);
}

static void on_progress(void *arg, uint64_t sent, uint64_t received)
{
    (void)sent;
    if (received > 0)
        report(arg, false);
}

static int download_once(void *arg, long *retry_after_s, struct error *err)
{
    struct download *d = arg;
    struct registry_host *host = d->provider->host;
    char digest[DIGEST_TEXT_SIZE];
    auto_(strvec) struct strvec headers = { 0 };
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;

    digest_print(&d->blob->digest, digest);
    if (d->from_start)
        TRY(blob_writer_restart(&d->blob_writer, err));
    if (d->blob_writer.size > 0 && d->blob_writer.size == d->blob->size)
        return 0;
    if (d->blob_writer.size > 0)
        strvec_pushf(&headers, "Range: bytes=%llu-", (unsigned long long)d->blob_writer.size);
    auto_free char *target = xasprintf("/v2/%s/blobs/%s", d->provider->repository, digest);
    const struct registry_request request = { .method = "GET",
                                              .target = target,
                                              .scope = d->provider->scope,
                                              .headers = headers,
                                              .out = &d->base,
                                              .limit = UINT64_MAX,
                                              .on_headers = on_headers,
                                              .on_progress = on_progress,
                                              .arg = d };
    TRY(registry_call(host, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    if (response.status == 416 && headers.count > 0) {
        d->from_start = true;
        return error_set(err, ERROR_NETWORK, 0, "server refused to go on at byte %llu",
                         (unsigned long long)d->blob_writer.size);
    }
    if (response.status != 200 && response.status != 206) {
        auto_free char *what = xasprintf("pull blob %.19s of %s", digest, d->provider->repository);
        return registry_status_error(host, what, &response, err);
    }
    if (d->blob_writer.size < d->blob->size) {
        return error_set(err, ERROR_NETWORK, 0, "transfer ended after %llu of %llu bytes",
                         (unsigned long long)d->blob_writer.size,
                         (unsigned long long)d->blob->size);
    }
    return 0;
}

/* Tries again beyond the usual number as long as each round brings the blob further. */
static int download_all(struct download *d, struct error *err)
{
    for (;;) {
        struct error why = { 0 };
        uint64_t before = d->blob_writer.size;
        if (registry_try(d->provider->host->client, download_once, d, &why) == 0)
            return 0;
        bool is_further =
            d->blob_writer.size > before && d->blob_writer.size - before >= WORTH_GOING_ON;
        if (why.kind != ERROR_NETWORK || !is_further) {
            error_move(err, &why);
            return -1;
        }
        error_clear(&why);
    }
}

static int download_and_commit(const struct pull_provider *provider, const struct descriptor *blob,
                               unsigned vertex, struct error *err)
{
    struct download d = { .base = { download_write },
                          .provider = provider,
                          .blob = blob,
                          .blob_writer = { .fd = -1 },
                          .vertex = vertex };
    char digest[DIGEST_TEXT_SIZE];

    digest_print(&blob->digest, digest);
    snprintf(d.status_name, sizeof d.status_name, "%.19s", digest);
    TRY(blob_writer_open(provider->host->client->options.store, &d.blob_writer, err));
    int rc = download_all(&d, err);
    if (rc == 0) {
        report(&d, true);
        return blob_writer_commit(&d.blob_writer, &blob->digest, NULL, err);
    }
    blob_writer_release(&d.blob_writer);
    return rc;
}

static bool is_fetching(const struct registry_client *client, const struct digest *digest)
{
    for (size_t i = 0; i < client->fetching_count; i++)
        if (digest_equal(&client->fetching[i], digest))
            return true;
    return false;
}

static void enter(struct registry_client *client, const struct digest *digest)
{
    pthread_mutex_lock(&client->lock);
    while (client->fetching_count == REGISTRY_PARALLEL_MAX || is_fetching(client, digest))
        pthread_cond_wait(&client->changed, &client->lock);
    client->fetching[client->fetching_count++] = *digest;
    pthread_mutex_unlock(&client->lock);
}

static void leave(struct registry_client *client, const struct digest *digest)
{
    pthread_mutex_lock(&client->lock);
    for (size_t i = 0; i < client->fetching_count; i++) {
        if (digest_equal(&client->fetching[i], digest)) {
            client->fetching[i] = client->fetching[--client->fetching_count];
            break;
        }
    }
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static int fetch_missing(const struct pull_provider *provider, const struct descriptor *blob,
                         unsigned vertex, struct error *err)
{
    const struct store *store = provider->host->client->options.store;
    struct error why = { 0 };

    if (blob_exists(store, &blob->digest, blob->size))
        return 0;
    if (download_and_commit(provider, blob, vertex, &why) == 0)
        return 0;
    if (why.kind != ERROR_CORRUPT) {
        error_move(err, &why);
        return -1;
    }
    /* once more from the start: a cache on the way may have had a bad copy */
    error_clear(&why);
    return download_and_commit(provider, blob, vertex, err);
}

static int provider_fetch(struct blob_provider *base, const struct descriptor *blob,
                          unsigned vertex, struct error *err)
{
    struct pull_provider *provider = (struct pull_provider *)base;
    struct registry_client *client = provider->host->client;
    char digest[DIGEST_TEXT_SIZE];

    assert(client->options.store);
    if (blob_exists(client->options.store, &blob->digest, blob->size))
        return 0;
    digest_print(&blob->digest, digest);
    enter(client, &blob->digest);
    int rc = fetch_missing(provider, blob, vertex, err);
    leave(client, &blob->digest);
    return rc < 0 ? error_wrap(err, "pull blob %.19s", digest) : 0;
}

struct blob_provider *pull_provider_new(struct registry_host *host, const struct reference *ref)
{
    struct pull_provider *provider = xcalloc(1, sizeof *provider);

    provider->base.fetch = provider_fetch;
    provider->host = host;
    provider->repository = xstrdup(ref->repository);
    provider->scope = xasprintf("repository:%s:pull", ref->repository);
    return &provider->base;
}

void pull_provider_free(struct blob_provider *base)
{
    struct pull_provider *provider = (struct pull_provider *)base;

    if (!provider)
        return;
    free(provider->repository);
    free(provider->scope);
    free(provider);
}
