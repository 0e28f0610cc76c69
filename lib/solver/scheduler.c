/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler: a vertex starts as soon as the inputs it waits for are done, each in a job of its own.
 * The first error wins and stops the rest: what has not started never starts, what runs is
 * cancelled.
 */
#include "lib/base/mem.h"
#include "lib/solver/solver_internal.h"

enum { TICK_MS = 100 };

struct schedule {
    struct solver *solver;
    struct job_group group;
    pthread_mutex_t lock;
    struct error first; /* under `lock` */
};

struct vertex_job {
    struct schedule *schedule;
    const struct vertex *vertex;
};

static void start_ready(struct schedule *sc);

static int run_vertex(struct solver *s, const struct vertex *v, unsigned progress, bool *out_cached,
                      struct error *err)
{
    switch (v->kind) {
    case OP_IMAGE: return image_run(s, v, progress, err);
    case OP_EXEC: return exec_run(s, v, progress, out_cached, err);
    case OP_COPY: return copy_run(s, v, progress, out_cached, err);
    case OP_MKDIR: return mkdir_run(s, v, out_cached, err);
    case OP_MERGE: set_merge_result(s, v); return key_of(s, v, err);
    case OP_LOCAL: return 0;
    }
    __builtin_unreachable();
}

static void fail(struct schedule *sc, struct error *err)
{
    pthread_mutex_lock(&sc->lock);
    if (!error_is_set(&sc->first))
        error_move(&sc->first, err);
    pthread_mutex_unlock(&sc->lock);
    cancel_raise(sc->solver->options.cancel);
}

static void run_job(void *arg)
{
    struct vertex_job *job = arg;
    struct schedule *sc = job->schedule;
    struct solver *s = sc->solver;
    const struct vertex *v = job->vertex;
    auto_(error) struct error err = { 0 };
    bool cached = false;
    free(job);

    unsigned progress = progress_start(s->options.progress, v->name);
    int rc = cancel_check(s->options.cancel, &err);
    if (rc == 0)
        rc = run_vertex(s, v, progress, &cached, &err);
    if (rc < 0) {
        bool cancelled = err.kind == ERROR_CANCELLED;
        error_at(&err, v->where);
        progress_end(s->options.progress, progress,
                     cancelled ? PROGRESS_CANCELLED : PROGRESS_FAILED, err.message);
        fail(sc, &err);
        return;
    }
    progress_end(s->options.progress, progress, cached ? PROGRESS_CACHED : PROGRESS_DONE, NULL);
    pthread_mutex_lock(&sc->lock);
    state_of(s, v)->status = VERTEX_DONE;
    pthread_mutex_unlock(&sc->lock);
    start_ready(sc);
}

/* The roots below an input are mounted with it: none of them may be on its way still. */
static bool roots_are_ready(const struct solver *s, const struct vertex *root)
{
    for (; root; root = root->inputs[0]) {
        if (state_of(s, root)->status == VERTEX_PENDING)
            return false;
        if (state_of(s, root)->status == VERTEX_DONE && root->kind != OP_IMAGE)
            return true;
        if (root->kind == OP_MERGE && !roots_are_ready(s, root->inputs[1]))
            return false;
    }
    return true;
}

static bool is_ready(const struct solver *s, const struct vertex *v)
{
    for (size_t i = 0; i < v->input_count; i++) {
        if (!roots_are_ready(s, v->inputs[i]))
            return false;
    }
    return true;
}

static void start_ready(struct schedule *sc)
{
    struct solver *s = sc->solver;
    pthread_mutex_lock(&sc->lock);
    for (size_t i = 0; i < s->options.graph->count && !error_is_set(&sc->first); i++) {
        const struct vertex *v = s->options.graph->vertices[i];
        struct vertex_state *state = state_of(s, v);
        if (state->status != VERTEX_PENDING || state->submitted || !is_ready(s, v))
            continue;
        state->submitted = true;
        struct vertex_job *job = xcalloc(1, sizeof *job);
        *job = (struct vertex_job){ sc, v };
        job_group_submit(&sc->group, run_job, job);
    }
    pthread_mutex_unlock(&sc->lock);
}

int schedule(struct solver *s, struct error *err)
{
    struct schedule sc = { .solver = s };
    pthread_mutex_init(&sc.lock, NULL);
    job_group_init(&sc.group, s->workers.pool);
    start_ready(&sc);
    while (!job_group_wait_for(&sc.group, TICK_MS))
        progress_tick(s->options.progress);
    job_group_wait(&sc.group);
    pthread_mutex_destroy(&sc.lock);
    if (!error_is_set(&sc.first))
        return 0;
    error_move(err, &sc.first);
    return -1;
}
