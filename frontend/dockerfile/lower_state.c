/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/lower_internal.h"

#include "lib/base/mem.h"

#define HISTORY_COMMENT "buildkit.dockerfile.v0"

static const char *const default_shell[] = { "/bin/sh", "-c" };

int error_word(const struct instruction *in, size_t offset, struct error *err)
{
    return error_at(err, instruction_at(in, offset));
}

struct expander stage_expander(struct lowering *l, struct stage_state *s)
{
    return (struct expander){ .arena = l->arena,
                              .variables = &s->env,
                              .escape = l->df->directives.escape,
                              .left = l->expansion_left,
                              .met = l->options->lint ? &s->met : NULL };
}

int stage_expand(struct lowering *l, struct stage_state *s, const struct instruction *in,
                 const struct word *word, const char **out, struct error *err)
{
    struct expander e = stage_expander(l, s);
    if (expand_word(&e, word->text, out, err) < 0)
        return error_word(in, word->offset, err);
    l->expansion_left = e.left;
    return 0;
}

void stage_charge(struct lowering *l, size_t bytes)
{
    l->expansion_left -= bytes < l->expansion_left ? bytes : l->expansion_left;
}

/* The value points into a "NAME=value" string, which is what stage_run_env hands out. */
void stage_env_set(struct lowering *l, struct stage_state *s, const char *name, const char *value)
{
    char *pair = arena_printf(l->arena, "%s=%s", name, value);
    stage_charge(l, strlen(pair));
    map_set(&s->env, name, pair + strlen(name) + 1);
    s->run_env = NULL;
}

static void index_config_env(struct stage_state *s)
{
    for (size_t i = s->env_index.count; i < s->config.env.count; i++) {
        const char *item = s->config.env.items[i];
        auto_free char *name = xstrndup(item, strcspn(item, "="));
        map_set(&s->env_index, name, (void *)(uintptr_t)(i + 1));
    }
}

void stage_config_env_set(struct stage_state *s, const char *name, const char *value)
{
    if (s->env_index.count == 0)
        index_config_env(s);
    size_t at = (size_t)(uintptr_t)map_find(&s->env_index, name);
    if (at) {
        free(s->config.env.items[at - 1]);
        s->config.env.items[at - 1] = xasprintf("%s=%s", name, value);
        return;
    }
    strvec_pushf(&s->config.env, "%s=%s", name, value);
    map_set(&s->env_index, name, (void *)(uintptr_t)s->config.env.count);
}

const char *const *stage_run_env(struct lowering *l, struct stage_state *s)
{
    if (s->run_env)
        return s->run_env;
    const char **env = arena_alloc(l->arena, s->env.count + 1, sizeof *env);
    stage_charge(l, s->env.count * sizeof *env);
    for (size_t i = 0; i < s->env.count; i++)
        env[i] = (const char *)s->env.entries[i].value - strlen(s->env.entries[i].key) - 1;
    s->run_env = env;
    return env;
}

void stage_add_history(struct lowering *l, struct stage_state *s, const char *created_by,
                       struct vertex *vertex)
{
    stage_charge(l, strlen(created_by));
    auto_free char *text = xstrdup(created_by);
    auto_free char *comment = xstrdup(HISTORY_COMMENT);
    size_t count = s->config.history_count;
    image_config_add_history(
        &s->config,
        &(struct history){ .created_by = text, .comment = comment, .empty_layer = !vertex });
    if (count == s->history_cap) {
        s->history_cap = s->history_cap ? s->history_cap * 2 : 16;
        s->history_vertices =
            xreallocarray(s->history_vertices, s->history_cap, sizeof(struct vertex *));
    }
    s->history_vertices[count] = vertex;
}

static int digits_of(unsigned n)
{
    int digits = 1;
    for (; n >= 10; n /= 10)
        digits++;
    return digits;
}

const char *stage_step_prefix(struct lowering *l, struct stage_state *s)
{
    bool alone = l->df->stage_count == 1 && !s->stage->name;
    s->step++;
    return arena_printf(l->arena, "[%s%s%*u/%u]", alone ? "" : s->display_name, alone ? "" : " ",
                        digits_of(s->step_count), s->step, s->step_count);
}

const char *stage_step_name(struct lowering *l, struct stage_state *s, const char *text)
{
    return arena_printf(l->arena, "%s %s", stage_step_prefix(l, s), text);
}

const char *stage_step_text(struct lowering *l, struct stage_state *s, const struct instruction *in,
                            const struct map *shadows)
{
    struct expander e = stage_expander(l, s);
    e.shadows = shadows;
    const char *behind = in->line.text + in->offset + strlen(in->spelling);
    const char *shown = expand_for_display(&e, behind);
    return arena_printf(l->arena, "%s%s%s", s->triggering ? "ONBUILD " : "", in->verb->name, shown);
}

const char *stage_working_dir(const struct stage_state *s)
{
    return s->config.working_dir && *s->config.working_dir ? s->config.working_dir : "/";
}

static const char *const *exec_form(struct lowering *l, const struct instruction *in, size_t first)
{
    const char **argv = arena_alloc(l->arena, in->word_count - first + 1, sizeof *argv);
    for (size_t i = first; i < in->word_count; i++)
        argv[i - first] = in->words[i].text;
    return argv;
}

const char *const *stage_command(struct lowering *l, const struct stage_state *s,
                                 const struct instruction *in)
{
    if (in->json)
        return exec_form(l, in, 0);
    return stage_shell_command(l, s, in->word_count ? in->words[0].text : "");
}

const char *const *stage_shell_command(struct lowering *l, const struct stage_state *s,
                                       const char *text)
{
    const struct strvec *shell = &s->config.shell;
    size_t count = shell->count ? shell->count : COUNT(default_shell);
    const char **argv = arena_alloc(l->arena, count + 2, sizeof *argv);
    for (size_t i = 0; i < count; i++)
        argv[i] = shell->count ? arena_strdup(l->arena, shell->items[i]) : default_shell[i];
    argv[count] = text;
    return argv;
}

void list_add_once(struct map *seen, struct strvec *list, const char *text)
{
    for (size_t i = seen->count; i < list->count; i++)
        map_set(seen, list->items[i], list);
    if (map_find(seen, text))
        return;
    map_set(seen, text, list);
    strvec_push(list, text);
}

char *list_join(const char *const *items)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; items[i]; i++) {
        if (i)
            strbuf_addch(&text, ' ');
        strbuf_addstr(&text, items[i]);
    }
    return strbuf_detach(&text);
}

void stage_state_release(struct stage_state *s)
{
    image_config_release(&s->config);
    map_release(&s->env);
    map_release(&s->env_index);
    map_release(&s->ports);
    map_release(&s->volumes);
    map_release(&s->arg_names);
    map_release(&s->met);
    free(s->args);
    free(s->history_vertices);
}
