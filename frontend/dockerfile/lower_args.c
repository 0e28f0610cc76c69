/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/lower_internal.h"

#include <ctype.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

static const char *const proxy_args[] = { "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
                                          "ALL_PROXY" };

/* Build args that steer the build and need no ARG. */
static const char *const control_args[] = { "SOURCE_DATE_EPOCH", "BUILDKIT_" };

static const char *build_arg(const struct lowering *l, const char *name)
{
    return l->options->build_args ? map_find(l->options->build_args, name) : NULL;
}

static bool is_proxy(const char *name)
{
    for (size_t i = 0; i < COUNT(proxy_args); i++)
        if (strcasecmp(name, proxy_args[i]) == 0)
            return true;
    return false;
}

static bool is_control(const char *name)
{
    for (size_t i = 0; i < COUNT(control_args); i++)
        if (str_starts_with(name, control_args[i]))
            return true;
    return is_proxy(name);
}

static char *in_case(struct arena *arena, const char *text, int (*convert)(int))
{
    char *copy = arena_strdup(arena, text);
    for (char *c = copy; *c; c++)
        *c = (char)convert((unsigned char)*c);
    return copy;
}

/* Programs read either case, so both are set. */
static void make_private_env(struct lowering *l)
{
    const struct map *args = l->options->build_args;
    size_t count = 0;
    const char **env = arena_alloc(l->arena, args ? 2 * args->count + 1 : 1, sizeof *env);
    for (size_t i = 0; args && i < args->count; i++) {
        const char *name = args->entries[i].key;
        const char *value = args->entries[i].value;
        if (!is_proxy(name))
            continue;
        env[count++] = arena_printf(l->arena, "%s=%s", in_case(l->arena, name, toupper), value);
        env[count++] = arena_printf(l->arena, "%s=%s", in_case(l->arena, name, tolower), value);
    }
    l->private_env = count ? env : NULL;
}

static void set_builtin(struct lowering *l, const char *prefix, const char *name, const char *value)
{
    const char *full = arena_printf(l->arena, "%s%s", prefix, name);
    const char *given = build_arg(l, full);
    map_set(&l->globals, full, arena_strdup(l->arena, given ? given : value));
    map_set(&l->default_globals, full, arena_strdup(l->arena, value));
    map_set(&l->global_names, full, l);
}

static void set_platform(struct lowering *l, const char *prefix, const struct platform *p)
{
    char text[PLATFORM_TEXT_SIZE];
    platform_print(p, text);
    set_builtin(l, prefix, "PLATFORM", text);
    set_builtin(l, prefix, "OS", p->os);
    set_builtin(l, prefix, "OSVERSION", "");
    set_builtin(l, prefix, "ARCH", p->arch);
    set_builtin(l, prefix, "VARIANT", p->variant);
}

static void set_builtins(struct lowering *l)
{
    struct platform host = platform_host();
    const char *target = l->options->target;
    const char *last = l->df->stages[l->df->stage_count - 1].name;
    set_platform(l, "BUILD", &host);
    set_platform(l, "TARGET", &l->options->platform);
    target = target && *target ? target : last;
    set_builtin(l, "TARGET", "STAGE", target ? in_case(l->arena, target, tolower) : "default");
}

static void add_names(struct map *names, const struct instruction *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct instruction *in = list[i].inner ? list[i].inner : &list[i];
        if (in->verb->kind != VERB_ARG)
            continue;
        for (size_t k = 0; k < in->word_count; k++)
            map_set(names, in->words[k].text, names);
    }
}

static void report_unused(const struct lowering *l)
{
    const struct map *args = l->options->build_args;
    struct map declared = { 0 };
    if (!l->options->unused_build_args || !args)
        return;
    add_names(&declared, l->df->globals, l->df->global_count);
    for (size_t i = 0; i < l->df->stage_count; i++)
        add_names(&declared, l->df->stages[i].first, l->df->stages[i].count);
    for (size_t i = 0; i < args->count; i++) {
        const char *name = args->entries[i].key;
        if (!map_find(&declared, name) && !map_find(&l->globals, name) && !is_control(name))
            strvec_push(l->options->unused_build_args, name);
    }
    map_release(&declared);
}

struct expander global_expander(struct lowering *l)
{
    return (struct expander){ .arena = l->arena,
                              .variables = &l->globals,
                              .escape = l->df->directives.escape,
                              .left = l->expansion_left };
}

/* What it is without a build argument, for the checks. */
static void define_default(struct lowering *l, const struct word *w)
{
    auto_(error) struct error ignored = { 0 };
    const char *value = NULL;
    struct expander e = global_expander(l);
    e.variables = &l->default_globals;
    if (w->value && expand_word(&e, w->value, &value, &ignored) == 0)
        map_set(&l->default_globals, w->text, arena_strdup(l->arena, value));
    l->expansion_left = e.left;
}

static int define_globals(struct lowering *l, const struct instruction *in, struct error *err)
{
    for (size_t i = 0; i < in->word_count; i++) {
        const struct word *w = &in->words[i];
        const char *value = build_arg(l, w->text);
        struct expander e = global_expander(l);
        if (!value && w->value && expand_word(&e, w->value, &value, err) < 0)
            return error_word(in, w->offset, err);
        l->expansion_left = e.left;
        if (value)
            map_set(&l->globals, w->text, arena_strdup(l->arena, value));
        map_set(&l->global_names, w->text, l);
        define_default(l, w);
    }
    return 0;
}

int args_globals(struct lowering *l, struct error *err)
{
    set_builtins(l);
    make_private_env(l);
    for (size_t i = 0; i < l->df->global_count; i++)
        TRY(define_globals(l, &l->df->globals[i], err));
    report_unused(l);
    return 0;
}

/* They steer the scanning of the image, and no step sees them. */
static bool is_hidden(const char *name)
{
    return strcmp(name, "BUILDKIT_SBOM_SCAN_CONTEXT") == 0 ||
           strcmp(name, "BUILDKIT_SBOM_SCAN_STAGE") == 0;
}

static void declare(struct stage_state *s, const char *name)
{
    if (map_find(&s->arg_names, name))
        return;
    map_set(&s->arg_names, name, s);
    GROW(s->args, s->arg_count, s->arg_cap);
    s->args[s->arg_count++] = name;
}

int lower_arg(struct lowering *l, struct stage_state *s, const struct instruction *in,
              struct error *err)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    strbuf_addstr(&text, "ARG");
    for (size_t i = 0; i < in->word_count; i++) {
        const struct word *w = &in->words[i];
        const char *value = build_arg(l, w->text);
        struct word of_default = { .text = w->value, .offset = w->offset };
        if (!value && w->value)
            TRY(stage_expand(l, s, in, &of_default, &value, err));
        if (!value)
            value = map_find(&l->globals, w->text);
        declare(s, w->text);
        if (value && !is_hidden(w->text))
            stage_env_set(l, s, w->text, value);
        strbuf_addf(&text, value ? " %s=%s" : " %s", w->text, value ? value : "");
    }
    stage_add_history(l, s, text.buf, NULL);
    return 0;
}
