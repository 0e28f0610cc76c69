/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/lower.h"

#include "frontend/dockerfile/lower_internal.h"
#include "frontend/dockerfile/stages.h"
#include "lib/base/mem.h"
#include "lib/base/strvec.h"

static lower_fn *const lowerers[VERB_COUNT] = {
    [VERB_ADD] = lower_copy,
    [VERB_ARG] = lower_arg,
    [VERB_CMD] = lower_cmd,
    [VERB_COPY] = lower_copy,
    [VERB_ENTRYPOINT] = lower_entrypoint,
    [VERB_ENV] = lower_env,
    [VERB_EXPOSE] = lower_expose,
    [VERB_FROM] = NULL, /* begins a stage: lower_from.c */
    [VERB_HEALTHCHECK] = lower_healthcheck,
    [VERB_LABEL] = lower_label,
    [VERB_MAINTAINER] = lower_maintainer,
    [VERB_ONBUILD] = lower_onbuild,
    [VERB_RUN] = lower_run,
    [VERB_SHELL] = lower_shell,
    [VERB_STOPSIGNAL] = lower_stopsignal,
    [VERB_USER] = lower_user,
    [VERB_VOLUME] = lower_volume,
    [VERB_WORKDIR] = lower_workdir,
};

static int check_growth(const struct lowering *l, struct error *err)
{
    if (l->expansion_left > 0)
        return 0;
    return error_set(err, ERROR_USER, 0, "variables and history grow beyond the limit of %d MiB",
                     EXPAND_TOTAL_MAX / (1024 * 1024));
}

static int lower_instruction(struct lowering *l, struct stage_state *s,
                             const struct instruction *in, struct error *err)
{
    int rc = lowerers[in->verb->kind](l, s, in, err);
    if (rc == 0)
        lint_instruction(l, s, in);
    if (rc == 0)
        rc = check_growth(l, err);
    return rc < 0 ? error_at(err, in->line.where) : 0;
}

static bool is_without_cache(const struct lowering *l, const struct stage_state *s)
{
    const struct strvec *names = l->options->no_cache_of;
    if (l->options->no_cache)
        return true;
    for (size_t i = 0; names && s->stage->name && i < names->count; i++) {
        if (strcasecmp(names->items[i], s->stage->name) == 0)
            return true;
    }
    return false;
}

static int lower_stage(struct lowering *l, struct stage_state *s, struct error *err)
{
    s->no_cache = is_without_cache(l, s);
    from_lower(l, s);
    if (check_growth(l, err) < 0)
        return error_at(err, s->stage->from->line.where);
    s->triggering = true;
    for (size_t i = 0; i < s->trigger_count; i++)
        TRY(lower_instruction(l, s, s->triggers[i], err));
    s->triggering = false;
    for (size_t i = 0; i < s->stage->count; i++)
        TRY(lower_instruction(l, s, &s->stage->first[i], err));
    return 0;
}

/* A stage that is not built is looked at for the checks alone; what is wrong with it else is no
 * matter. */
static void check_stage(struct lowering *l, struct stage_state *s)
{
    auto_(error) struct error ignored = { 0 };
    (void)!lower_stage(l, s, &ignored);
}

static void finish(struct lowering *l, struct stage_state *target)
{
    struct definition *out = l->out;
    from_finish(target);
    const struct map *labels = l->options->labels;
    for (size_t i = 0; labels && i < labels->count; i++)
        map_set(&target->config.labels, labels->entries[i].key, xstrdup(labels->entries[i].value));
    out->target = target->root;
    out->config = target->config;
    out->history_vertices = take_ptr(target->history_vertices);
    target->config = (struct image_config){ 0 };
}

static int lower_all(struct lowering *l, struct error *err)
{
    struct stage_state *target = NULL;
    TRY(args_globals(l, err));
    TRY(stages_resolve(l, err));
    TRY(stages_find_target(l, &target, err));
    TRY(stages_mark_needed(l, target, err));
    for (size_t i = 0; i < l->df->stage_count; i++) {
        struct stage_state *s = &l->stages[i];
        if (s->needed)
            TRY(lower_stage(l, s, err));
        else if (l->options->check_all)
            check_stage(l, s);
        if (s <= target)
            hints_add_stage(l, s);
    }
    outline_make(l, target);
    finish(l, target);
    return 0;
}

int dockerfile_lower(const struct dockerfile *df, const struct lower_options *options,
                     struct definition *out, struct error *err)
{
    struct lowering l = {
        .df = df,
        .options = options,
        .out = out,
        .arena = &out->graph.arena,
        .expansion_left = EXPAND_TOTAL_MAX,
        .stages = xcalloc(df->stage_count, sizeof(struct stage_state)),
    };
    int rc = lower_all(&l, err);
    for (size_t i = 0; i < df->stage_count; i++)
        stage_state_release(&l.stages[i]);
    free(l.stages);
    map_release(&l.globals);
    map_release(&l.global_names);
    map_release(&l.default_globals);
    map_release(&l.stage_names);
    hints_release(&l);
    return rc;
}
