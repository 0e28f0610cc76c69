/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/mem.h"
#include "lib/solver/solver_internal.h"

/* Below this a second read, of what is in the page cache then, is not worth knowing later. */
enum { UNREAD_MIN = 16 * 1024 * 1024 };

/* Files that no build has read yet, of a COPY that never ran, need not be read for a key: no record
 * of ours can have it. */
static bool may_be_unread(const struct solver *s, const struct vertex *v,
                          const struct selection_digesting *o)
{
    const struct op_copy *op = &v->copy;
    size_t directories = 0;
    for (size_t i = 0; i < op->source_count; i++) {
        if (op->sources[i].unpack)
            return false;
    }
    for (size_t i = 0; i < o->selection->count; i++)
        directories += o->selection->items[i].is_dir;
    return s->options.faces && !s->options.shared && !op->parents &&
           (directories == 0 || o->selection->count == 1) && !selection_is_known(o) &&
           !has_run_before(s, v);
}

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
    if (files->is_found)
        return 0;
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
    files->is_found = true;
    uint64_t bytes = 0;
    bool may_stay = may_be_unread(s, v, &digesting);
    int rc = may_stay ? selection_survey(&digesting, &bytes, err) : 0;
    files->is_unread = may_stay && bytes >= UNREAD_MIN;
    if (rc == 0 && !files->is_unread)
        rc = selection_digest(&digesting, &files->digest, err);
    return rc < 0 ? error_at(err, v->where) : 0;
}

static int add_inputs(struct solver *s, const struct vertex *v, struct cache_key *key,
                      bool *out_known, struct error *err)
{
    *out_known = true;
    for (size_t i = 0; i < v->input_count; i++) {
        const struct vertex *input = v->inputs[i];
        if (!input) {
            cache_key_add_text(key, "root", "scratch");
        } else if (input->kind == OP_LOCAL) {
            TRY(select_files(s, v, i, err));
            *out_known = *out_known && !state_of(s, v)->local[i].is_unread;
            cache_key_add_digest(key, "files", &state_of(s, v)->local[i].digest);
        } else {
            TRY(key_of(s, input, err));
            *out_known = *out_known && state_of(s, input)->has_key;
            cache_key_add_input(key, input->name, &state_of(s, input)->key);
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
    TRY(add_inputs(s, v, &key, &state->has_key, err));
    if (!state->has_key)
        return 0;
    cache_key_finish(&key, &state->key);
    state->recipe = key.recipe;
    key.recipe = (struct strvec){ 0 };
    return 0;
}
