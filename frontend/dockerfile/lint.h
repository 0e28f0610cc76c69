/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint: build checks: the 22 rules of BuildKit, with the same names, texts and places. Rules that
 * need the tree alone are in lint_tree.c; those that need variables, stages or images are raised
 * where the lowering meets them, by lint_warn.
 *
 *     struct lint lint;
 *     lint_init(&lint, df, config, ...);   config: BUILDKIT_DOCKERFILE_CHECK, or NULL
 *     lint_tree(&lint);
 *     dockerfile_lower(... .lint = &lint ...);
 *     lint.warnings[0 .. lint.count)       sorted by lint_sort
 *     lint_release(&lint);
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

#endif
