/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint: build checks: BuildKit's rules, with the same names, texts and places. Those that need the
 * tree alone are in lint_tree.c; those that need variables, stages or images are raised where the
 * lowering meets them.
 *
 *     auto_(lint) struct lint lint = { 0 };
 *     TRY(lint_init(&lint, df, config, err));
 *     lint_tree(&lint);
 *     dockerfile_lower(... .lint = &lint ...);
 *     lint_sort(&lint);
 *     for (size_t i = 0; i < lint.count; i++) ... lint.warnings[i] ...
 *
 * What is skipped never gets in: by `# check=skip=A,B` (or `all`) at the top of the file, by the
 * same in a comment right above an instruction. Experimental rules have to be asked for.
 */
#ifndef FRONTEND_DOCKERFILE_LINT_H
#define FRONTEND_DOCKERFILE_LINT_H

#include "frontend/dockerfile/dockerfile.h"

enum lint_rule {
    LINT_CONSISTENT_INSTRUCTION_CASING,
    LINT_COPY_IGNORED_FILE,
    LINT_DUPLICATE_STAGE_NAME,
    LINT_EXPOSE_INVALID_FORMAT,
    LINT_EXPOSE_PROTO_CASING,
    LINT_FROM_AS_CASING,
    LINT_FROM_PLATFORM_FLAG_CONST_DISALLOWED,
    LINT_INVALID_BASE_IMAGE_PLATFORM,
    LINT_INVALID_DEFAULT_ARG_IN_FROM,
    LINT_INVALID_DEFINITION_DESCRIPTION,
    LINT_JSON_ARGS_RECOMMENDED,
    LINT_LEGACY_KEY_VALUE_FORMAT,
    LINT_MAINTAINER_DEPRECATED,
    LINT_MULTIPLE_INSTRUCTIONS_DISALLOWED,
    LINT_NO_EMPTY_CONTINUATION,
    LINT_REDUNDANT_TARGET_PLATFORM,
    LINT_RESERVED_STAGE_NAME,
    LINT_SECRETS_USED_IN_ARG_OR_ENV,
    LINT_STAGE_NAME_CASING,
    LINT_UNDEFINED_ARG_IN_FROM,
    LINT_UNDEFINED_VAR,
    LINT_WORKDIR_RELATIVE_PATH,
    LINT_RULE_COUNT
};

struct lint_rule_text {
    const char *name;        /* "StageNameCasing" */
    const char *description; /* of the rule */
    const char *page;        /* last part of its page's address, or NULL */
    bool experimental;
};

struct lint_warning {
    enum lint_rule rule;
    char *detail; /* of the case */
    struct position where;
};

struct lint {
    const struct dockerfile *df;
    unsigned skipped;      /* bits by enum lint_rule */
    unsigned experimental; /* those that were asked for */
    bool is_error;         /* error=true: a warning fails the build */
    struct lint_warning *warnings;
    size_t count, cap;
};

const struct lint_rule_text *lint_rule_text(enum lint_rule rule);
/* The address of the rule's page; "" if it has none. The caller frees it. */
char *lint_rule_url(enum lint_rule rule);

/* `config` (BUILDKIT_DOCKERFILE_CHECK) stands in for the file's `# check=`; NULL: the file's
 * counts. Errors: USER (an option that there is not). */
int lint_init(struct lint *lint, const struct dockerfile *df, const char *config,
              struct error *err) MUST_CHECK;
/* The rules that look at one instruction at a time; all that can be said of half a file. */
void lint_forms(struct lint *lint);
/* The rules that need nothing but the tree, for all stages. */
void lint_tree(struct lint *lint);
/* A finding of the instruction `in`; `lint` NULL: nobody wants it. The same one is kept once. */
void lint_warn(struct lint *lint, enum lint_rule rule, const struct instruction *in,
               const char *fmt, ...) PRINTF_LIKE(4, 5);
/* By line, then in the order in which they were found. */
void lint_sort(struct lint *lint);
/* With error=true and any warning: GATE, naming the rules. */
int lint_verdict(const struct lint *lint, struct error *err) MUST_CHECK;
void lint_release(struct lint *lint);
DEFINE_AUTO(lint, struct lint, lint_release(value))

#endif
