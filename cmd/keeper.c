/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/keeper.h"

#include <pthread.h>
#include <signal.h>

#include "cmd/size_text.h"
#include "lib/base/mem.h"
#include "lib/store/janitor.h"

/* How often the file system is asked; how often a sweep is tried again that found nothing. */
enum { WATCH_S = 1, IN_VAIN_S = 30 };

struct keeper {
    struct session *session;
    struct gc_policy policy;
    pthread_t thread;
    bool has_thread;
    bool has_warned; /* once is enough */
    pthread_mutex_t lock;
    pthread_cond_t stopping;
    bool is_stopping; /* under `lock` */
};

/* What cannot be swept is no reason to fail: the build may well have room enough. */
static bool sweep(struct keeper *k)
{
    struct session *s = k->session;
    struct gc_result result;
    char size[SIZE_TEXT];
    auto_(error) struct error why = { 0 };
    if (gc_run(&s->store, &k->policy, &result, &why) < 0) {
        auto_free char *text = xasprintf("the cache was not pruned: %s", why.message);
        if (!k->has_warned)
            progress_warning(s->progress, text);
        k->has_warned = true;
        return false;
    }
    if (result.layers + result.blobs == 0)
        return false;
    janitor_run(&s->store);
    size_print(result.bytes, size);
    unsigned v = progress_start(s->progress, "[internal] prune the cache");
    auto_free char *note = xasprintf("removed %zu layers, %zu blobs (%s) that were unused longest",
                                     result.layers, result.blobs, size);
    progress_note(s->progress, v, note);
    progress_end(s->progress, v, PROGRESS_DONE, NULL);
    return true;
}

/* True: it is time to stop. */
static bool wait_for_stop(struct keeper *k, int seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&k->lock);
    int rc = 0;
    while (!k->is_stopping && rc == 0)
        rc = pthread_cond_timedwait(&k->stopping, &k->lock, &until);
    bool stop = k->is_stopping;
    pthread_mutex_unlock(&k->lock);
    return stop;
}

static void *watch(void *arg)
{
    struct keeper *k = arg;
    int wait_s = WATCH_S;
    while (!wait_for_stop(k, wait_s)) {
        bool is_in_vain = gc_is_short(&k->session->store, &k->policy) && !sweep(k);
        wait_s = is_in_vain ? IN_VAIN_S : WATCH_S;
    }
    return NULL;
}

/* Who sets the clock back does not stop the watch. */
static void init_stopping(struct keeper *k)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->stopping, &attr);
    pthread_condattr_destroy(&attr);
}

struct keeper *keeper_start(struct session *s, const struct gc_policy *policy)
{
    struct keeper *k = xcalloc(1, sizeof *k);
    sigset_t all;
    sigset_t old;
    k->session = s;
    k->policy = *policy;
    pthread_mutex_init(&k->lock, NULL);
    init_stopping(k);
    if (policy->max_used || policy->reserved || gc_is_short(&s->store, policy))
        (void)sweep(k);
    /* Signals are for the threads that build. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    k->has_thread = pthread_create(&k->thread, NULL, watch, k) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return k;
}

void keeper_stop(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    k->is_stopping = true;
    pthread_cond_signal(&k->stopping);
    pthread_mutex_unlock(&k->lock);
    if (k->has_thread)
        pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->stopping);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
