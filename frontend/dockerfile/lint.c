/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/dockerfile/lint.h"

#include <assert.h>
#include <stdarg.h>

#include "lib/base/mem.h"
#include "lib/base/strbuf.h"

#define ALL         (~0U)
#define RULE_PAGES  "https://docs.docker.com/go/dockerfile/rule/"
#define CHECK_LABEL "check="

static const struct lint_rule_text rules[] = {
    [LINT_CONSISTENT_INSTRUCTION_CASING] = { "ConsistentInstructionCasing",
                                             "All commands within the Dockerfile should use the "
                                             "same casing (either upper or lower)",
                                             "consistent-instruction-casing", false },
    [LINT_COPY_IGNORED_FILE] = { "CopyIgnoredFile",
                                 "Attempting to Copy file that is excluded by .dockerignore",
                                 "copy-ignored-file", false },
    [LINT_DUPLICATE_STAGE_NAME] = { "DuplicateStageName", "Stage names should be unique",
                                    "duplicate-stage-name", false },
    [LINT_EXPOSE_INVALID_FORMAT] = { "ExposeInvalidFormat",
                                     "IP address and host-port mapping should not be used in "
                                     "EXPOSE instruction. This will become an error in a future "
                                     "release",
                                     "expose-invalid-format", false },
    [LINT_EXPOSE_PROTO_CASING] = { "ExposeProtoCasing",
                                   "Protocol in EXPOSE instruction should be lowercase",
                                   "expose-proto-casing", false },
    [LINT_FROM_AS_CASING] = { "FromAsCasing",
                              "The 'as' keyword should match the case of the 'from' keyword",
                              "from-as-casing", false },
    [LINT_FROM_PLATFORM_FLAG_CONST_DISALLOWED] = { "FromPlatformFlagConstDisallowed",
                                                   "FROM --platform flag should not use a constant "
                                                   "value",
                                                   "from-platform-flag-const-disallowed", false },
    [LINT_INVALID_BASE_IMAGE_PLATFORM] = { "InvalidBaseImagePlatform",
                                           "Base image platform does not match expected target "
                                           "platform",
                                           NULL, false },
    [LINT_INVALID_DEFAULT_ARG_IN_FROM] = { "InvalidDefaultArgInFrom",
                                           "Default value for global ARG results in an empty or "
                                           "invalid base image name",
                                           "invalid-default-arg-in-from", false },
    [LINT_INVALID_DEFINITION_DESCRIPTION] = { "InvalidDefinitionDescription",
                                              "Comment for build stage or argument should follow "
                                              "the format: `# <arg/stage name> "
                                              "<description>`. If this is not intended to be a "
                                              "description comment, add an empty line "
                                              "or comment between the instruction and the comment.",
                                              "invalid-definition-description", true },
    [LINT_JSON_ARGS_RECOMMENDED] = { "JSONArgsRecommended",
                                     "JSON arguments recommended for ENTRYPOINT/CMD to prevent "
                                     "unintended behavior related to OS signals",
                                     "json-args-recommended", false },
    [LINT_LEGACY_KEY_VALUE_FORMAT] = { "LegacyKeyValueFormat",
                                       "Legacy key/value format with whitespace separator should "
                                       "not be used",
                                       "legacy-key-value-format", false },
    [LINT_MAINTAINER_DEPRECATED] = { "MaintainerDeprecated",
                                     "The MAINTAINER instruction is deprecated, use a label "
                                     "instead to define an image author",
                                     "maintainer-deprecated", false },
    [LINT_MULTIPLE_INSTRUCTIONS_DISALLOWED] = { "MultipleInstructionsDisallowed",
                                                "Multiple instructions of the same type should not "
                                                "be used in the same stage",
                                                "multiple-instructions-disallowed", false },
    [LINT_NO_EMPTY_CONTINUATION] = { "NoEmptyContinuation",
                                     "Empty continuation lines will become errors in a future "
                                     "release",
                                     "no-empty-continuation", false },
    [LINT_REDUNDANT_TARGET_PLATFORM] = { "RedundantTargetPlatform",
                                         "Setting platform to predefined $TARGETPLATFORM in FROM "
                                         "is redundant as this is the default behavior",
                                         "redundant-target-platform", false },
    [LINT_RESERVED_STAGE_NAME] = { "ReservedStageName",
                                   "Reserved words should not be used as stage names",
                                   "reserved-stage-name", false },
    [LINT_SECRETS_USED_IN_ARG_OR_ENV] = { "SecretsUsedInArgOrEnv",
                                          "Sensitive data should not be used in the ARG or ENV "
                                          "commands",
                                          "secrets-used-in-arg-or-env", false },
    [LINT_STAGE_NAME_CASING] = { "StageNameCasing", "Stage names should be lowercase",
                                 "stage-name-casing", false },
    [LINT_UNDEFINED_ARG_IN_FROM] = { "UndefinedArgInFrom", "FROM command must use declared ARGs",
                                     "undefined-arg-in-from", false },
    [LINT_UNDEFINED_VAR] = { "UndefinedVar", "Variables should be defined before their use",
                             "undefined-var", false },
    [LINT_WORKDIR_RELATIVE_PATH] = { "WorkdirRelativePath",
                                     "Relative workdir without an absolute workdir declared within "
                                     "the build can have unexpected results if the base image "
                                     "changes",
                                     "workdir-relative-path", false },
};
static_assert(COUNT(rules) == LINT_RULE_COUNT, "a row for each rule");
static_assert(LINT_RULE_COUNT < 32, "rules are bits");

const struct lint_rule_text *lint_rule_text(enum lint_rule rule)
{
    return &rules[rule];
}

char *lint_rule_url(enum lint_rule rule)
{
    return rules[rule].page ? xasprintf(RULE_PAGES "%s/", rules[rule].page) : xstrdup("");
}

/* Names that are no rule of ours may be those of a newer builder, and are no error. */
static unsigned read_rules(struct str list)
{
    unsigned bits = 0;
    if (str_equal(str_trim(list, " \t"), str_of("all")))
        return ALL;
    while (list.len) {
        struct str name = str_trim(str_cut(&list, ','), " \t");
        for (size_t i = 0; i < COUNT(rules); i++) {
            if (str_equal(name, str_of(rules[i].name)))
                bits |= 1U << i;
        }
    }
    return bits;
}

static int read_bool(struct str text, bool *out, struct error *err)
{
    static const char *const words[] = { "1", "t", "T", "true",  "TRUE",  "True",
                                         "0", "f", "F", "false", "FALSE", "False" };
    for (size_t i = 0; i < COUNT(words); i++) {
        if (str_equal(text, str_of(words[i]))) {
            *out = i < COUNT(words) / 2;
            return 0;
        }
    }
    return error_set(err, ERROR_USER, 0, "failed to parse check option \"error=%.*s\"",
                     (int)text.len, text.ptr);
}

/* "skip=A,B;error=true;experimental=all" */
static int read_config(struct lint *lint, struct str text, struct error *err)
{
    while (text.len) {
        struct str value = str_cut(&text, ';');
        struct str name = str_trim(str_cut(&value, '='), " \t");
        if (str_equal(name, str_of("skip"))) {
            lint->skipped |= read_rules(value);
        } else if (str_equal(name, str_of("experimental"))) {
            lint->experimental |= read_rules(value);
        } else if (str_equal(name, str_of("error"))) {
            TRY(read_bool(str_trim(value, " \t"), &lint->is_error, err));
        } else {
            error_set(err, ERROR_USER, 0, "invalid check option \"%.*s\"", (int)name.len, name.ptr);
            return error_hint(err, "options are skip, error and experimental");
        }
    }
    return 0;
}

int lint_init(struct lint *lint, const struct dockerfile *df, const char *config, struct error *err)
{
    const char *text = config ? config : df->directives.check;
    *lint = (struct lint){ .df = df };
    return text ? read_config(lint, str_trim(str_of(text), " \t"), err) : 0;
}

/* `# check=skip=A,B` right above the instruction; what follows a blank is a remark. */
static unsigned skipped_above(const struct instruction *in)
{
    unsigned bits = 0;
    for (size_t i = 0; i < in->line.comment_count; i++) {
        struct str text = str_of(in->line.comments[i]);
        if (!str_starts_with(text.ptr, CHECK_LABEL))
            continue;
        struct lint own = { 0 };
        auto_(error) struct error ignored = { 0 };
        text.ptr += strlen(CHECK_LABEL);
        text.len -= strlen(CHECK_LABEL);
        if (read_config(&own, str_cut(&text, ' '), &ignored) == 0)
            bits |= own.skipped;
    }
    return bits;
}

static bool is_wanted(const struct lint *lint, enum lint_rule rule, const struct instruction *in)
{
    unsigned bit = 1U << rule;
    if (rules[rule].experimental)
        return lint->experimental & bit;
    return !((lint->skipped | skipped_above(in)) & bit);
}

static bool is_known(const struct lint *lint, enum lint_rule rule, int line, const char *detail)
{
    for (size_t i = lint->count; i > 0; i--) {
        const struct lint_warning *w = &lint->warnings[i - 1];
        if (w->rule == rule && w->where.line == line && strcmp(w->detail, detail) == 0)
            return true;
    }
    return false;
}

void lint_warn(struct lint *lint, enum lint_rule rule, const struct instruction *in,
               const char *fmt, ...)
{
    auto_(strbuf) struct strbuf text = STRBUF_INIT;
    va_list args;
    if (!lint || !is_wanted(lint, rule, in))
        return;
    va_start(args, fmt);
    strbuf_vaddf(&text, fmt, args);
    va_end(args);
    struct position where = in->line.where;
    where.column = 0;
    if (rule == LINT_NO_EMPTY_CONTINUATION)
        where.line = where.end_line;
    if (is_known(lint, rule, where.line, text.buf))
        return;
    GROW(lint->warnings, lint->count, lint->cap);
    lint->warnings[lint->count++] = (struct lint_warning){ rule, strbuf_detach(&text), where };
}

/* Stable, and the list is nearly sorted already. */
void lint_sort(struct lint *lint)
{
    for (size_t i = 1; i < lint->count; i++) {
        struct lint_warning w = lint->warnings[i];
        size_t k = i;
        for (; k > 0 && lint->warnings[k - 1].where.line > w.where.line; k--)
            lint->warnings[k] = lint->warnings[k - 1];
        lint->warnings[k] = w;
    }
}

int lint_verdict(const struct lint *lint, struct error *err)
{
    auto_(strbuf) struct strbuf names = STRBUF_INIT;
    unsigned seen = 0;
    if (!lint->is_error || lint->count == 0)
        return 0;
    for (size_t i = 0; i < lint->count; i++) {
        enum lint_rule rule = lint->warnings[i].rule;
        if (!(seen & (1U << rule)))
            strbuf_addf(&names, "%s%s", seen ? ", " : "", rules[rule].name);
        seen |= 1U << rule;
    }
    return error_set(err, ERROR_GATE, 0, "lint violation found for rules: %s", names.buf);
}

void lint_release(struct lint *lint)
{
    for (size_t i = 0; i < lint->count; i++)
        free(lint->warnings[i].detail);
    free(lint->warnings);
    *lint = (struct lint){ 0 };
}
