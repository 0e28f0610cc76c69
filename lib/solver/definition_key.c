/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/mem.h"
#include "lib/solver/solver_internal.h"

/* The step of a context lasts until the plan is made. */
static struct meter *begin_reading(struct solver *s, const struct vertex *local)
{
    struct vertex_state *state = state_of(s, local);
    if (!state->progress) {
        state->progress = progress_start(s->options.progress, local->name);
        meter_start(&state->meter, s->options.progress, state->progress, "reading context", 0);
    }
    return &state->meter;
}

/* A missing source gets the frontend's hint, if it had an idea where the file might come from. */
static int select_files(struct solver *s, const struct vertex *v, size_t input, struct error *err)
{
    struct vertex_state *state = state_of(s, v);
    const struct vertex *local = v->inputs[input];
    const struct local_context *context = find_context(s, local, err);
    if (!context)
        return -1;
    if (!state->local)
        state->local = xcalloc(v->input_count, sizeof *state->local);
    struct local_files *files = &state->local[input];
    struct file_source from = context_source(context);
    struct meter *meter = begin_reading(s, local);
    if (selection_find(&from, &v->copy, input, &files->selection, err) < 0) {
        if (v->copy.missing_hint) {
            free(take_ptr(err->hint));
            error_hint(err, "%s", v->copy.missing_hint);
        }
        return error_at(err, v->where);
    }
    struct selection_digesting digesting = digesting_of(s, &from, &files->selection);
    digesting.meter = meter;
    if (selection_digest(&digesting, &files->digest, err) < 0)
        return error_at(err, v->where);
    return 0;
}

static int add_inputs(struct solver *s, const struct vertex *v, struct cache_key *key,
                      struct error *err)
{
    for (size_t i = 0; i < v->input_count; i++) {
        const struct vertex *input = v->inputs[i];
        if (!input) {
            cache_key_add_text(key, "root", "scratch");
        } else if (input->kind == OP_LOCAL) {
            TRY(select_files(s, v, i, err));
            cache_key_add_digest(key, "files", &state_of(s, v)->local[i].digest);
        } else {
            TRY(key_of(s, input, err));
            cache_key_add_digest(key, input->name, &state_of(s, input)->key);
            state_of(s, v)->anew = state_of(s, v)->anew || state_of(s, input)->anew;
        }
    }
    return 0;
}

int key_of(struct solver *s, const struct vertex *v, struct error *err)
{
    struct vertex_state *state = state_of(s, v);
    if (state->has_key)
        return 0;
    state->anew = v->no_cache;
    auto_(cache_key) struct cache_key key = cache_key_begin("definition");
    cache_key_add_digest(&key, "op", &v->digest);
    TRY(add_inputs(s, v, &key, err));
    cache_key_finish(&key, &state->key);
    state->recipe = key.recipe;
    key.recipe = (struct strvec){ 0 };
    state->has_key = true;
    return 0;
}
