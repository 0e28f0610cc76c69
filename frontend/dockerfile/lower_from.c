/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/lower_internal.h"

#include "frontend/dockerfile/stages.h"
#include "lib/base/mem.h"
#include "lib/base/path.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int resolve(struct lowering *l, struct stage_state *s, const char *name,
                   const struct resolved_image **out, struct error *err)
{
    struct image_resolver *resolver = l->options->resolver;
    if (resolver->resolve(resolver, name, &s->platform, out, err) == 0)
        return 0;
    return stages_hint(l, s, name, err);
}

int from_resolve_image(struct lowering *l, struct stage_state *s, struct error *err)
{
    const struct instruction *from = s->stage->from;
    if (!s->image && resolve(l, s, s->base_name, &s->image, err) < 0)
        return error_word(from, from->words[0].offset, err);
    return 0;
}

static struct vertex *add_image(struct lowering *l, const struct resolved_image *image,
                                const char *name, struct position where)
{
    if (image->layer_count == 0)
        return NULL;
    return graph_add(&l->out->graph, &(struct vertex){ .kind = OP_IMAGE,
                                                       .name = name,
                                                       .where = where,
                                                       .image = { .image = image } });
}

static struct vertex *add_local(struct lowering *l, const char *context, struct position where)
{
    bool is_main = strcmp(context, "context") == 0;
    const char *name = is_main ? "[internal] load build context"
                               : arena_printf(l->arena, "[context %s] load", context);
    struct op_local local = { arena_strdup(l->arena, context) };
    return graph_add(
        &l->out->graph,
        &(struct vertex){ .kind = OP_LOCAL, .name = name, .where = where, .local = local });
}

int from_source(struct lowering *l, struct stage_state *s, const struct instruction *in,
                const struct stage_use *use, struct vertex **out, struct error *err)
{
    struct image_resolver *resolver = l->options->resolver;
    const struct resolved_image *image = NULL;
    struct stage_state *stage = NULL;
    if (use)
        TRY(stages_find(l, s, in, use, &stage, err));
    *out = stage ? stage->root : NULL;
    /* For a stage that is only checked nobody is asked for an image. */
    if (stage || !s->needed || (use && strcmp(use->name, "scratch") == 0))
        return 0;
    const char *context = use ? resolver->local_context(resolver, use->name) : "context";
    if (context) {
        *out = add_local(l, context, in->line.where);
        return 0;
    }
    if (resolve(l, s, use->name, &image, err) < 0)
        return error_word(in, use->offset, err);
    *out = add_image(l, image, arena_printf(l->arena, "FROM %s", image->name), in->line.where);
    return 0;
}

static void set_platform(const struct lowering *l, struct stage_state *s)
{
    struct platform *p = &s->config.platform;
    bool is_given = s->platform_given || l->options->platform_given;
    bool other = strcmp(p->os, s->platform.os) != 0 || strcmp(p->arch, s->platform.arch) != 0;
    if (!p->os[0] || !p->arch[0] || (is_given && (other || s->platform.variant[0])))
        *p = s->platform;
}

static void begin_with_defaults(struct lowering *l, struct stage_state *s)
{
    for (size_t i = 0; i < s->config.env.count; i++) {
        const char *item = s->config.env.items[i];
        auto_free char *name = xstrndup(item, strcspn(item, "="));
        stage_env_set(l, s, name, item[strlen(name)] ? item + strlen(name) + 1 : "");
    }
    if (!map_find(&s->env, "PATH")) {
        stage_env_set(l, s, "PATH", DEFAULT_PATH);
        stage_config_env_set(s, "PATH", DEFAULT_PATH);
    }
    char *dir = path_absolute("/", stage_working_dir(s));
    free(s->config.working_dir);
    s->config.working_dir = dir;
    set_platform(l, s);
}

/* What an image's or a stage's config must not pass on. */
static void drop_own_fields(struct image_config *c)
{
    strvec_release(&c->on_build);
    free(take_ptr(c->created));
}

/* What an inherited variable, label or port costs at least. */
enum { INHERITED_BYTES = 32 };

static size_t inherited_count(const struct stage_state *base)
{
    const struct image_config *c = &base->config;
    return base->env.count + base->arg_count + c->labels.count + c->exposed_ports.count +
           c->volumes.count + c->diff_id_count;
}

/* All of it but the history, which is put together for the target only: from_finish. */
static void copy_config(struct stage_state *s, const struct image_config *from)
{
    struct image_config plain = *from;
    plain.history = NULL;
    plain.history_count = 0;
    image_config_copy(&s->config, &plain);
}

static void from_stage(struct lowering *l, struct stage_state *s)
{
    const struct stage_state *base = s->base;
    stage_charge(l, inherited_count(base) * INHERITED_BYTES);
    copy_config(s, &base->config);
    drop_own_fields(&s->config);
    for (size_t i = 0; i < base->env.count; i++)
        map_set(&s->env, base->env.entries[i].key, base->env.entries[i].value);
    for (size_t i = 0; i < base->arg_count; i++) {
        GROW(s->args, s->arg_count, s->arg_cap);
        s->args[s->arg_count++] = base->args[i];
        map_set(&s->arg_names, base->args[i], s);
    }
    s->root = base->root;
    s->run_env = base->run_env;
    s->base_known = base->base_known;
    s->workdir_set = base->workdir_set;
}

static void from_nothing(struct lowering *l, struct stage_state *s)
{
    image_config_init(&s->config);
    begin_with_defaults(l, s);
}

static void from_image(struct lowering *l, struct stage_state *s)
{
    if (!s->image) {
        from_nothing(l, s);
        s->base_known = false;
        return;
    }
    lint_image(l, s);
    image_config_copy(&s->config, &s->image->config);
    drop_own_fields(&s->config);
    s->history_cap = s->config.history_count;
    s->history_vertices = xcalloc(s->history_cap + 1, sizeof(struct vertex *));
    begin_with_defaults(l, s);
    const char *text = arena_printf(l->arena, "FROM %s", s->image->name);
    s->root = add_image(l, s->image, stage_step_name(l, s, text), s->stage->from->line.where);
}

/* A directory is no root: it is copied onto an empty one, and that makes a layer. */
static void from_local(struct lowering *l, struct stage_state *s)
{
    struct position where = s->stage->from->line.where;
    struct copy_source *sources = arena_alloc(l->arena, 1, sizeof *sources);
    const char *text = arena_printf(l->arena, "FROM %s", s->base_name);
    sources[0] = (struct copy_source){ .input = 1, .path = "." };
    image_config_init(&s->config);
    begin_with_defaults(l, s);
    s->root = graph_add(
        &l->out->graph,
        &(struct vertex){ .kind = OP_COPY,
                          .name = stage_step_name(l, s, text),
                          .where = where,
                          .inputs = VERTICES(NULL, add_local(l, s->local_base, where)),
                          .input_count = 2,
                          .copy = { .sources = sources, .source_count = 1, .dest = "/" } });
    stage_add_history(l, s, text, s->root);
}

static void count_steps(struct stage_state *s)
{
    for (size_t i = 0; i < s->stage->count; i++)
        s->step_count += (s->stage->first[i].verb->properties & VERB_STEP) != 0;
    for (size_t i = 0; i < s->trigger_count; i++)
        s->step_count += (s->triggers[i]->verb->properties & VERB_STEP) != 0;
    s->step_count += s->base_kind == BASE_IMAGE || s->base_kind == BASE_LOCAL;
}

void from_lower(struct lowering *l, struct stage_state *s)
{
    count_steps(s);
    s->base_known = true;
    switch (s->base_kind) {
    case BASE_STAGE: from_stage(l, s); break;
    case BASE_IMAGE: from_image(l, s); break;
    case BASE_LOCAL: from_local(l, s); break;
    case BASE_SCRATCH: from_nothing(l, s); break;
    }
}

/* Puts the history of the stages that `target` stands on in front of its own. */
void from_finish(struct stage_state *target)
{
    struct image_config all = { 0 };
    size_t count = 0;
    size_t depth = 0;
    for (const struct stage_state *s = target; s; s = s->base) {
        count += s->config.history_count;
        depth++;
    }
    auto_free const struct stage_state **chain = xcalloc(depth, sizeof *chain);
    struct vertex **vertices = xcalloc(count + 1, sizeof(struct vertex *));
    for (const struct stage_state *s = target; s; s = s->base)
        chain[--depth] = s;
    for (size_t i = 0; all.history_count < count; i++) {
        const struct image_config *c = &chain[i]->config;
        for (size_t k = 0; k < c->history_count; k++) {
            vertices[all.history_count] = chain[i]->history_vertices[k];
            image_config_add_history(&all, &c->history[k]);
        }
    }
    struct history *own = target->config.history;
    size_t own_count = target->config.history_count;
    target->config.history = all.history;
    target->config.history_count = all.history_count;
    all.history = own;
    all.history_count = own_count;
    image_config_release(&all);
    free(target->history_vertices);
    target->history_vertices = vertices;
}
