/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that other builders have run. A shared key is the definition key and the epoch, as what is
 * shared is packed and its times are final. The answer is the whole stack of layers of one builder,
 * so it does not matter what the steps below have led to here.
 */
#include <stdatomic.h>

#include "lib/base/mem.h"
#include "lib/solver/solver_internal.h"
#include "lib/store/blob.h"
#include "lib/store/packed_layer.h"

enum { QUESTIONS_AT_ONCE = 8 };

static void shared_key(const struct solver *s, const struct vertex *v, struct digest *out)
{
    char epoch[32] = "none";
    const struct face_options *faces = s->options.faces;
    auto_(cache_key) struct cache_key key = cache_key_begin("shared");
    if (faces && faces->diff.has_epoch)
        snprintf(epoch, sizeof epoch, "%lld", (long long)faces->diff.epoch_s);
    cache_key_add_digest(&key, "definition", &state_of(s, v)->key);
    cache_key_add_text(&key, "epoch", epoch);
    cache_key_finish(&key, out);
}

void shared_stack_free(struct shared_stack *stack)
{
    if (!stack)
        return;
    free(stack->image.layers);
    free(stack);
}

/* The layer of an image that the answer comes with. */
static const struct descriptor *find_blob(const struct image_source *image, const struct digest *id)
{
    for (size_t i = 0; i < image->manifest.layer_count; i++) {
        if (digest_equal(&image->config.diff_ids[i], id))
            return &image->manifest.layers[i];
    }
    return NULL;
}

/* A layer of a base image of this build. */
static const struct image_layer *find_base_layer(const struct solver *s, const struct digest *id)
{
    const struct graph *graph = s->options.graph;
    for (size_t i = 0; i < graph->count; i++) {
        const struct vertex *v = graph->vertices[i];
        for (size_t k = 0; v->kind == OP_IMAGE && k < v->image.image->layer_count; k++) {
            if (digest_equal(&v->image.image->layers[k].diff_id, id))
                return &v->image.image->layers[k];
        }
    }
    return NULL;
}

static bool take_layer(const struct solver *s, const struct shared_answer *answer, size_t place,
                       struct image_layer *out)
{
    const struct shared_layer *told = &answer->table->layers[place];
    const struct image_layer *base = find_base_layer(s, &told->diff_id);
    const struct descriptor *blob = find_blob(answer->image, &told->diff_id);
    if (base) {
        *out = *base;
        return true;
    }
    if (!blob)
        return false;
    *out =
        (struct image_layer){ .diff_id = told->diff_id, .blob = *blob, .tar_size = told->tar_size };
    digest_hex(&told->diff_id, out->id);
    snprintf(out->layout, sizeof out->layout, "%s", told->layout);
    return true;
}

struct layers_check {
    const struct solver *solver;
    const struct shared_stack *stack;
    atomic_bool is_lacking;
};

static void check_layer_job(void *arg, size_t index)
{
    struct layers_check *check = arg;
    const struct image_layer *layer = &check->stack->image.layers[index];
    struct blob_provider *provider = check->stack->image.provider;
    const struct store *store = check->solver->options.store;
    if (!atomic_load(&check->is_lacking) && !find_base_layer(check->solver, &layer->diff_id) &&
        !blob_exists(store, &layer->blob.digest, layer->blob.size) &&
        provider->lacks(provider, &layer->blob))
        atomic_store(&check->is_lacking, true);
}

/* A location may have forgotten what an entry names: the step runs then, rather than fail when
 * somebody needs the layer. */
static bool has_layers(const struct solver *s, const struct shared_stack *stack)
{
    struct layers_check check = { s, stack, false };
    if (stack->image.provider->lacks)
        parallel_for(s->workers.pool, stack->image.layer_count, QUESTIONS_AT_ONCE, check_layer_job,
                     &check);
    return !atomic_load(&check.is_lacking);
}

static bool fill_stack(const struct solver *s, struct shared_stack *stack)
{
    const struct shared_answer *answer = &stack->answer;
    for (size_t i = 0; i < stack->image.layer_count; i++) {
        if (!take_layer(s, answer, answer->entry->stack[i], &stack->image.layers[i]))
            return false;
    }
    return has_layers(s, stack);
}

struct shared_stack *add_stack(struct solver *s, const struct vertex *v, size_t count,
                               const struct shared_answer *answer)
{
    static const char advice[] = "without --cache-from, or with --no-cache, its step runs here";
    if (answer->entry->stack_count != count)
        return NULL;
    struct shared_stack *stack = xcalloc(1, sizeof *stack);
    stack->vertex = v;
    stack->answer = *answer;
    stack->image = (struct resolved_image){ .name = answer->location->name,
                                            .layers = xcalloc(count, sizeof *stack->image.layers),
                                            .layer_count = count,
                                            .provider = answer->image->provider,
                                            .advice = advice };
    if (!fill_stack(s, stack)) {
        shared_stack_free(stack);
        return NULL;
    }
    GROW(s->stacks, s->stack_count, s->stack_cap);
    s->stacks[s->stack_count++] = stack;
    return stack;
}

static bool may_ask(const struct solver *s, const struct vertex *v)
{
    const struct vertex_state *state = state_of(s, v);
    return s->options.shared && vertex_makes_layer(v) && state->has_key && !state->anew;
}

struct question {
    const struct solver *solver;
    const struct vertex *const *missed;
};

static void ask_job(void *arg, size_t index)
{
    const struct question *q = arg;
    struct digest key;
    struct shared_answer ignored;
    const struct vertex *v = q->missed[index];
    if (!may_ask(q->solver, v))
        return;
    shared_key(q->solver, v, &key);
    (void)shared_cache_find(q->solver->options.shared, &key, &ignored);
}

void ask_shared(const struct solver *s, const struct vertex *const *missed, size_t count)
{
    struct question q = { s, missed };
    parallel_for(s->workers.pool, count, QUESTIONS_AT_ONCE, ask_job, &q);
}

/* Layers `from` to `to` of the stack are the result of `v`, and the lower ones that of what it
 * rests on. */
static void hand_out(struct solver *s, const struct vertex *v, const struct shared_stack *stack,
                     size_t from, size_t to)
{
    for (; v && v->kind != OP_IMAGE; v = v->inputs[0]) {
        struct vertex_state *state = state_of(s, v);
        bool is_open = state->status == VERTEX_UNKNOWN && state->result.layers.count == 0;
        for (size_t i = from; is_open && i < to; i++) {
            const struct shared_entry *entry = stack->answer.entry;
            const struct shared_layer *told = &stack->answer.table->layers[entry->stack[i]];
            result_add(&state->result, stack->image.layers[i].id, told->created);
        }
        if (is_open)
            state->shared = stack;
        size_t own = v->kind == OP_MERGE ? vertex_layer_count(v->inputs[1]) : 1;
        if (v->kind == OP_MERGE)
            hand_out(s, v->inputs[1], stack, to - own, to);
        to -= own;
    }
}

bool find_shared(struct solver *s, const struct vertex *v)
{
    struct digest key;
    struct shared_answer answer;
    struct vertex_state *state = state_of(s, v);
    if (state->shared || !may_ask(s, v))
        return state->shared != NULL;
    shared_key(s, v, &key);
    if (!shared_cache_find(s->options.shared, &key, &answer))
        return false;
    const struct shared_stack *stack = add_stack(s, v, vertex_layer_count(v), &answer);
    if (!stack)
        return false;
    hand_out(s, v, stack, 0, stack->image.layer_count);
    return state->shared != NULL;
}

const struct image_layer *solver_find_layer(const struct solver *s, const char *id,
                                            const struct resolved_image **out_image)
{
    const struct image_layer *found = graph_find_layer(s->options.graph, id, out_image);
    for (size_t i = 0; i < s->stack_count && !found; i++) {
        const struct shared_stack *stack = s->stacks[i];
        for (size_t k = 0; k < stack->image.layer_count && !found; k++) {
            if (strcmp(stack->image.layers[k].id, id) != 0)
                continue;
            found = &stack->image.layers[k];
            *out_image = &stack->image;
        }
    }
    return found;
}

static size_t base_layer_count_of(const struct vertex *v)
{
    while (v && v->kind != OP_IMAGE)
        v = v->inputs[0];
    return v ? v->image.image->layer_count : 0;
}

bool solver_shared_step(const struct solver *s, const struct vertex *v, struct shared_step *out)
{
    const struct vertex_state *state = state_of(s, v);
    if (!vertex_makes_layer(v) || !state->has_key || state->result.layers.count == 0)
        return false;
    *out =
        (struct shared_step){ .recipe = &state->recipe,
                              .result = &state->result,
                              .base_count = base_layer_count_of(v),
                              .location = state->shared ? state->shared->answer.location : NULL };
    shared_key(s, v, &out->key);
    return true;
}

/* Puts a packed layer that others have made where those of our own are; what we know better stays:
 * that a blob unpacks to this diff_id is their word. */
static int keep_layer(const struct solver *s, const struct image_layer *layer, struct error *err)
{
    struct packed_layer known;
    if (packed_layer_find(s->options.store, layer->id, &known) &&
        blob_exists(s->options.store, &known.blob, known.blob_size))
        return 0;
    struct packed_layer packed = { .blob = layer->blob.digest,
                                   .blob_size = layer->blob.size,
                                   .tar_size = layer->tar_size };
    snprintf(packed.layout, sizeof packed.layout, "%s", layer->layout);
    return packed_layer_put(s->options.store, layer->id, &packed, err);
}

/* The times of what others have packed are right for the epoch that is in the key, and no other. */
static struct layer_times times_of_shared(const struct solver *s)
{
    const struct face_options *faces = s->options.faces;
    bool is_clamped = faces && faces->diff.has_epoch;
    return (struct layer_times){ .are_final = true,
                                 .newest_s = INT64_MAX,
                                 .has_our_times = true,
                                 .is_clamped = is_clamped,
                                 .epoch_s = is_clamped ? faces->diff.epoch_s : 0 };
}

/* `v` has led to layer `at` of the stack, on top of those from `from`. */
static int keep_step(const struct solver *s, const struct vertex *v,
                     const struct shared_stack *stack, size_t from, size_t at, struct error *err)
{
    const struct result *result = &state_of(s, stack->vertex)->result;
    const struct image_layer *layer = &stack->image.layers[at];
    const struct layer_list root = { result->layers.ids + from, at - from };
    auto_(cache_record) struct cache_record record = { .times = times_of_shared(s) };
    if (!result->created[at])
        return 0;
    snprintf(record.layer, sizeof record.layer, "%s", layer->id);
    record.created = xstrdup(result->created[at]);
    TRY(keep_layer(s, layer, err));
    return remember_on(s, v, root, &record, err);
}

/* `v`, and what it rests on, has led to layers `from` to `to` of the stack. */
static int keep_steps(const struct solver *s, const struct vertex *v,
                      const struct shared_stack *stack, size_t from, size_t to, struct error *err)
{
    for (; v && v->kind != OP_IMAGE; v = v->inputs[0]) {
        size_t own = v->kind == OP_MERGE ? vertex_layer_count(v->inputs[1]) : 1;
        to -= own;
        TRY(v->kind == OP_MERGE ? keep_steps(s, v->inputs[1], stack, to, to + own, err)
                                : keep_step(s, v, stack, from, to, err));
    }
    return 0;
}

static bool is_whole(const struct solver *s, const struct shared_stack *stack)
{
    for (size_t i = 0; i < stack->image.layer_count; i++) {
        const struct image_layer *layer = &stack->image.layers[i];
        const struct resolved_image *base = NULL;
        if (!graph_find_layer(s->options.graph, layer->id, &base) &&
            !blob_exists(s->options.store, &layer->blob.digest, layer->blob.size))
            return false;
    }
    return true;
}

int solver_remember_shared(struct solver *s, struct error *err)
{
    for (size_t i = 0; i < s->stack_count; i++) {
        const struct shared_stack *stack = s->stacks[i];
        if (!stack->vertex || !is_whole(s, stack))
            continue;
        TRY(keep_steps(s, stack->vertex, stack, 0, stack->image.layer_count, err));
    }
    return 0;
}
