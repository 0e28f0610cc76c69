/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/builder.h"

#include <signal.h>

#include "lib/store/janitor.h"
#include "snapshotter/native.h"
#include "snapshotter/overlay.h"
#include "snapshotter/sandbox/sandbox.h"
#include "snapshotter/userns.h"

/* Steps wait in a thread each; more than this many never run at once. */
enum { THREADS_MAX = 64 };

struct builder {
    struct session *session;
    builder_fn *fn;
    void (*beside)(void *arg); /* or NULL */
    void *arg;
    const struct report_source *source;
};

/* Overlayfs, or plain copies where the kernel or the file system has none. */
static int open_snapshotter(struct session *s, struct thread_pool *pool, struct snapshotter **out,
                            struct error *err)
{
    const char *forced = getenv("MLBUILD_SNAPSHOTTER");
    if (forced && strcmp(forced, "native") == 0)
        return native_new(&s->store, &s->cancel, out, err);
    if (overlay_new(&s->store, pool, &s->cancel, out, err) == 0)
        return 0;
    if (err->kind != ERROR_HOST || (forced && strcmp(forced, "overlay") == 0))
        return -1;
    error_clear(err);
    progress_warning(s->progress, "overlayfs cannot be used here; steps work on plain copies, "
                                  "which is slower");
    return native_new(&s->store, &s->cancel, out, err);
}

/* The zygote is forked before there are threads. */
static int with_workers(const struct builder *b, struct error *err)
{
    struct session *s = b->session;
    struct solver_workers workers = { 0 };
    TRY(store_reopen(&s->store, err));
    const struct sandbox_options plain = { 0 };
    TRY(sandbox_new(s->sandbox ? s->sandbox : &plain, &workers.executor, err));
    workers.pool = thread_pool_new(THREADS_MAX);
    int rc = open_snapshotter(s, workers.pool, &workers.snapshotter, err);
    if (rc == 0) {
        rc = b->fn(s, &workers, b->arg, err);
        workers.snapshotter->ops->free(workers.snapshotter);
    }
    thread_pool_free(workers.pool);
    sandbox_free(workers.executor);
    janitor_run(&s->store);
    return rc;
}

static int child_main(void *arg)
{
    const struct builder *b = arg;
    auto_(error) struct error err = { 0 };
    int code = 0;
    session_enter_builder();
    if (with_workers(b, &err) < 0) {
        session_finish_progress(b->session);
        report_error(&err, b->source);
        code = report_exit_code(&err, session_signal());
    } else {
        session_finish_progress(b->session);
    }
    fflush(stdout);
    fflush(stderr);
    return code ? code : 0;
}

/* The builder tells its errors itself, but not that it was killed. */
static int check_end(struct session *s, struct error *err)
{
    int signal = s->child_status - 128;
    if (signal <= 0 || signal == SIGINT || signal == SIGTERM || signal == SIGHUP)
        return -1;
    s->child_status = 0;
    error_set(err, ERROR_SYSTEM, 0, "the build process was killed by signal %d", signal);
    return signal == SIGKILL ? error_hint(err, "out of memory, perhaps; the steps that were done "
                                               "are kept, so build again")
                             : -1;
}

static void run_beside(void *arg)
{
    const struct builder *b = arg;
    if (b->beside)
        b->beside(b->arg);
}

int builder_run_beside(struct session *s, builder_fn *fn, void (*beside)(void *arg), void *arg,
                       const struct report_source *source, struct error *err)
{
    auto_(id_map) struct id_map map = { 0 };
    struct builder b = { s, fn, beside, arg, source };
    const struct userns_job job = { child_main, run_beside, &b };
    TRY(id_map_for_user(geteuid(), getegid(), &map, err));
    fflush(stdout);
    fflush(stderr);
    /* The child has a copy of `cancel` that wakes us too: an error of its own is no signal. */
    if (userns_run(&map, &job, &s->interrupt, &s->child_status, err) < 0) {
        if (s->child_status) /* it was killed before it could tell */
            report_error(err, NULL);
        return -1;
    }
    session_forget_progress(s);
    return s->child_status == 0 ? 0 : check_end(s, err);
}

int builder_run(struct session *s, builder_fn *fn, void *arg, const struct report_source *source,
                struct error *err)
{
    return builder_run_beside(s, fn, NULL, arg, source, err);
}
