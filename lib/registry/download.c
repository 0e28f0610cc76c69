/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/registry/download_internal.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"
#include "lib/store/blob.h"

enum {
    STATUS_NAME_SIZE = 7 + 12 + 1,
    REPORT_NS = 100 * 1000 * 1000,
    ROUNDS = 4,     /* a blob that was damaged on the way is fetched once more from each origin */
    BEGIN_MS = 100, /* to wait for a thread before one does without */
};

/* A writer that lets no more through than was promised. */
struct download {
    struct writer base;
    struct download *next; /* in the client's list; with `users` under the client's lock */
    unsigned users;
    struct registry_client *client;
    struct origins origins;
    struct descriptor blob;
    unsigned vertex;
    char status_name[STATUS_NAME_SIZE];
    /* of the thread that runs it */
    struct blob_writer blob_writer;
    size_t at;       /* the origin that is asked */
    bool from_start; /* the server got a range wrong: ask for the whole */
    uint64_t reported_ns;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    int fds[ROUNDS]; /* the files that were written, for readers: the last is */
    size_t fd_count;
    uint64_t size; /* what there is to read */
    unsigned restarts;
    bool has_begun, has_ended;
    struct error err; /* why it failed */
};

static int download_write(struct writer *base, const void *data, size_t len, struct error *err)
{
    struct download *d = (struct download *)base;

    if (len > d->blob.size - d->blob_writer.size)
        return error_set(err, ERROR_CORRUPT, 0, "more than the %llu bytes promised",
                         (unsigned long long)d->blob.size);
    TRY(writer_write(&d->blob_writer.base, data, len, err));
    pthread_mutex_lock(&d->lock);
    d->size = d->blob_writer.size;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    return 0;
}

/* Readers hear of it before what they read is gone. */
static void tell_restart(struct download *d)
{
    pthread_mutex_lock(&d->lock);
    d->size = 0;
    d->restarts++;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static int restart(struct download *d, struct error *err)
{
    tell_restart(d);
    return blob_writer_restart(&d->blob_writer, err);
}

static int on_headers(void *arg, const struct http_response *response, struct error *err)
{
    struct download *d = arg;

    if (response->status == 206) {
        if (http_range_starts_at(response, d->blob_writer.size))
            return 0;
        d->from_start = true;
        return error_set(err, ERROR_NETWORK, 0, "server sent another range than was asked for");
    }
    /* a server that knows no ranges sends all of it again */
    if (response->status == 200 && d->blob_writer.size > 0)
        return restart(d, err);
    return 0;
}

static void report(struct download *d, bool is_last)
{
    uint64_t now = clock_monotonic_ns();

    if (!is_last && now - d->reported_ns < REPORT_NS)
        return;
    d->reported_ns = now;
    progress_status(d->client->options.progress, d->vertex, d->status_name, d->blob_writer.size,
                    d->blob.size);
}

static void on_progress(void *arg, uint64_t sent, uint64_t received)
{
    (void)sent;
    if (received > 0)
        report(arg, false);
}

static int transfer_once(void *arg, long *retry_after_s, struct error *err)
{
    struct download *d = arg;
    const struct origin *origin = &d->origins.items[d->at];
    char digest[DIGEST_TEXT_SIZE];
    auto_(strvec) struct strvec headers = { 0 };
    auto_(http_response) struct http_response response = HTTP_RESPONSE_INIT;

    digest_print(&d->blob.digest, digest);
    if (d->from_start)
        TRY(restart(d, err));
    if (d->blob_writer.size > 0 && d->blob_writer.size == d->blob.size)
        return 0;
    if (d->blob_writer.size > 0)
        strvec_pushf(&headers, "Range: bytes=%llu-", (unsigned long long)d->blob_writer.size);
    auto_free char *target = xasprintf("/v2/%s/blobs/%s", origin->repository, digest);
    const struct registry_request request = { .method = "GET",
                                              .target = target,
                                              .scope = origin->scope,
                                              .headers = headers,
                                              .bodies.out = &d->base,
                                              .bodies.limit = UINT64_MAX,
                                              .bodies.on_headers = on_headers,
                                              .bodies.on_progress = on_progress,
                                              .bodies.arg = d };
    TRY(registry_call(origin->host, &request, &response, err));
    *retry_after_s = response.retry_after_s;
    if (response.status == 416 && headers.count > 0) {
        d->from_start = true;
        return error_set(err, ERROR_NETWORK, 0, "server refused to go on at byte %llu",
                         (unsigned long long)d->blob_writer.size);
    }
    if (response.status != 200 && response.status != 206) {
        auto_free char *what = xasprintf("pull blob %.19s of %s", digest, origin->repository);
        return registry_status_error(origin->host, what, &response, err);
    }
    if (d->blob_writer.size < d->blob.size) {
        return error_set(err, ERROR_NETWORK, 0, "transfer ended after %llu of %llu bytes",
                         (unsigned long long)d->blob_writer.size, (unsigned long long)d->blob.size);
    }
    return 0;
}

/* Readers get a descriptor of their own, which outlives the writer. */
static int begin_round(struct download *d, struct error *err)
{
    TRY(blob_writer_open(d->client->options.store, &d->blob_writer, err));
    int fd = fcntl(d->blob_writer.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "follow a blob");
    d->from_start = false;
    pthread_mutex_lock(&d->lock);
    d->fds[d->fd_count++] = fd;
    pthread_mutex_unlock(&d->lock);
    return 0;
}

/* Beginning with number `first`. What one has sent another can go on with. */
static int transfer_from_any(struct download *d, size_t first, struct error *err)
{
    auto_(strbuf) struct strbuf story = STRBUF_INIT;
    size_t count = d->origins.count;

    for (size_t asked = 0;; asked++) {
        struct error why = { 0 };
        d->at = (first + asked) % count;
        int rc = asked + 1 < count
                     ? registry_try_briefly(d->client, transfer_once, d, &d->blob_writer.size, &why)
                     : registry_try(d->client, transfer_once, d, &d->blob_writer.size, &why);
        if (rc == 0)
            return 0;
        d->from_start |= why.kind == ERROR_CORRUPT;
        if (!origins_may_go_on(&d->origins, asked, &story, &why, err))
            return -1;
    }
}

static int transfer_and_commit(struct download *d, size_t first, struct error *err)
{
    if (begin_round(d, err) < 0 || transfer_from_any(d, first, err) < 0) {
        blob_writer_release(&d->blob_writer);
        return -1;
    }
    report(d, true);
    return blob_writer_commit(&d->blob_writer, &d->blob.digest, NULL, err);
}

/* Another was faster, or another process. */
static int take_stored(struct download *d, struct error *err)
{
    int fd = -1;
    TRY(blob_open(d->client->options.store, &d->blob.digest, &fd, NULL, err));
    pthread_mutex_lock(&d->lock);
    d->fds[d->fd_count++] = fd;
    d->size = d->blob.size;
    pthread_mutex_unlock(&d->lock);
    return 0;
}

static int fetch_missing(struct download *d, struct error *err)
{
    size_t first = 0;

    if (blob_exists(d->client->options.store, &d->blob.digest, d->blob.size))
        return take_stored(d, err);
    for (size_t round = 0;; round++) {
        struct error why = { 0 };
        if (transfer_and_commit(d, first, &why) == 0)
            return 0;
        if (why.kind != ERROR_CORRUPT || round == d->origins.count || round + 1 == ROUNDS) {
            error_move(err, &why);
            return -1;
        }
        /* once more from the start: a cache on the way may have had a bad copy */
        error_clear(&why);
        tell_restart(d);
        first = (d->at + 1) % d->origins.count;
    }
}

static void enter(struct registry_host *host)
{
    struct registry_client *client = host->client;

    pthread_mutex_lock(&client->lock);
    while (host->transfers == REGISTRY_PARALLEL_MAX)
        pthread_cond_wait(&client->changed, &client->lock);
    host->transfers++;
    pthread_mutex_unlock(&client->lock);
}

/* Whoever wants the blob from now on finds it in the store, or tries again. */
static void leave(const struct download *d)
{
    struct registry_client *client = d->client;

    pthread_mutex_lock(&client->lock);
    d->origins.items[0].host->transfers--;
    struct download **at = &client->downloads;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

void download_run(struct download *d)
{
    struct error err = { 0 };

    pthread_mutex_lock(&d->lock);
    d->has_begun = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    enter(d->origins.items[0].host);
    if (fetch_missing(d, &err) < 0)
        error_wrap(&err, "pull blob %s", d->status_name);
    leave(d);
    pthread_mutex_lock(&d->lock);
    d->has_ended = true;
    error_move(&d->err, &err);
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static void run_job(void *arg)
{
    download_run(arg);
    download_leave(arg);
}

void download_start(struct download *d, struct thread_pool *pool)
{
    struct registry_client *client = d->client;

    pthread_mutex_lock(&client->lock);
    if (!client->jobs.pool)
        job_group_init(&client->jobs, pool);
    assert(client->jobs.pool == pool);
    d->users++;
    pthread_mutex_unlock(&client->lock);
    job_group_submit(&client->jobs, run_job, d);
}

/* With the lock held, which is let go meanwhile. */
static void wait_for_change(struct download *d)
{
    struct timespec until;

    if (d->has_begun) {
        pthread_cond_wait(&d->changed, &d->lock);
        return;
    }
    /* The threads of the pool may all be waiting, like this one. */
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += BEGIN_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_cond_timedwait(&d->changed, &d->lock, &until) == 0 || d->has_begun)
        return;
    pthread_mutex_unlock(&d->lock);
    job_group_help(&d->client->jobs);
    pthread_mutex_lock(&d->lock);
}

/* Each who asks gets the error. */
static int tell_error(const struct download *d, struct error *err)
{
    if (!error_is_set(&d->err))
        return 0;
    error_set(err, d->err.kind, 0, "%s", d->err.message);
    err->sys = d->err.sys;
    return d->err.hint ? error_hint(err, "%s", d->err.hint) : -1;
}

int download_wait(struct download *d, struct error *err)
{
    pthread_mutex_lock(&d->lock);
    while (!d->has_ended)
        wait_for_change(d);
    int rc = tell_error(d, err);
    pthread_mutex_unlock(&d->lock);
    return rc;
}

static int began_anew(struct error *err)
{
    return error_set(err, ERROR_CORRUPT, 0, "the transfer began anew");
}

/* Waits until there is something at `at`. With the lock held. *out_len 0: that is the end. */
static int await_bytes(struct download *d, struct download_position *at, int *out_fd,
                       uint64_t *out_len, struct error *err)
{
    for (;;) {
        if (at->is_interrupted)
            return error_set(err, ERROR_CANCELLED, 0, "interrupted");
        if (at->offset == 0)
            at->restarts = d->restarts;
        if (at->restarts != d->restarts)
            return began_anew(err);
        *out_len = d->size - at->offset;
        *out_fd = d->fd_count ? d->fds[d->fd_count - 1] : -1;
        if (*out_len > 0)
            return 0;
        if (d->has_ended)
            return tell_error(d, err);
        wait_for_change(d);
    }
}

ssize_t download_read(struct download *d, struct download_position *at, void *buf, size_t cap,
                      struct error *err)
{
    int fd = -1;
    uint64_t len = 0;

    pthread_mutex_lock(&d->lock);
    int rc = await_bytes(d, at, &fd, &len, err);
    pthread_mutex_unlock(&d->lock);
    if (rc < 0 || len == 0)
        return rc;
    ssize_t n = 0;
    do
        n = pread(fd, buf, len < cap ? (size_t)len : cap, (off_t)at->offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_set(err, ERROR_SYSTEM, errno, "read behind the transfer of %s",
                         d->status_name);
    pthread_mutex_lock(&d->lock);
    bool is_stale = at->restarts != d->restarts;
    pthread_mutex_unlock(&d->lock);
    if (is_stale || n == 0)
        return began_anew(err);
    at->offset += (uint64_t)n;
    return n;
}

void download_interrupt(struct download *d, struct download_position *at)
{
    pthread_mutex_lock(&d->lock);
    at->is_interrupted = true;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

static struct download *download_new(const struct origins *origins, const struct descriptor *blob,
                                     unsigned vertex)
{
    struct download *d = xcalloc(1, sizeof *d);
    char digest[DIGEST_TEXT_SIZE];

    *d = (struct download){ .base = { download_write },
                            .client = origins->items[0].host->client,
                            .blob = *blob,
                            .vertex = vertex,
                            .blob_writer = { .fd = -1 } };
    origins_copy(origins, 0, &d->origins);
    digest_print(&blob->digest, digest);
    snprintf(d->status_name, sizeof d->status_name, "%.19s", digest);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, NULL);
    return d;
}

struct download *download_join(const struct origins *origins, const struct descriptor *blob,
                               unsigned vertex, bool *out_is_mine)
{
    struct registry_client *client = origins->items[0].host->client;

    pthread_mutex_lock(&client->lock);
    struct download *d = client->downloads;
    while (d && !(digest_equal(&d->blob.digest, &blob->digest) && d->blob.size == blob->size))
        d = d->next;
    *out_is_mine = !d;
    if (!d) {
        d = download_new(origins, blob, vertex);
        d->next = client->downloads;
        client->downloads = d;
    }
    d->users++;
    pthread_mutex_unlock(&client->lock);
    return d;
}

void download_leave(struct download *d)
{
    struct registry_client *client = d->client;

    pthread_mutex_lock(&client->lock);
    bool is_last = --d->users == 0;
    pthread_mutex_unlock(&client->lock);
    if (!is_last)
        return;
    for (size_t i = 0; i < d->fd_count; i++)
        close(d->fds[i]);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    error_clear(&d->err);
    origins_release(&d->origins);
    free(d);
}
