/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/push_ahead.h"

#include <stdatomic.h>

#include "cmd/blob_feed.h"
#include "lib/base/mem.h"
#include "lib/oci/reference.h"
#include "lib/registry/push.h"

enum { THREADS = 4, TRIES = 2 };

struct push_ahead {
    struct session *session;
    struct reference *targets; /* each repository once */
    size_t target_count;
    struct blob_feed feed;
    struct registry_client *client;
    struct retry_policy retry;
    struct progress progress;
    struct progress_sink sink;
    atomic_uint vertex;     /* where they are shown; 0: not yet */
    atomic_bool has_failed; /* no more is tried: whoever waits at the end waits once */
};

static struct push_ahead *ahead_of(struct progress_sink *sink)
{
    return (void *)((char *)sink - offsetof(struct push_ahead, sink));
}

static void pass_on(struct progress_sink *sink, const struct progress_event *e)
{
    struct push_ahead *a = ahead_of(sink);
    unsigned vertex = atomic_load(&a->vertex);
    if (vertex && e->kind == PROGRESS_STATUS)
        progress_status(a->session->progress, vertex, e->name, e->current, e->total);
}

static bool is_known(const struct push_ahead *a, const struct reference *ref)
{
    for (size_t i = 0; i < a->target_count; i++) {
        if (strcmp(a->targets[i].host, ref->host) == 0 &&
            strcmp(a->targets[i].repository, ref->repository) == 0)
            return true;
    }
    return false;
}

static int add_targets(struct push_ahead *a, const struct strvec *names, struct error *err)
{
    a->targets = xcalloc(names->count, sizeof *a->targets);
    for (size_t i = 0; i < names->count; i++) {
        auto_(reference) struct reference ref = { 0 };
        TRY(reference_parse(names->items[i], &ref, err));
        if (is_known(a, &ref))
            continue;
        a->targets[a->target_count++] = ref;
        ref = (struct reference){ 0 };
    }
    return 0;
}

static void ahead_free(struct push_ahead *a)
{
    if (!a)
        return;
    blob_feed_close(&a->feed);
    registry_client_free(a->client);
    for (size_t i = 0; i < a->target_count; i++)
        reference_release(&a->targets[i]);
    free(a->targets);
    free(a);
}
DEFINE_AUTO(ahead, struct push_ahead *, ahead_free(*value))

int push_ahead_open(struct session *s, const struct strvec *names, struct push_ahead **out,
                    struct error *err)
{
    auto_(ahead) struct push_ahead *a = xcalloc(1, sizeof *a);
    a->session = s;
    a->feed = (struct blob_feed)BLOB_FEED_INIT;
    a->sink.event = pass_on;
    TRY(add_targets(a, names, err));
    TRY(blob_feed_open(&a->feed, err));
    *out = take_ptr(a);
    return 0;
}

/* One blob to all repositories. */
struct blob_job {
    struct push_ahead *ahead;
    struct descriptor blob;
};

static void send_blob(void *arg)
{
    auto_free struct blob_job *job = arg;
    struct push_ahead *a = job->ahead;
    enum { SHOWN = 1 }; /* our own progress has but one step */
    for (size_t i = 0; i < a->target_count && !atomic_load(&a->has_failed); i++) {
        auto_(error) struct error met_again = { 0 };
        if (registry_push_blob(a->client, &a->targets[i], &job->blob, SHOWN, &met_again) < 0)
            atomic_store(&a->has_failed, true);
    }
}

static void read_blobs(void *arg)
{
    struct push_ahead *a = arg;
    struct image_blob told;
    while (blob_feed_next(&a->feed, &told)) {
        if (!told.is_own) /* the registry may get it from a repository of its own */
            continue;
        struct blob_job *job = xcalloc(1, sizeof *job);
        *job = (struct blob_job){ a, told.blob };
        job_group_submit(&a->feed.group, send_blob, job);
    }
}

void push_ahead_begin(void *arg)
{
    struct push_ahead *a = arg;
    struct registry_options options = session_registry_options(a->session);
    progress_init(&a->progress, &a->sink);
    options.progress = &a->progress;
    options.cancel = &a->feed.cancel;
    a->retry = retry_policy_default;
    a->retry.max_tries = TRIES;
    options.retry = &a->retry;
    a->client = registry_client_new(&options);
    blob_feed_begin(&a->feed, THREADS, read_blobs, a);
}

void push_ahead_blob(void *arg, const struct image_blob *blob)
{
    const struct push_ahead *a = arg;
    blob_feed_tell(&a->feed, blob);
}

static void wait_for_all(struct push_ahead *a)
{
    const struct cancel *asked = &a->session->cancel;
    unsigned v = progress_start(a->session->progress,
                                "sending layers that are on their way to the registry");
    atomic_store(&a->vertex, v);
    blob_feed_finish(&a->feed, asked);
    progress_end(a->session->progress, v,
                 cancel_is_raised(asked) ? PROGRESS_CANCELLED : PROGRESS_DONE, NULL);
}

void push_ahead_end(struct push_ahead *a, bool is_wanted)
{
    if (!a)
        return;
    if (!is_wanted)
        atomic_store(&a->has_failed, true);
    else if (!blob_feed_has_ended(&a->feed))
        wait_for_all(a);
    ahead_free(a);
}
