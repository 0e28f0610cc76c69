/* SPDX-License-Identifier: Apache-2.0 */
/* The checks that need what the lowering knows: variables, what went before in a stage, images. */
#include "frontend/dockerfile/lower_internal.h"

#include "lib/base/mem.h"
#include "lib/base/path.h"
#include "lib/base/str.h"
#include "lib/fs/pattern.h"
#include "lib/oci/reference.h"

/* A name that is made of words with '_' between; `list` is NULL-terminated. */
static bool has_word(const char *name, const char *const *list)
{
    while (*name) {
        size_t len = strcspn(name, "_");
        for (const char *const *word = list; *word; word++) {
            if (strlen(*word) == len && strncasecmp(name, *word, len) == 0)
                return true;
        }
        name += len + (name[len] != '\0');
    }
    return false;
}

static bool is_secret(const char *name)
{
    static const char *const secret[] = { "apikey", "auth",     "credential", "credentials",
                                          "key",    "password", "pword",      "passwd",
                                          "secret", "token",    NULL };
    static const char *const harmless[] = { "public", "file", "version", NULL };
    return has_word(name, secret) && !has_word(name, harmless);
}

static void check_secrets(struct lint *lint, const struct instruction *in)
{
    for (size_t i = 0; i < in->word_count; i++) {
        if (is_secret(in->words[i].text)) {
            lint_warn(lint, LINT_SECRETS_USED_IN_ARG_OR_ENV, in,
                      "Do not use ARG or ENV instructions for sensitive data (%s \"%s\")",
                      in->spelling, in->words[i].text);
        }
    }
}

static const char *nearest_key(const char *name, const struct map *map)
{
    auto_free const char **keys = xcalloc(map->count + 1, sizeof *keys);
    for (size_t i = 0; i < map->count; i++)
        keys[i] = map->entries[i].key;
    return str_nearest(name, keys, map->count);
}

static void check_variables(struct lint *lint, const struct stage_state *s,
                            const struct instruction *in)
{
    for (size_t i = 0; i < s->met.count; i++) {
        const char *name = s->met.entries[i].key;
        if (expand_met_set(&s->met.entries[i]) || map_find(&s->arg_names, name) ||
            str_starts_with(name, "BUILDKIT_SBOM_SCAN_"))
            continue;
        const char *near = nearest_key(name, &s->env);
        lint_warn(lint, LINT_UNDEFINED_VAR, in,
                  near ? "Usage of undefined variable '$%s' (did you mean $%s?)"
                       : "Usage of undefined variable '$%s'",
                  name, near);
    }
}

/* Only the last CMD, ENTRYPOINT and HEALTHCHECK of a stage counts; the one before is shown. */
static void check_once(struct lint *lint, struct stage_state *s, const struct instruction *in,
                       enum lint_once which)
{
    if (s->once[which]) {
        lint_warn(lint, LINT_MULTIPLE_INSTRUCTIONS_DISALLOWED, s->once[which],
                  "Multiple %s instructions should not be used in the same stage because only the "
                  "last one will be used",
                  in->spelling);
    }
    s->once[which] = in;
}

static void check_command(struct lint *lint, struct stage_state *s, const struct instruction *in,
                          enum lint_once which)
{
    check_once(lint, s, in, which);
    if (!in->json && s->config.shell.count == 0) {
        lint_warn(lint, LINT_JSON_ARGS_RECOMMENDED, in,
                  "JSON arguments recommended for %s to prevent unintended behavior related to OS "
                  "signals",
                  in->spelling);
    }
}

void lint_instruction(struct lowering *l, struct stage_state *s, const struct instruction *in)
{
    struct lint *lint = l->options->lint;
    if (!lint)
        return;
    if (in->legacy) {
        lint_warn(lint, LINT_LEGACY_KEY_VALUE_FORMAT, in,
                  "\"%s key=value\" should be used instead of legacy \"%s key value\" format",
                  in->verb->name, in->verb->name);
    }
    if (in->verb->kind == VERB_ENV || in->verb->kind == VERB_ARG)
        check_secrets(lint, in);
    if (in->verb->kind == VERB_CMD)
        check_command(lint, s, in, LINT_ONCE_CMD);
    if (in->verb->kind == VERB_ENTRYPOINT)
        check_command(lint, s, in, LINT_ONCE_ENTRYPOINT);
    if (in->verb->kind == VERB_HEALTHCHECK)
        check_once(lint, s, in, LINT_ONCE_HEALTHCHECK);
    /* What an image that is not looked at defines is not known. */
    if (s->base_known)
        check_variables(lint, s, in);
    map_release(&s->met);
}

void lint_workdir(struct lowering *l, struct stage_state *s, const struct instruction *in,
                  const char *path)
{
    if (path[0] != '/' && !s->workdir_set) {
        lint_warn(l->options->lint, LINT_WORKDIR_RELATIVE_PATH, in,
                  "Relative workdir \"%s\" can have unexpected results if the base image changes",
                  path);
    }
    s->workdir_set = true;
}

void lint_expose(struct lowering *l, const struct instruction *in, const char *port)
{
    const char *protocol = strrchr(port, '/');
    if (protocol && protocol[strcspn(protocol, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")]) {
        lint_warn(l->options->lint, LINT_EXPOSE_PROTO_CASING, in,
                  "Defined protocol '%s' in EXPOSE instruction should be lowercase", port);
    }
    if (strchr(port, ':')) {
        lint_warn(l->options->lint, LINT_EXPOSE_INVALID_FORMAT, in,
                  "EXPOSE instruction should not define an IP address or host-port mapping, found "
                  "'%s'",
                  port);
    }
}

/* Does the ignore file leave nothing at all? */
static bool excludes_all(const struct pattern_list *ignore)
{
    return pattern_list_has(ignore, "*") || pattern_list_has(ignore, "**") ||
           pattern_list_has(ignore, "**/*");
}

void lint_source(struct lowering *l, const struct instruction *in, const char *source)
{
    const struct pattern_list *ignore = l->options->ignore;
    if (!l->options->lint || !ignore || ignore->has_exceptions)
        return;
    auto_free char *path = path_clean(source);
    const char *inside = path[0] == '/' ? path + 1 : path;
    bool is_root = !*inside || strcmp(inside, ".") == 0;
    if (is_root ? excludes_all(ignore) : pattern_list_excludes(ignore, inside, NULL)) {
        lint_warn(l->options->lint, LINT_COPY_IGNORED_FILE, in,
                  "Attempting to %s file \"%s\" that is excluded by .dockerignore",
                  in->verb->kind == VERB_ADD ? "Add" : "Copy", path);
    }
}

const char *lint_undefined_args(struct lowering *l, const struct stage_state *s,
                                const struct map *met)
{
    const char *first = NULL;
    for (size_t i = 0; i < met->count; i++) {
        const char *name = met->entries[i].key;
        if (expand_met_set(&met->entries[i]) || map_find(&l->global_names, name))
            continue;
        const char *near = nearest_key(name, &l->global_names);
        lint_warn(l->options->lint, LINT_UNDEFINED_ARG_IN_FROM, s->stage->from,
                  near ? "FROM argument '%s' is not declared (did you mean %s?)"
                       : "FROM argument '%s' is not declared",
                  name, near);
        first = first ? first : near;
    }
    return first;
}

/* A platform that no variable chooses, unless the name of the stage tells of it. */
static void check_constant(struct lowering *l, const struct stage_state *s, const char *text)
{
    const char *name = s->stage->name ? s->stage->name : "";
    if (strstr(name, s->platform.os) || strstr(name, s->platform.arch))
        return;
    lint_warn(l->options->lint, LINT_FROM_PLATFORM_FLAG_CONST_DISALLOWED, s->stage->from,
              "FROM --platform flag should not use constant value \"%s\"", text);
}

void lint_platform(struct lowering *l, const struct stage_state *s, const struct map *met,
                   const char *written, const char *text)
{
    const char *target = map_find(&l->globals, "TARGETPLATFORM");
    if (!l->options->lint)
        return;
    if (met->count == 0)
        check_constant(l, s, text);
    else if (met->count == 1 && strcmp(met->entries[0].key, "TARGETPLATFORM") == 0 && target &&
             strcmp(text, target) == 0) {
        lint_warn(l->options->lint, LINT_REDUNDANT_TARGET_PLATFORM, s->stage->from,
                  "Setting platform to predefined %s in FROM is redundant as this is the default "
                  "behavior",
                  written);
    }
}

/* The name that FROM has when nobody gives a build argument. */
static void check_default(struct lowering *l, const struct stage_state *s)
{
    const struct instruction *from = s->stage->from;
    const char *name = NULL;
    auto_(reference) struct reference ref = { 0 };
    auto_(error) struct error invalid = { 0 };
    struct expander e = { .arena = l->arena,
                          .variables = &l->default_globals,
                          .escape = l->df->directives.escape,
                          .left = l->expansion_left };
    if (expand_word(&e, from->words[0].text, &name, &invalid) < 0)
        return;
    l->expansion_left = e.left;
    if (reference_parse(name, &ref, &invalid) < 0) {
        lint_warn(l->options->lint, LINT_INVALID_DEFAULT_ARG_IN_FROM, from,
                  "Default value for ARG %s results in empty or invalid base image name",
                  from->words[0].text);
    }
}

void lint_base(struct lowering *l, const struct stage_state *s, const struct map *met)
{
    if (!l->options->lint)
        return;
    lint_undefined_args(l, s, met);
    check_default(l, s);
}

void lint_image(struct lowering *l, const struct stage_state *s)
{
    char pulled[PLATFORM_TEXT_SIZE];
    char expected[PLATFORM_TEXT_SIZE];
    const struct platform *is = &s->image->config.platform;
    if (strcmp(is->os, s->platform.os) == 0 && strcmp(is->arch, s->platform.arch) == 0)
        return;
    platform_print(is, pulled);
    platform_print(&s->platform, expected);
    lint_warn(l->options->lint, LINT_INVALID_BASE_IMAGE_PLATFORM, s->stage->from,
              "Base image %s was pulled with platform \"%s\", expected \"%s\" for current build",
              s->stage->from->words[0].text, pulled, expected);
}
