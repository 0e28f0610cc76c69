/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: what is cached of all that the target needs, what has to run, what roots are used for.
 */
#include "lib/base/mem.h"
#include "lib/solver/solver_internal.h"

enum { LAYERS_MAX = 500 };

static int find_cached(struct solver *s, const struct vertex *v, bool *out,
                       struct error *err) MUST_CHECK;

static int find_merge_cached(struct solver *s, const struct vertex *v, bool *out, struct error *err)
{
    bool below = true;
    if (v->inputs[0])
        TRY(find_cached(s, v->inputs[0], &below, err));
    TRY(find_cached(s, v->inputs[1], out, err));
    *out = *out && below;
    if (!*out)
        return 0;
    set_merge_result(s, v);
    state_of(s, v)->status = VERTEX_CACHED;
    return 0;
}

static int look_up(struct solver *s, const struct vertex *v, bool *out, struct error *err)
{
    struct vertex_state *state = state_of(s, v);
    *out = true;
    if (v->kind == OP_IMAGE) {
        set_image_result(s, v);
        state->status = state->status == VERTEX_PENDING ? VERTEX_PENDING : VERTEX_CACHED;
        return 0;
    }
    TRY(key_of(s, v, err));
    if (v->kind == OP_LOCAL) {
        state->status = VERTEX_CACHED;
        return 0;
    }
    if (v->kind == OP_MERGE)
        return find_merge_cached(s, v, out, err);
    if (!state->has_key) {
        *out = false;
        return 0;
    }
    if (v->inputs[0])
        TRY(find_cached(s, v->inputs[0], out, err));
    bool has_stages = takes_from_stages(v);
    for (size_t i = 1; i < v->input_count; i++) {
        bool cached = true;
        if (is_stage(v, i))
            TRY(find_cached(s, v->inputs[i], &cached, err));
        has_stages = has_stages && cached;
    }
    struct digest key;
    auto_(cache_record) struct cache_record record = { 0 };
    record_key(s, v, has_stages, &key);
    *out = *out && !state->anew && reuse(s, v, &key, &record);
    if (*out)
        state->status = VERTEX_CACHED;
    return 0;
}

/* Is `v` cached, with all roots below it? Sets its result if so. Each vertex is looked up once: the
 * ways down from the target may be far more than the vertices. */
static int find_cached(struct solver *s, const struct vertex *v, bool *out, struct error *err)
{
    struct vertex_state *state = state_of(s, v);
    *out = state->status == VERTEX_CACHED;
    if (*out || state->is_missed)
        return 0;
    TRY(look_up(s, v, out, err));
    state->is_missed = !*out;
    return 0;
}

/* What runs uses the roots that its inputs rest on, down to the image at the bottom. */
static void use_root(struct solver *s, const struct vertex *v, enum root_use use)
{
    for (; v && state_of(s, v)->use < use; v = v->inputs[0]) {
        state_of(s, v)->use = use;
        if (v->kind == OP_MERGE)
            use_root(s, v->inputs[1], use);
        if (v->kind == OP_IMAGE)
            state_of(s, v)->status = VERTEX_PENDING;
    }
}

/* What input `i` is to the step `v`, which runs. */
static enum root_use use_of_input(const struct vertex *v, size_t i)
{
    if (v->kind == OP_MERGE || v->inputs[i]->kind == OP_LOCAL)
        return ROOT_UNUSED;
    return i == 0 && v->kind != OP_EXEC ? ROOT_LOOKED_INTO : ROOT_MOUNTED;
}

static int need(struct solver *s, const struct vertex *v, struct error *err) MUST_CHECK;

/* Sees to the inputs of `v`. *out: others have told of one, so that it stands where it may have
 * stood before. */
static int need_inputs(struct solver *s, const struct vertex *v, bool *out_told, struct error *err)
{
    for (size_t i = 0; i < v->input_count; i++) {
        if (!v->inputs[i])
            continue;
        TRY(need(s, v->inputs[i], err));
        *out_told = *out_told || state_of(s, v->inputs[i])->shared;
    }
    return 0;
}

/* Marks what has to run for `v`. */
static int need(struct solver *s, const struct vertex *v, struct error *err)
{
    struct vertex_state *state = state_of(s, v);
    bool cached = false;
    bool is_told = false;
    if (state->status == VERTEX_PENDING || state->status == VERTEX_CACHED)
        return 0;
    TRY(find_cached(s, v, &cached, err));
    if (!cached && find_shared(s, v)) {
        state->status = VERTEX_CACHED;
        cached = true;
    }
    if (cached)
        return 0;
    TRY(need_inputs(s, v, &is_told, err));
    if (is_told)
        TRY(look_up(s, v, &cached, err));
    if (cached)
        return 0;
    state->status = VERTEX_PENDING;
    for (size_t i = 0; i < v->input_count; i++) {
        if (v->inputs[i])
            use_root(s, v->inputs[i], use_of_input(v, i));
    }
    return 0;
}

/* Shows vertices that the target rests on and that nobody needs to run. */
static void report_cached(struct solver *s, const struct vertex *v, bool *seen)
{
    if (seen[v->index])
        return;
    seen[v->index] = true;
    for (size_t i = 0; i < v->input_count; i++) {
        if (v->inputs[i])
            report_cached(s, v->inputs[i], seen);
    }
    struct vertex_state *state = state_of(s, v);
    if (state->status == VERTEX_PENDING)
        return;
    unsigned n = state->progress ? state->progress : progress_start(s->options.progress, v->name);
    if (state->progress)
        meter_end(&state->meter);
    progress_end(s->options.progress, n, v->kind == OP_LOCAL ? PROGRESS_DONE : PROGRESS_CACHED,
                 NULL);
}

/* overlayfs mounts no more, and neither do the engines that run the image. */
static int check_layer_count(const struct vertex *target, struct error *err)
{
    size_t count = vertex_layer_count(target);
    if (count <= LAYERS_MAX)
        return 0;
    error_set(err, ERROR_USER, 0, "the image would have %zu layers; %d is the limit", count,
              LAYERS_MAX);
    error_at(err, target->where);
    return error_hint(err, "put several commands into one RUN, several files into one COPY");
}

/* Asks others: for the target, and if nobody has it for all steps at once. */
static int ask_for_missed(struct solver *s, const struct vertex *target, struct error *err)
{
    bool cached = false;
    size_t count = 0;
    auto_free const struct vertex **missed = xcalloc(s->options.graph->count, sizeof *missed);
    TRY(find_cached(s, target, &cached, err));
    if (cached || !s->options.shared || find_shared(s, target))
        return 0;
    for (size_t i = 0; i < s->options.graph->count; i++) {
        if (s->states[i].is_missed)
            missed[count++] = s->options.graph->vertices[i];
    }
    ask_shared(s, missed, count);
    return 0;
}

static int plan(struct solver *s, const struct vertex *target, bool *out_complete,
                struct error *err)
{
    auto_free bool *seen = xcalloc(s->options.graph->count, sizeof *seen);
    TRY(check_layer_count(target, err));
    TRY(ask_for_missed(s, target, err));
    TRY(need(s, target, err));
    if (state_of(s, target)->status == VERTEX_PENDING && s->options.target_is_mounted)
        use_root(s, target, ROOT_MOUNTED);
    if (s->options.shares_mounts)
        find_shared_mounts(s);
    *out_complete = state_of(s, target)->status == VERTEX_CACHED;
    report_cached(s, target, seen);
    return 0;
}

/* Threads read contexts; a fork finds none of them. */
int solver_plan(struct solver *s, const struct vertex *target, bool *out_complete,
                struct error *err)
{
    struct thread_pool *pool = thread_pool_new(thread_pool_cores());
    s->workers.pool = pool;
    int rc = plan(s, target, out_complete, err);
    s->workers.pool = NULL;
    thread_pool_free(pool);
    return rc;
}
