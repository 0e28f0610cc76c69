/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/session.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cmd/progress.h"
#include "lib/base/mem.h"

/* What a signal handler can reach. */
static struct session *interrupted;
static volatile sig_atomic_t interrupted_by;
static volatile sig_atomic_t is_builder;

static void on_signal(int signal)
{
    /* Asked twice: the user does not want to wait for an orderly end. A builder hears of one Ctrl-C
     * twice, from the terminal and from the planner, and is killed by that at the second. */
    if (interrupted_by && signal == SIGINT && !is_builder)
        _exit(128 + signal);
    if (!interrupted_by)
        interrupted_by = signal;
    cancel_raise(&interrupted->cancel);
    cancel_raise(&interrupted->interrupt);
}

int session_signal(void)
{
    return interrupted_by;
}

void session_enter_builder(void)
{
    is_builder = 1;
}

static void catch_signals(struct session *s)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = on_signal };
    interrupted = s;
    for (size_t i = 0; i < COUNT(signals); i++) {
        struct sigaction old;
        sigaction(signals[i], NULL, &old);
        if (old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
}

/* A mount of 500 layers holds as many descriptors. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int session_init(struct session *s, struct error *err)
{
    *s = (struct session){ .cancel.fd = -1, .interrupt.fd = -1, .umask = umask(077) };
    TRY(cancel_init(&s->cancel, err));
    TRY(cancel_init(&s->interrupt, err));
    catch_signals(s);
    raise_file_limit();
    return 0;
}

void session_release(struct session *s)
{
    registry_client_free(s->registry);
    registry_client_free(s->cache_registry);
    store_close(&s->store);
    if (s->progress) {
        s->progress->sink->free(s->progress->sink);
        munmap(s->progress, sizeof *s->progress);
    }
    strvec_release(&s->insecure_hosts);
    cancel_release(&s->cancel);
    cancel_release(&s->interrupt);
}

int session_open_store(struct session *s, struct error *err)
{
    auto_free char *path = NULL;
    TRY(store_default_path(&path, err));
    TRY(store_open(&s->store, path, err));
    return store_lease(&s->store, err);
}

int session_open_progress(struct session *s, const char *mode, struct error *err)
{
    if (!mode || !*mode)
        mode = getenv("BUILDKIT_PROGRESS");
    struct progress_sink *sink = NULL;
    TRY(progress_sink_open(mode && *mode ? mode : "auto", &sink, err));
    s->is_raw_progress = mode && strcmp(mode, "rawjson") == 0;
    /* Shared, so that vertex numbers go on where the builder process stopped. */
    struct progress *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return error_set(err, ERROR_SYSTEM, errno, "mmap");
    progress_init(p, sink);
    s->progress = p;
    return 0;
}

int session_record_timings(struct session *s, struct error *err)
{
    TRY(timings_open(s->progress->sink, &s->timings, err));
    s->progress->sink = timings_base(s->timings);
    return 0;
}

void session_finish_progress(struct session *s)
{
    if (s->progress && s->progress->sink->finish)
        s->progress->sink->finish(s->progress->sink);
    fflush(stderr);
}

void session_forget_progress(struct session *s)
{
    if (s->progress && s->progress->sink->forget)
        s->progress->sink->forget(s->progress->sink);
}

static void explain(void *arg, const char *text)
{
    (void)arg;
    fprintf(stderr, "DEBUG: %s\n", text);
}

struct registry_options session_registry_options(struct session *s)
{
    return (struct registry_options){ .places = credential_places_from_environment(),
                                      .config = registry_places_from_environment(),
                                      .insecure_hosts = &s->insecure_hosts,
                                      .progress = s->progress,
                                      .cancel = &s->cancel,
                                      .explain = s->debug ? explain : NULL,
                                      .store = &s->store };
}

struct s3_options session_s3_options(struct session *s, const struct cancel *cancel)
{
    return (struct s3_options){ .store = &s->store,
                                .progress = s->progress,
                                .cancel = cancel,
                                .explain = s->debug ? explain : NULL };
}

struct registry_client *session_registry(struct session *s)
{
    if (!s->registry) {
        struct registry_options options = session_registry_options(s);
        s->registry = registry_client_new(&options);
    }
    return s->registry;
}

struct registry_client *session_cache_registry(struct session *s)
{
    if (!s->cache_registry) {
        struct registry_options options = session_registry_options(s);
        options.cancel = &s->interrupt;
        s->cache_registry = registry_client_new(&options);
    }
    return s->cache_registry;
}
