/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler: a vertex starts as soon as the inputs it waits for are done, each in a job of its own;
 * where only so many steps may run, those come first that most has to follow. The first error wins
 * and stops the rest: what has not started never starts, what runs is cancelled.
 */
#include "lib/base/mem.h"
#include "lib/solver/solver_internal.h"

enum { TICK_MS = 100, STEP_HEIGHT = 10 };

struct schedule {
    struct solver *solver;
    struct job_group group;
    const struct vertex **order; /* all vertices, the highest first */
    pthread_mutex_t lock;
    size_t steps;       /* EXEC vertices under way; under `lock` */
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
    (void)error_first(&sc->first, err);
    pthread_mutex_unlock(&sc->lock);
    cancel_raise(sc->solver->options.cancel);
}

static void tell_result(const struct solver *s, const struct vertex *v)
{
    if (s->result_done && vertex_makes_layer(v))
        s->result_done(s->result_done_arg, v, state_of(s, v)->is_of_target);
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
        error_at(&err, v->where);
        progress_end_with(s->options.progress, progress, rc, &err);
        fail(sc, &err);
        return;
    }
    progress_end(s->options.progress, progress, cached ? PROGRESS_CACHED : PROGRESS_DONE, NULL);
    pthread_mutex_lock(&sc->lock);
    state_of(s, v)->status = VERTEX_DONE;
    sc->steps -= v->kind == OP_EXEC;
    pthread_mutex_unlock(&sc->lock);
    start_ready(sc);
    tell_result(s, v);
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

static bool may_start(const struct schedule *sc, const struct vertex *v)
{
    const struct solver *s = sc->solver;
    const struct vertex_state *state = state_of(s, v);
    bool has_room = v->kind != OP_EXEC || s->options.jobs == 0 || sc->steps < s->options.jobs;
    return state->status == VERTEX_PENDING && !state->submitted && has_room && is_ready(s, v);
}

static void start_ready(struct schedule *sc)
{
    struct solver *s = sc->solver;
    pthread_mutex_lock(&sc->lock);
    for (size_t i = 0; i < s->options.graph->count && !error_is_set(&sc->first); i++) {
        const struct vertex *v = sc->order[i];
        if (!may_start(sc, v))
            continue;
        state_of(s, v)->submitted = true;
        sc->steps += v->kind == OP_EXEC;
        struct vertex_job *job = xcalloc(1, sizeof *job);
        *job = (struct vertex_job){ sc, v };
        job_group_submit(&sc->group, run_job, job);
    }
    pthread_mutex_unlock(&sc->lock);
}

/* Inputs have smaller indexes: backwards, all that follows a vertex is known before it. */
static void set_heights(struct solver *s)
{
    for (size_t i = s->options.graph->count; i-- > 0;) {
        const struct vertex *v = s->options.graph->vertices[i];
        struct vertex_state *state = state_of(s, v);
        if (state->status == VERTEX_PENDING)
            state->height += v->kind == OP_EXEC ? STEP_HEIGHT : 1;
        for (size_t k = 0; k < v->input_count; k++) {
            struct vertex_state *input = v->inputs[k] ? state_of(s, v->inputs[k]) : NULL;
            if (input && input->height < state->height)
                input->height = state->height;
        }
    }
}

static void mark_target(struct solver *s, const struct vertex *v)
{
    for (; v && !state_of(s, v)->is_of_target; v = v->inputs[0]) {
        state_of(s, v)->is_of_target = true;
        if (v->kind == OP_MERGE)
            mark_target(s, v->inputs[1]);
    }
}

static int compare_heights(const void *a, const void *b, void *arg)
{
    const struct solver *s = arg;
    const struct vertex *x = *(const struct vertex *const *)a;
    const struct vertex *y = *(const struct vertex *const *)b;
    unsigned hx = state_of(s, x)->height;
    unsigned hy = state_of(s, y)->height;
    if (hx != hy)
        return hx > hy ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

int schedule(struct solver *s, const struct vertex *target, struct error *err)
{
    size_t count = s->options.graph->count;
    auto_free const struct vertex **order = xcalloc(count, sizeof *order);
    struct schedule sc = { .solver = s, .order = order };
    set_heights(s);
    mark_target(s, target);
    for (size_t i = 0; i < count; i++)
        order[i] = s->options.graph->vertices[i];
    qsort_r(order, count, sizeof *order, compare_heights, s);
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
