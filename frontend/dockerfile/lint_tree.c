/* SPDX-License-Identifier: Apache-2.0 */
/* The checks that look at the tree alone: spelling, casing, forms, names of stages, comments. */
#include <ctype.h>

#include "frontend/dockerfile/lint.h"
#include "lib/base/map.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

static bool is_lower(const char *word)
{
    return word[strcspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static bool is_upper(const char *word)
{
    return word[strcspn(word, "abcdefghijklmnopqrstuvwxyz")] == '\0';
}

typedef void instruction_fn(struct lint *lint, const struct instruction *in, void *arg);

/* FROM and what follows it, of all stages. The ARGs above the first FROM are no commands to the
 * rules about commands. */
static void each_command(struct lint *lint, instruction_fn *fn, void *arg)
{
    for (size_t i = 0; i < lint->df->stage_count; i++) {
        const struct stage *s = &lint->df->stages[i];
        fn(lint, s->from, arg);
        for (size_t k = 0; k < s->count; k++)
            fn(lint, &s->first[k], arg);
    }
}

struct casing {
    size_t lower, upper;
};

static void count_casing(struct lint *lint, const struct instruction *in, void *arg)
{
    struct casing *c = arg;
    (void)lint;
    c->lower += is_lower(in->spelling);
    c->upper += is_upper(in->spelling);
}

static void check_casing(struct lint *lint, const struct instruction *in, void *arg)
{
    const struct casing *c = arg;
    bool to_lower = c->lower > c->upper;
    if (to_lower ? is_lower(in->spelling) : is_upper(in->spelling))
        return;
    lint_warn(lint, LINT_CONSISTENT_INSTRUCTION_CASING, in,
              "Command '%s' should match the case of the command majority (%s)", in->spelling,
              to_lower ? "lowercase" : "uppercase");
}

static void check_from(struct lint *lint, const struct instruction *from)
{
    if (from->word_count != 3)
        return;
    const char *as = from->words[1].text;
    const char *name = from->words[2].text;
    if (!is_lower(name))
        lint_warn(lint, LINT_STAGE_NAME_CASING, from, "Stage name '%s' should be lowercase", name);
    if ((is_lower(from->spelling) && !is_lower(as)) || (is_upper(from->spelling) && !is_upper(as)))
        lint_warn(lint, LINT_FROM_AS_CASING, from, "'%s' and '%s' keywords' casing do not match",
                  as, from->spelling);
}

/* A comment right above ARG or FROM ... AS is its description, and begins with its name; for ARG,
 * `stage_name` is NULL. */
static void check_description(struct lint *lint, const struct instruction *in,
                              const char *stage_name)
{
    if (in->line.comment_count == 0)
        return;
    const char *comment = in->line.comments[in->line.comment_count - 1];
    size_t len = strcspn(comment, " ");
    size_t count = stage_name ? 1 : in->word_count;
    for (size_t i = 0; i < count; i++) {
        const char *name = stage_name ? stage_name : in->words[i].text;
        if (strlen(name) == len && strncmp(name, comment, len) == 0)
            return;
    }
    if (str_starts_with(comment, "check="))
        return;
    lint_warn(lint, LINT_INVALID_DEFINITION_DESCRIPTION, in,
              "Comment for %s should follow the format: `# %s <description>`", in->verb->name,
              count > 1    ? "<arg_key>"
              : stage_name ? stage_name
                           : in->words[0].text);
}

static void check_form(struct lint *lint, const struct instruction *in, void *arg)
{
    (void)arg;
    if (in->line.blank_line)
        lint_warn(lint, LINT_NO_EMPTY_CONTINUATION, in, "Empty continuation line");
    if (in->verb->kind == VERB_MAINTAINER)
        lint_warn(lint, LINT_MAINTAINER_DEPRECATED, in,
                  "Maintainer instruction is deprecated in favor of using label");
    if (in->verb->kind == VERB_FROM)
        check_from(lint, in);
    if (in->verb->kind == VERB_ARG)
        check_description(lint, in, NULL);
}

static void check_stage_names(struct lint *lint)
{
    auto_(map) struct map seen = { 0 };
    for (size_t i = 0; i < lint->df->stage_count; i++) {
        const struct stage *s = &lint->df->stages[i];
        if (!s->name)
            continue;
        if (strcmp(s->name, "scratch") == 0 || strcmp(s->name, "context") == 0)
            lint_warn(lint, LINT_RESERVED_STAGE_NAME, s->from,
                      "Stage name should not use the same name as reserved stage \"%s\"", s->name);
        if (map_find(&seen, s->name))
            lint_warn(lint, LINT_DUPLICATE_STAGE_NAME, s->from,
                      "Duplicate stage name \"%s\", stage names should be unique", s->name);
        map_set(&seen, s->name, lint);
    }
}

void lint_forms(struct lint *lint)
{
    for (size_t i = 0; i < lint->df->global_count; i++)
        check_form(lint, &lint->df->globals[i], NULL);
    each_command(lint, check_form, NULL);
    for (size_t i = 0; i < lint->df->stage_count; i++) {
        const struct stage *s = &lint->df->stages[i];
        if (s->name)
            check_description(lint, s->from, s->name);
    }
}

void lint_tree(struct lint *lint)
{
    struct casing casing = { 0 };
    each_command(lint, count_casing, &casing);
    each_command(lint, check_casing, &casing);
    lint_forms(lint);
    check_stage_names(lint);
}
