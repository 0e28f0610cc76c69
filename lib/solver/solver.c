/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/solver/solver_internal.h"

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/layer/packed_writer.h"

enum { LAYERS_MAX = 500 };

struct solver *solver_new(const struct solver_options *options)
{
    struct solver *s = xcalloc(1, sizeof *s);
    s->options = *options;
    s->states = xcalloc(options->graph->count, sizeof *s->states);
    pthread_mutex_init(&s->unpack_lock, NULL);
    pthread_cond_init(&s->unpacked, NULL);
    pthread_mutex_init(&s->caches_lock, NULL);
    return s;
}

static void local_files_free(struct local_files *files, size_t count)
{
    for (size_t i = 0; files && i < count; i++)
        selection_release(&files[i].selection);
    free(files);
}

static void result_release(struct result *r)
{
    for (size_t i = 0; i < r->layers.count; i++)
        free(r->created[i]);
    free(r->created);
    free(r->layers.ids);
    *r = (struct result){ 0 };
}

void solver_free(struct solver *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->options.graph->count; i++) {
        result_release(&s->states[i].result);
        local_files_free(s->states[i].local, s->options.graph->vertices[i]->input_count);
        strvec_release(&s->states[i].recipe);
    }
    pthread_mutex_destroy(&s->unpack_lock);
    pthread_cond_destroy(&s->unpacked);
    pthread_mutex_destroy(&s->caches_lock);
    map_release(&s->renewed_caches);
    strvec_release(&s->unpacking);
    free(s->states);
    free(s);
}

void solver_on_layer(struct solver *s, solver_layer_fn *done, void *arg)
{
    s->layer_done = done;
    s->layer_done_arg = arg;
}

const struct result *solver_result(const struct solver *s, const struct vertex *v)
{
    return &state_of(s, v)->result;
}

struct layer_list input_layers(const struct solver *s, const struct vertex *v, size_t index)
{
    const struct vertex *input = v->inputs[index];
    return input ? state_of(s, input)->result.layers : (struct layer_list){ NULL, 0 };
}

const struct local_context *find_context(const struct solver *s, const struct vertex *local,
                                         struct error *err)
{
    for (size_t i = 0; i < s->options.context_count; i++) {
        if (strcmp(s->options.contexts[i].name, local->local.name) == 0)
            return &s->options.contexts[i];
    }
    error_set(err, ERROR_USER, 0, "there is no build context named %s", local->local.name);
    return NULL;
}

struct file_source context_source(const struct local_context *context)
{
    bool is_main = strcmp(context->name, "context") == 0;
    return (struct file_source){ .name = is_main ? "the build context" : context->name,
                                 .root_fd = context->fd,
                                 .is_context = true,
                                 .exclude = context->exclude,
                                 .path = context->path };
}

struct selection_digesting digesting_of(const struct solver *s, const struct file_source *from,
                                        const struct selection *selection)
{
    return (struct selection_digesting){ .from = from,
                                         .selection = selection,
                                         .store = s->options.store,
                                         .pool = s->workers.pool,
                                         .cancel = s->options.cancel };
}

static void result_add(struct result *r, const char *id, const char *created)
{
    r->layers.ids = xreallocarray(r->layers.ids, r->layers.count + 1, sizeof *r->layers.ids);
    r->created = xreallocarray(r->created, r->layers.count + 1, sizeof *r->created);
    snprintf(r->layers.ids[r->layers.count], LAYER_ID_SIZE, "%s", id);
    r->created[r->layers.count++] = created ? xstrdup(created) : NULL;
}

static void set_image_result(struct solver *s, const struct vertex *v)
{
    struct result *r = &state_of(s, v)->result;
    const struct resolved_image *image = v->image.image;
    if (r->layers.count)
        return;
    for (size_t i = 0; i < image->layer_count; i++)
        result_add(r, image->layers[i].id, NULL);
}

static void add_result(struct solver *s, struct result *to, const struct vertex *from)
{
    const struct result *r = from ? &state_of(s, from)->result : NULL;
    for (size_t i = 0; r && i < r->layers.count; i++)
        result_add(to, r->layers.ids[i], r->created[i]);
}

void set_result(struct solver *s, const struct vertex *v, const struct cache_record *layer)
{
    struct result *r = &state_of(s, v)->result;
    result_release(r);
    add_result(s, r, v->inputs[0]);
    result_add(r, layer->layer, layer->created);
}

void set_merge_result(struct solver *s, const struct vertex *v)
{
    struct result *r = &state_of(s, v)->result;
    result_release(r);
    add_result(s, r, v->inputs[0]);
    add_result(s, r, v->inputs[1]);
}

/* The times of a packed layer may be those of another epoch. */
static bool has_right_times(const struct solver *s, const char *layer)
{
    struct packed_layer packed;
    const struct face_options *faces = s->options.faces;
    return !faces || !packed_layer_find(s->options.store, layer, &packed) ||
           packed_layer_fits(&packed, faces->diff.has_epoch, faces->diff.epoch_s);
}

bool reuse(struct solver *s, const struct vertex *v, const struct digest *key,
           struct cache_record *out)
{
    if (v->no_cache || !cache_find(s->options.store, key, out))
        return false;
    if (!has_right_times(s, out->layer)) {
        cache_record_release(out);
        return false;
    }
    set_result(s, v, out);
    return true;
}

char *time_of_layer(void)
{
    char now[CLOCK_TEXT_SIZE];
    clock_print(clock_now(), now);
    return xstrdup(now);
}

bool is_written_packed(const struct solver *s, const struct vertex *v)
{
    return s->options.faces && state_of(s, v)->use != ROOT_MOUNTED;
}

int open_layer_writer(struct solver *s, bool packed, struct layer_writer **out, struct error *err)
{
    struct snapshotter *snapshotter = s->workers.snapshotter;
    return packed ? packed_writer_open(s->options.faces, out, err)
                  : snapshotter->ops->layer_write(snapshotter, out, err);
}

static void add_layers(struct hasher *h, struct layer_list layers)
{
    hasher_add_u64(h, layers.count);
    for (size_t i = 0; i < layers.count; i++)
        hasher_add_text(h, layers.ids[i]);
}

/* Input `i` is a stage or an image that files are taken from. */
static bool is_stage(const struct vertex *v, size_t i)
{
    return i > 0 && v->inputs[i] && v->inputs[i]->kind != OP_LOCAL;
}

static bool takes_from_stages(const struct vertex *v)
{
    for (size_t i = 1; (v->kind == OP_COPY || v->kind == OP_EXEC) && i < v->input_count; i++) {
        if (is_stage(v, i))
            return true;
    }
    return false;
}

/* A layer may only return to the root it was made on, and beside the stages it took files from:
 * with several builders, or after --no-cache, the same definition has led to more than one of each.
 * A stage that is gone counts as no layers. */
static void record_key(const struct solver *s, const struct vertex *v, bool with_stages,
                       struct digest *out)
{
    const struct digest *definition = &state_of(s, v)->key;
    auto_(hasher) struct hasher *h = hasher_new();
    hasher_add_text(h, "record");
    hasher_add(h, definition->bytes, sizeof definition->bytes);
    add_layers(h, input_layers(s, v, 0));
    for (size_t i = 1; with_stages && i < v->input_count; i++) {
        if (is_stage(v, i))
            add_layers(h, input_layers(s, v, i));
    }
    hasher_finish(h, out);
}

int remember(struct solver *s, const struct vertex *v, const struct cache_record *layer,
             struct error *err)
{
    struct digest key;
    TRY(key_of(s, v, err));
    const struct strvec *recipe = &state_of(s, v)->recipe;
    record_key(s, v, false, &key);
    TRY(cache_put(s->options.store, &key, layer, recipe, err));
    if (!takes_from_stages(v))
        return 0;
    record_key(s, v, true, &key);
    return cache_put(s->options.store, &key, layer, recipe, err);
}

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

/* Is `v` cached, with all roots below it? Sets its result if so. */
static int find_cached(struct solver *s, const struct vertex *v, bool *out, struct error *err)
{
    struct vertex_state *state = state_of(s, v);
    *out = true;
    if (state->status == VERTEX_CACHED)
        return 0;
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

static void foresee_root(struct solver *s, const struct vertex *v, enum root_use use)
{
    for (; v && state_of(s, v)->foreseen < use; v = v->inputs[0]) {
        state_of(s, v)->foreseen = use;
        if (v->kind == OP_MERGE)
            foresee_root(s, v->inputs[1], use);
    }
}

/* What would be done with roots if nothing were cached. */
static void foresee(struct solver *s, const struct vertex *v, bool *seen)
{
    if (seen[v->index])
        return;
    seen[v->index] = true;
    for (size_t i = 0; i < v->input_count; i++) {
        if (!v->inputs[i])
            continue;
        foresee_root(s, v->inputs[i], use_of_input(v, i));
        foresee(s, v->inputs[i], seen);
    }
}

/* Marks what has to run for `v`. */
static int need(struct solver *s, const struct vertex *v, struct error *err)
{
    struct vertex_state *state = state_of(s, v);
    bool cached = false;
    if (state->status == VERTEX_PENDING || state->status == VERTEX_CACHED)
        return 0;
    TRY(find_cached(s, v, &cached, err));
    if (cached)
        return 0;
    state->status = VERTEX_PENDING;
    for (size_t i = 0; i < v->input_count; i++) {
        if (!v->inputs[i])
            continue;
        TRY(need(s, v->inputs[i], err));
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
    size_t count = 0;
    for (const struct vertex *v = target; v; v = v->inputs[0])
        count += v->kind == OP_IMAGE ? v->image.image->layer_count : 1;
    if (count <= LAYERS_MAX)
        return 0;
    error_set(err, ERROR_USER, 0, "the image would have %zu layers; %d is the limit", count,
              LAYERS_MAX);
    error_at(err, target->where);
    return error_hint(err, "put several commands into one RUN, several files into one COPY");
}

static int plan(struct solver *s, const struct vertex *target, bool *out_complete,
                struct error *err)
{
    auto_free bool *seen = xcalloc(2 * s->options.graph->count, sizeof *seen);
    TRY(check_layer_count(target, err));
    foresee(s, target, seen);
    if (s->options.target_is_mounted)
        foresee_root(s, target, ROOT_MOUNTED);
    TRY(need(s, target, err));
    if (state_of(s, target)->status == VERTEX_PENDING && s->options.target_is_mounted)
        use_root(s, target, ROOT_MOUNTED);
    *out_complete = state_of(s, target)->status == VERTEX_CACHED;
    report_cached(s, target, seen + s->options.graph->count);
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

bool solver_will_run(const struct solver *s, const struct vertex *v)
{
    return state_of(s, v)->status == VERTEX_PENDING;
}

int solver_run(struct solver *s, const struct vertex *target, const struct solver_workers *workers,
               struct error *err)
{
    s->workers = *workers;
    if (state_of(s, target)->status == VERTEX_CACHED)
        return 0;
    return schedule(s, target, err);
}
